//! Any bytes as the `config.json` of a model, which no tensor backs: refused in one sentence, whatever it claims and whatever it is opened with.
#![no_main]

use libfuzzer_sys::fuzz_target;
use umbra_core::models::{Card, Footprint, Form, Opening, Processing};

/// A safetensors file without tensors.
const NO_TENSORS: &[u8] = b"\x08\0\0\0\0\0\0\0{}      ";

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("room for a folder");
    std::fs::write(folder.path().join("config.json"), bytes).expect("room for a file");
    std::fs::write(folder.path().join("model.safetensors"), NO_TENSORS).expect("room for a file");
    for opening in [
        Opening::default(),
        Opening {
            form: Form::Stored,
            processing: Processing::transformer_lens(),
            ..Opening::default()
        },
    ] {
        let refused = Card::of(folder.path(), opening).expect_err("a model without tensors");
        assert_eq!(refused.to_string().lines().count(), 1, "{refused}");
        drop(Footprint::of(folder.path(), opening));
    }
});
