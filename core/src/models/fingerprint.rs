//! Fingerprint of a model: a hash of its settings, its tokenizer, and the name, type, shape and a sample of the bytes of each tensor.
//!
//! A sample is 64 KiB at most, in four pieces from the tensor's first byte to its last: a model that is trained further, merged or quantised differs in all of
//! them, and a model of any size is identified in moments. The place of a tensor (one file or shards) and keys that only name the writer do not count.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::weights::{Weights, is_buffer};
use crate::error::{Error, Result};

/// Version of the fingerprint: raised when a model gets another one.
const FORM: &str = "umbra model 1";
/// Most bytes of a tensor that are hashed.
const SAMPLE: usize = 64 << 10;
/// Number of pieces of a sample.
const PIECES: usize = 4;
/// Keys of settings that do not affect what is computed.
const IDLE_SETTINGS: [&str; 8] = [
    "_name_or_path",
    "_attn_implementation",
    "architectures",
    "auto_map",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "use_cache",
];
/// Keys of `tokenizer.json` that programs set while they run.
const IDLE_TOKENIZER: [&str; 3] = ["padding", "truncation", "version"];
/// Files of a tokenizer beside `tokenizer.json`.
const TOKENIZERS: [&str; 3] = ["vocab.json", "merges.txt", "tokenizer.model"];

/// State of a file: path, length, time of writing.
type Seen = (PathBuf, u64, Option<SystemTime>);

/// Fingerprints by the states of their files.
fn known() -> &'static Mutex<HashMap<Vec<Seen>, String>> {
    static KNOWN: OnceLock<Mutex<HashMap<Vec<Seen>, String>>> = OnceLock::new();
    KNOWN.get_or_init(Mutex::default)
}

/// Runs `compute` once as long as `files` stay the same.
pub(super) fn once(files: &[PathBuf], compute: impl FnOnce() -> Result<String>) -> Result<String> {
    let seen = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        let path = path.canonicalize().ok()?;
        Some((path, metadata.len(), metadata.modified().ok()))
    };
    let key: Vec<Seen> = files.iter().filter_map(seen).collect();
    let all = || known().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all().get(&key).filter(|_| key.len() == files.len()) {
        return Ok(known.clone());
    }
    let computed = compute()?;
    if key.len() == files.len() {
        all().insert(key, computed.clone());
    }
    Ok(computed)
}

/// Computes the hex SHA-256; `tokenizer` comes from [`tokenizer_of`] or a file's header.
pub(super) fn compute(settings: &Value, tokenizer: &[u8], weights: &dyn Weights) -> Result<String> {
    let mut hash = Sha256::new();
    let mut settings = settings.clone();
    without(&mut settings, &IDLE_SETTINGS);
    hash.update(format!("{FORM}\n{}\n", canonical(&settings)));
    hash.update(Sha256::digest(tokenizer));
    let mut entries = weights.entries();
    entries.retain(|entry| !is_buffer(&entry.name));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let (shape, bytes) = weights.stored(&entry.name)?;
        hash.update(format!("{} {} {shape:?}\n", entry.name, entry.kind));
        hash.update(Sha256::digest(sample(&bytes)));
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// Reads the tokenizer of `folder` with its keys sorted, and its files.
pub(super) fn tokenizer_of(folder: &Path) -> Result<(Vec<u8>, Vec<PathBuf>)> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|e| Error::io("cannot read the tokenizer", path, e))
    };
    let whole = folder.join("tokenizer.json");
    if whole.exists() {
        let bytes = read(&whole)?;
        let parsed = serde_json::from_slice(&bytes).map(|mut value: Value| {
            without(&mut value, &IDLE_TOKENIZER);
            canonical(&value).into_bytes()
        });
        return Ok((parsed.unwrap_or(bytes), vec![whole]));
    }
    let (mut bytes, mut files) = (Vec::new(), Vec::new());
    for name in TOKENIZERS {
        let path = folder.join(name);
        if path.exists() {
            bytes.extend(name.bytes().chain(read(&path)?));
            files.push(path);
        }
    }
    Ok((bytes, files))
}

fn without(value: &mut Value, keys: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, value| !keys.contains(&key.as_str()) && !value.is_null());
        // Settings of a part, as multimodal models have.
        object
            .values_mut()
            .filter(|value| value.is_object())
            .for_each(|value| without(value, keys));
    }
}

/// Writes JSON with keys sorted.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<_> = object.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            let pairs = keys.into_iter();
            let pairs = pairs.map(|(key, value)| format!("{key:?}:{}", canonical(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
        }
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(canonical).collect();
            format!("[{}]", all.join(","))
        }
        Value::Number(number) => number
            .as_f64()
            .map_or_else(|| number.to_string(), |n| n.to_string()),
        other => other.to_string(),
    }
}

/// Takes [`SAMPLE`] bytes of `bytes` in [`PIECES`], or all of them.
fn sample(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() <= SAMPLE {
        return bytes.to_vec();
    }
    let piece = SAMPLE / PIECES;
    let last = bytes.len() - piece;
    (0..PIECES)
        .flat_map(|i| {
            let start = last / (PIECES - 1) * i;
            let start = if i + 1 == PIECES { last } else { start };
            &bytes[start..start + piece]
        })
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::models::Model;

    fn repository(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
    }

    fn copied(to: &Path) {
        let from = repository("tests/golden/tiny-gpt2");
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
            }
        }
    }

    fn of_folder(folder: &Path) -> String {
        Model::open(folder).unwrap().0.fingerprint().to_owned()
    }

    #[test]
    fn what_is_the_same_model_has_the_same_one_and_a_changed_weight_another() {
        let folder = tempfile::tempdir().unwrap();
        copied(folder.path());
        let own = of_folder(&repository("tests/golden/tiny-gpt2"));
        assert_eq!(own.len(), 64);
        assert_eq!(of_folder(folder.path()), own);
        assert_ne!(of_folder(&repository("assets/demo/model")), own);
        // Who wrote the settings, and in which order, does not count.
        let path = folder.path().join("config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let Value::Object(settings) = serde_json::from_str(&text).unwrap() else {
            panic!("no object");
        };
        let mut turned: serde_json::Map<String, Value> = settings.into_iter().rev().collect();
        turned.insert("transformers_version".to_owned(), json!("9.9"));
        std::fs::write(&path, Value::Object(turned.clone()).to_string()).unwrap();
        assert_eq!(of_folder(folder.path()), own);
        turned.insert("layer_norm_epsilon".to_owned(), json!(0.5));
        std::fs::write(&path, Value::Object(turned).to_string()).unwrap();
        assert_ne!(of_folder(folder.path()), own);
        std::fs::write(&path, text).unwrap();
        assert_eq!(of_folder(folder.path()), own);
        let path = folder.path().join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() - 4;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_ne!(of_folder(folder.path()), own);
    }

    #[test]
    fn a_sample_reaches_from_the_first_byte_to_the_last() {
        let bytes: Vec<u8> = (0..300_000_usize).map(|i| (i / 1000) as u8).collect();
        let some = sample(&bytes);
        assert_eq!(some.len(), SAMPLE);
        assert_eq!((some[0], some[SAMPLE - 1]), (0, (299_999 / 1000) as u8));
        assert_eq!(sample(&bytes[..SAMPLE]).len(), SAMPLE);
        assert_eq!(sample(&bytes[..5]), bytes[..5]);
    }

    #[test]
    fn settings_have_one_text_whatever_their_order() {
        let one: Value =
            serde_json::from_str(r#"{"b": [1, {"d": 2.0, "c": "x"}], "a": null}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b": [1.0, {"c": "x", "d": 2}]}"#).unwrap();
        let text = |mut value: Value| {
            without(&mut value, &[]);
            canonical(&value)
        };
        assert_eq!(text(one.clone()), r#"{"b":[1,{"c":"x","d":2}]}"#);
        assert_eq!(text(one), text(other));
    }
}
