//! Gemma 2: norms before and behind attention and MLP whose stored weights lack 1, embeddings scaled by √d, soft caps on scores and logits, a sliding
//! window in every other layer, a query scale of its own.

use serde_json::{Value, json};

use super::Family;
use super::gated::{Biases, Gated, Norms, Place};
use super::parts;
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;
use crate::models::rope::Keys;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;

pub(super) const FAMILY: Family = Family {
    names: &["gemma2"],
    defaults,
    build,
};

/// Our own key for files whose norms already hold 1 + w, as GGUF has them.
pub(in crate::models) const WHOLE_NORMS: &str = "norm_weights_hold_one";

fn defaults() -> Value {
    json!({
        "vocab_size": 256_000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "tie_word_embeddings": true, "attention_bias": false,
        "query_pre_attn_scalar": 256, "sliding_window": 4096, "final_logit_softcapping": 30.0,
        "attn_logit_softcapping": 50.0, "rope_theta": 10000.0,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    let mut gated = gemma(settings, "gemma2")?;
    gated.rule.cap = settings.positive_if_any("attn_logit_softcapping")?;
    let layers = gated.config.layers;
    let listed = parts::layer_types(settings, layers)?;
    let slides = move |layer: usize| match &listed {
        Some(listed) => listed[layer],
        None => layer.is_multiple_of(2),
    };
    let window = parts::window(settings)?;
    gated.place = Box::new(move |layer| Place {
        window: slides(layer).then_some(window),
        rope: 0,
    });
    let rope = Keys::read(settings, "rope_theta")?.whole()?;
    gated.ropes = vec![rope.rope(gated.config.d_head, gated.config.context)?];
    gated.build(fetch)
}

/// Reads the settings that Gemma 2 and Gemma 3 share.
pub(super) fn gemma(settings: &Settings, family: &'static str) -> Result<Gated> {
    settings.refuse(&["use_bidirectional_attention", "mlp_bias"])?;
    let mut gated = Gated::read(settings, family, "hidden_activation")?;
    let attention = settings.flag("attention_bias")?;
    gated.biases = Biases {
        qkv: attention,
        output: attention,
        mlp: false,
    };
    gated.norms = Norms {
        heads: false,
        behind: true,
    };
    gated.norm_offset = if settings.flag(WHOLE_NORMS)? {
        0.0
    } else {
        1.0
    };
    gated.rule.scale = settings.positive("query_pre_attn_scalar")?.sqrt().recip();
    gated.logit_cap = settings.positive_if_any("final_logit_softcapping")?;
    gated.embed_scale = Some((gated.config.d_model as f64).sqrt());
    Ok(gated)
}
