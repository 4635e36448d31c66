//! Headers and tensors that Llama's descendants share.

use serde_json::{Value, json};

use super::super::{Gguf, keys};
use crate::error::{Error, Result};

/// Tensors of a layer with one norm before attention and one before the MLP.
pub(super) const PROJECTIONS: &[(&str, &str)] = &[
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// The norm before the MLP, where there is none behind attention.
pub(super) const NORM_MLP: &[(&str, &str)] = &[("post_attention_layernorm", "ffn_norm")];

/// Norms of query and key heads.
pub(super) const HEAD_NORMS: &[(&str, &str)] = &[
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
];

/// Norms before and behind attention and MLP.
pub(super) const NORMS_BEHIND: &[(&str, &str)] = &[
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

/// Tensors outside the layers.
pub(super) const OUTSIDE: &[(&str, &str)] = &[
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("lm_head.weight", "output.weight"),
    ("rope_freqs.weight", "rope_freqs.weight"),
];

/// Writes the keys that all have; a family adds its own.
pub(super) fn settings(file: &Gguf, activation: (&str, &str)) -> Result<Value> {
    let header = file.header();
    let key = |rest: &str| format!("{}.{rest}", file.name());
    let d_model = header.needed(&key("embedding_length"))?;
    let d_head = header
        .count(&key("attention.key_length"))?
        .unwrap_or(d_model / file.heads);
    keys::check_head_width(&header, file.name(), d_head)?;
    let mut settings = json!({
        "model_type": file.name(),
        "hidden_size": d_model,
        "num_hidden_layers": header.needed(&key("block_count"))?,
        "num_attention_heads": file.heads,
        "num_key_value_heads": file.kv_heads,
        "head_dim": d_head,
        "intermediate_size": header.needed(&key("feed_forward_length"))?,
        "max_position_embeddings": header.needed(&key("context_length"))?,
        "vocab_size": file.vocab()?,
        "tie_word_embeddings": !file.has("output.weight"),
    });
    if let Some(epsilon) = header.number(&key("attention.layer_norm_rms_epsilon"))? {
        settings["rms_norm_eps"] = json!(epsilon);
    }
    settings[activation.0] = json!(activation.1);
    Ok(settings)
}

/// Reads the rotation of the header; `base` where it names none.
pub(super) fn rope(file: &Gguf, base: f64) -> Result<Value> {
    let header = file.header();
    let key = |rest: &str| format!("{}.rope.{rest}", file.name());
    // As llama.cpp reads it: a factor without a type is linear, and `scale_linear` is its older name.
    let factor = match header.number(&key("scaling.factor"))? {
        Some(factor) => Some(factor),
        None => header.number(&key("scale_linear"))?,
    };
    let factor = factor.filter(|factor| *factor != 0.0);
    let kind = header
        .text_if_any(&key("scaling.type"))?
        .unwrap_or("linear");
    let theta = header.number(&key("freq_base"))?.unwrap_or(base);
    match (kind, factor) {
        ("none", _) | ("linear", None) => Ok(json!({"rope_theta": theta, "rope_type": "default"})),
        ("linear", Some(factor)) => {
            Ok(json!({"rope_theta": theta, "rope_type": "linear", "factor": factor}))
        }
        (kind, _) => Err(Error::Unsupported {
            what: format!("the rope type `{kind}` in {}", header.path().display()),
            remedy: "choose a model without it, or its HuggingFace folder".to_owned(),
        }),
    }
}

/// Reads the share of a head's dimensions that rotate.
pub(super) fn turning_share(file: &Gguf, settings: &Value) -> Result<f64> {
    let d_head = settings["head_dim"].as_f64().unwrap_or(1.0).max(1.0);
    let turning = file
        .header()
        .number(&format!("{}.rope.dimension_count", file.name()))?;
    Ok(turning.map_or(1.0, |dims| dims / d_head))
}

/// Window of a header that names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// The family's default.
    Usual,
    /// No window.
    NoWindow,
}

/// Writes the keys that both Gemmas add: norms that hold 1 + w, the query scale by size, which layers slide (all but every `pattern`th).
pub(super) fn gemma(
    file: &Gguf,
    largest: usize,
    (pattern, unnamed): (usize, Unnamed),
) -> Result<Value> {
    let header = file.header();
    let key = |rest: &str| format!("{}.{rest}", file.name());
    let mut settings = settings(file, ("hidden_activation", "gelu_pytorch_tanh"))?;
    let count = |name: &str| settings[name].as_u64().unwrap_or(1) as usize;
    let (layers, d_model) = (count("num_hidden_layers"), count("hidden_size"));
    // llama.cpp tells the 27B model by its number of layers; no key says it.
    let scalar = if layers == largest {
        d_model / file.heads
    } else {
        count("head_dim")
    };
    settings["query_pre_attn_scalar"] = json!(scalar);
    settings[crate::models::families::WHOLE_NORMS] = json!(true);
    let window = header.count(&key("attention.sliding_window"))?;
    // Where the header names no window, llama.cpp takes Gemma 2's own and lets no layer of Gemma 3 slide.
    let none = unnamed == Unnamed::NoWindow && window.unwrap_or(0) == 0;
    if let Some(window) = window.filter(|_| !none) {
        settings["sliding_window"] = json!(window);
    }
    let flags = header.flags(&key("attention.sliding_window_pattern"), layers)?;
    let pattern = match &flags {
        Some(_) => pattern,
        None => header
            .count(&key("attention.sliding_window_pattern"))?
            .unwrap_or(pattern),
    };
    let slides = |layer: usize| match &flags {
        _ if none => false,
        Some(flags) => flags[layer],
        None => pattern > 0 && layer % pattern < pattern - 1,
    };
    let layers = layers.min(1 << 16); // a claim that its tensors must still bear out
    let kind = |layer| {
        if slides(layer) {
            "sliding_attention"
        } else {
            "full_attention"
        }
    };
    settings["layer_types"] = (0..layers).map(kind).collect();
    for cap in ["attn_logit_softcapping", "final_logit_softcapping"] {
        if let Some(value) = header.number(&key(cap))? {
            settings[cap] = json!((value > 0.0).then_some(value));
        }
    }
    Ok(settings)
}
