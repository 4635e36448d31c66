//! Tokens that the features of a running dictionary fire on, in a small block of the run's data.

use std::ops::Range;
use std::sync::Arc;

use umbra_core::ids::FeatureId;

/// Tokens shown before and after the one that a feature fires on.
const AROUND: (usize, usize) = (12, 6);

/// A dictionary looked at while it is trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Browsed {
    /// Activations that the run had seen.
    pub(crate) seen: u64,
    /// The block's tokens in display form, row after row.
    pub(crate) tokens: Arc<Vec<String>>,
    /// Tokens of a row.
    pub(crate) context: usize,
    /// Number of tokens searched: those that count.
    pub(crate) read: usize,
    /// Features that fire there, by falling share.
    pub(crate) features: Vec<Fired>,
    /// Features in all.
    pub(crate) in_all: usize,
}

/// A feature that fires in the block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fired {
    /// Its number.
    pub(crate) feature: FeatureId,
    /// Share of the tokens read.
    pub(crate) share: f64,
    /// Tokens where it fires most (index, activation), strongest first, at most one per row.
    pub(crate) examples: Vec<(usize, f32)>,
}

impl Browsed {
    /// The tokens around the one `at`, within its row.
    pub(crate) fn around(&self, at: usize) -> Range<usize> {
        let row = at / self.context * self.context;
        let begin = at.saturating_sub(AROUND.0).max(row);
        let end = (at + AROUND.1 + 1).min(row + self.context);
        begin..end.min(self.tokens.len())
    }

    /// Features that have `word` in one of the tokens they fire most on, or as their number; all for nothing.
    pub(crate) fn found(&self, word: &str) -> Vec<usize> {
        let word = word.trim().to_lowercase();
        let number = word.strip_prefix('#').unwrap_or(&word);
        let fits = |fired: &Fired| {
            fired.feature.to_string() == number
                || fired.examples.iter().any(|(at, _)| {
                    let token = self.tokens.get(*at);
                    token.is_some_and(|token| token.to_lowercase().contains(&word))
                })
        };
        let all = self.features.iter().enumerate();
        let found = all.filter(|(_, fired)| word.is_empty() || fits(fired));
        found.map(|(i, _)| i).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_within_its_row_and_features_are_found_by_it() {
        let tokens: Vec<String> = (0..40).map(|i| format!("t{i}")).collect();
        let fired = |feature: u32, at: usize| Fired {
            feature: FeatureId(feature),
            share: 0.1,
            examples: vec![(at, 1.0)],
        };
        let browsed = Browsed {
            seen: 0,
            tokens: Arc::new(tokens),
            context: 20,
            read: 38,
            features: vec![fired(7, 22), fired(3, 39)],
            in_all: 8,
        };
        assert_eq!(browsed.around(22), 20..29);
        assert_eq!(browsed.around(39), 27..40);
        assert_eq!(browsed.found(" T39"), [1]);
        assert_eq!(browsed.found("#7"), [0]);
        assert_eq!(browsed.found(""), [0, 1]);
        assert!(browsed.found("nowhere").is_empty());
    }
}
