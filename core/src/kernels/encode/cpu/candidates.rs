//! Candidates for the `k` largest pre-activations of each token, and the bar that a further one must exceed.

use super::{NotFinite, Sink, padded_bars};
use crate::kernels::for_this_cpu;
use crate::latents::Latents;

/// Candidates held beyond `k` before the bar is raised.
const SLACK: usize = 32;
/// A bar that leaves this many beyond `k` is good enough for now.
const ENOUGH: usize = 8;

/// Data of a candidate beside the key that ranks it.
pub(super) trait Payload: Copy + Default + Send {
    fn new(feature: u32, value: f32) -> Self;
    fn feature(self) -> u32;
    /// Returns the pre-activation, which is `key` if pre-activations are ranked.
    fn act(self, key: f32) -> f32;
}

/// Candidate ranked by its pre-activation.
impl Payload for u32 {
    fn new(feature: u32, _: f32) -> Self {
        feature
    }

    fn feature(self) -> u32 {
        self
    }

    fn act(self, key: f32) -> f32 {
        key
    }
}

/// Candidate ranked by another key.
impl Payload for (u32, f32) {
    fn new(feature: u32, value: f32) -> Self {
        (feature, value)
    }

    fn feature(self) -> u32 {
        self.0
    }

    fn act(self, _: f32) -> f32 {
        self.1
    }
}

/// Candidates of some tokens. Those of a token ascend by feature, since features are offered in that order.
#[derive(Debug)]
pub(super) struct Candidates<T, const MAGNITUDE: bool> {
    k: usize,
    room: usize,
    /// Bar of each token: 0, a guess, or a value that `k` earlier keys exceed or reach.
    pub(super) bars: Vec<f32>,
    counts: Vec<usize>,
    kept: Vec<T>,
    keys: Vec<f32>,
}

impl<T: Payload, const MAGNITUDE: bool> Candidates<T, MAGNITUDE> {
    /// Creates it without candidates, for `rows` tokens.
    pub(super) fn new(rows: usize, k: usize) -> Self {
        let room = k + SLACK;
        let bars = padded_bars(rows, 0.0);
        let rows = bars.len();
        Self {
            k,
            room,
            bars,
            counts: vec![0; rows],
            kept: vec![T::default(); rows * room],
            keys: vec![0.0; rows * room],
        }
    }

    /// Keeps the `k` largest and at most `enough` more, and raises the bar accordingly.
    fn shrink(&mut self, row: usize, enough: usize) {
        let range = row * self.room..row * self.room + self.counts[row];
        // Entries kept at an earlier cut may equal the bar.
        let floor = self.bars[row].to_bits().saturating_sub(1);
        let keys = &mut self.keys[range.clone()];
        let cut = cut(keys, self.k, enough, floor);
        self.counts[row] = keep(keys, &mut self.kept[range], cut);
        self.bars[row] = f32::from_bits(cut.above);
    }

    /// Whether a token has fewer than `k` candidates.
    pub(super) fn lacks(&self, row: usize) -> bool {
        self.counts[row] < self.k
    }

    /// Returns the `k` largest of each of the first `rows` tokens, with their keys; for the tokens `others` (ascending) the rows of `latents` instead.
    pub(super) fn finish(
        mut self,
        rows: usize,
        others: &[usize],
        latents: &Latents,
    ) -> (Latents, Vec<f32>) {
        let mut all = Latents::with_capacity(rows, self.k);
        let mut keys = Vec::with_capacity(rows * self.k);
        let mut others = others.iter().zip(0..).peekable();
        for row in 0..rows {
            if let Some((_, other)) = others.next_if(|(other, _)| **other == row) {
                let entries = latents.range(other);
                all.push_row(&latents.features[entries.clone()], &latents.acts[entries]);
                continue;
            }
            if self.counts[row] > self.k {
                self.shrink(row, 0);
            }
            let range = row * self.room..row * self.room + self.counts[row];
            let kept = self.kept[range.clone()].iter().zip(&self.keys[range]);
            for (kept, key) in kept {
                all.features.push(kept.feature());
                all.acts.push(kept.act(*key));
                keys.push(*key);
            }
            all.offsets.push(all.features.len());
        }
        (all, keys)
    }
}

impl<T: Payload, const MAGNITUDE: bool> Sink for Candidates<T, MAGNITUDE> {
    const MAGNITUDE: bool = MAGNITUDE;

    #[inline]
    fn bars(&self) -> &[f32] {
        &self.bars
    }

    #[inline]
    fn floor(&self, _: usize) -> f32 {
        f32::NEG_INFINITY
    }

    #[inline]
    fn push(
        &mut self,
        row: usize,
        feature: usize,
        (key, value): (f32, f32),
    ) -> Result<(), NotFinite> {
        if !key.is_finite() {
            return Err((row, feature));
        }
        let count = self.counts[row];
        let at = row * self.room + count;
        self.kept[at] = T::new(feature as u32, value);
        self.keys[at] = key;
        self.counts[row] = count + 1;
        if count + 1 == self.room {
            self.shrink(row, ENOUGH);
        }
        Ok(())
    }
}

/// Cut: entries whose bits are above `above` stay, and the first `equal` that equal it. Positive floats are ordered as their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) above: u32,
    equal: usize,
}

for_this_cpu! {
    /// Returns the cut that leaves `k` of `acts`, or up to `enough` more; all of them exceed `floor`, and there are more than `k`.
    pub(super) fn cut(acts: &[f32], k: usize, enough: usize, floor: u32) -> Cut = cut_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn cut_body<const FMA: bool>(acts: &[f32], k: usize, enough: usize, floor: u32) -> Cut {
    // Invariant: at least k lie above `low`, fewer than k above `high`.
    let mut low = floor;
    let mut high = acts.iter().fold(0, |most, act| act.to_bits().max(most));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let above = count_above(acts, middle);
        if above < k {
            high = middle;
        } else {
            low = middle;
            if above <= k + enough {
                return Cut {
                    above: low,
                    equal: 0,
                };
            }
        }
    }
    Cut {
        above: high,
        equal: k - count_above(acts, high),
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn count_above(acts: &[f32], bits: u32) -> usize {
    acts.iter()
        .map(|act| u32::from(act.to_bits() as i32 > bits as i32))
        .sum::<u32>() as usize
}

/// Moves the entries that stay to the front, in order, and returns their number.
pub(super) fn keep<T: Copy>(keys: &mut [f32], payload: &mut [T], cut: Cut) -> usize {
    let mut equal = cut.equal;
    let mut kept = 0;
    for i in 0..keys.len() {
        let bits = keys[i].to_bits();
        let tie = bits == cut.above && equal > 0;
        equal -= usize::from(tie);
        keys[kept] = keys[i];
        payload[kept] = payload[i];
        kept += usize::from(tie || bits > cut.above);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_leaves_the_largest_and_the_first_of_equals() {
        let acts = [3.0, 1.0, 2.0, 2.0, 5.0, 2.0];
        let after = |k: usize| {
            let (mut acts, mut features) = (acts, [0, 1, 2, 3, 4, 5]);
            let cut = cut(&acts, k, 0, 0);
            let kept = keep(&mut acts, &mut features, cut);
            features[..kept].to_vec()
        };
        assert_eq!(after(1), [4]);
        assert_eq!(after(2), [0, 4]);
        assert_eq!(after(3), [0, 2, 4]);
        assert_eq!(after(4), [0, 2, 3, 4]);
        assert_eq!(after(5), [0, 2, 3, 4, 5]);
    }
}
