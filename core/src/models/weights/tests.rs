//! Files that lie, end early or were damaged: each is refused in one sentence that names what is wrong.

use std::path::Path;

use super::*;
use crate::tensor_file::tests::{entry, file, listed};
use crate::tensor_file::{Float, widened};

/// A folder whose `model.safetensors` holds the named tensors of zeros.
fn folder(names: &[(&str, &str)], dtype: &str, bytes: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file_name, names) in names {
        let entries: Vec<_> = names
            .split_whitespace()
            .enumerate()
            .map(|(i, name)| {
                let begin = (i * 4 * bytes) as i128;
                entry(name, dtype, "[2,2]", (begin, begin + 4 * bytes as i128))
            })
            .collect();
        let data = entries.len() * 4 * bytes;
        std::fs::write(folder.path().join(file_name), file(&listed(&entries), data)).unwrap();
    }
    folder
}

fn open(folder: &Path) -> Result<Shards<header::Place>> {
    Shards::open(folder).map(Option::unwrap)
}

#[test]
fn shards_that_contradict_the_index_or_each_other_are_named() {
    let index = |map: &str| format!("{{\"weight_map\":{{{map}}}}}");
    let shards = [("1.safetensors", "a b"), ("2.safetensors", "c a")];
    for (map, words) in [
        (
            "\"a\":\"1.safetensors\",\"c\":\"2.safetensors\"",
            ["`a`", "1.safetensors"],
        ),
        (
            "\"a\":\"1.safetensors\",\"z\":\"1.safetensors\"",
            ["z is missing from ", "index.json"],
        ),
        ("\"a\":\"3.safetensors\"", ["3.safetensors", "cannot open"]),
        ("\"a\":\"..\"", ["`..`", "not beside it"]),
        (
            "\"a\":\"../1.safetensors\"",
            ["`../1.safetensors`", "not beside it"],
        ),
        ("\"a\":7", ["``", "not beside it"]),
        ("", ["weight_map", "index.json"]),
    ] {
        let folder = folder(&shards, "F32", 4);
        let path = folder.path().join("model.safetensors.index.json");
        std::fs::write(path, index(map)).unwrap();
        let said = open(folder.path()).err().unwrap().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn values_that_no_model_computes_with_are_named_with_their_place() {
    let folder = folder(&[("model.safetensors", "a b")], "F32", 4);
    let path = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    for (value, word) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
    ] {
        bytes[end - 4..].copy_from_slice(&value.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let weights = open(folder.path()).unwrap();
        let fetch = Fetch::new(&weights);
        fetch.get("a", &[2, 2]).unwrap();
        let said = fetch.get("b", &[2, 2]).unwrap_err().to_string();
        for word in ["`b`", word, "entry 3", "model.safetensors"] {
            assert!(said.contains(word), "{said}");
        }
    }
    let weights = open(folder.path()).unwrap();
    let said = Fetch::new(&weights).get("a", &[4]).unwrap_err().to_string();
    assert!(said.contains("[2, 2]") && said.contains("[4]"), "{said}");
}

#[test]
fn each_type_is_widened_and_others_are_refused_by_name() {
    for (dtype, bytes, ok) in [
        ("F16", 2, true),
        ("BF16", 2, true),
        ("F64", 8, true),
        ("I32", 4, false),
    ] {
        let folder = folder(&[("model.safetensors", "a")], dtype, bytes);
        let weights = open(folder.path()).unwrap();
        let got = Fetch::new(&weights).get("a", &[2, 2]);
        assert_eq!(got.is_ok(), ok, "{dtype}");
        if let Err(said) = got {
            let said = said.to_string();
            assert!(said.contains("I32") && said.contains("`a`"), "{said}");
        }
    }
    let numbers: Vec<u8> = [1.5_f64, -0.25]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    assert_eq!(widened(&numbers, Float::F64), [1.5, -0.25]);
    assert_eq!(widened(&[0x00, 0x3c, 0x00, 0xc0], Float::F16), [1.0, -2.0]);
    assert_eq!(widened(&[0x80, 0x3f, 0x00, 0xc0], Float::Bf16), [1.0, -2.0]);
}

#[test]
fn buffers_are_no_parameters() {
    for name in [
        "h.0.attn.bias",
        "transformer.h.3.attn.masked_bias",
        "gpt_neox.layers.0.attention.rotary_emb.inv_freq",
        "model.vision_tower.x.weight",
    ] {
        assert!(is_buffer(name), "{name}");
    }
    for name in [
        "h.0.attn.c_attn.bias",
        "h.0.attn.attention.out_proj.bias",
        "model.layers.0.self_attn.q_proj.bias",
    ] {
        assert!(!is_buffer(name), "{name}");
    }
}
