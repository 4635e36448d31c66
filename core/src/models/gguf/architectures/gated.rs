//! What the headers and tensors of Llama's descendants have in common.

use serde_json::{Value, json};

use super::super::Gguf;
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

/// Keys that change what is computed and that none of these models is known to have.
const CHANGING: [&str; 9] = [
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "attention.output_scale",
    "attention.scale",
    "attention.temperature_length",
    "embedding_scale",
    "logit_scale",
    "residual_scale",
    "rope.scaling.attn_factor",
];

/// Keys that all have; a family adds its own.
pub(super) fn settings(file: &Gguf, activation: (&str, &str)) -> Result<Value> {
    let header = file.header();
    let key = |rest: &str| format!("{}.{rest}", file.name());
    if header.count(&key("expert_count")).is_some_and(|n| n > 0) {
        return Err(Error::Unsupported {
            what: format!("a mixture of experts in {}", header.path().display()),
            remedy: format!("choose a model without `{}`", key("expert_count")),
        });
    }
    if let Some(other) = CHANGING.iter().find(|rest| header.has(&key(rest))) {
        return Err(Error::Unsupported {
            what: format!("`{}` in {}", key(other), header.path().display()),
            remedy: "choose a model without it".to_owned(),
        });
    }
    let d_model = header.needed(&key("embedding_length"))?;
    let d_head = header
        .count(&key("attention.key_length"))
        .unwrap_or(d_model / file.heads);
    if let Some(values) = header.count(&key("attention.value_length"))
        && values != d_head
    {
        return Err(Error::Unsupported {
            what: format!(
                "a value width of {values} beside a key width of {d_head} in {}",
                header.path().display()
            ),
            remedy: "choose a model where they are equal".to_owned(),
        });
    }
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
    if let Some(epsilon) = header.number(&key("attention.layer_norm_rms_epsilon")) {
        settings["rms_norm_eps"] = json!(epsilon);
    }
    settings[activation.0] = json!(activation.1);
    Ok(settings)
}

/// The rotation of the header; `base` where it names none.
pub(super) fn rope(file: &Gguf, base: f64) -> Result<Value> {
    let header = file.header();
    let key = |rest: &str| format!("{}.rope.{rest}", file.name());
    let kind = header
        .text_if_any(&key("scaling.type"))
        .filter(|kind| *kind != "none")
        .unwrap_or("default");
    if !["default", "linear"].contains(&kind) {
        return Err(Error::Unsupported {
            what: format!("the rope type `{kind}` in {}", header.path().display()),
            remedy: "choose a model without it, or its HuggingFace folder".to_owned(),
        });
    }
    let mut rope = json!({
        "rope_theta": header.number(&key("freq_base")).unwrap_or(base),
        "rope_type": kind,
    });
    if let Some(factor) = header
        .number(&key("scaling.factor"))
        .filter(|_| kind == "linear")
    {
        rope["factor"] = json!(factor);
    }
    Ok(rope)
}

/// The share of a head's dimensions that turns.
pub(super) fn turning_share(file: &Gguf, settings: &Value) -> f64 {
    let d_head = settings["head_dim"].as_f64().unwrap_or(1.0).max(1.0);
    let turning = file
        .header()
        .number(&format!("{}.rope.dimension_count", file.name()));
    turning.map_or(1.0, |dims| dims / d_head)
}

/// What both Gemmas add: norms that hold 1 + w, the query scale by size, which layers slide.
pub(super) fn gemma(file: &Gguf, largest: usize, pattern: usize) -> Result<Value> {
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
    if let Some(window) = header.count(&key("attention.sliding_window")) {
        settings["sliding_window"] = json!(window);
    }
    let flags = header.flags(&key("attention.sliding_window_pattern"), layers)?;
    let pattern = header
        .count(&key("attention.sliding_window_pattern"))
        .unwrap_or(pattern);
    let slides = |layer: usize| match &flags {
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
        if let Some(value) = header.number(&key(cap)) {
            settings[cap] = json!((value > 0.0).then_some(value));
        }
    }
    Ok(settings)
}
