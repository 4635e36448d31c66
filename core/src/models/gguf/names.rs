//! GGUF tensor names for HuggingFace ones, and how the stored tensor differs.

/// What must be done to a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing.
    AsStored,
    /// `[out, in]` there, `[in, out]` here.
    Transposed,
    /// Rows of query heads with rotation pairs side by side.
    Query,
    /// The same of key heads.
    Key,
}

const LLAMA: [(&str, &str); 9] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

const GPT2: [(&str, &str); 6] = [
    ("ln_1", "attn_norm"),
    ("attn.c_attn", "attn_qkv"),
    ("attn.c_proj", "attn_output"),
    ("ln_2", "ffn_norm"),
    ("mlp.c_fc", "ffn_up"),
    ("mlp.c_proj", "ffn_down"),
];

const OUTSIDE: [(&str, &str); 8] = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("lm_head.weight", "output.weight"),
    ("rope_freqs.weight", "rope_freqs.weight"),
    ("transformer.wte.weight", "token_embd.weight"),
    ("transformer.wpe.weight", "position_embd.weight"),
    ("transformer.ln_f.weight", "output_norm.weight"),
    ("transformer.ln_f.bias", "output_norm.bias"),
];

/// The stored name of `name` in a file of `family`, or none if there is no such tensor in that family.
pub(super) fn stored(family: &str, name: &str) -> Option<(String, Place)> {
    if let Some((_, stored)) = OUTSIDE.iter().find(|(ours, _)| *ours == name) {
        return Some(((*stored).to_owned(), Place::AsStored));
    }
    let (prefix, parts): (_, &[_]) = match family {
        "llama" => ("model.layers.", &LLAMA),
        "gpt2" => ("transformer.h.", &GPT2),
        _ => return None,
    };
    let (layer, rest) = name.strip_prefix(prefix)?.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let (_, stored) = parts.iter().find(|(ours, _)| *ours == part)?;
    let place = match (family, part, kind) {
        ("llama", "self_attn.q_proj", _) => Place::Query,
        ("llama", "self_attn.k_proj", _) => Place::Key,
        ("gpt2", _, "weight") if !part.starts_with("ln_") => Place::Transposed,
        _ => Place::AsStored,
    };
    Some((format!("blk.{layer}.{stored}.{kind}"), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_llama_cpp() {
        let stored = |family: &str, name: &str| stored(family, name).map(|(name, _)| name);
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(
            stored("llama", "model.layers.11.self_attn.q_proj.weight"),
            some("blk.11.attn_q.weight")
        );
        assert_eq!(
            stored("gpt2", "transformer.h.0.mlp.c_fc.bias"),
            some("blk.0.ffn_up.bias")
        );
        assert_eq!(stored("llama", "lm_head.weight"), some("output.weight"));
        assert_eq!(stored("llama", "embed_tokens.weight"), None);
    }
}
