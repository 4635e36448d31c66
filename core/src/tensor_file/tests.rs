//! Headers that lie, end early or were damaged: each is rejected in one sentence that names the problem.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::header;

/// Returns a file of `header` and that many zero bytes of data.
pub(crate) fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

pub(crate) fn entry(name: &str, dtype: &str, shape: &str, offsets: (i128, i128)) -> String {
    format!(
        "\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{},{}]}}",
        offsets.0, offsets.1
    )
}

pub(crate) fn listed(entries: &[String]) -> String {
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
fn a_whole_file_is_read_with_its_metadata() {
    let header = listed(&[
        "\"__metadata__\":{\"format\":\"pt\"}".to_owned(),
        entry("b", "F16", "[2,3]", (8, 20)),
        entry("a", "F32", "[2]", (0, 8)),
        entry("none", "F32", "[0,4]", (8, 8)),
    ]);
    let header = header::read(&file(&header, 20)).unwrap();
    assert_eq!(header.metadata["format"], "pt");
    let places = header.places;
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
pub(crate) fn mutate(bytes: &mut Vec<u8>, chance: &mut ChaCha8Rng) {
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
        // The golden file's data is far longer than its header, which is the part that is parsed.
        let mut bytes = if round % 10 == 0 {
            whole[..length].to_vec()
        } else {
            small.clone()
        };
        for _ in 0..chance.random_range(1..4) {
            mutate(&mut bytes, &mut chance);
        }
        match header::read(&bytes) {
            Ok(header) => {
                read += 1;
                for place in header.places.values() {
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
