//! Counts of tokens on which one feature is active, with sums of activations.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::pack::{Reader, Writer};

/// Tokens of one id on which a feature is active.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::features) struct Count {
    pub(in crate::features) count: u32,
    pub(in crate::features) sum: f64,
}

impl Count {
    pub(super) fn add(&mut self, act: f32) {
        self.count += 1;
        self.sum += f64::from(act);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
    }

    pub(in crate::features) fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// Hash of a token id by one multiplication; ids are small and no input is chosen to collide.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::features) struct ById(u64);

impl Hasher for ById {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        let mixed = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// Counts by token id, unordered.
pub(in crate::features) type Counts = HashMap<u32, Count, BuildHasherDefault<ById>>;

/// Returns the counts in order of ids.
pub(super) fn sorted(counts: &Counts) -> Vec<(u32, Count)> {
    let mut sorted: Vec<_> = counts.iter().map(|(id, count)| (*id, *count)).collect();
    sorted.sort_unstable_by_key(|(id, _)| *id);
    sorted
}

pub(super) fn merge(counts: &mut Counts, other: &Counts) {
    for (id, count) in sorted(other) {
        counts.entry(id).or_default().merge(count);
    }
}

/// Writes counts in order of ids: gaps, counts, then the sums byte by byte of their place, since their last bytes are mostly 0.
pub(super) fn write(out: &mut Writer, counts: &[(u32, Count)]) {
    out.int(counts.len() as u64);
    let mut next = 0;
    for (id, count) in counts {
        out.int(u64::from(id - next));
        out.int(u64::from(count.count));
        next = id + 1;
    }
    for byte in 0..8 {
        let of = |(_, count): &(u32, Count)| count.sum.to_le_bytes()[byte];
        out.0.extend(counts.iter().map(of));
    }
}

pub(super) fn read(from: &mut Reader<'_>) -> Option<Vec<(u32, Count)>> {
    let len = from.len()?;
    let mut counts = Vec::with_capacity(len);
    let mut next = 0_u32;
    for _ in 0..len {
        let id = next.checked_add(from.rank()?)?;
        let count = from.rank()?;
        counts.push((id, Count { count, sum: 0.0 }));
        next = id.checked_add(1)?;
    }
    let planes = from.bytes(len.checked_mul(8)?)?;
    for (i, (_, count)) in counts.iter_mut().enumerate() {
        let byte = |place: usize| planes[place * len + i];
        count.sum = f64::from_le_bytes(std::array::from_fn(byte));
    }
    Some(counts)
}
