//! Llama: rotary positions, RMSNorm, grouped key/value heads, gated MLP, optional biases.

use serde_json::{Value, json};

use super::Family;
use super::gated::{Biases, Gated};
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;
use crate::models::rope::Keys;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;

pub(super) const FAMILY: Family = Family {
    names: &["llama"],
    defaults,
    build,
};

fn defaults() -> Value {
    json!({
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
        "tie_word_embeddings": false, "attention_bias": false, "mlp_bias": false, "rope_theta": 10000.0,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    let mut gated = Gated::read(settings, "llama", "hidden_act")?;
    let attention = settings.flag("attention_bias")?;
    gated.biases = Biases {
        qkv: attention,
        output: attention,
        mlp: settings.flag("mlp_bias")?,
    };
    let rope = Keys::read(settings, "rope_theta")?.whole()?;
    gated.ropes = vec![rope.rope(gated.config.d_head, gated.config.context)?];
    gated.build(fetch)
}
