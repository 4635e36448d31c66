//! What one feature accumulates during the pass: counts, the strongest example of each of the strongest rows, reservoirs.

use super::histogram::Counts;
use super::reservoir::{Moment, Reservoir};
use super::{CONTEXT, INTERVALS, PER_INTERVAL, Summary, TOP};
use crate::ids::FeatureId;

/// One feature's active tokens in a chunk of rows, in order of place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) places: &'a [(u32, u32)],
    pub(super) acts: &'a [f32],
}

/// One interval as it was counted.
#[derive(Debug)]
pub(super) struct Level<'a> {
    /// Tokens in it.
    pub(super) count: u64,
    pub(super) examples: Vec<&'a Moment>,
}

/// The running account of one feature.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    active: u64,
    sum: f64,
    max: f32,
    pub(super) counts: Counts,
    /// Strongest first, at most one per row.
    pub(super) top: Vec<Moment>,
    reservoir: Reservoir,
}

impl Tally {
    /// Adds the tokens of a later chunk; `key` makes this feature's priorities.
    pub(super) fn add(&mut self, column: Column<'_>, key: u64) {
        let mut strongest: Option<usize> = None;
        for (i, (&(row, position), &act)) in column.places.iter().zip(column.acts).enumerate() {
            self.active += 1;
            self.sum += f64::from(act);
            self.max = self.max.max(act);
            self.counts.add(act);
            let priority = mix(key ^ (u64::from(row) << 32 | u64::from(position)));
            self.reservoir
                .offer(act, priority, || column.moment(i, priority));
            match strongest {
                Some(best) if column.places[best].0 == row => {
                    if act > column.acts[best] {
                        strongest = Some(i);
                    }
                }
                former => {
                    self.offer_top(column, former, key);
                    strongest = Some(i);
                }
            }
        }
        self.offer_top(column, strongest, key);
    }

    fn offer_top(&mut self, column: Column<'_>, candidate: Option<usize>, key: u64) {
        let Some(i) = candidate else { return };
        let act = column.acts[i];
        if self.top.len() == TOP && self.top.last().is_some_and(|last| last.act >= act) {
            return;
        }
        let (row, position) = column.places[i];
        let priority = mix(key ^ (u64::from(row) << 32 | u64::from(position)));
        let at = self.top.partition_point(|kept| kept.act >= act);
        self.top.insert(at, column.moment(i, priority));
        self.top.truncate(TOP);
    }

    pub(super) fn active(&self) -> u64 {
        self.active
    }

    pub(super) fn max(&self) -> f64 {
        f64::from(self.max)
    }

    /// The scalars over `tokens` tokens.
    pub(super) fn summary(&self, feature: FeatureId, tokens: u64, decoder_norm: f64) -> Summary {
        Summary {
            feature,
            density: self.active as f64 / tokens.max(1) as f64,
            mean: if self.active == 0 {
                0.0
            } else {
                self.sum / self.active as f64
            },
            max: self.max(),
            decoder_norm,
        }
    }

    /// Five equal intervals up to the maximum, highest first; none of a feature that was never active.
    pub(super) fn levels(&self) -> Vec<Level<'_>> {
        if self.active == 0 {
            return Vec::new();
        }
        let all_kept = self.reservoir.len() as u64 == self.active;
        let below = |edge: f64, i: usize| match i {
            0 => 0,
            INTERVALS => self.active,
            _ => self.counts.below(edge).round() as u64,
        };
        let level = |i: usize| {
            let (from, to) = ends(self.max(), i);
            let inside = |act: f32| {
                let act = f64::from(act);
                act >= from && (act < to || i + 1 == INTERVALS)
            };
            let mut examples = self.reservoir.draw(inside);
            let count = if all_kept {
                examples.len() as u64
            } else {
                below(to, i + 1) - below(from, i)
            };
            examples.truncate(PER_INTERVAL);
            // A level that the bins cut may have kept too few: some of the strongest may lie in it.
            for moment in self.top.iter().filter(|moment| inside(moment.act)) {
                if examples.len() < PER_INTERVAL && !examples.contains(&moment) {
                    examples.push(moment);
                }
            }
            Level { count, examples }
        };
        (0..INTERVALS).rev().map(level).collect()
    }
}

/// Lower and upper end of interval `i`, counted from the lowest.
pub(super) fn ends(max: f64, i: usize) -> (f64, f64) {
    let end = |i: usize| max * i as f64 / INTERVALS as f64;
    (end(i), end(i + 1))
}

impl Column<'_> {
    fn moment(&self, i: usize, priority: u64) -> Moment {
        let (row, position) = self.places[i];
        let near = |other: &usize| {
            let (r, p) = self.places[*other];
            r == row && p.abs_diff(position) as usize <= CONTEXT
        };
        let pair = |other: usize| {
            let offset = i64::from(self.places[other].1) - i64::from(position);
            (offset as i8, self.acts[other])
        };
        let before = (0..i).rev().take_while(near);
        let after = (i + 1..self.places.len()).take_while(near);
        Moment {
            row,
            position,
            act: self.acts[i],
            priority,
            around: before.chain(after).map(pair).collect(),
        }
    }
}

/// A bijection of 64 bits that leaves no pattern (the finaliser of SplitMix64).
pub(super) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
