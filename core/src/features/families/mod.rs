//! Families of a dictionary's features by measured predicates: induction, local context, long-range context.
//!
//! Everything is measured on the token rows that an index holds, those with examples of some feature.
//!
//! # Induction
//! A feature's *target* is the token that most often follows earlier copies of its strongest tokens: over its strongest examples, each in its own row, the token
//! x with the largest sum of activations at tokens t for which some earlier q holds the same token up to leading spaces and case and token\[q + 1\] = x. The
//! predicate "x is next by induction" is then `repeats(fuzzy) and next_is(x)` of [`super::predicate`]. [`Induction`] holds its specificity in the top half of the
//! activation range and the share of the feature's activation at its tokens. Frequent tokens repeat by chance, so [`Induction::by_chance`] is the specificity that
//! tokens of the same text (up to leading spaces and case) reach wherever they occur, whatever the feature does.
//!
//! # Reach
//! At each of a feature's strongest examples, all tokens but the last n (the example's token is the last) are replaced by those of another row at the same
//! positions, if possible of another document; the first token stays where it is special (BOS). [`Reach::kept`] is the activation that is left, summed over the
//! examples, over the activation with nothing replaced. The *reach* is the smallest n that keeps [`ENOUGH`] of it.

mod count;
mod file;
mod induction;
mod measure;
mod reach;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use serde_json::{Value, json};

pub(super) use self::count::followers;
pub use self::file::write;
pub use self::induction::{InductionFeature, induction_features};
pub(super) use self::induction::{Peaks, targets};
pub use self::measure::{Amount, Asked, measure};
pub(super) use self::text::{Held, HeldText};
use crate::ids::{FeatureId, TokenId};

/// Numbers of last tokens that stay in place, in turn.
pub const LAST: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Share of the activation that is enough.
pub const ENOUGH: f64 = 0.8;
/// Largest reach of local context.
pub const LOCAL: usize = 8;
/// Specificity in the top half from which a feature is an induction feature.
pub const SPECIFIC: f64 = 0.8;
/// Least excess of that specificity over chance.
pub const EXCESS: f64 = 0.2;
/// Least number of tokens in the top half for a verdict on induction.
pub const LEAST_TOP: u64 = 10;
/// Least number of examples for a verdict on reach.
pub const LEAST_EXAMPLES: u32 = 3;
/// Number of examples in which context is replaced, unless a person asks for another.
pub const EXAMPLES: usize = 5;

/// Name and definition of every figure, and of the rule.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "family",
        "induction: induction ≥ 0.8 over at least 10 tokens, and at least 0.2 above chance; otherwise local: reach ≤ 8; long-range: reach above 8; unclear: fewer than 3 examples, or a longer kept context falls below 80 % again; none for a feature that is never active",
    ),
    (
        "reach",
        "smallest n of 1, 2, 4, 8, 16 and 32 such that the last n tokens keep 80 % of the activation at the strongest examples, all earlier tokens but BOS replaced by those of another row",
    ),
    (
        "induction",
        "share of the tokens with at least half of the largest activation at which the target is next by induction: an earlier copy of the token, up to leading spaces and case, precedes the target",
    ),
    (
        "by_chance",
        "induction over all tokens of the same texts wherever they occur, whether or not the feature is active",
    ),
    (
        "mass",
        "share of the feature's summed activation at tokens at which the target is next by induction",
    ),
    (
        "target",
        "token that most often follows earlier copies of the tokens at the feature's strongest examples",
    ),
];

/// Family of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Its target is next by induction.
    Induction,
    /// The last 8 tokens are enough.
    Local,
    /// It needs more than 8 tokens of context.
    LongRange,
    /// Too few or contradictory measurements.
    Unclear,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Induction, Self::Local, Self::LongRange, Self::Unclear];

    /// Returns the name: `induction`, `local`, `long-range`, `unclear`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Induction => "induction",
            Self::Local => "local",
            Self::LongRange => "long-range",
            Self::Unclear => "unclear",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How well "the target is next by induction" describes a feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Induction {
    /// Token that is next by induction.
    pub target: TokenId,
    /// The target as shown.
    pub text: String,
    /// Tokens with at least half of the feature's largest activation.
    pub top: u64,
    /// Tokens among them at which the target is next by induction.
    pub top_holding: u64,
    /// Expected share of them if only their texts counted.
    pub by_chance: f64,
    /// Share of the feature's summed activation (by size) at tokens at which the target is next by induction.
    pub mass: f64,
}

impl Induction {
    /// Returns the specificity in the top half of the activation range.
    pub fn specificity(&self) -> f64 {
        self.top_holding as f64 / self.top.max(1) as f64
    }

    /// Whether the feature counts as an induction feature.
    pub fn is_clear(&self) -> bool {
        self.top >= LEAST_TOP
            && self.specificity() >= SPECIFIC
            && self.specificity() - self.by_chance >= EXCESS
    }
}

/// How much context a feature needs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reach {
    /// Share of the activation that the last [`LAST`] tokens keep; above 1 where other context strengthens it.
    pub kept: [f64; LAST.len()],
    /// Number of examples.
    pub examples: u32,
}

impl Reach {
    /// Returns the smallest number of last tokens that is enough; none if 32 are not.
    pub fn reach(&self) -> Option<usize> {
        let at = self.kept.iter().position(|kept| *kept >= ENOUGH)?;
        Some(LAST[at])
    }

    /// Whether every longer context than the reach is enough too.
    pub fn is_steady(&self) -> bool {
        let mut beyond = self.kept.iter().skip_while(|kept| **kept < ENOUGH);
        beyond.all(|kept| *kept >= ENOUGH)
    }
}

/// Measurements of one feature.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// Feature.
    pub feature: FeatureId,
    /// Induction; none for a feature whose strongest tokens never repeat.
    pub induction: Option<Induction>,
    /// Reach; none for a feature that is never active.
    pub reach: Option<Reach>,
}

impl Measured {
    /// Returns the family; none for a feature that is never active.
    pub fn family(&self) -> Option<Family> {
        let reach = self.reach?;
        if self.induction.as_ref().is_some_and(Induction::is_clear) {
            return Some(Family::Induction);
        }
        if reach.examples < LEAST_EXAMPLES || !reach.is_steady() {
            return Some(Family::Unclear);
        }
        Some(match reach.reach() {
            Some(reach) if reach <= LOCAL => Family::Local,
            _ => Family::LongRange,
        })
    }

    /// Returns an object with the keys of [`DEFINITIONS`], `feature`, `top` and `kept` (by number of last tokens); null where there is no value. `reach` is null
    /// for a feature that needs more than 32 tokens too: `kept` tells.
    pub fn json(&self) -> Value {
        let kept = self.reach.map(|reach| {
            let kept = LAST.iter().zip(reach.kept);
            kept.map(|(last, kept)| (last.to_string(), json!(kept)))
                .collect::<serde_json::Map<_, _>>()
        });
        let induction = self.induction.as_ref();
        json!({
            "feature": self.feature.0,
            "family": self.family().map(Family::name),
            "reach": self.reach.and_then(|reach| reach.reach()),
            "induction": induction.map(Induction::specificity),
            "by_chance": induction.map(|induction| induction.by_chance),
            "mass": induction.map(|induction| induction.mass),
            "target": induction.map(|induction| induction.text.as_str()),
            "top": induction.map(|induction| induction.top),
            "kept": kept,
            "examples": self.reach.map(|reach| reach.examples),
        })
    }
}

/// Families of a dictionary's features.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Families {
    /// Measurements, by feature.
    pub features: Vec<Measured>,
    /// Number of rows of the index that were read.
    pub rows: usize,
    /// Number of tokens in them that count.
    pub tokens: u64,
    /// Examples of each feature in which context was replaced, at most.
    pub examples: usize,
    /// Seed that chose the rows put in place.
    pub seed: u64,
}

impl Families {
    /// Returns the number of features in each family of [`Family::ALL`].
    pub fn counts(&self) -> [(Family, usize); 4] {
        Family::ALL.map(|family| {
            let of = |measured: &&Measured| measured.family() == Some(family);
            (family, self.features.iter().filter(of).count())
        })
    }
}
