//! Qwen2 and Qwen2.5: biases on query, key and value, rows in HuggingFace's order.

use serde_json::{Value, json};

use super::super::Gguf;
use super::{Architecture, gated};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "qwen2",
    settings,
    layers: "model.layers.",
    parts: &[gated::PROJECTIONS, gated::NORM_MLP],
    outside: gated::OUTSIDE,
    interleaved: false,
    transposed: false,
};

/// Converts a header of Qwen2 or Qwen3.
pub(super) fn settings(file: &Gguf) -> Result<Value> {
    let mut settings = gated::settings(file, ("hidden_act", "silu"))?;
    let mut rope = gated::rope(file, 10_000.0)?;
    rope["partial_rotary_factor"] = json!(gated::turning_share(file, &settings)?);
    settings["rope_parameters"] = rope;
    Ok(settings)
}
