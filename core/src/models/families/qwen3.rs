//! Qwen3: Qwen2's windows, norms on each query and key head, biases only if asked for.

use serde_json::{Value, json};

use super::gated::{Biases, Gated, Norms};
use super::{Family, qwen2};
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;
use crate::models::rope::Keys;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;

pub(super) const FAMILY: Family = Family {
    names: &["qwen3"],
    defaults,
    build,
};

fn defaults() -> Value {
    json!({
        "vocab_size": 151_936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128, "hidden_act": "silu",
        "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "attention_bias": false,
        "use_sliding_window": false, "sliding_window": 4096, "max_window_layers": 28, "rope_theta": 10000.0,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    settings.refuse(&["mlp_bias", "use_mrope"])?;
    let mut gated = Gated::read(settings, "qwen3", "hidden_act")?;
    let attention = settings.flag("attention_bias")?;
    gated.biases = Biases {
        qkv: attention,
        output: attention,
        mlp: false,
    };
    gated.norms = Norms {
        heads: true,
        behind: false,
    };
    gated.place = qwen2::place(settings, gated.config.layers)?;
    let rope = Keys::read(settings, "rope_theta")?.whole()?;
    gated.ropes = vec![rope.rope(gated.config.d_head, gated.config.context)?];
    gated.build(fetch)
}
