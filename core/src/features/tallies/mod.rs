//! Everything that a pass counts about the features of one dictionary, as one value: chunks are added, values of other rows are merged, and it becomes bytes, from
//! which a pass is resumed and by which indexes are merged.
//!
//! A chunk's entries are sorted by feature once, and features are counted in parallel, each by one thread in the order of the text: neither the size of a chunk
//! nor the number of threads changes a value. Up to [`EXACT`] features every pair of features and every token is counted; above, [`sketch`] finds candidates,
//! which a second pass counts.

mod bytes;
mod moments;
mod sketch;
mod tokens;

use std::ops::Range;

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::tally::{Column, Tally, mix};
use super::{Coactive, Counting};
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::latents::Latents;

pub(super) use bytes::{read_table, write_table};
pub(super) use moments::Sums;
pub(super) use tokens::Count;
use tokens::Counts;

/// Largest number of features for which every pair and every token is counted.
pub(super) const EXACT: usize = 16_384;
/// Largest number of parts of a row in the profile by position.
pub(super) const PARTS: usize = 16;
/// Features whose relations are found at once.
const BLOCK: usize = 64;
/// Place of a token that has none before it.
const NO_TOKEN: u32 = u32::MAX;

/// Settings of a pass, which all chunks and merged parts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setup {
    /// Number of features.
    pub(super) features: usize,
    /// Whether activations have both signs.
    pub(super) signed: bool,
    /// Row length.
    pub(super) context: usize,
    /// Seed of the examples drawn.
    pub(super) seed: u64,
    /// Whether every pair and every token is counted.
    pub(super) exact: bool,
}

/// Latents of whole rows, which come after all rows that were added before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk<'a> {
    /// The whole text.
    pub(super) rows: &'a Rows,
    /// Row and position of each token.
    pub(super) places: &'a [(u32, u32)],
    /// Latents of these tokens.
    pub(super) latents: &'a Latents,
}

/// A token of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) row: u32,
    pub(super) position: u32,
    pub(super) id: u32,
    /// Token right before it in its row and document, or [`NO_TOKEN`].
    before: u32,
    pub(super) part: usize,
    /// Whether it is the first counted token of a document or row.
    pub(super) first: bool,
    /// Random number of the place.
    priority: u64,
}

/// Counts of tokens and of other features.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Counted {
    /// All of them.
    Exact {
        tokens: Counts,
        before: Counts,
        /// `[f − 1 − own]`: number of tokens on which each later feature is active too; empty before the first.
        together: Vec<u32>,
    },
    /// Candidates.
    Sketched(sketch::Sketch),
}

/// Counts of all features.
#[derive(Debug, Clone)]
pub(super) struct Tallies {
    pub(super) setup: Setup,
    key: u64,
    /// Number of tokens.
    pub(super) tokens: u64,
    /// Tokens in each part of a row.
    pub(super) by_part: [u64; PARTS],
    /// Rows with a token, ascending and apart.
    pub(super) rows: Vec<Range<u32>>,
    /// Whether counts of sketches were merged that cover different candidates.
    loose: bool,
    /// Whether rows got new numbers, so that priorities do not follow from them.
    renumbered: bool,
    /// `[f]`.
    pub(super) features: Vec<Tally>,
}

/// Counts of one feature, as lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    /// Tokens in order of ids.
    pub(super) tokens: Vec<(u32, Count)>,
    /// Tokens right before, in order of ids.
    pub(super) before: Vec<(u32, Count)>,
}

impl Tallies {
    /// Creates tallies without a token.
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            key: ChaCha8Rng::seed_from_u64(setup.seed).next_u64(),
            tokens: 0,
            by_part: [0; PARTS],
            rows: Vec::new(),
            loose: false,
            renumbered: false,
            features: vec![Tally::new(setup); setup.features],
        }
    }

    /// Returns the number of positions of each part of a row.
    pub(super) fn part(&self) -> usize {
        self.setup.context.div_ceil(PARTS).max(1)
    }

    /// Returns how pairs and tokens were counted.
    pub(super) fn counting(&self) -> Counting {
        match (self.setup.exact, self.loose) {
            (true, _) => Counting::Exact,
            (false, false) => Counting::Sketched,
            (false, true) => Counting::Approximate,
        }
    }

    /// Adds the first pass over a chunk.
    pub(super) fn add(&mut self, chunk: &Chunk<'_>) {
        let seen = self.seen(chunk);
        for seen in &seen {
            self.tokens += 1;
            self.by_part[seen.part] += 1;
            self.note_row(seen.row);
        }
        let (key, last) = (self.key, self.setup.features);
        each_feature(
            &mut self.features,
            (&seen, chunk.latents),
            |f, tally, column| {
                tally.add(column, mix(key ^ mix(f as u64)));
                tally.counted.add(column, f + 1..last);
            },
        );
    }

    /// Whether candidates are still to be counted by a second pass.
    pub(super) fn needs_second_pass(&self) -> bool {
        !self.setup.exact
    }

    /// Chooses the candidates that [`Self::add_again`] counts, after all chunks were added.
    pub(super) fn begin_second_pass(&mut self) {
        let sketches = self.features.iter().map(|tally| match &tally.counted {
            Counted::Sketched(sketch) => &sketch.places[..],
            Counted::Exact { .. } => &[],
        });
        let sketches: Vec<&[sketch::Place]> = sketches.collect();
        let active: Vec<u64> = self.features.iter().map(Tally::active).collect();
        let others = sketch::others(&sketches, &active);
        for (tally, others) in self.features.iter_mut().zip(others) {
            if let Counted::Sketched(sketch) = &mut tally.counted {
                sketch.look_for(others);
            }
        }
    }

    /// Adds the second pass over a chunk.
    pub(super) fn add_again(&mut self, chunk: &Chunk<'_>) {
        let seen = self.seen(chunk);
        each_feature(
            &mut self.features,
            (&seen, chunk.latents),
            |_, tally, column| {
                let Counted::Sketched(sketch) = &mut tally.counted else {
                    return;
                };
                let Some(found) = &mut sketch.found else {
                    return;
                };
                for i in 0..column.len() {
                    found.add(column.seen(i), column.act(i));
                    found.add_later(|next| column.each_later(i, next));
                }
            },
        );
    }

    /// Merges the tallies of other rows of the same text; an error where the two cannot be merged.
    pub(super) fn merge(&mut self, other: Self) -> Result<()> {
        let refuse = |what: String| Err(Error::setting("index", what));
        if self.setup != other.setup {
            return refuse(format!(
                "counts over {:?} and over {:?} cannot be merged: build both with equal settings",
                self.setup, other.setup
            ));
        }
        let overlap = |a: &Range<u32>| {
            let other = other.rows.iter();
            let mut shared = other.map(|b| a.start.max(b.start)..a.end.min(b.end));
            shared.find(|shared| !shared.is_empty())
        };
        if let Some(shared) = self.rows.iter().find_map(overlap) {
            return refuse(format!(
                "both indexes cover rows {}..{}: build them over rows apart",
                shared.start, shared.end
            ));
        }
        self.tokens += other.tokens;
        for (sum, count) in self.by_part.iter_mut().zip(other.by_part) {
            *sum += count;
        }
        let mut ranges = std::mem::take(&mut self.rows);
        ranges.extend(other.rows);
        ranges.sort_by_key(|range| range.start);
        for range in ranges {
            match self.rows.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => self.rows.push(range),
            }
        }
        let merged: Vec<bool> = self
            .features
            .par_iter_mut()
            .zip(other.features)
            .map(|(tally, other)| tally.merge(other))
            .collect();
        self.renumbered |= other.renumbered;
        self.loose |= other.loose || merged.contains(&false);
        Ok(())
    }

    /// Gives every row a new number. Priorities stay those of the first numbers, by which the examples were drawn.
    pub(super) fn renumber(&mut self, new: &(dyn Fn(u32) -> u32 + Sync)) {
        let ranges = std::mem::take(&mut self.rows);
        for row in ranges.into_iter().flatten() {
            self.note_row(new(row));
        }
        self.features
            .par_iter_mut()
            .for_each(|tally| tally.renumber(new));
        self.renumbered = true;
    }

    /// Returns the counts of one feature's tokens as lists.
    pub(super) fn lists(&self, feature: usize) -> Lists {
        match &self.features[feature].counted {
            Counted::Exact { tokens, before, .. } => Lists {
                tokens: tokens::sorted(tokens),
                before: tokens::sorted(before),
            },
            Counted::Sketched(sketch) => {
                let found = sketch.found.as_deref().cloned().unwrap_or_default();
                let active = |counts: Vec<(u32, Count)>| {
                    let active = counts.into_iter().filter(|(_, count)| count.count > 0);
                    active.collect()
                };
                Lists {
                    tokens: active(found.tokens),
                    before: active(found.before),
                }
            }
        }
    }

    /// Returns, for every feature, those that are active on the same tokens: the [`super::RELATED`] with the largest Jaccard index, largest first, ties by number.
    pub(super) fn coactive(&self) -> Vec<Vec<Coactive>> {
        let features = self.features.len();
        let active: Vec<u64> = self.features.iter().map(Tally::active).collect();
        let blocks: Vec<Range<usize>> = (0..features)
            .step_by(BLOCK)
            .map(|from| from..(from + BLOCK).min(features))
            .collect();
        let blocks = blocks.par_iter();
        let best: Vec<Vec<Vec<Coactive>>> = blocks
            .map(|block| self.coactive_of(block, &active))
            .collect();
        best.into_iter().flatten().collect()
    }

    fn coactive_of(&self, block: &Range<usize>, active: &[u64]) -> Vec<Vec<Coactive>> {
        let mut best = vec![Vec::new(); block.len()];
        for a in 0..block.end {
            self.each_pair(a, block, &mut |b, both| {
                let both = u64::from(both);
                let either = active[a] + active[b] - both;
                let jaccard = both as f64 / either.max(1) as f64;
                let both_ways = [(a, b), (b, a)].into_iter();
                for (own, other) in both_ways.filter(|(own, _)| block.contains(own)) {
                    let found = Coactive {
                        feature: FeatureId::from(other),
                        jaccard,
                        both,
                    };
                    keep(&mut best[own - block.start], found);
                }
            });
        }
        best
    }

    /// Calls `visit` with features after `a` that are active on some of its tokens, and the number of these: all of them if `a` is in `block`, or else at least those
    /// in it.
    fn each_pair(&self, a: usize, block: &Range<usize>, visit: &mut dyn FnMut(usize, u32)) {
        match &self.features[a].counted {
            Counted::Exact { together, .. } => {
                let all = a + 1 + together.len();
                let to = if a < block.start {
                    block.end.min(all)
                } else {
                    all
                };
                let from = block.start.max(a + 1).min(to);
                let counts = (from..to).zip(&together[from - a - 1..]);
                for (b, both) in counts.filter(|(_, both)| **both > 0) {
                    visit(b, *both);
                }
            }
            Counted::Sketched(sketch) => {
                let found = sketch.found.as_deref();
                let others = found.map_or(&[][..], |found| found.others.as_slice());
                for (b, both) in others.iter().filter(|(_, both)| *both > 0) {
                    visit(*b as usize, *both);
                }
            }
        }
    }

    fn note_row(&mut self, row: u32) {
        match self.rows.last_mut() {
            Some(last) if row < last.end => {}
            Some(last) if row == last.end => last.end += 1,
            _ => self.rows.push(row..row + 1),
        }
    }

    fn seen(&self, chunk: &Chunk<'_>) -> Vec<Seen> {
        let part = self.part();
        let rows = chunk.rows;
        let mut former: Option<(u32, u32)> = None;
        let place = |(row, position): &(u32, u32)| {
            let (i, t) = (*row as usize, *position as usize);
            let document = rows.document_number(i, t);
            let first = former != Some((*row, document));
            former = Some((*row, document));
            let apart = rows.separates_documents();
            let inside = t > 0 && !(apart && rows.document_number(i, t - 1) != document);
            Seen {
                row: *row,
                position: *position,
                id: rows.row(i)[t].0,
                before: if inside {
                    rows.row(i)[t - 1].0
                } else {
                    NO_TOKEN
                },
                part: (t / part).min(PARTS - 1),
                first,
                priority: mix(self.key ^ (u64::from(*row) << 32 | u64::from(*position))),
            }
        };
        chunk.places.iter().map(place).collect()
    }
}

/// Keeps the [`super::RELATED`] of largest Jaccard index, a lower number first among equals.
fn keep(best: &mut Vec<Coactive>, found: Coactive) {
    let before = |kept: &Coactive| {
        let order = found.jaccard.total_cmp(&kept.jaccard);
        order.then(kept.feature.cmp(&found.feature)).is_lt()
    };
    if best.len() == super::RELATED {
        if best.last().is_some_and(before) {
            return;
        }
        best.pop();
    }
    let at = best.partition_point(before);
    best.insert(at, found);
}

/// Calls `add` for every feature, in parallel, with its active tokens in order of place.
fn each_feature(
    features: &mut [Tally],
    (seen, latents): (&[Seen], &Latents),
    add: impl Fn(usize, &mut Tally, Column<'_>) + Sync,
) {
    let mut ends = vec![0_usize; features.len() + 1];
    let active = |i: &usize| latents.acts[*i] != 0.0;
    for i in (0..latents.acts.len()).filter(active) {
        ends[latents.features[i] as usize + 1] += 1;
    }
    for f in 0..features.len() {
        ends[f + 1] += ends[f];
    }
    let starts = ends.clone();
    let mut at = vec![(0_u32, 0_u32); starts[features.len()]];
    let mut next = ends;
    for token in 0..latents.rows().min(seen.len()) {
        for i in latents.range(token).filter(active) {
            let slot = &mut next[latents.features[i] as usize];
            at[*slot] = (token as u32, i as u32);
            *slot += 1;
        }
    }
    let with_column = |(f, tally): (usize, &mut Tally)| {
        let column = Column::new((seen, latents), &at[starts[f]..starts[f + 1]]);
        if column.len() > 0 {
            add(f, tally, column);
        }
    };
    features.par_iter_mut().enumerate().for_each(with_column);
}

impl Counted {
    pub(super) fn new(exact: bool) -> Self {
        if exact {
            Self::Exact {
                tokens: Counts::default(),
                before: Counts::default(),
                together: Vec::new(),
            }
        } else {
            Self::Sketched(sketch::Sketch::default())
        }
    }

    /// Counts the tokens of a column, and the features among `later` that are active there too.
    pub(super) fn add(&mut self, column: Column<'_>, later: Range<usize>) {
        match self {
            Self::Exact {
                tokens,
                before,
                together,
            } => {
                for i in 0..column.len() {
                    let (seen, act) = (column.seen(i), column.act(i));
                    tokens.entry(seen.id).or_default().add(act);
                    if seen.before != NO_TOKEN {
                        before.entry(seen.before).or_default().add(act);
                    }
                }
                if together.is_empty() {
                    *together = vec![0; later.len()];
                }
                let first = later.start as u32;
                for i in 0..column.len() {
                    column.each_later(i, |other| together[(other - first) as usize] += 1);
                }
            }
            Self::Sketched(sketch) => {
                for i in 0..column.len() {
                    sketch.add(column.seen(i), column.act(i));
                }
            }
        }
    }

    /// Merges counts of other rows. Returns whether those of both cover the same candidates.
    pub(super) fn merge(&mut self, other: Self) -> bool {
        match (self, other) {
            (
                Self::Exact {
                    tokens,
                    before,
                    together,
                },
                Self::Exact {
                    tokens: more,
                    before: more_before,
                    together: more_together,
                },
            ) => {
                tokens::merge(tokens, &more);
                tokens::merge(before, &more_before);
                if together.is_empty() {
                    *together = more_together;
                } else {
                    together
                        .iter_mut()
                        .zip(more_together)
                        .for_each(|(sum, count)| *sum += count);
                }
                true
            }
            (Self::Sketched(sketch), Self::Sketched(other)) => sketch.merge(other),
            _ => false,
        }
    }
}
