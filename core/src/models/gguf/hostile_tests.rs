//! Files that lie, end early or were damaged: each is refused in one sentence that names what is wrong.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::content;

/// Writes the parts of a head one after the other.
#[derive(Clone, Default)]
struct Head(Vec<u8>);

impl Head {
    fn new(version: u32, tensors: u64, keys: u64) -> Self {
        let mut head = Self(b"GGUF".to_vec());
        head.0.extend(version.to_le_bytes());
        head.u64(tensors).u64(keys)
    }

    fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut head = self.u64(text.len() as u64);
        head.0.extend(text.bytes());
        head
    }

    /// A key whose value is text.
    fn key(self, key: &str, value: &str) -> Self {
        self.text(key).u32(8).text(value)
    }

    fn tensor(self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let mut head = self.text(name).u32(shape.len() as u32);
        for dim in shape {
            head = head.u64(*dim);
        }
        head.u32(kind).u64(offset)
    }

    /// The head up to the alignment and that many bytes of data.
    fn data(mut self, bytes: usize) -> Vec<u8> {
        let begin = self.0.len().next_multiple_of(32);
        self.0.resize(begin + bytes, 0);
        self.0
    }
}

#[track_caller]
fn refused(file: &[u8], words: &[&str]) {
    let said = content::read(file).unwrap_err();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.len() < 500, "{said}");
    for word in words {
        assert!(said.contains(word), "{said} lacks {word}");
    }
}

fn whole() -> Vec<u8> {
    Head::new(3, 2, 3)
        .key("general.architecture", "llama")
        .text("tokenizer.ggml.tokens")
        .u32(9)
        .u32(8)
        .u64(2)
        .text("<s>")
        .text("a")
        .text("llama.block_count")
        .u32(4)
        .u32(3)
        .tensor("a", &[32, 2], 2, 0)
        .tensor("b", &[4], 0, 64)
        .data(80)
}

#[test]
fn a_whole_file_is_read() {
    let content = content::read(&whole()).unwrap();
    assert_eq!(content.values.len(), 3);
    assert_eq!(content.tensors["a"].shape, [2, 32]);
    assert_eq!(content.tensors["a"].bytes.len(), 36);
    assert_eq!(content.tensors["b"].elements, 4);
}

#[test]
fn lying_heads_are_refused() {
    let huge = 1_u64 << 60;
    let list = |of: u32, count: u64| {
        let head = Head::new(3, 0, 1).text("list").u32(9);
        head.u32(of).u64(count).data(64)
    };
    let tensor =
        |shape: &[u64], kind, offset| Head::new(3, 1, 0).tensor("w", shape, kind, offset).data(64);
    let nested = (0..50).fold(Head::new(3, 0, 1).text("list").u32(9), |head, _| {
        head.u32(9).u64(1)
    });
    for (file, words) in [
        (Vec::new(), ["mark GGUF", "0 follow"]),
        (b"GGML\x03\0\0\0".to_vec(), ["GGUF", "begin"]),
        (Head::new(9, 0, 0).data(0), ["version", "9"]),
        (
            Head::new(3_u32.swap_bytes(), 0, 0).data(0),
            ["big-endian", ""],
        ),
        (Head::new(3, huge, 0).data(64), ["tensors", "follow"]),
        (Head::new(3, 0, u64::MAX).data(64), ["keys", "follow"]),
        (
            Head::new(3, 0, 1).u64(huge).data(64),
            ["a key", "1152921504606846976"],
        ),
        (
            Head::new(3, 0, 1).text("k").u32(8).u64(huge).data(64),
            ["`k`", "1152921504606846976"],
        ),
        (
            Head::new(3, 0, 1).text("k").u32(13).data(64),
            ["`k`", "type 13"],
        ),
        (list(8, huge), ["`list`", "claims"]),
        (list(0, u64::MAX), ["`list`", "claims"]),
        (list(9, huge), ["`list`", "claims"]),
        (nested.data(64), ["`list`", "deep"]),
        (
            Head::new(3, 0, 2).key("k", "1").key("k", "2").data(0),
            ["`k`", "twice"],
        ),
        (tensor(&[huge], 0, 0), ["`w`", "data, which has"]),
        (tensor(&[huge, 64], 0, 0), ["`w`", "impossible"]),
        (
            tensor(&[huge, huge, huge, huge], 0, 0),
            ["`w`", "impossible"],
        ),
        (tensor(&[4], 0, huge), ["`w`", "data, which has"]),
        (tensor(&[4], 0, u64::MAX - 31), ["`w`", "data, which has"]),
        (tensor(&[4], 0, 7), ["`w`", "multiple of 32"]),
        (tensor(&[4], 77, 0), ["`w`", "type 77"]),
        (tensor(&[4], 4, 0), ["`w`", "type 4"]),
        (tensor(&[33], 2, 0), ["`w`", "broken blocks"]),
        (tensor(&[64], 0, 0), ["`w`", "256 bytes"]),
        (tensor(&[1, 1, 1, 1, 4], 0, 0), ["`w`", "5 dimensions"]),
    ] {
        refused(&file, &words);
    }
    for alignment in [0_u32, 3, 7, 1 << 20] {
        let head = Head::new(3, 0, 1).text("general.alignment").u32(4);
        refused(&head.u32(alignment).data(64), &["general.alignment"]);
    }
    let twice = |second: &str, offset| {
        let head = Head::new(3, 2, 0).tensor("w", &[16], 0, 0);
        head.tensor(second, &[16], 0, offset).data(128)
    };
    refused(&twice("w", 64), &["`w`", "twice"]);
    refused(&twice("v", 32), &["`w`", "`v`", "over each other"]);
    assert!(content::read(&twice("v", 64)).is_ok());
    let long = "n".repeat(1 << 20);
    let head = Head::new(3, 1, 0).tensor(&long, &[huge], 0, 0);
    refused(&head.data(0), &["nnn"]);
    let whole = whole();
    for length in 0..whole.len() {
        assert!(content::read(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn no_damage_to_a_file_makes_its_head_panic_or_point_outside() {
    const NUMBERS: [u64; 9] = [0, 1, 7, 9, 255, 1 << 31, 1 << 40, 1 << 60, u64::MAX];
    let whole = whole();
    let mut chance = ChaCha8Rng::seed_from_u64(4);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..40_000 {
        let mut bytes = whole.clone();
        for _ in 0..chance.random_range(1..4) {
            let at = chance.random_range(0..bytes.len());
            match chance.random_range(0..5) {
                0 => bytes[at] ^= 1 << chance.random_range(0..8),
                1 => bytes[at] = chance.random(),
                2 => bytes.truncate(at.max(1)),
                3 => {
                    let number = NUMBERS[chance.random_range(0..NUMBERS.len())].to_le_bytes();
                    let end = bytes.len().min(at + 8);
                    bytes[at..end].copy_from_slice(&number[..end - at]);
                }
                _ => {
                    let end = bytes.len().min(at + chance.random_range(1..40));
                    let run = bytes[at..end].to_vec();
                    bytes.splice(at..at, run);
                }
            }
        }
        match content::read(&bytes) {
            Ok(content) => {
                read += 1;
                for place in content.tensors.values() {
                    assert!(place.bytes.start <= place.bytes.end && place.bytes.end <= bytes.len());
                    let blocks = place.elements / place.kind.block;
                    assert_eq!(place.bytes.len(), blocks * place.kind.bytes);
                }
                let header = super::Header::new(&content, &bytes, "damaged.gguf".as_ref());
                drop(super::tokenizer::read(&header));
            }
            Err(said) => {
                refused += 1;
                assert!(said.len() < 1000, "{said}");
            }
        }
    }
    assert!(
        read > 1000 && refused > 10_000,
        "{read} read, {refused} refused"
    );
}
