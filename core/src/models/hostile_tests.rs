//! Weights and tokenizers that lie: one sentence each, no panic, nothing allocated before the check.

use std::path::{Path, PathBuf};

use super::*;

fn golden() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/tiny-gpt2"
    ))
}

/// A copy of a model whose weights are `weights`.
fn with_weights(weights: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json"] {
        std::fs::copy(golden().join(name), folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("model.safetensors"), weights).unwrap();
    folder
}

fn refused(folder: &Path) -> String {
    let error = Model::open(folder).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

/// The golden weights with a changed header, its length told truly.
fn with_header(change: impl Fn(&str) -> String) -> Vec<u8> {
    let bytes = std::fs::read(golden().join("model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    let changed = change(header);
    assert_ne!(changed, header);
    let mut all = (changed.len() as u64).to_le_bytes().to_vec();
    all.extend(changed.as_bytes());
    all.extend(&bytes[8 + length..]);
    all
}

#[test]
fn headers_that_lie_are_refused() {
    let bytes = std::fs::read(golden().join("model.safetensors")).unwrap();
    let mut endless = bytes.clone();
    endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let huge = "1152921504606846976";
    for weights in [
        Vec::new(),
        bytes[..7].to_vec(),
        bytes[..bytes.len() - 1].to_vec(),
        endless,
        with_header(|header| header.replace("[512,32]", &format!("[{huge},{huge}]"))),
        with_header(|header| header.replace("[512,32]", &format!("[{huge},32]"))),
        with_header(|header| header.replace("[512,32]", "[512,33]")),
        with_header(|header| header.replacen("\"data_offsets\":[0,", "\"data_offsets\":[9,", 1)),
        with_header(|header| header.replacen("\"F32\"", "\"F99\"", 1)),
        with_header(|header| header.replacen('{', "[", 1)),
    ] {
        let error = refused(with_weights(&weights).path());
        assert!(
            error.contains("is not a complete safetensors file"),
            "{error}"
        );
    }
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let mut bytes = std::fs::read(golden().join("model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for bad in [f32::NAN, f32::NEG_INFINITY] {
        let at = 8 + length + 4 * 1000;
        bytes[at..at + 4].copy_from_slice(&bad.to_le_bytes());
        let error = refused(with_weights(&bytes).path());
        assert!(
            error.contains("transformer.h.") && error.contains("entry"),
            "{error}"
        );
    }
}

#[test]
fn a_shard_that_is_not_there_or_elsewhere_is_named() {
    for (shard, wanted) in [
        ("model-1.safetensors", "model-1.safetensors"),
        ("../a", "../a"),
    ] {
        let folder = with_weights(&[]);
        std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        let index = serde_json::json!({"weight_map": {"transformer.wte.weight": shard}});
        let path = folder.path().join("model.safetensors.index.json");
        std::fs::write(path, index.to_string()).unwrap();
        let error = refused(folder.path());
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn a_tokenizer_that_is_none_or_too_large_is_told() {
    let folder = with_weights(&std::fs::read(golden().join("model.safetensors")).unwrap());
    let path = folder.path().join("tokenizer.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(folder.path()).contains("tokenizer.json"));

    let mut larger: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let tokens = larger["added_tokens"].as_array_mut().unwrap();
    let mut beyond = tokens[0].clone();
    beyond["id"] = 512.into();
    beyond["content"] = "<|beyond|>".into();
    tokens.push(beyond);
    std::fs::write(&path, larger.to_string()).unwrap();
    let (model, notes) = Model::open(folder.path()).unwrap();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("513") && note.contains("512"))
    );
    let tokens = model.codec().encode("a<|beyond|>").unwrap();
    let error = model
        .logits(&token_tensor(&[&tokens]).unwrap())
        .unwrap_err();
    assert!(error.to_string().contains("512"), "{error}");
}
