//! Facts about features, measured over a text: on which tokens a feature fires, after and before which, at which places of words, lines and sentences, and how
//! well each of these statements describes it.
//!
//! # Measurement
//! A statement holds or does not hold at each token that counts. For every feature and statement one pass counts the tokens with both ([`Fact::both`]), those with
//! the statement ([`Fact::holding`]) and those on which the feature is active ([`Fact::active`]). Precision is both / active, recall both / holding.
//!
//! Statements about single tokens (*on*, *after*, *before*, *induction*) are asked for tokens that the feature's examples in its index suggest, up to
//! [`CANDIDATES`] for each kind; their counts over the text are exact. Statements of one kind exclude each other, so a fact may join up to [`JOINED`] tokens.
//!
//! # Order
//! [`Fact::score`] is the uncertainty coefficient I(F; S) / H(F) of the feature's firing F and the statement S: the share of the uncertainty about where the
//! feature fires that the statement removes, 0 for an unrelated one and 1 for one that holds exactly where the feature fires. It counts only where the feature
//! fires more often with the statement than without. Facts are listed by it; the first clear one names the feature until a person does.

mod candidates;
mod file;
mod kind;
mod measure;
mod places;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

pub use self::file::write;
pub use self::kind::Kind;
use self::measure::score;
pub use self::measure::{Asked, measure};
use crate::ids::{FeatureId, TokenId};

/// Number of tokens that the examples of a feature suggest for each kind of fact, at most.
pub const CANDIDATES: usize = 8;
/// Number of tokens that a fact joins, at most.
pub const JOINED: usize = 4;
/// Number of facts kept for each feature, at most.
pub const KEPT: usize = 8;
/// Least score of a fact that is kept.
pub const LEAST_SCORE: f64 = 0.02;
/// Score from which a fact is clear.
pub const CLEAR: f64 = 0.25;
/// Precision from which a clear fact may name a feature.
pub const NAMING: f64 = 0.5;
/// Least number of active tokens of a feature with facts.
pub const LEAST_ACTIVE: u64 = 5;

/// Least number of active tokens at which a statement holds, and at each of the tokens that it joins.
pub const LEAST_BOTH: u64 = 3;

/// Name and definition of every figure of a fact.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "precision",
        "share of the tokens on which the feature is active at which the statement holds; for local and long-context the share of the activation at the strongest examples that the last tokens keep",
    ),
    (
        "recall",
        "share of the tokens at which the statement holds on which the feature is active; none for local and long-context",
    ),
    (
        "share",
        "share of the feature's summed activation, by size, at tokens at which the statement holds",
    ),
    (
        "score",
        "uncertainty coefficient: share of the uncertainty (entropy) about where the feature fires that the statement removes; a fact is clear from 0.25, and names the feature if its precision is at least 0.5",
    ),
    (
        "active",
        "tokens on which the feature is active; for local and long-context the number of examples",
    ),
    ("holding", "tokens at which the statement holds"),
    (
        "both",
        "tokens at which the statement holds and the feature is active",
    ),
];

/// A token of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactToken {
    /// Token.
    pub id: TokenId,
    /// Token as shown.
    pub text: String,
}

/// A statement about a feature, with how well it describes where the feature fires.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Kind of statement.
    pub kind: Kind,
    /// Tokens that it names; empty for kinds without.
    pub tokens: Vec<FactToken>,
    /// Number of last tokens that are enough ([`Kind::Local`], [`Kind::LongContext`]); 0 where none is known and for other kinds.
    pub reach: usize,
    /// Tokens on which the feature is active.
    pub active: u64,
    /// Tokens at which the statement holds.
    pub holding: u64,
    /// Tokens at which the statement holds and the feature is active.
    pub both: u64,
    /// Share of the active tokens at which the statement holds ([`DEFINITIONS`]).
    pub precision: f64,
    /// Share of the statement's tokens on which the feature is active; none for [`Kind::Local`] and [`Kind::LongContext`].
    pub recall: Option<f64>,
    /// Share of the feature's summed activation, by size, at tokens at which the statement holds, to the precision of an f32.
    pub share: f64,
    /// Uncertainty coefficient, 0 to 1; 0 for [`Kind::Local`] and [`Kind::LongContext`].
    pub score: f64,
}

impl Fact {
    /// Computes the figures of a statement from the numbers of all tokens, of those on which the feature is active, of those with the statement and of those with
    /// both.
    fn from_counts(
        kind: Kind,
        tokens: Vec<FactToken>,
        [all, active, holding, both]: [u64; 4],
        share: f32,
    ) -> Self {
        let part = |whole: u64| both as f64 / whole.max(1) as f64;
        Self {
            kind,
            tokens,
            reach: 0,
            active,
            holding,
            both,
            precision: part(active),
            recall: Some(part(holding)),
            share: share.into(),
            score: score([all, active, holding, both]),
        }
    }

    /// States how much context a feature needs: the last `reach` tokens keep the share `kept` of its activation at so many `examples`.
    fn of_context(kind: Kind, reach: usize, examples: u64, kept: f32) -> Self {
        Self {
            kind,
            tokens: Vec::new(),
            reach,
            active: examples,
            holding: 0,
            both: 0,
            precision: kept.into(),
            recall: None,
            share: kept.into(),
            score: 0.0,
        }
    }

    /// Returns the fact as a phrase: `fires on ‹ said› or ‹ cried›`.
    pub fn said(&self) -> String {
        self.kind.said(&self.tokens, self.reach)
    }

    /// Whether the fact tells much about where the feature fires.
    pub fn is_clear(&self) -> bool {
        self.kind.is_context() || self.score >= CLEAR
    }

    /// Whether the fact may name the feature.
    pub fn is_name(&self) -> bool {
        !self.kind.is_context() && self.score >= CLEAR && self.precision >= NAMING
    }

    /// Returns precision, recall and the number of active tokens as a phrase.
    pub fn figures(&self) -> String {
        match self.recall {
            Some(recall) => format!(
                "precision {:.1} %, recall {:.1} %, {} active tokens",
                100.0 * self.precision,
                100.0 * recall,
                self.active
            ),
            None => format!(
                "{:.1} % of the activation kept at {} examples",
                100.0 * self.precision,
                self.active
            ),
        }
    }

    /// Returns an object with the keys of [`DEFINITIONS`], `fact` (the phrase), `kind`, `tokens` (`id text`), `reach` and `clear`.
    pub fn json(&self) -> Value {
        let token = |token: &FactToken| json!({"id": token.id.0, "text": token.text});
        json!({
            "fact": self.said(),
            "kind": self.kind.name(),
            "tokens": self.tokens.iter().map(token).collect::<Value>(),
            "reach": (self.reach > 0).then_some(self.reach),
            "active": self.active,
            "holding": self.holding,
            "both": self.both,
            "precision": self.precision,
            "recall": self.recall,
            "share": self.share,
            "score": self.score,
            "clear": self.is_clear(),
        })
    }
}

/// Facts about the features of a dictionary.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Text that they were measured on, as a phrase.
    pub text: String,
    /// Hex SHA-256 of the text.
    pub fingerprint: String,
    /// Number of tokens of the text that count.
    pub tokens: u64,
    /// Facts by feature, best first.
    pub features: Vec<Vec<Fact>>,
}

impl Facts {
    /// Returns the facts about `feature`, best first.
    pub fn of(&self, feature: FeatureId) -> &[Fact] {
        self.features
            .get(feature.index())
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the fact that names `feature` until a person does; none where no fact is clear enough.
    pub fn name(&self, feature: FeatureId) -> Option<&Fact> {
        self.of(feature).iter().find(|fact| fact.is_name())
    }

    /// Whether a clear fact of this kind is known of `feature`.
    pub fn has(&self, feature: FeatureId, kind: Kind) -> bool {
        let mut facts = self.of(feature).iter();
        facts.any(|fact| fact.kind == kind && fact.is_clear())
    }
}
