//! Per token, the candidates for its `k` largest pre-activations, and the threshold that a further one must exceed.

use crate::kernels::for_this_cpu;
use crate::sae::Latents;

/// Candidates held beyond `k` before the threshold is raised.
const SLACK: usize = 32;
/// A threshold that leaves this many beyond `k` is good enough for now.
const ENOUGH: usize = 8;

/// A pre-activation that is NaN or infinite: row of the chunk and feature.
pub(super) type NotFinite = (usize, usize);

/// See the module. Candidates of a token ascend by feature, since features are offered in that order.
#[derive(Debug)]
pub(super) struct Candidates {
    k: usize,
    room: usize,
    /// What an entry must exceed: 0 or a guess, or a value that `k` earlier entries exceed or reach.
    pub(super) thresholds: Vec<f32>,
    counts: Vec<usize>,
    features: Vec<u32>,
    acts: Vec<f32>,
}

impl Candidates {
    /// None yet, for `rows` tokens.
    pub(super) fn new(rows: usize, k: usize) -> Self {
        let room = k + SLACK;
        Self {
            k,
            room,
            thresholds: vec![0.0; rows],
            counts: vec![0; rows],
            features: vec![0; rows * room],
            acts: vec![0.0; rows * room],
        }
    }

    /// Takes an entry above the threshold of `row`.
    #[inline]
    pub(super) fn push(&mut self, row: usize, feature: usize, act: f32) -> Result<(), NotFinite> {
        if !act.is_finite() {
            return Err((row, feature));
        }
        let count = self.counts[row];
        let at = row * self.room + count;
        self.features[at] = feature as u32;
        self.acts[at] = act;
        self.counts[row] = count + 1;
        if count + 1 == self.room {
            self.shrink(row, ENOUGH);
        }
        Ok(())
    }

    /// Keeps the `k` largest and at most `enough` more, and raises the threshold accordingly.
    fn shrink(&mut self, row: usize, enough: usize) {
        let range = row * self.room..row * self.room + self.counts[row];
        // Entries kept at an earlier cut may equal the threshold.
        let floor = self.thresholds[row].to_bits().saturating_sub(1);
        let acts = &mut self.acts[range.clone()];
        let cut = cut(acts, self.k, enough, floor);
        self.counts[row] = keep(acts, &mut self.features[range], cut);
        self.thresholds[row] = f32::from_bits(cut.above);
    }

    /// Whether a token has fewer than `k` candidates.
    pub(super) fn lacks(&self, row: usize) -> bool {
        self.counts[row] < self.k
    }

    /// The `k` largest of each of the first `rows` tokens; those of the tokens `others` (ascending) are the rows of `latents` instead.
    pub(super) fn finish(mut self, rows: usize, others: &[usize], latents: &Latents) -> Latents {
        let mut all = Latents::with_capacity(rows, self.k);
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
            all.push_row(&self.features[range.clone()], &self.acts[range]);
        }
        all
    }
}

/// Which entries stay: those whose bits are above `above`, and the first `equal` that equal it. Positive floats are ordered as their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    above: u32,
    equal: usize,
}

for_this_cpu! {
    /// The cut that leaves `k` of `acts`, or up to `enough` more; all of them lie above `floor`, and there are more than `k`.
    fn cut(acts: &[f32], k: usize, enough: usize, floor: u32) -> Cut = cut_body;
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

/// Moves what stays to the front, in order; how many.
fn keep(acts: &mut [f32], features: &mut [u32], cut: Cut) -> usize {
    let mut equal = cut.equal;
    let mut kept = 0;
    for i in 0..acts.len() {
        let bits = acts[i].to_bits();
        let tie = bits == cut.above && equal > 0;
        equal -= usize::from(tie);
        acts[kept] = acts[i];
        features[kept] = features[i];
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
