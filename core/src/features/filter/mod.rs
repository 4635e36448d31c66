//! The language in which features are chosen and ordered: `density<1e-3 and head=2.3 and fires:"king" and fact:induction`.
//!
//! A filter is made of conditions, joined by `and`, `or`, `not` and parentheses; `and` may be left out, and binds more tightly than `or`.
//!
//! | condition | keeps features |
//! |---|---|
//! | `density<1e-3`, `max >= 5`, `density<0.1%`, `mean=1..3` | whose figure lies there: any column of [`Column::ALL`] with numbers |
//! | `head=2.3`, `head=3` | whose strongest head it is: layer and head, or the head of the hook's layer |
//! | `family=local` | of this family |
//! | `fires:"king"` | that peak on the words in one of their strongest examples |
//! | `text:king` | whose strongest examples hold the words |
//! | `promotes:king`, `suppresses:king` | that promote or suppress a token that begins so |
//! | `label:royal` | whose label holds the words |
//! | `fact:induction` | one of whose measured facts holds the words |
//! | `is:labelled`, `is:dead` | with a label; never active on the index's text |
//! | `#12`, `#3,12,40-49` | with these numbers |
//! | `king`, `"the king"` | about the words: by label, examples or tokens that they move; words side by side are looked for together |
//!
//! Side by side, without `and`, several families widen the choice.
//!
//! Words match as in [`super::matches`]: each begins a word of the text. A figure that was not measured is within no range. [`Filter::parse`] says where a text
//! is wrong ([`Fault`]); [`Filter::prepare`] joins the filter with [`Columns`], labels and what [`Words`](super::Words) found, and [`Sort`] orders what is kept.

mod asks;
mod column;
mod columns;
mod complete;
mod fault;
mod lex;
mod parse;
mod prepare;
mod select;
mod sort;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::str::FromStr;

use super::families::Family;
use crate::ids::FeatureId;

pub use column::Column;
pub use columns::{Columns, StrongestHead};
pub use complete::{Completion, complete};
pub use fault::Fault;
pub use prepare::{Answers, Known, Prepared};
pub use select::{Chosen, select};
pub use sort::{Key, Sort};

/// A parsed filter. The empty filter keeps every feature.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    root: Option<Expression>,
}

/// Conditions joined by `and`, `or` and `not`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Is(Condition),
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// Ranges of numbers, both ends included.
    Numbers(Vec<(u32, u32)>),
    Compare {
        column: Column,
        within: Interval,
    },
    Head {
        layer: Option<u32>,
        head: u32,
    },
    Family(Family),
    Words {
        place: Place,
        words: String,
    },
    /// A fact's words.
    Fact(String),
    Labelled,
    Dead,
}

/// Where words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Labels, examples, tokens that it moves.
    Anywhere,
    /// Tokens at which the strongest examples peak.
    Peaks,
    /// Strongest examples.
    Examples,
    Promoted,
    Suppressed,
    Label,
}

/// Part of the real line, or all but a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Interval {
    Below { bound: f64, inclusive: bool },
    Above { bound: f64, inclusive: bool },
    Between(f64, f64),
    Other(f64),
}

impl Interval {
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::Below { bound, inclusive } => value < bound || (inclusive && value == bound),
            Self::Above { bound, inclusive } => value > bound || (inclusive && value == bound),
            Self::Between(from, to) => value >= from && value <= to,
            Self::Other(point) => value != point && !value.is_nan(),
        }
    }
}

impl Filter {
    /// Reads a filter; an error says which part of `text` is wrong, and the remedy.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parse::parse(text).map(|root| Self { root })
    }

    /// Whether it keeps every feature.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Returns the texts that [`Words`](super::Words) has to be asked for, each once, [`Self::phrase`] first.
    pub fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.phrase().map(str::to_owned).into_iter().collect();
        self.each(&mut |condition| {
            if let Condition::Words { place, words } = condition
                && *place != Place::Label
                && !texts.contains(words)
            {
                texts.push(words.clone());
            }
        });
        texts
    }

    /// Returns the words by which features can be ordered by relevance: the first words that every kept feature is about, or else peaks on, holds or moves.
    pub fn phrase(&self) -> Option<&str> {
        fn first(expression: &Expression, anywhere: bool) -> Option<&str> {
            match expression {
                Expression::Is(Condition::Words { place, words })
                    if *place != Place::Label && (*place == Place::Anywhere || !anywhere) =>
                {
                    Some(words)
                }
                Expression::All(parts) => parts.iter().find_map(|part| first(part, anywhere)),
                _ => None,
            }
        }
        let root = self.root.as_ref()?;
        first(root, true).or_else(|| first(root, false))
    }

    /// Returns the columns that conditions ask for.
    pub fn columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        self.each(&mut |condition| {
            columns.extend(match condition {
                Condition::Compare { column, .. } => Some(*column),
                Condition::Family(_) => Some(Column::Family),
                Condition::Head { .. } => Some(Column::Head),
                Condition::Fact(_) => Some(Column::Fact),
                _ => None,
            });
        });
        columns
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Condition)) {
        fn walk<'a>(expression: &'a Expression, visit: &mut dyn FnMut(&'a Condition)) {
            match expression {
                Expression::All(parts) | Expression::Any(parts) => {
                    for part in parts {
                        walk(part, visit);
                    }
                }
                Expression::Not(part) => walk(part, visit),
                Expression::Is(condition) => visit(condition),
            }
        }
        if let Some(root) = &self.root {
            walk(root, visit);
        }
    }
}

impl FromStr for Filter {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text)
    }
}

/// Returns the condition that keeps `features` alone: `#3,12,40-49`; nothing for no features.
pub fn numbers(features: &[FeatureId]) -> String {
    let mut features: Vec<u32> = features.iter().map(|feature| feature.0).collect();
    features.sort_unstable();
    features.dedup();
    let runs = features.chunk_by(|a, b| a + 1 == *b);
    let runs: Vec<String> = runs
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            one => one[0].to_string(),
        })
        .collect();
    match runs.as_slice() {
        [] => String::new(),
        runs => format!("#{}", runs.join(",")),
    }
}

/// Measurement that an index may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measurement {
    /// Families (`umbra index families`).
    Families,
    /// Steering scores (`umbra index score`).
    Scores,
    /// Facts (`umbra index facts`).
    Facts,
    /// Strongest heads, which dictionaries of `attn.hook_z` have.
    Heads,
}

impl Column {
    /// Returns the measurement that the column shows, if it is one that an index may lack.
    pub const fn measurement(self) -> Option<Measurement> {
        match self {
            Self::Family | Self::Reach | Self::Induction => Some(Measurement::Families),
            Self::Effect | Self::SteeringKl | Self::Selectivity | Self::Wins => {
                Some(Measurement::Scores)
            }
            Self::Fact | Self::Precision | Self::Recall => Some(Measurement::Facts),
            Self::Head | Self::HeadShare => Some(Measurement::Heads),
            _ => None,
        }
    }
}

/// Bytes of a text.
type Bytes = Range<usize>;
