//! Kinds of facts: their names, their phrases and their definitions.

use std::fmt;

use super::FactToken;

/// Kind of a statement about the tokens on which a feature fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The token is one of some tokens.
    On,
    /// The token before it is one of some tokens.
    After,
    /// The token behind it is one of some tokens.
    Before,
    /// A token is next by induction; with no token, the next token is the one that followed an earlier copy.
    Induction,
    /// The token stood in the row before.
    Duplicate,
    /// It begins a word.
    WordStart,
    /// It continues a word.
    InsideWord,
    /// It ends a word that earlier tokens began.
    WordEnd,
    /// Its first letter is a capital.
    Capital,
    /// It has two or more letters, all capitals.
    AllCapitals,
    /// It is a number.
    Digits,
    /// It is punctuation.
    Punctuation,
    /// It stands inside quotation marks.
    Quotes,
    /// It stands inside round or square brackets.
    Brackets,
    /// It begins the first word of a sentence.
    SentenceStart,
    /// It is the first of a line.
    LineStart,
    /// It holds a line break.
    LineBreak,
    /// It is the first of its document.
    DocumentStart,
    /// It is one of the first positions of the row.
    RowStart,
    /// A few last tokens are enough for the feature to fire.
    Local,
    /// The feature needs more context.
    LongContext,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 21] = [
        Self::On,
        Self::After,
        Self::Before,
        Self::Induction,
        Self::Duplicate,
        Self::WordStart,
        Self::InsideWord,
        Self::WordEnd,
        Self::Capital,
        Self::AllCapitals,
        Self::Digits,
        Self::Punctuation,
        Self::Quotes,
        Self::Brackets,
        Self::SentenceStart,
        Self::LineStart,
        Self::LineBreak,
        Self::DocumentStart,
        Self::RowStart,
        Self::Local,
        Self::LongContext,
    ];

    /// Returns the name in filters and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::After => "after",
            Self::Before => "before",
            Self::Induction => "induction",
            Self::Duplicate => "duplicate",
            Self::WordStart => "word-start",
            Self::InsideWord => "inside-word",
            Self::WordEnd => "word-end",
            Self::Capital => "capital",
            Self::AllCapitals => "all-capitals",
            Self::Digits => "digits",
            Self::Punctuation => "punctuation",
            Self::Quotes => "quotes",
            Self::Brackets => "brackets",
            Self::SentenceStart => "sentence-start",
            Self::LineStart => "line-start",
            Self::LineBreak => "line-break",
            Self::DocumentStart => "document-start",
            Self::RowStart => "row-start",
            Self::Local => "local",
            Self::LongContext => "long-context",
        }
    }

    /// Returns the kind of this name; none if there is no such kind.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns when the statement holds at a token, as a phrase.
    pub const fn definition(self) -> &'static str {
        match self {
            Self::On => "the token is one of those named, spaces and case included",
            Self::After => {
                "the token right before it in the row, of the same document, is one of those named"
            }
            Self::Before => {
                "the token right behind it in the row, of the same document, is one of those named"
            }
            Self::Induction => {
                "an earlier copy of the token, up to leading spaces and case, precedes the token named (repeats(fuzzy) and next_is(…)); with no token named, it precedes the token that comes next here"
            }
            Self::Duplicate => {
                "an earlier position of the row holds the same token (repeats(exact))"
            }
            Self::WordStart => {
                "the token begins with a letter or digit, after a space of its own or after a token that does not end in a letter or digit (starts_word)"
            }
            Self::InsideWord => {
                "the token begins with a letter or digit, without a space, after a token that ends in a letter or digit"
            }
            Self::WordEnd => {
                "the token continues a word, ends in a letter or digit, and the next token does not continue the word"
            }
            Self::Capital => {
                "the first character of the token that is no space is an upper-case letter (capital)"
            }
            Self::AllCapitals => "the token has at least two letters, all upper-case",
            Self::Digits => "all characters of the token but spaces are digits (digit)",
            Self::Punctuation => {
                "the token holds signs and, beside spaces, no letter, digit or control character (punctuation)"
            }
            Self::Quotes => {
                "a double quotation mark was opened before it and not closed, since the paragraph, the document or the row began; straight marks open and close in turn"
            }
            Self::Brackets => {
                "a round or square bracket was opened before it and not closed, since the paragraph, the document or the row began"
            }
            Self::SentenceStart => {
                "the token begins a word and is the first of the document, or the first since a full stop, an exclamation mark, a question mark or an empty line; a row's first word counts only where a document begins"
            }
            Self::LineStart => {
                "the token holds no line break and stands behind one that ends in one, or first in the document"
            }
            Self::LineBreak => "the token holds a line break",
            Self::DocumentStart => {
                "the first token of its document in the text, special tokens aside (first_in_document)"
            }
            Self::RowStart => "the token is among the first 4 positions of the row (position < 4)",
            Self::Local => {
                "8 or fewer last tokens keep 80 % of the activation at the strongest examples, all earlier ones replaced (umbra index families)"
            }
            Self::LongContext => {
                "more than 8 last tokens are needed to keep 80 % of the activation at the strongest examples (umbra index families)"
            }
        }
    }

    /// Returns the predicate of [`crate::features::predicate`] with the same meaning; none where the language has none, and for kinds that name tokens.
    pub const fn predicate(self) -> Option<&'static str> {
        Some(match self {
            Self::Duplicate => "repeats(exact)",
            Self::WordStart => "starts_word",
            Self::Capital => "capital",
            Self::Digits => "digit",
            Self::Punctuation => "punctuation",
            Self::DocumentStart => "first_in_document",
            Self::RowStart => "position < 4",
            _ => return None,
        })
    }

    /// Whether it says how much context the feature needs, instead of where it fires.
    pub const fn is_context(self) -> bool {
        matches!(self, Self::Local | Self::LongContext)
    }

    /// Returns the statement as a phrase.
    pub(super) fn said(self, tokens: &[FactToken], reach: usize) -> String {
        let named = || {
            let quoted: Vec<String> = tokens
                .iter()
                .map(|token| format!("‹{}›", token.text.replace('\n', "⏎")))
                .collect();
            match quoted.split_last() {
                Some((last, [])) => last.clone(),
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                None => String::new(),
            }
        };
        let said = match self {
            Self::On => return format!("fires on {}", named()),
            Self::After => return format!("fires after {}", named()),
            Self::Before => return format!("fires before {}", named()),
            Self::Induction if tokens.is_empty() => {
                "fires where the next token follows an earlier copy too"
            }
            Self::Induction => return format!("fires where {} is next by induction", named()),
            Self::Duplicate => "fires on repeated tokens",
            Self::WordStart => "fires at the start of words",
            Self::InsideWord => "fires inside words",
            Self::WordEnd => "fires at the end of words of several tokens",
            Self::Capital => "fires on capitalised tokens",
            Self::AllCapitals => "fires on tokens in capitals",
            Self::Digits => "fires on numbers",
            Self::Punctuation => "fires on punctuation",
            Self::Quotes => "fires inside quotation marks",
            Self::Brackets => "fires inside brackets",
            Self::SentenceStart => "fires at the start of sentences",
            Self::LineStart => "fires at the start of lines",
            Self::LineBreak => "fires on line breaks",
            Self::DocumentStart => "fires at the start of documents",
            Self::RowStart => "fires at the first positions of a row",
            Self::Local if reach == 1 => "needs only the token itself",
            Self::Local => return format!("needs only the last {reach} tokens"),
            Self::LongContext if reach > 0 => {
                return format!("needs long context, the last {reach} tokens");
            }
            Self::LongContext => "needs long context, more than the last 32 tokens",
        };
        said.to_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
