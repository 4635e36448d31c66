//! Mistral: Llama's shape with a sliding window in every layer.

use serde_json::{Value, json};

use super::Family;
use super::gated::{Gated, Place};
use super::parts;
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;
use crate::models::rope::Keys;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;

pub(super) const FAMILY: Family = Family {
    names: &["mistral"],
    defaults,
    build,
};

fn defaults() -> Value {
    json!({
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_act": "silu", "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "sliding_window": 4096, "rope_theta": 10000.0,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    settings.refuse(&["attention_bias", "mlp_bias"])?;
    let mut gated = Gated::read(settings, "mistral", "hidden_act")?;
    let window = settings.count_or_off("sliding_window")?;
    // All layers are equal: a list that differs belongs to another family.
    if let Some(sliding) = parts::layer_types(settings, gated.config.layers)?
        && sliding.iter().any(|sliding| *sliding != window.is_some())
    {
        return Err(settings.unsupported("`layer_types` against `sliding_window`"));
    }
    gated.place = Box::new(move |_| Place { window, rope: 0 });
    let rope = Keys::read(settings, "rope_theta")?.whole()?;
    gated.ropes = vec![rope.rope(gated.config.d_head, gated.config.context)?];
    gated.build(fetch)
}
