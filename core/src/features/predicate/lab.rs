//! Tests a feature against a predicate over a text: where it is active and where the predicate holds, counted exactly in one pass.
//!
//! Activations are counted by size (|a|). Memory is bounded: distinct activations are kept up to a limit, above which the least significant bits are dropped
//! until they fit; [`Tested::is_exact`] says whether that happened.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Line, Predicate};
use crate::corpus::Rows;
use crate::error::{Error, Key, Result};
use crate::features::tally::mix;
use crate::features::{CONTEXT, Example, Place, pass};
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Number of equal levels from 0 to the largest activation.
pub const LEVELS: usize = 20;
/// Number of missed tokens listed, drawn by seed.
pub const MISSES: usize = 50;
/// Number of the strongest tokens listed at which the predicate does not hold.
pub const OTHERS: usize = 20;
/// Distinct activations counted apart.
const DISTINCT: usize = 1 << 18;

/// Name and definition of every figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("tokens", "number of tokens read: the positions that count"),
    ("active", "tokens at which the feature is active"),
    ("holding", "tokens at which the predicate holds"),
    (
        "both",
        "tokens at which the predicate holds and the feature is active",
    ),
    (
        "missed",
        "tokens at which the predicate holds and the feature is silent; a seed draws those that are listed",
    ),
    (
        "precision",
        "share of the tokens where the feature is active at which the predicate holds (specificity)",
    ),
    (
        "recall",
        "share of the tokens where the predicate holds at which the feature is active (sensitivity)",
    ),
    (
        "specificity_top_half",
        "precision over the tokens at which the activation is at least half of its largest on the text",
    ),
    (
        "expected",
        "a level's centre times the share of active tokens in it: its part in the feature's mean activation where active",
    ),
];

/// Question to a text.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Features to test, all in one pass.
    pub features: &'a [FeatureId],
    /// Predicate.
    pub predicate: &'a Predicate,
    /// Seed of the missed tokens that are listed.
    pub seed: u64,
}

/// Tokens of one level of activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Lower end (inclusive).
    pub from: f64,
    /// Upper end; inclusive for the highest level.
    pub to: f64,
    /// Tokens at which the predicate holds.
    pub holding: u64,
    /// All other tokens.
    pub other: u64,
}

/// Answer for one feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// Feature.
    pub feature: FeatureId,
    /// Number of tokens read.
    pub tokens: u64,
    /// Tokens at which the feature is active.
    pub active: u64,
    /// Tokens at which the predicate holds.
    pub holding: u64,
    /// Tokens at which both are true.
    pub both: u64,
    /// Largest activation by size; 0 for a feature that is never active.
    pub max: f64,
    /// Equal levels from 0 to the largest activation, lowest first; none for a feature that is never active.
    pub levels: Vec<Level>,
    /// Tokens with at least half of the largest activation.
    pub top: u64,
    /// Tokens among them at which the predicate holds.
    pub top_holding: u64,
    /// Whether every activation was counted apart, so that levels and the top half are exact.
    pub is_exact: bool,
    /// Tokens at which the predicate holds and the feature is silent, in the order of the text, up to [`MISSES`].
    pub missed: Vec<Example>,
    /// The strongest tokens at which the predicate does not hold, strongest first, up to [`OTHERS`].
    pub others: Vec<Example>,
}

impl Level {
    /// Returns the parts of both kinds of token in the mean activation over `active` tokens: those where the predicate holds, then the others.
    pub fn expected(&self, active: u64) -> (f64, f64) {
        let centre = f64::midpoint(self.from, self.to);
        let part = |count: u64| centre * count as f64 / active.max(1) as f64;
        (part(self.holding), part(self.other))
    }
}

impl Tested {
    /// Returns the share of active tokens at which the predicate holds; none without active tokens.
    pub fn precision(&self) -> Option<f64> {
        share(self.both, self.active)
    }

    /// Returns the share of the predicate's tokens at which the feature is active; none if it never holds.
    pub fn recall(&self) -> Option<f64> {
        share(self.both, self.holding)
    }

    /// Returns the share of tokens in the top half of the activation range at which the predicate holds; none without active tokens.
    pub fn specificity_top_half(&self) -> Option<f64> {
        share(self.top_holding, self.top)
    }

    /// Returns the number of tokens at which the predicate holds and the feature is silent.
    pub fn misses(&self) -> u64 {
        self.holding - self.both
    }

    /// Returns an object with the keys of [`DEFINITIONS`], `feature`, `max`, `exact`, `levels` (`from to holding other expected_holding expected_other`),
    /// `misses` and `others`.
    pub fn json(&self) -> Value {
        let level = |level: &Level| {
            let (holding, other) = level.expected(self.active);
            json!({
                "from": level.from,
                "to": level.to,
                "holding": level.holding,
                "other": level.other,
                "expected_holding": holding,
                "expected_other": other,
            })
        };
        json!({
            "feature": self.feature.0,
            "tokens": self.tokens,
            "active": self.active,
            "holding": self.holding,
            "both": self.both,
            "missed": self.misses(),
            "precision": self.precision(),
            "recall": self.recall(),
            "specificity_top_half": self.specificity_top_half(),
            "max": self.max,
            "exact": self.is_exact,
            "levels": self.levels.iter().map(level).collect::<Value>(),
            "misses": self.missed.iter().map(place).collect::<Value>(),
            "others": self.others.iter().map(place).collect::<Value>(),
        })
    }
}

fn place(example: &Example) -> Value {
    json!({
        "document": example.document,
        "row": example.place.map(|place| place.row),
        "position": example.place.map(|place| place.position),
        "tokens": example.tokens,
        "at": example.at,
        "activations": example.acts,
    })
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Tests features against a predicate at the positions of `rows` that count, in one pass.
pub fn test(
    (model, sae): (&Model, ByToken<'_>),
    rows: &Rows,
    asked: Asked<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Tested>>> {
    let features = sae.features();
    if let Some(beyond) = asked.features.iter().find(|f| f.index() >= features) {
        let what = format!(
            "feature {beyond} does not exist, choose among 0 to {}",
            features.saturating_sub(1)
        );
        return Err(Error::setting(Key::Features, what));
    }
    let lexicon = super::Lexicon::new(model.codec(), rows.tokens());
    let bound = asked.predicate.bind(&lexicon);
    let mut counts: Vec<Counts> = (asked.features.iter())
        .map(|feature| Counts::new(*feature, asked.seed))
        .collect();
    let mut visit = |places: &[(u32, u32)], latents: &Latents| {
        let mut token = 0;
        for of_row in places.chunk_by(|a, b| a.0 == b.0) {
            let line = Line::from_rows(rows, of_row[0].0 as usize);
            let holds = bound.holds(&line);
            for counts in &mut counts {
                counts.add_row((of_row, &holds), (latents, token));
            }
            token += of_row.len();
        }
    };
    let ended = pass::each((model, sae), rows, &mut visit, observe)?;
    let finished = counts
        .into_iter()
        .map(|counts| counts.finished(model, rows));
    Ok(ended.map(|()| finished.collect()))
}

/// A token that may be listed, with the activations around it.
#[derive(Debug)]
struct Kept {
    row: u32,
    position: u32,
    /// First position of `acts`.
    from: usize,
    acts: Vec<f32>,
}

/// Running counts of one feature.
#[derive(Debug)]
struct Counts {
    feature: FeatureId,
    key: u64,
    tokens: u64,
    holding: u64,
    sizes: Sizes,
    /// Missed tokens by random priority, the least ones kept.
    missed: BTreeMap<u64, Kept>,
    /// Strongest tokens at which the predicate does not hold, strongest first.
    others: Vec<(f32, Kept)>,
}

impl Counts {
    fn new(feature: FeatureId, seed: u64) -> Self {
        Self {
            feature,
            key: mix(seed ^ mix(u64::from(feature.0))),
            tokens: 0,
            holding: 0,
            sizes: Sizes::default(),
            missed: BTreeMap::new(),
            others: Vec::new(),
        }
    }

    /// Adds the tokens at `places`, all of one row; `holds` is of all its positions, and the latents of the tokens begin at `first`.
    fn add_row(
        &mut self,
        (places, holds): (&[(u32, u32)], &[bool]),
        (latents, first): (&Latents, usize),
    ) {
        let mut acts = vec![0.0; holds.len()];
        for (token, (_, position)) in (first..).zip(places) {
            acts[*position as usize] = latents.get(token, self.feature);
        }
        for (row, position) in places {
            let at = *position as usize;
            let (act, holds) = (acts[at], holds[at]);
            self.tokens += 1;
            self.holding += u64::from(holds);
            if act != 0.0 {
                self.sizes.add(act.abs(), holds);
            }
            let from = at.saturating_sub(CONTEXT);
            let kept = || Kept {
                row: *row,
                position: *position,
                from,
                acts: acts[from..(at + CONTEXT + 1).min(acts.len())].to_vec(),
            };
            if holds && act == 0.0 {
                self.miss(
                    mix(self.key ^ (u64::from(*row) << 32 | u64::from(*position))),
                    kept,
                );
            } else if !holds && act != 0.0 {
                self.other(act, kept);
            }
        }
    }

    fn miss(&mut self, priority: u64, kept: impl FnOnce() -> Kept) {
        let last = self.missed.last_key_value().map(|(last, _)| *last);
        if self.missed.len() < MISSES || last.is_some_and(|last| priority < last) {
            self.missed.insert(priority, kept());
            if self.missed.len() > MISSES {
                self.missed.pop_last();
            }
        }
    }

    fn other(&mut self, act: f32, kept: impl FnOnce() -> Kept) {
        let at = self
            .others
            .partition_point(|(other, _)| other.abs() >= act.abs());
        if at < OTHERS {
            self.others.insert(at, (act, kept()));
            self.others.truncate(OTHERS);
        }
    }

    fn finished(self, model: &Model, rows: &Rows) -> Tested {
        let (levels, max) = self.sizes.levels();
        let top = self.sizes.sum(|size| size >= max / 2.0);
        let all = self.sizes.sum(|_| true);
        let mut missed: Vec<Kept> = self.missed.into_values().collect();
        missed.sort_by_key(|kept| (kept.row, kept.position));
        let example = |kept: Kept| kept.example(model, rows);
        Tested {
            feature: self.feature,
            tokens: self.tokens,
            active: all[0] + all[1],
            holding: self.holding,
            both: all[1],
            max,
            levels,
            top: top[0] + top[1],
            top_holding: top[1],
            is_exact: self.sizes.dropped == 0,
            missed: missed.into_iter().map(example).collect(),
            others: self
                .others
                .into_iter()
                .map(|(_, kept)| example(kept))
                .collect(),
        }
    }
}

impl Kept {
    fn example(self, model: &Model, rows: &Rows) -> Example {
        let (row, position) = (self.row as usize, self.position as usize);
        let ids = rows.row(row)[self.from..self.from + self.acts.len()].to_vec();
        Example {
            document: rows.document(row, position).to_owned(),
            place: Some(Place {
                row: self.row,
                position,
            }),
            tokens: ids.iter().map(|id| model.codec().display(*id)).collect(),
            ids,
            acts: self.acts,
            at: position - self.from,
        }
    }
}

/// Counts of sizes of activations, each size apart while there are few enough. Order does not matter: the bits dropped are the fewest with which all fit.
#[derive(Debug, Default)]
struct Sizes {
    /// Bits dropped at the end of each size.
    dropped: u32,
    /// By the bits of the size: tokens at which the predicate does not hold, and those at which it does.
    counts: BTreeMap<u32, [u64; 2]>,
    /// Largest size, none dropped.
    max: f32,
}

impl Sizes {
    fn add(&mut self, size: f32, holds: bool) {
        self.max = self.max.max(size);
        let key = size.to_bits() >> self.dropped;
        self.counts.entry(key).or_default()[usize::from(holds)] += 1;
        while self.counts.len() > DISTINCT {
            self.dropped += 1;
            let fine = std::mem::take(&mut self.counts);
            for (key, [other, holding]) in fine {
                let sum = self.counts.entry(key >> 1).or_default();
                sum[0] += other;
                sum[1] += holding;
            }
        }
    }

    /// Returns sizes, each rounded down where bits were dropped, with their counts.
    fn each(&self) -> impl Iterator<Item = (f64, [u64; 2])> {
        self.counts.iter().map(|(key, counts)| {
            let size = f32::from_bits(key << self.dropped);
            (f64::from(size), *counts)
        })
    }

    fn sum(&self, chosen: impl Fn(f64) -> bool) -> [u64; 2] {
        let chosen = self.each().filter(|(size, _)| chosen(*size));
        chosen.fold([0; 2], |sum, (_, counts)| {
            [sum[0] + counts[0], sum[1] + counts[1]]
        })
    }

    /// Returns the levels and the largest size.
    fn levels(&self) -> (Vec<Level>, f64) {
        let max = f64::from(self.max);
        if self.counts.is_empty() {
            return (Vec::new(), 0.0);
        }
        let edge = |level: usize| max * level as f64 / LEVELS as f64;
        let level = |i: usize| {
            let (from, to) = (edge(i), edge(i + 1));
            let last = i + 1 == LEVELS;
            let [other, holding] = self.sum(|size| size >= from && (size < to || last));
            Level {
                from,
                to,
                holding,
                other,
            }
        };
        ((0..LEVELS).map(level).collect(), max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_apart_and_rounded_only_where_they_are_too_many() {
        let mut sizes = Sizes::default();
        for (size, holds) in [(1.0, true), (0.5, false), (0.499, true), (1.0, false)] {
            sizes.add(size, holds);
        }
        assert_eq!(sizes.sum(|size| size >= 0.5), [2, 1]);
        let (levels, max) = sizes.levels();
        assert_eq!((levels.len(), max), (LEVELS, 1.0));
        assert_eq!(
            (levels[9].holding, levels[10].other, levels[19].holding),
            (1, 1, 1)
        );
        assert_eq!(levels[10].expected(4), (0.0, 0.525 / 4.0));
        let many = DISTINCT as u32 + 1000;
        for bits in 0..many {
            sizes.add(f32::from_bits(0x3f80_0000 + bits), true);
        }
        assert!(sizes.dropped > 0 && sizes.counts.len() <= DISTINCT);
        assert_eq!(sizes.sum(|_| true), [2, u64::from(many) + 2]);
    }
}
