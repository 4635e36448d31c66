//! Any bytes as the weights of a tiny model: described and loaded, or refused in one sentence.
#![no_main]

use libfuzzer_sys::fuzz_target;
use umbra_core::models::{Card, Model, Opening};

const CONFIG: &str = r#"{"model_type": "gpt2", "n_embd": 4, "n_head": 1, "n_layer": 1, "n_positions": 4, "vocab_size": 8}"#;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("room for a folder");
    std::fs::write(folder.path().join("config.json"), CONFIG).expect("room for a file");
    std::fs::write(folder.path().join("model.safetensors"), bytes).expect("room for a file");
    let described = Card::of(folder.path(), Opening::default());
    let loaded = Model::open(folder.path());
    assert!(described.is_ok() || loaded.is_err(), "loaded what cannot be described");
    if let Err(refused) = described {
        assert_eq!(refused.to_string().lines().count(), 1);
    }
});
