//! Llama and what llama.cpp files under its name (Mistral, SmolLM): the one architecture whose q and k rows are reordered.

use serde_json::{Value, json};

use super::super::Gguf;
use super::{Architecture, gated};
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "llama",
    settings,
    layers: "model.layers.",
    parts: &[gated::PROJECTIONS, gated::NORM_MLP],
    outside: gated::OUTSIDE,
    interleaved: true,
    transposed: false,
};

fn settings(file: &Gguf) -> Result<Value> {
    let mut settings = gated::settings(file, ("hidden_act", "silu"))?;
    let mut rope = gated::rope(file, 10_000.0)?;
    rope["partial_rotary_factor"] = json!(gated::turning_share(file, &settings)?);
    settings["rope_parameters"] = rope;
    settings["attention_bias"] = json!(file.has("blk.0.attn_q.bias"));
    settings["mlp_bias"] = json!(file.has("blk.0.ffn_gate.bias"));
    Ok(settings)
}
