//! Finds features by words, best first, with the reason: the words of their examples, the tokens they promote and suppress, their labels, the facts that name
//! them.
//!
//! The words of a text are its runs of letters and digits, and every other visible sign by itself; a line break is the word `⏎`. They are compared without
//! case and without the marks of Latin letters. A query matches a text in which every word of the query begins a word.
//!
//! [`Words`] reads all examples of an index once and answers from memory: less than 30 bytes for each example, each word that examples show and each effect.

mod facts;
mod split;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::sync::Arc;

use crate::ids::FeatureId;

pub use words::Words;

/// A feature that was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hit {
    /// Feature.
    pub feature: FeatureId,
    /// Relevance, [`Hit::score`] when it was found.
    pub score: f64,
    /// Whether the query is its number.
    pub number: bool,
    /// Whether its label matches.
    pub label: bool,
    /// Whether the measured fact that names it matches, by its kind and its tokens.
    pub fact: bool,
    /// Number of its strongest examples whose window matches.
    pub examples: usize,
    /// Number of these that peak on a word of the query: the token, or the word of the text that it belongs to, begins like it.
    pub peaks: usize,
    /// Number of its strongest examples.
    pub of: usize,
    /// The first promoted token that matches, if promoted tokens match, and how many stand before it.
    pub promotes: Option<(Arc<str>, usize)>,
    /// The first suppressed token that matches, if suppressed tokens match, and how many stand before it.
    pub suppresses: Option<(Arc<str>, usize)>,
}

impl Hit {
    /// Computes the relevance. A stronger reason outranks all weaker ones: 100 for the number, 20 for the label, 7 for the naming fact, 1 where an example peaks on it. Within that
    /// count 4 times the share of examples that peak on it and the share of examples that hold it, each with two examples more in the denominator, so that a
    /// share of few counts less. The tokens that it moves tell features without examples apart: 2 and 1 over the place among promoted tokens, else 1 over
    /// the place among suppressed ones, in thousandths.
    fn score(&self) -> f64 {
        let share = |count: usize| count as f64 / (self.of + 2) as f64;
        let place = |effect: &Option<(Arc<str>, usize)>, one: f64| {
            let before = effect.as_ref().map(|(_, before)| *before);
            before.map_or(0.0, |before| one + 1.0 / (1 + before) as f64)
        };
        let promotes = place(&self.promotes, 2.0);
        let moves = if promotes > 0.0 {
            promotes
        } else {
            place(&self.suppresses, 0.0)
        };
        100.0 * f64::from(u8::from(self.number))
            + 20.0 * f64::from(u8::from(self.label))
            + 7.0 * f64::from(u8::from(self.fact))
            + f64::from(u8::from(self.peaks > 0))
            + 4.0 * share(self.peaks)
            + share(self.examples)
            + 0.001 * moves
    }

    /// Returns why it was found, strongest reason first.
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.number {
            reasons.push(Reason::Number);
        }
        if self.label {
            reasons.push(Reason::Label);
        }
        if self.fact {
            reasons.push(Reason::Fact);
        }
        let of = self.of;
        if self.peaks > 0 {
            let examples = self.peaks;
            reasons.push(Reason::Peaks { examples, of });
        }
        if self.examples > self.peaks {
            let examples = self.examples;
            reasons.push(Reason::Examples { examples, of });
        }
        let token = |effect: &Option<(Arc<str>, usize)>| {
            let token = effect.as_ref().map(|(token, _)| Arc::clone(token));
            token.filter(|token| !token.is_empty())
        };
        reasons.extend(token(&self.promotes).map(Reason::Promotes));
        reasons.extend(token(&self.suppresses).map(Reason::Suppresses));
        reasons
    }

    /// Returns all reasons as one phrase.
    pub fn why(&self) -> String {
        let reasons: Vec<String> = self.reasons().iter().map(Reason::to_string).collect();
        reasons.join(", ")
    }
}

/// Why a feature was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The query is its number.
    Number,
    /// Its label matches.
    Label,
    /// The measured fact that names it matches.
    Fact,
    /// It peaks on the words in so many of its strongest examples.
    Peaks {
        /// Examples that peak there.
        examples: usize,
        /// Examples in all.
        of: usize,
    },
    /// The words stand in so many of its strongest examples.
    Examples {
        /// Examples that hold them.
        examples: usize,
        /// Examples in all.
        of: usize,
    },
    /// It promotes this token.
    Promotes(Arc<str>),
    /// It suppresses this token.
    Suppresses(Arc<str>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |token: &str| match token.trim() {
            "" => token.replace('\n', "⏎"),
            word => word.to_owned(),
        };
        match self {
            Self::Number => f.write_str("number"),
            Self::Label => f.write_str("label"),
            Self::Fact => f.write_str("measured fact"),
            Self::Peaks { examples, of } => write!(f, "peaks on it in {examples} of {of} examples"),
            Self::Examples { examples, of } => write!(f, "in {examples} of {of} examples"),
            Self::Promotes(token) => write!(f, "promotes ‹{}›", shown(token)),
            Self::Suppresses(token) => write!(f, "suppresses ‹{}›", shown(token)),
        }
    }
}

/// Returns whether every word of `query` begins a word of `text`; no query matches nothing.
pub fn matches(query: &str, text: &str) -> bool {
    Matcher::new(query).matches(text)
}

/// A query that is compared with many texts.
#[derive(Debug)]
pub(super) struct Matcher {
    words: Vec<split::Word>,
    /// A word of ASCII letters alone, if there is one: an ASCII text without it need not be divided.
    ascii: Option<String>,
}

impl Matcher {
    /// Divides the query.
    pub(super) fn new(query: &str) -> Self {
        let words = split::words(query);
        let ascii = words.iter().map(|word| &word.text);
        let ascii = ascii.filter(|word| word.is_ascii()).max_by_key(|w| w.len());
        Self {
            ascii: ascii.cloned(),
            words,
        }
    }

    /// Returns whether every word of the query begins a word of `text`.
    pub(super) fn matches(&self, text: &str) -> bool {
        if self.words.is_empty() || !self.may_match(text.as_bytes()) {
            return false;
        }
        let words = split::words(text);
        let begins = |word: &split::Word| words.iter().any(|w| w.text.starts_with(&word.text));
        self.words.iter().all(begins)
    }

    fn may_match(&self, text: &[u8]) -> bool {
        let Some(word) = self.ascii.as_ref().filter(|_| text.is_ascii()) else {
            return true;
        };
        let mut parts = text.windows(word.len());
        parts.any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    }
}
