//! The tokens of a text with their texts, numbered, and their classes up to leading spaces and case.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::TokenId;
use crate::text::TextCodec;

/// Tokens of a text by number, with their texts and fuzzy classes.
#[derive(Debug, Clone, Default)]
pub struct Lexicon {
    /// Numbers by token id; the last number stands for tokens that are missing.
    numbers: Vec<u32>,
    ids: Vec<TokenId>,
    texts: Vec<String>,
    classes: Vec<usize>,
}

/// Returns the text of a token without leading spaces and in lower case, white space alone as it is, as [`TextCodec::folded`] does. Tokens that fold to one text
/// are fuzzy copies of each other.
pub fn folded(text: &str) -> String {
    let word = text.trim_start_matches(' ');
    if word.trim().is_empty() {
        return text.to_owned();
    }
    word.to_lowercase()
}

impl Lexicon {
    /// Collects the distinct tokens of `tokens`.
    pub fn new<'a>(codec: &TextCodec, tokens: impl IntoIterator<Item = &'a TokenId>) -> Self {
        Self::from_texts(tokens, |id| codec.display(id))
    }

    /// Collects the distinct tokens of `tokens`, with texts by `text`.
    pub fn from_texts<'a>(
        tokens: impl IntoIterator<Item = &'a TokenId>,
        text: impl Fn(TokenId) -> String,
    ) -> Self {
        let ids: Vec<TokenId> = tokens
            .into_iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut texts: Vec<String> = ids.iter().map(|id| text(*id)).collect();
        let size = ids.last().map_or(0, |last| last.index() + 1);
        let mut numbers = vec![ids.len() as u32; size];
        for (number, id) in ids.iter().enumerate() {
            numbers[id.index()] = number as u32;
        }
        texts.push(String::new());
        let mut by_fold = BTreeMap::new();
        let classes = texts.iter().map(|text| {
            let next = by_fold.len();
            *by_fold.entry(folded(text)).or_insert(next)
        });
        Self {
            classes: classes.collect(),
            numbers,
            ids,
            texts,
        }
    }

    /// Returns the number of a token, below [`Self::numbers`].
    pub fn number(&self, id: TokenId) -> usize {
        let number = self.numbers.get(id.index()).copied();
        number.map_or(self.ids.len(), |number| number as usize)
    }

    /// Number of numbers: one for each token, and one for all that are missing.
    pub fn numbers(&self) -> usize {
        self.texts.len()
    }

    /// Returns the token with this number; none for the number of missing tokens.
    pub fn id(&self, number: usize) -> Option<TokenId> {
        self.ids.get(number).copied()
    }

    /// Returns the text of the token with this number.
    pub fn text(&self, number: usize) -> &str {
        &self.texts[number]
    }

    /// Returns the fuzzy class of the token with this number, below [`Self::numbers`].
    pub fn class(&self, number: usize) -> usize {
        self.classes[number]
    }

    /// Returns all texts by number.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }
}
