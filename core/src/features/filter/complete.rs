//! Completes a filter while it is written.

use std::ops::Range;

use super::lex::KEYWORDS;
use super::parse::{IS, PLACES};
use super::{Column, Columns};
use crate::features::facts::Kind;
use crate::features::families::Family;

/// Something that can be written at a place of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Bytes that it replaces.
    pub replaces: Range<usize>,
    /// Text to put there.
    pub text: String,
    /// Its meaning.
    pub help: String,
}

/// Keys with words as values, and their meanings.
const KEYS: [(&str, &str); 9] = [
    (
        "fires:\"",
        "Features that peak on the words in one of their strongest examples",
    ),
    (
        "text:\"",
        "Features whose strongest examples hold the words",
    ),
    (
        "promotes:\"",
        "Features that promote a token that begins so",
    ),
    (
        "suppresses:\"",
        "Features that suppress a token that begins so",
    ),
    ("label:\"", "Features whose label holds the words"),
    ("is:", "Labelled or unlabelled, dead or live"),
    ("fact:", "Features of which a clear fact was measured"),
    ("family:", "Features of a family"),
    (
        "head=",
        "Features whose strongest head it is, as in head=2.3",
    ),
];

/// Returns what can be written at byte `at` of `text`, in place of the word that ends there; columns and keys that need what `columns` lack are left out.
pub fn complete(text: &str, at: usize, columns: Option<&Columns>) -> Vec<Completion> {
    let Some(before) = text.get(..at) else {
        return Vec::new();
    };
    let is_quote = |sign: &char| matches!(sign, '"' | '“' | '”');
    if before.chars().filter(is_quote).count() % 2 == 1 {
        return Vec::new();
    }
    let opens = |sign: char| sign.is_whitespace() || matches!(sign, '(' | ')');
    let from = before.rfind(opens).map_or(0, |at| {
        at + before[at..].chars().next().map_or(1, char::len_utf8)
    });
    let word = &before[from..];
    let offer = |from: usize, text: String, help: &str| Completion {
        replaces: from..at,
        text,
        help: help.to_owned(),
    };
    if let Some(end) = word.find([':', '=']) {
        let (key, value) = (&word[..end], &word[end + 1..]);
        let from = from + end + 1;
        let begins = |name: &str| name.starts_with(&value.to_lowercase()) && name != value;
        let values = values(&key.to_lowercase());
        let fitting = values.into_iter().filter(|(name, _)| begins(name));
        return fitting
            .map(|(name, help)| offer(from, name.to_owned(), help))
            .collect();
    }
    let lower = word.to_lowercase();
    let begins = |name: &str| name.starts_with(&lower) && name != lower;
    let mut found = Vec::new();
    let numbers = Column::ALL.into_iter().filter(|column| column.is_number());
    let others = numbers.filter(|column| *column != Column::Number);
    for column in others.filter(|column| begins(column.id()) && has(columns, *column)) {
        let sign = if column == Column::Density { '<' } else { '>' };
        let text = format!("{}{sign}", column.id());
        found.push(offer(from, text, column.definition()));
    }
    for (key, help) in KEYS {
        let available = match key {
            "fact:" => has(columns, Column::Fact),
            "family:" => has(columns, Column::Family),
            "head=" => has(columns, Column::Head),
            _ => true,
        };
        if begins(key) && available {
            found.push(offer(from, key.to_owned(), help));
        }
    }
    if !before[..from].trim().is_empty() {
        for keyword in KEYWORDS.into_iter().filter(|keyword| begins(keyword)) {
            let help = match keyword {
                "and" => "Both conditions hold",
                "or" => "One of the conditions holds",
                _ => "The condition does not hold",
            };
            found.push(offer(from, format!("{keyword} "), help));
        }
    }
    found
}

/// Values of a key with their meanings.
fn values(key: &str) -> Vec<(&'static str, &'static str)> {
    debug_assert!(PLACES.len() < KEYS.len(), "every place has a key");
    match key {
        "is" => {
            let help = [
                "Features with a label",
                "Features without a label",
                "Features that are never active on the index's text",
                "Features that are active on the index's text",
            ];
            IS.into_iter().zip(help).collect()
        }
        "family" => (Family::ALL.into_iter())
            .map(|family| (family.name(), Column::Family.definition()))
            .collect(),
        "fact" => (Kind::ALL.into_iter())
            .map(|kind| (kind.name(), kind.definition()))
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether the index has what a column shows.
fn has(columns: Option<&Columns>, column: Column) -> bool {
    columns.is_none_or(|columns| columns.has(column))
}
