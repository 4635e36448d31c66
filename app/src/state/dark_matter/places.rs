//! Where the error is: its norms on the sentence in Prompt or on a held-out passage.

use std::sync::Arc;

use umbra_core::corpus::Rows;
use umbra_core::dark_matter::ErrorNorms;
use umbra_core::prompt::Input;

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// A text that was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    /// The sentence in Prompt.
    Sentence(Input),
    /// A row of the held-out text.
    HeldOut(usize),
}

/// Identifies a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// The text.
    pub(crate) passage: Passage,
    /// Whether a probe took linear and nonlinear part apart.
    pub(crate) split: bool,
}

/// Errors by token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Errors {
    /// Display forms.
    pub(crate) texts: Vec<String>,
    /// Whether each token counts, by the rule of the probe where there is one.
    pub(crate) counts: Vec<bool>,
    /// Norms; without a probe the linear part is 0 and the nonlinear part is everything.
    pub(crate) norms: Vec<ErrorNorms>,
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct PlacesState {
    /// The row of the held-out text that is shown, if that is what is shown.
    pub(crate) held_out_row: Option<usize>,
    /// Rows of the held-out text.
    pub(crate) held_out: Load<Arc<Rows>>,
    /// The passage whose errors were requested last.
    pub(crate) errors_of: Option<Key>,
    /// The errors.
    pub(crate) errors: Load<Arc<Errors>>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// The sentence (none) or this row of the held-out text is shown.
    Shown(Option<usize>),
    /// The held-out text is being read, arrived or failed.
    HeldOut(Load<Arc<Rows>>),
    /// Errors are being computed, arrived or failed.
    Errors(Key, Load<Arc<Errors>>),
}

impl PlacesState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Shown(row) => self.held_out_row = row,
            Event::HeldOut(load) => self.held_out = load,
            Event::Errors(of, load) => {
                if load.is_loading() {
                    self.errors_of = Some(of.clone());
                }
                if self.errors_of.as_ref() == Some(&of) {
                    self.errors = load;
                }
            }
        }
    }
}
