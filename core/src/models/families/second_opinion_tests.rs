//! A second opinion: candle-transformers' models on the same weights, for the families it has (no GPT-2, GPT-Neo, GPT-NeoX).
//!
//! Where the two part, transformers is with us: candle's windows see one key more than `sliding_window` says (`j + window < i` masks; transformers
//! masks `j <= i - window`), so it is given a window one shorter; its Gemmas scale scores by the head's width whatever `query_pre_attn_scalar` says, so
//! ours is told that width here; its Gemma 2 puts the window on every layer, transformers on every other one, so
//! that family is compared only where no window is full; its Gemma 3 takes one token at a time (more fail in its cache, whose window is the true one);
//! its Qwen2 uses the window even with `use_sliding_window` off, so it is given a wide one; its
//! Qwen3 has no window and its Phi-3 ignores it.

use std::path::PathBuf;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models as theirs;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::models::Model;

fn folder(tiny: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden"))
        .join(format!("tiny-{tiny}"))
}

fn parsed<T: DeserializeOwned>(config: &Value) -> T {
    serde_json::from_value(config.clone()).unwrap()
}

/// Logits of the last of `tokens` by candle's model, `[v]`.
fn opinion(tiny: &str, config: &Value, tokens: &Tensor) -> Result<Tensor> {
    let weights = std::fs::read(folder(tiny).join("model.safetensors"))?;
    let vb = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
    let logits = match tiny {
        "llama" => {
            let config = parsed::<theirs::llama::LlamaConfig>(config).into_config(false);
            let mut cache = theirs::llama::Cache::new(false, DType::F32, &config, &Device::Cpu)?;
            theirs::llama::Llama::load(vb, &config)?.forward(tokens, 0, &mut cache)?
        }
        "mistral" => theirs::mistral::Model::new(&parsed(config), vb)?.forward(tokens, 0)?,
        "qwen2" => theirs::qwen2::ModelForCausalLM::new(&parsed(config), vb)?.forward(tokens, 0)?,
        "qwen3" => theirs::qwen3::ModelForCausalLM::new(&parsed(config), vb)?.forward(tokens, 0)?,
        "gemma2" => theirs::gemma2::Model::new(false, &parsed(config), vb)?.forward(tokens, 0)?,
        "gemma3" => {
            let mut model = theirs::gemma3::Model::new(false, &parsed(config), vb)?;
            let step = |i: usize| model.forward(&tokens.narrow(1, i, 1)?, i);
            let steps: Result<Vec<_>> = (0..tokens.dim(1)?).map(step).collect();
            steps?.remove(tokens.dim(1)? - 1)
        }
        _ => theirs::phi3::Model::new(&parsed(config), vb)?.forward(tokens, 0)?,
    };
    logits.flatten_all()
}

/// Our model, its scores scaled by the head's width.
fn ours(tiny: &str) -> Model {
    let text = std::fs::read_to_string(folder(tiny).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    if config.get("query_pre_attn_scalar").is_some() {
        config["query_pre_attn_scalar"] = config["head_dim"].clone();
    }
    let copy = tempfile::tempdir().unwrap();
    std::fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    let weights = "model.safetensors";
    std::fs::copy(folder(tiny).join(weights), copy.path().join(weights)).unwrap();
    Model::open(copy.path()).unwrap().0
}

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    let off = (a - b).unwrap().abs().unwrap();
    off.max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn candle_has_the_same_logits_on_the_same_weights() {
    for (tiny, lengths) in [
        ("llama", [1, 8, 32]),
        ("mistral", [1, 8, 32]),
        ("qwen2", [1, 8, 32]),
        ("qwen3", [1, 8, 32]),
        ("gemma2", [1, 5, 8]),
        ("gemma3", [1, 8, 32]),
        ("phi3", [1, 8, 32]),
    ] {
        let text = std::fs::read_to_string(folder(tiny).join("config-v4.json")).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        if config.get("rope_theta").is_none() {
            config["rope_theta"] = json!(10000.0);
        }
        config["sliding_window"] = match (tiny, config["sliding_window"].as_u64()) {
            ("qwen2", _) => json!(1000),
            ("gemma2", _) | (_, None) => Value::Null,
            ("gemma3", Some(window)) => json!(window),
            (_, Some(window)) => json!(window - 1),
        };
        let model = ours(tiny);
        for t in lengths {
            let ids: Vec<u32> = (0..t).map(|i| i * 97 % 512).collect();
            let tokens = Tensor::new(ids, &Device::Cpu)
                .unwrap()
                .unsqueeze(0)
                .unwrap();
            let ours = model.logits(&tokens).unwrap();
            let ours = ours
                .narrow(1, t as usize - 1, 1)
                .unwrap()
                .flatten_all()
                .unwrap();
            let theirs = opinion(tiny, &config, &tokens).unwrap();
            let off = difference(&ours, &theirs);
            assert!(off < 1e-4, "{tiny} at {t} tokens: {off}");
            let other = opinion(tiny, &config, &((&tokens + 1.0).unwrap())).unwrap();
            assert!(
                difference(&ours, &other) > 1e-3,
                "{tiny} gives the same for any token"
            );
        }
    }
}
