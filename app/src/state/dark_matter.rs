//! The error of the selected dictionary: its probe, and the norms of the error on the sentence in Prompt or on a held-out passage.

use std::sync::Arc;

use umbra_core::corpus::Rows;
use umbra_core::dark_matter::{ErrorNorms, Probe};
use umbra_core::prompt::Input;

use super::catalogue::DictionaryId;
use super::load::Load;

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

/// Probe and errors.
#[derive(Debug, Default)]
pub(crate) struct DarkMatterState {
    /// Dictionary whose probe was requested last.
    pub(crate) probe_of: Option<DictionaryId>,
    /// The probe; absent: none is kept.
    pub(crate) probe: Load<Arc<Probe>>,
    /// The row of the held-out text that is shown, if that is what is shown.
    pub(crate) held_out_row: Option<usize>,
    /// Rows of the held-out text.
    pub(crate) held_out: Load<Arc<Rows>>,
    /// The passage whose errors were requested last.
    pub(crate) errors_of: Option<Key>,
    /// The errors.
    pub(crate) errors: Load<Arc<Errors>>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A probe is looked for or fitted, arrived, is not there, or failed.
    Probe(DictionaryId, Load<Arc<Probe>>),
    /// The sentence (none) or this row of the held-out text is shown.
    Shown(Option<usize>),
    /// The held-out text is being read, arrived or failed.
    HeldOut(Load<Arc<Rows>>),
    /// Errors are being computed, arrived or failed.
    Errors(Key, Load<Arc<Errors>>),
}

impl DarkMatterState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        let lab = self;
        match event {
            Event::Probe(of, load) => {
                if load.is_loading() {
                    lab.probe_of = Some(of);
                }
                if lab.probe_of == Some(of) {
                    lab.probe = load;
                }
            }
            Event::Shown(row) => lab.held_out_row = row,
            Event::HeldOut(load) => lab.held_out = load,
            Event::Errors(of, load) => {
                if load.is_loading() {
                    lab.errors_of = Some(of.clone());
                }
                if lab.errors_of.as_ref() == Some(&of) {
                    lab.errors = load;
                }
            }
        }
    }
}
