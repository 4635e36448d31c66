//! Qwen3: Qwen2 with norms on query and key heads; biases where the file has them.

use serde_json::{Value, json};

use super::super::Gguf;
use super::{Architecture, gated, qwen2};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "qwen3",
    settings,
    layers: "model.layers.",
    parts: &[gated::PROJECTIONS, gated::NORM_MLP, gated::HEAD_NORMS],
    outside: gated::OUTSIDE,
    interleaved: false,
    transposed: false,
};

fn settings(file: &Gguf) -> Result<Value> {
    let mut settings = qwen2::settings(file)?;
    settings["attention_bias"] = json!(file.has("blk.0.attn_q.bias"));
    Ok(settings)
}
