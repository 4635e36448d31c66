//! The induction lab: all heads on random sequences with a repeated prefix, on held-out text, and sentences with two names.

use std::sync::Arc;

use umbra_core::heads::induction::{OnText, Synthetic};
use umbra_core::heads::ioi::Ioi;

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Name of the job that measures all heads on random sequences.
pub(crate) const SYNTHETIC_JOB: &str = "Measure induction";

/// Name of the job that measures all heads on held-out text.
pub(crate) const TEXT_JOB: &str = "Measure induction on held-out text";

/// Tokens of held-out text that are read.
pub(crate) const TEXT_TOKENS: u64 = 20_000;

/// Returns the name of the job that measures a dictionary on sentences with two names.
pub(crate) fn names_job(dictionary: &str) -> String {
    format!("Sentences with two names by {dictionary}")
}

/// Figures on a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// The text, as a phrase.
    pub(crate) phrase: String,
    /// All heads.
    pub(crate) found: OnText,
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct InductionState {
    /// Fingerprint of the model whose heads were measured on random sequences last.
    pub(crate) of: Option<String>,
    /// All heads on random sequences.
    pub(crate) synthetic: Load<Arc<Synthetic>>,
    /// Whether their last measurement was stopped.
    pub(crate) synthetic_stopped: bool,
    /// Fingerprint of the model that read the held-out text last.
    pub(crate) text_of: Option<String>,
    /// All heads on the held-out text.
    pub(crate) text: Load<Arc<Measured>>,
    /// Whether their last measurement was stopped.
    pub(crate) text_stopped: bool,
    /// The dictionary that a person chose for sentences with two names.
    pub(crate) ioi_choice: Option<DictionaryId>,
    /// The dictionary whose features were set to 0 last.
    pub(crate) ioi_of: Option<DictionaryId>,
    /// Its features on sentences with two names.
    pub(crate) ioi: Load<Arc<Ioi>>,
    /// Whether their last measurement was stopped.
    pub(crate) ioi_stopped: bool,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// The heads of a model on random sequences are being measured, were, could not be, or the job was stopped (absent).
    Synthetic(String, Load<Arc<Synthetic>>),
    /// Its heads on the held-out text.
    Text(String, Load<Arc<Measured>>),
    /// A dictionary's features on sentences with two names.
    Ioi(DictionaryId, Load<Arc<Ioi>>),
    /// Sentences with two names are shown for this dictionary.
    Dictionary(DictionaryId),
}

impl InductionState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Synthetic(of, load) => {
                let at = (
                    &mut self.of,
                    &mut self.synthetic,
                    &mut self.synthetic_stopped,
                );
                put(at, of, load);
            }
            Event::Text(of, load) => {
                let at = (&mut self.text_of, &mut self.text, &mut self.text_stopped);
                put(at, of, load);
            }
            Event::Ioi(of, load) => {
                let at = (&mut self.ioi_of, &mut self.ioi, &mut self.ioi_stopped);
                put(at, of, load);
            }
            Event::Dictionary(of) => self.ioi_choice = Some(of),
        }
    }
}

fn put<K: PartialEq, T>(
    (key, value, stopped): (&mut Option<K>, &mut Load<T>, &mut bool),
    of: K,
    load: Load<T>,
) {
    if load.is_loading() {
        *value = load;
        *key = Some(of);
        *stopped = false;
    } else if key.as_ref() == Some(&of) {
        // Work that ends with nothing was stopped.
        *stopped = matches!(load, Load::Absent);
        *value = load;
    }
}
