//! Pursuit: features chosen one by one against those that the encoder chose, over the held-out text and on the sentence in Prompt.

use std::sync::Arc;

use umbra_core::dark_matter::pursuit::{Comparison, FeatureRow, Method, TokenCodes};
use umbra_core::prompt::Input;

use super::study::{Change, Study};
use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Features of each list.
const LISTED: usize = 200;

/// Returns the name of the job that computes it for a dictionary.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Pursue the error of {dictionary}")
}

/// A comparison with what the panel shows of it, worked out once.
#[derive(Debug)]
pub(crate) struct Compared {
    /// The comparison.
    pub(crate) comparison: Comparison,
    /// Features that only pursuit has, by the sum of their weights.
    pub(crate) missed: Vec<FeatureRow>,
    /// Features that only the encoder has, by the sum of their activations.
    pub(crate) invented: Vec<FeatureRow>,
    /// The answer in one sentence.
    pub(crate) conclusion: String,
}

impl Compared {
    /// Works out what the panel shows.
    pub(crate) fn new(comparison: Comparison) -> Self {
        let first = |rows: Vec<&FeatureRow>| rows.into_iter().take(LISTED).copied().collect();
        Self {
            missed: first(comparison.most_missed()),
            invented: first(comparison.most_invented()),
            conclusion: comparison.conclusion(),
            comparison,
        }
    }
}

/// Identifies the codes of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// The sentence.
    pub(crate) input: Input,
    /// The rule.
    pub(crate) method: Method,
}

/// Codes of a sentence, token by token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Codes {
    /// Display forms of the tokens.
    pub(crate) texts: Vec<String>,
    /// Both codes of each token.
    pub(crate) tokens: Vec<TokenCodes>,
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct PursuitState {
    /// The result over the text.
    pub(crate) study: Study<Compared>,
    /// The rule of the next computation.
    pub(crate) method: Method,
    /// The sentence whose codes were requested last.
    pub(crate) of: Option<Key>,
    /// Its codes.
    pub(crate) codes: Load<Arc<Codes>>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// The result over the text changed.
    Study(Change<Compared>),
    /// Another rule was chosen.
    Method(Method),
    /// Codes of a sentence are being computed, arrived or failed.
    Codes(Key, Load<Arc<Codes>>),
}

impl PursuitState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Study(change) => self.study.apply(change),
            Event::Method(method) => self.method = method,
            Event::Codes(key, load) => {
                if load.is_loading() {
                    self.of = Some(key);
                    self.codes = load;
                } else if self.of.as_ref() == Some(&key) {
                    self.codes = load;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_another_sentence_are_dropped_when_they_arrive() {
        let key = |text: &str| Key {
            dictionary: DictionaryId(0),
            input: Input::Text(text.to_owned()),
            method: Method::Gradient,
        };
        let codes = || {
            Load::Ready(Arc::new(Codes {
                texts: vec![],
                tokens: vec![],
            }))
        };
        let mut state = PursuitState::default();
        state.apply(Event::Codes(key("a"), Load::Loading));
        state.apply(Event::Codes(key("b"), Load::Loading));
        state.apply(Event::Codes(key("a"), codes()));
        assert!(state.codes.is_loading());
        state.apply(Event::Codes(key("b"), codes()));
        assert!(state.codes.ready().is_some());
    }
}
