//! Gemma 3, the text model: five layers that slide for one that does not, each kind with a rotation of its own, norms on query and key heads.

use serde_json::{Value, json};

use super::super::Gguf;
use super::{Architecture, gated};
use crate::error::Result;

/// Layers of the 27B model, whose query scale goes by d/heads.
const LARGEST: usize = 62;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "gemma3",
    settings,
    layers: "model.layers.",
    parts: &[gated::PROJECTIONS, gated::NORMS_BEHIND, gated::HEAD_NORMS],
    outside: gated::OUTSIDE,
    interleaved: false,
    transposed: false,
};

fn settings(file: &Gguf) -> Result<Value> {
    let mut settings = gated::gemma(file, LARGEST, (6, gated::Unnamed::NoWindow))?;
    let base = file.header().number("gemma3.rope.freq_base_swa")?;
    settings["rope_parameters"] = json!({
        "full_attention": gated::rope(file, 1_000_000.0)?,
        "sliding_attention": {"rope_type": "default", "rope_theta": base.unwrap_or(10_000.0)},
    });
    Ok(settings)
}
