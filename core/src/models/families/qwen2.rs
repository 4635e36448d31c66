//! Qwen2 and Qwen2.5: Llama's shape with biases on query, key and value, and a sliding window in the upper layers if switched on.

use serde_json::{Value, json};

use super::Family;
use super::gated::{Biases, Gated, Place};
use super::parts;
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;
use crate::models::rope::Keys;
use crate::models::settings::Settings;
use crate::models::weights::Fetch;

pub(super) const FAMILY: Family = Family {
    names: &["qwen2"],
    defaults,
    build,
};

fn defaults() -> Value {
    json!({
        "vocab_size": 151_936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "use_sliding_window": false, "sliding_window": 4096,
        "max_window_layers": 28, "rope_theta": 10000.0,
    })
}

fn build(settings: &Settings, fetch: &Fetch<'_>) -> Result<(Config, Decoder)> {
    settings.refuse(&["mlp_bias", "use_mrope"])?;
    let mut gated = Gated::read(settings, "qwen2", "hidden_act")?;
    gated.biases = Biases {
        qkv: true,
        ..Biases::default()
    };
    gated.place = place(settings, gated.config.layers)?;
    let rope = Keys::read(settings, "rope_theta")?.whole()?;
    gated.ropes = vec![rope.rope(gated.config.d_head, gated.config.context)?];
    gated.build(fetch)
}

/// Returns the window by layer: of the layers that `layer_types` names, else from `max_window_layers` on.
pub(super) fn place(settings: &Settings, layers: usize) -> Result<Box<dyn Fn(usize) -> Place>> {
    let listed = parts::layer_types(settings, layers)?;
    let on = settings.flag("use_sliding_window")?;
    let window = if on {
        settings.count_or_off("sliding_window")?
    } else {
        None
    };
    if let Some(sliding) = listed {
        let window = match (window, sliding.contains(&true)) {
            (None, true) => Some(parts::window(settings)?),
            _ => window,
        };
        if !on && sliding.contains(&true) {
            return Err(settings.unsupported("sliding `layer_types` without `use_sliding_window`"));
        }
        return Ok(Box::new(move |layer| Place {
            window: window.filter(|_| sliding[layer]),
            rope: 0,
        }));
    }
    // 0 is a number here: every layer slides.
    let first = settings.number("max_window_layers")?.unwrap_or(0.0);
    Ok(Box::new(move |layer| Place {
        window: window.filter(|_| layer as f64 >= first),
        rope: 0,
    }))
}
