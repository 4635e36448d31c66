//! Phi-3: Llama's shape with query, key and value in one tensor, and gate and up; heads that may turn in part; `longrope`.

use serde_json::{Value, json};

use super::Family;
use super::gated::{Gated, Place};
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;
use crate::models::rope::Keys;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;

pub(super) const FAMILY: Family = Family {
    names: &["phi3"],
    defaults,
    build,
};

fn defaults() -> Value {
    json!({
        "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
        "num_attention_heads": 32, "hidden_act": "silu", "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
        "rope_theta": 10000.0, "partial_rotary_factor": 1.0,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    settings.refuse(&["attention_bias", "mlp_bias"])?;
    let mut gated = Gated::read(settings, "phi3", "hidden_act")?;
    gated.fused = true;
    let window = settings.count_or_off("sliding_window")?;
    gated.place = Box::new(move |_| Place { window, rope: 0 });
    let mut keys = Keys::read(settings, "rope_theta")?;
    keys.fill("partial_rotary_factor", "partial_rotary_factor");
    match keys.kind()? {
        "default" | "longrope" => {}
        // Older names.
        "su" | "yarn" => keys.rename("longrope"),
        other => return Err(settings.unsupported(&format!("the rope type `{other}`"))),
    }
    gated.ropes = vec![keys.rope(gated.config.d_head, gated.config.context)?];
    gated.build(fetch)
}
