//! Files that lie, end early or were damaged: each is refused in one sentence that names what is wrong.

use std::path::Path;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// A file of `header` and that many zero bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn entry(name: &str, dtype: &str, shape: &str, offsets: (i128, i128)) -> String {
    format!(
        "\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{},{}]}}",
        offsets.0, offsets.1
    )
}

fn listed(entries: &[String]) -> String {
    format!("{{{}}}", entries.join(","))
}

#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let said = header::read(bytes).unwrap_err();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.len() < 500, "{said}");
    for word in words {
        assert!(said.contains(word), "{said} lacks {word}");
    }
}

#[test]
fn a_whole_file_is_read_and_metadata_is_passed_over() {
    let header = listed(&[
        "\"__metadata__\":{\"format\":\"pt\"}".to_owned(),
        entry("b", "F16", "[2,3]", (8, 20)),
        entry("a", "F32", "[2]", (0, 8)),
        entry("none", "F32", "[0,4]", (8, 8)),
    ]);
    let places = header::read(&file(&header, 20)).unwrap();
    assert_eq!(places.len(), 3);
    assert_eq!(places["b"].shape, [2, 3]);
    assert_eq!(places["b"].end - places["b"].begin, 12);
    assert_eq!(places["b"].elements, 6);
}

#[test]
fn lying_headers_are_refused_by_tensor() {
    let one = |entry: String, data: usize| file(&listed(&[entry]), data);
    let huge = 1_i128 << 60;
    refused(b"", &["0 bytes"]);
    refused(b"GGUF", &["4 bytes"]);
    refused(&u64::MAX.to_le_bytes(), &["18446744073709551615"]);
    refused(&file("", 0), &["header"]);
    refused(&file("{\"a\":", 0), &["header"]);
    refused(&file("[1,2]", 0), &["tensors by name"]);
    refused(&file(&"[".repeat(100_000), 0), &["header"]);
    refused(
        &file(&format!("{{\"a\":{}", "[".repeat(100_000)), 0),
        &["`a`"],
    );
    for (bytes, words) in [
        (
            one(entry("w", "F32", "[1152921504606846976]", (0, 8)), 8),
            ["`w`", "impossible"],
        ),
        (
            one(entry("w", "F32", "[4294967296,4294967296,4]", (0, 8)), 8),
            ["`w`", "impossible"],
        ),
        (
            one(entry("w", "F32", "[1152921504606846976]", (0, huge * 4)), 8),
            ["`w`", "impossible"],
        ),
        (
            one(entry("w", "F32", "[2]", (0, huge)), 8),
            ["`w`", "data, which has 8"],
        ),
        (
            one(entry("w", "F32", "[2]", (i128::from(u64::MAX), 8)), 8),
            ["`w`", "18446744073709551615"],
        ),
        (
            one(entry("w", "F32", "[2]", (8, 0)), 8),
            ["`w`", "leave -8"],
        ),
        (
            one(entry("w", "F32", "[3]", (0, 8)), 8),
            ["`w`", "takes 12 bytes"],
        ),
        (
            one(entry("w", "F4", "[3]", (0, 2)), 2),
            ["`w`", "takes 2 bytes"],
        ),
        (one(entry("w", "F32", "[-2]", (0, 8)), 8), ["`w`", "-2"]),
        (one(entry("w", "F32", "[2.5]", (0, 8)), 8), ["`w`", "2.5"]),
        (one(entry("w", "F31", "[2]", (0, 8)), 8), ["`w`", "F31"]),
        (one(entry("w", "F32", "\"2\"", (0, 8)), 8), ["`w`", "shape"]),
        (
            one(entry("w", "F32", "[1,1,1,1,1,1,1,1,2]", (0, 8)), 8),
            ["`w`", "8 dimensions"],
        ),
        (
            one(entry("w", "F32", "[2]", (0, 8)), 9),
            ["end at byte", "has"],
        ),
        (
            one(entry("w", "F32", "[2]", (1, 9)), 9),
            ["`w`", "begins at byte"],
        ),
        (
            one("\"w\":{\"dtype\":\"F32\",\"shape\":[2]}".to_owned(), 8),
            ["`w`", "data_offsets"],
        ),
        (one("\"w\":7".to_owned(), 8), ["`w`", "7"]),
    ] {
        refused(&bytes, &words);
    }
}

#[test]
fn double_names_and_shared_bytes_are_refused() {
    let twice = [
        entry("w", "F32", "[2]", (0, 8)),
        entry("w", "F32", "[2]", (8, 16)),
    ];
    refused(&file(&listed(&twice), 16), &["`w`", "twice"]);
    let same = [
        entry("w", "F32", "[2]", (0, 8)),
        entry("v", "F32", "[2]", (0, 8)),
    ];
    refused(&file(&listed(&same), 8), &["begins at byte"]);
    let long = "n".repeat(1 << 20);
    let entries = [entry(&long, "F32", "[3]", (0, 8))];
    refused(&file(&listed(&entries), 8), &["takes 12"]);
}

/// Changes `bytes` somewhere: a bit, a run, a number, an end.
fn mutate(bytes: &mut Vec<u8>, chance: &mut ChaCha8Rng) {
    const NUMBERS: [u64; 8] = [0, 1, 7, 255, 1 << 31, 1 << 40, 1 << 60, u64::MAX];
    let at = chance.random_range(0..bytes.len());
    match chance.random_range(0..6) {
        0 => bytes[at] ^= 1 << chance.random_range(0..8),
        1 => bytes[at] = chance.random(),
        2 => bytes.truncate(at.max(1)),
        3 => {
            let number = NUMBERS[chance.random_range(0..NUMBERS.len())].to_le_bytes();
            let end = bytes.len().min(at + 8);
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
        4 => {
            let digits = NUMBERS[chance.random_range(0..NUMBERS.len())].to_string();
            let end = bytes.len().min(at + chance.random_range(0..4));
            bytes.splice(at..end, digits.bytes());
        }
        _ => {
            let end = bytes.len().min(at + chance.random_range(1..40));
            let run = bytes[at..end].to_vec();
            bytes.splice(at..at, run);
        }
    }
}

#[test]
fn no_damage_to_a_file_makes_its_header_panic_or_point_outside() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/tiny-gpt2/model.safetensors"
    );
    let whole = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize + 8;
    let small = file(
        &listed(&[
            entry("a", "F32", "[2]", (0, 8)),
            entry("b", "BF16", "[2,3]", (8, 20)),
        ]),
        20,
    );
    let mut chance = ChaCha8Rng::seed_from_u64(4);
    let (mut read, mut refused) = (0, 0);
    for round in 0..20_000 {
        // The data of the golden file is far longer than its header, which is what parsing sees.
        let mut bytes = if round % 10 == 0 {
            whole[..length].to_vec()
        } else {
            small.clone()
        };
        for _ in 0..chance.random_range(1..4) {
            mutate(&mut bytes, &mut chance);
        }
        match header::read(&bytes) {
            Ok(places) => {
                read += 1;
                for place in places.values() {
                    assert!(place.begin <= place.end && place.end <= bytes.len());
                    let bits = place.elements * place.dtype.bitsize();
                    assert_eq!(place.end - place.begin, bits / 8);
                }
            }
            Err(said) => {
                refused += 1;
                assert!(said.len() < 1000, "{said}");
            }
        }
    }
    assert!(
        read > 100 && refused > 10_000,
        "{read} read, {refused} refused"
    );
}

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

fn open(folder: &Path) -> Result<Safetensors> {
    Safetensors::open(folder)
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
            ["`z`", "index.json"],
        ),
        ("\"a\":\"3.safetensors\"", ["3.safetensors", "opening"]),
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
