//! Inputs that can fail: none, one, all equal, many equal, falling, sizes around the blocks of both operations, all 32 bits.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Keys and the number of low bits by which they are sorted.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) keys: Vec<u32>,
    pub(super) bits: u32,
}

fn case(name: &str, keys: Vec<u32>, bits: u32) -> Case {
    let name = format!("{name}, {} keys by {bits} bits", keys.len());
    Case { name, keys, bits }
}

/// `len` keys below `2^bits`.
pub(super) fn random(len: usize, bits: u32) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(len as u64 + u64::from(bits));
    let most = u32::MAX >> (32 - bits);
    (0..len).map(|_| rng.random_range(0..=most)).collect()
}

/// All cases.
pub(super) fn all() -> Vec<Case> {
    let mut cases = vec![
        case("none", Vec::new(), 8),
        case("one", vec![77], 8),
        case("two", vec![9, 3], 4),
        case("all equal", vec![300; 3_000], 9),
        case("many equal", random(5_000, 2), 2),
        case("falling", (0..4_100).rev().collect(), 13),
        case("all bits", random(3_333, 32), 32),
        case("low bits alone", random(3_333, 32), 12),
        case(
            "one digit differs",
            random(2_500, 8).iter().map(|key| key << 16).collect(),
            24,
        ),
    ];
    for len in [255, 256, 257, 1_023, 1_024, 1_025, 2_047, 2_048, 2_049] {
        cases.push(case("around a block", random(len, 10), 10));
    }
    cases
}
