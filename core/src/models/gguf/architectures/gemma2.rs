//! Gemma 2: every other layer slides, soft caps; its norms already hold 1 + w.

use serde_json::Value;

use super::super::Gguf;
use super::{Architecture, gated};
use crate::error::Result;

/// Layers of the 27B model, whose query scale goes by d/heads.
const LARGEST: usize = 46;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "gemma2",
    settings,
    layers: "model.layers.",
    parts: &[gated::PROJECTIONS, gated::NORMS_BEHIND],
    outside: gated::OUTSIDE,
    interleaved: false,
    transposed: false,
};

fn settings(file: &Gguf) -> Result<Value> {
    let mut settings = gated::gemma(file, LARGEST, (2, gated::Unnamed::Usual))?;
    settings["rope_parameters"] = gated::rope(file, 10_000.0)?;
    Ok(settings)
}
