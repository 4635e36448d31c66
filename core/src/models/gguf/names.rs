//! GGUF tensor names for HuggingFace names, and how the stored tensor differs.

use super::architectures::Architecture;

/// Change that a stored tensor needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// No change.
    AsStored,
    /// Transposition: `[out, in]` in the file, `[in, out]` here.
    Transposed,
    /// Reordering of rows of query heads with rotation pairs side by side.
    Query,
    /// Reordering of rows of key heads.
    Key,
}

/// Returns the stored name of `name` in a file of `architecture`, or none if there is no such tensor in it.
pub(super) fn stored(architecture: &Architecture, name: &str) -> Option<(String, Place)> {
    let outside = architecture.outside.iter();
    if let Some((_, stored)) = outside.clone().find(|(ours, _)| *ours == name) {
        return Some(((*stored).to_owned(), Place::AsStored));
    }
    let (layer, rest) = name.strip_prefix(architecture.layers)?.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let mut parts = architecture.parts.iter().copied().flatten();
    let (_, stored) = parts.find(|(ours, _)| *ours == part)?;
    let place = match part {
        "self_attn.q_proj" if architecture.interleaved => Place::Query,
        "self_attn.k_proj" if architecture.interleaved => Place::Key,
        _ if architecture.transposed && kind == "weight" && !part.starts_with("ln_") => {
            Place::Transposed
        }
        _ => Place::AsStored,
    };
    Some((format!("blk.{layer}.{stored}.{kind}"), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_llama_cpp() {
        for (architecture, name, want) in [
            (
                "llama",
                "model.layers.11.self_attn.q_proj.weight",
                Some("blk.11.attn_q.weight"),
            ),
            (
                "gpt2",
                "transformer.h.0.mlp.c_fc.bias",
                Some("blk.0.ffn_up.bias"),
            ),
            ("llama", "lm_head.weight", Some("output.weight")),
            ("llama", "embed_tokens.weight", None),
            (
                "qwen2",
                "model.layers.0.post_attention_layernorm.weight",
                Some("blk.0.ffn_norm.weight"),
            ),
            (
                "qwen3",
                "model.layers.0.self_attn.q_norm.weight",
                Some("blk.0.attn_q_norm.weight"),
            ),
            (
                "gemma2",
                "model.layers.0.post_attention_layernorm.weight",
                Some("blk.0.post_attention_norm.weight"),
            ),
            (
                "gemma3",
                "model.layers.3.post_feedforward_layernorm.weight",
                Some("blk.3.post_ffw_norm.weight"),
            ),
            ("gemma2", "model.layers.0.self_attn.q_norm.weight", None),
        ] {
            let architecture = Architecture::named(architecture, "a.gguf".as_ref()).unwrap();
            let found = stored(architecture, name).map(|(name, _)| name);
            assert_eq!(found.as_deref(), want, "{name}");
        }
    }
}
