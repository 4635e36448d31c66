//! Facts about one feature that accumulate during the pass: counts, the strongest example of each of the strongest rows, reservoirs. Strength is size; signs
//! are kept.

use super::histogram::{Bins, Counts};
use super::reservoir::{Moment, Reservoir, draw};
use super::{CONTEXT, INTERVALS, PER_INTERVAL, Summary, TOP};
use crate::ids::FeatureId;

/// Active tokens of one feature in a chunk of rows, in order of place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) places: &'a [(u32, u32)],
    pub(super) acts: &'a [f32],
}

/// Counts of one interval.
#[derive(Debug)]
pub(super) struct Level<'a> {
    /// Number of tokens in it.
    pub(super) count: u64,
    pub(super) examples: Vec<&'a Moment>,
}

/// Activations of one sign, by size.
#[derive(Debug, Clone)]
struct Side {
    active: u64,
    /// Largest size.
    most: f32,
    counts: Counts,
    reservoir: Reservoir,
}

/// Running tally of one feature.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    sum: f64,
    below: Side,
    above: Side,
    /// Strongest tokens, strongest first, at most one per row.
    pub(super) top: Vec<Moment>,
}

impl Side {
    fn new(signed: bool) -> Self {
        Self {
            active: 0,
            most: 0.0,
            counts: Counts::default(),
            reservoir: Reservoir::new(signed),
        }
    }
}

impl Tally {
    /// Creates an empty tally; `signed` where the dictionary's activations have both signs.
    pub(super) fn new(signed: bool) -> Self {
        Self {
            sum: 0.0,
            below: Side::new(signed),
            above: Side::new(signed),
            top: Vec::new(),
        }
    }

    /// Adds the tokens of a later chunk, none of activation 0. `key` decides this feature's priorities.
    pub(super) fn add(&mut self, column: Column<'_>, key: u64) {
        let mut strongest: Option<usize> = None;
        for (i, (&(row, position), &act)) in column.places.iter().zip(column.acts).enumerate() {
            self.sum += f64::from(act);
            let side = if act < 0.0 {
                &mut self.below
            } else {
                &mut self.above
            };
            let size = act.abs();
            side.active += 1;
            side.most = side.most.max(size);
            side.counts.add(size);
            let priority = mix(key ^ (u64::from(row) << 32 | u64::from(position)));
            side.reservoir
                .offer(size, priority, || column.moment(i, priority));
            match strongest {
                Some(best) if column.places[best].0 == row => {
                    if size > column.acts[best].abs() {
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
        let size = column.acts[i].abs();
        if self.top.len() == TOP && self.top.last().is_some_and(|last| last.act.abs() >= size) {
            return;
        }
        let (row, position) = column.places[i];
        let priority = mix(key ^ (u64::from(row) << 32 | u64::from(position)));
        let at = self.top.partition_point(|kept| kept.act.abs() >= size);
        self.top.insert(at, column.moment(i, priority));
        self.top.truncate(TOP);
    }

    pub(super) fn active(&self) -> u64 {
        self.below.active + self.above.active
    }

    /// Returns the least and the largest activation, each 0 where there is none of that sign.
    fn range(&self) -> (f64, f64) {
        (0.0 - f64::from(self.below.most), f64::from(self.above.most))
    }

    /// Returns all activations in bins.
    pub(super) fn bins(&self) -> Bins {
        let (min, max) = self.range();
        Bins::new((&self.below.counts, min), (&self.above.counts, max))
    }

    /// Returns the number of activations below `edge`; a bin that it divides counts in proportion.
    fn lower(&self, edge: f64) -> u64 {
        let lower = if edge > 0.0 {
            self.below.active as f64 + self.above.counts.below(edge)
        } else {
            self.below.active as f64 - self.below.counts.below(-edge)
        };
        lower.round() as u64
    }

    /// Returns the scalars over `tokens` tokens.
    pub(super) fn summary(&self, feature: FeatureId, tokens: u64, decoder_norm: f64) -> Summary {
        let (min, max) = self.range();
        let active = self.active() as f64;
        Summary {
            feature,
            density: active / tokens.max(1) as f64,
            mean: self.sum / active.max(1.0),
            min,
            max,
            decoder_norm,
        }
    }

    /// Returns five equal intervals from the least activation, or 0, to the largest, or 0, highest first; none for a feature that was never active.
    pub(super) fn levels(&self) -> Vec<Level<'_>> {
        let active = self.active();
        if active == 0 {
            return Vec::new();
        }
        let sides = [&self.below, &self.above].map(|side| &side.reservoir);
        let all_kept = sides.iter().map(|side| side.kept().count()).sum::<usize>() as u64 == active;
        let lower = |edge: f64, i: usize| match i {
            0 => 0,
            INTERVALS => active,
            _ => self.lower(edge),
        };
        let level = |i: usize| {
            let (from, to) = ends(self.range(), i);
            let inside = |act: f32| {
                let act = f64::from(act);
                act >= from && (act < to || i + 1 == INTERVALS)
            };
            let mut examples = draw(sides, inside);
            let count = if all_kept {
                examples.len() as u64
            } else {
                lower(to, i + 1) - lower(from, i)
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

/// Returns lower and upper end of interval `i` of a range, counted from the lowest.
pub(super) fn ends((min, max): (f64, f64), i: usize) -> (f64, f64) {
    let end = |i: usize| min + (max - min) * i as f64 / INTERVALS as f64;
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

/// A bijection of 64 bits that leaves no pattern (finaliser of SplitMix64).
pub(super) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
