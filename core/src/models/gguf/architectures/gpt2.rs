//! GPT-2: learned positions, one tensor for query, key and value, matrices the other way round than HuggingFace's.

use serde_json::{Value, json};

use super::super::{Gguf, keys};
use super::Architecture;
use crate::error::Result;

pub(super) const ARCHITECTURE: Architecture = Architecture {
    name: "gpt2",
    settings,
    layers: "transformer.h.",
    parts: &[&[
        ("ln_1", "attn_norm"),
        ("attn.c_attn", "attn_qkv"),
        ("attn.c_proj", "attn_output"),
        ("ln_2", "ffn_norm"),
        ("mlp.c_fc", "ffn_up"),
        ("mlp.c_proj", "ffn_down"),
    ]],
    outside: &[
        ("transformer.wte.weight", "token_embd.weight"),
        ("transformer.wpe.weight", "position_embd.weight"),
        ("transformer.ln_f.weight", "output_norm.weight"),
        ("transformer.ln_f.bias", "output_norm.bias"),
        ("lm_head.weight", "output.weight"),
    ],
    interleaved: false,
    transposed: true,
};

fn settings(file: &Gguf) -> Result<Value> {
    let header = file.header();
    let key = |rest: &str| format!("gpt2.{rest}");
    let d_model = header.needed(&key("embedding_length"))?;
    keys::check_head_width(&header, "gpt2", d_model / file.heads)?;
    let mut settings = json!({
        "model_type": "gpt2",
        "n_embd": d_model,
        "n_layer": header.needed(&key("block_count"))?,
        "n_head": file.heads,
        "n_inner": header.needed(&key("feed_forward_length"))?,
        "n_positions": header.needed(&key("context_length"))?,
        "vocab_size": file.vocab()?,
        "activation_function": "gelu_new",
        "tie_word_embeddings": !file.has("output.weight"),
    });
    if let Some(epsilon) = header.number(&key("attention.layer_norm_epsilon"))? {
        settings["layer_norm_epsilon"] = json!(epsilon);
    }
    Ok(settings)
}
