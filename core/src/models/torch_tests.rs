//! Folders as they were before safetensors and tokenizer.json, held against what transformers makes of them (`tests/golden/torch_folders.py`).

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};

use super::{Card, Model, Opening, read_tensors};

fn golden(path: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/torch-folders");
    Path::new(folder).join(path)
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    let off = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
    off.max(0).unwrap().to_scalar().unwrap()
}

#[test]
fn checkpoints_of_pytorch_give_the_logits_of_transformers() {
    for (folder, values, kinds) in [
        ("single", "logits.safetensors", vec!["F32"]),
        ("sharded", "sharded-logits.safetensors", vec!["F32", "BF16"]),
    ] {
        let (model, _) = Model::open(&golden(folder)).unwrap();
        let mut values = read_tensors(&golden(values)).unwrap();
        let tokens = values.remove("tokens").unwrap();
        let tokens = tokens.to_dtype(DType::U32).unwrap();
        let off = largest_difference(&model.logits(&tokens).unwrap(), &values["logits"]);
        assert!(off < 1e-4, "{folder}: {off}");
        // Buffers and the tied unembedding are no parameters.
        let (card, _) = Card::from_path(&golden(folder), Opening::default()).unwrap();
        assert_eq!(card.footprint.parameters, model.config().parameters as u64);
        let stored: Vec<&str> = card
            .footprint
            .stored
            .iter()
            .map(|(kind, _)| *kind)
            .collect();
        assert_eq!(stored, kinds);
        assert_eq!(card.footprint.files.len(), kinds.len());
    }
    let (other, _) = Model::open(&golden("sharded")).unwrap();
    let mut values = read_tensors(&golden("logits.safetensors")).unwrap();
    let tokens = values
        .remove("tokens")
        .unwrap()
        .to_dtype(DType::U32)
        .unwrap();
    let off = largest_difference(&other.logits(&tokens).unwrap(), &values["logits"]);
    assert!(off > 1e-4, "rounded weights give other values: {off}");
}

#[test]
fn what_is_no_checkpoint_of_weights_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let refused = |words: &[&str]| {
        let said = Model::open(folder.path()).unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    put(
        "config.json",
        &std::fs::read(golden("single/config.json")).unwrap(),
    );
    refused(&["model.safetensors", "pytorch_model.bin", "give a folder"]);
    let whole = std::fs::read(golden("single/pytorch_model.bin")).unwrap();
    put("pytorch_model.bin", &whole[..whole.len() / 2]);
    refused(&["pytorch_model.bin", "no checkpoint of weights"]);
    // Calls os.system.
    put(
        "pytorch_model.bin",
        b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.",
    );
    refused(&["pytorch_model.bin"]);
    std::fs::remove_file(folder.path().join("pytorch_model.bin")).unwrap();
    let shard = "pytorch_model-00001-of-00002.bin";
    put(
        shard,
        &std::fs::read(golden("sharded").join(shard)).unwrap(),
    );
    let index = format!(
        "{{\"weight_map\": {{\"transformer.wte.weight\": \"{shard}\", \"z\": \"{shard}\"}}}}"
    );
    put("pytorch_model.bin.index.json", index.as_bytes());
    refused(&["pytorch_model.bin.index.json", "z is missing from "]);
    put(
        "pytorch_model.bin.index.json",
        b"{\"weight_map\": {\"a\": \"../a.bin\"}}",
    );
    refused(&["`../a.bin`", "not beside it"]);
}

#[test]
fn safetensors_come_before_a_checkpoint_of_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tiny-gpt2");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(Path::new(tiny).join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("pytorch_model.bin"), b"not looked at").unwrap();
    assert!(Model::open(folder.path()).is_ok());
}
