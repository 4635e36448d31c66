//! Predicates of a token in its row: a small language in which people say what a feature may respond to, and how it is read on token rows.
//!
//! ```text
//! repeats(fuzzy) and next_is("board")
//! token(/^ ?[0-9]+$/) or (digit and not first_in_document)
//! ```
//!
//! `not` binds before `and`, `and` before `or`. [`DEFINITIONS`] says what every predicate means; positions are those of a row, and an earlier position is one that
//! the model sees: of the row, or of the document where documents are kept apart ([`Line`]).
//!
//! # Copies
//! `repeats` and `next_is` speak of an earlier copy q of the token t. Joined by `and` they speak of one and the same q, so `repeats(fuzzy) and next_is("board")` is:
//! some q < t whose token equals token t up to leading spaces and case, and whose next token is `board`. Elsewhere (alone, under `or` or `not`) `next_is` asks for
//! a copy of its own, matched as the enclosing `and` matches copies, or exactly.

mod compile;
pub mod lab;
mod line;
mod parse;
#[cfg(test)]
mod tests;
mod words;

pub use self::compile::Bound;
pub use self::line::Line;
pub use self::words::{Lexicon, folded};

use self::compile::Node;
use crate::error::{Error, Result};

/// A form of the language, for help and hover texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// How it is written.
    pub form: &'static str,
    /// Meaning, a phrase without a full stop.
    pub meaning: &'static str,
}

const fn means(form: &'static str, meaning: &'static str) -> Definition {
    Definition { form, meaning }
}

/// Every form of the language with its meaning.
pub const DEFINITIONS: &[Definition] = &[
    means(
        "repeats(exact)",
        "an earlier position of the row holds the same token",
    ),
    means(
        "repeats(fuzzy)",
        "an earlier position holds the same token up to leading spaces and upper or lower case",
    ),
    means(
        "next_is(\"board\")",
        "the token after an earlier copy of this token is board; joined to repeats(…) by and, it speaks of the same copy, elsewhere of an exact one",
    ),
    means(
        "token(\" king\")",
        "the token is exactly this text; a leading space counts",
    ),
    means(
        "token(/regex/)",
        "a regular expression matches somewhere in the token's text; ^ and $ are its ends",
    ),
    means(
        "previous(\" the\")",
        "the token before it is exactly this text, or matches a /regex/",
    ),
    means(
        "starts_word",
        "the token begins with a letter or digit, after a space of its own or after a token that does not end in a letter or digit",
    ),
    means(
        "punctuation",
        "the token holds signs and, beside spaces, no letter, digit or control character",
    ),
    means("digit", "all characters of the token but spaces are digits"),
    means(
        "capital",
        "the first character of the token that is no space is an upper-case letter",
    ),
    means(
        "first_in_document",
        "the first token of its document in the text, special tokens aside",
    ),
    means(
        "position < n",
        "the position in the row, 0 the first (BOS where there is one); also <=, >, >= and =",
    ),
    means("and, or, not, ( )", "not binds before and, and before or"),
];

/// Predicates that people begin with: name and text.
pub const READY_MADE: &[(&str, &str)] = &[
    ("Repeated token", "repeats(fuzzy)"),
    (
        "Induction of a token",
        "repeats(fuzzy) and next_is(\" the\")",
    ),
    ("Start of a word", "starts_word"),
    ("Capital letter", "capital"),
    ("Punctuation", "punctuation"),
    ("Number", "digit"),
    ("After a token", "previous(\" the\")"),
    ("Start of a document", "first_in_document"),
];

/// A predicate of a token in its row, read from its text.
#[derive(Debug, Clone)]
pub struct Predicate {
    text: String,
    node: Node,
}

/// Place and reason of text that is no predicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Byte of the text at which it is wrong.
    pub at: usize,
    /// One sentence without a full stop: the place, the problem, and what is allowed.
    pub why: String,
}

impl Predicate {
    /// Reads `text`; the error says where it is wrong and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let expression = parse::parse(text)?;
        Ok(Self {
            text: text.trim().to_owned(),
            node: Node::new(expression),
        })
    }

    /// Reads `text` as [`Self::parse`] does, with the crate's error.
    pub fn read(text: &str) -> Result<Self> {
        Self::parse(text).map_err(|refused| Error::setting("predicate", refused.why))
    }

    /// Returns the text of the predicate, without spaces around it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Looks every token of `lexicon` up, so that rows of these tokens are read quickly.
    pub fn bind<'a>(&'a self, lexicon: &'a Lexicon) -> Bound<'a> {
        Bound::new(&self.node, lexicon)
    }
}

impl PartialEq for Predicate {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
