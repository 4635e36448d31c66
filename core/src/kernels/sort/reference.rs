//! The definitions: plain loops.

/// Sums of all values before each, modulo 2³².
pub(super) fn exclusive_sums(values: &[u32]) -> Vec<u32> {
    let mut sum = 0_u32;
    let before = values.iter().map(|value| {
        let before = sum;
        sum = sum.wrapping_add(*value);
        before
    });
    before.collect()
}

/// Keys ascending in their low `bits` with their payloads; equal keys keep their order.
pub(super) fn sort(keys: &[u32], payload: &[u32], bits: u32) -> (Vec<u32>, Vec<u32>) {
    let low = |key: u32| u64::from(key) & ((1_u64 << bits) - 1);
    let mut pairs: Vec<(u32, u32)> = keys.iter().copied().zip(payload.iter().copied()).collect();
    pairs.sort_by_key(|(key, _)| low(*key));
    pairs.into_iter().unzip()
}

/// Number of keys below each of `0..=values`.
pub(super) fn bounds(sorted: &[u32], values: usize) -> Vec<u32> {
    let below = |value: usize| sorted.iter().filter(|key| (**key as usize) < value).count() as u32;
    (0..=values).map(below).collect()
}
