//! The induction lab: all heads on random sequences with a repeated prefix, on held-out text, and sentences with two names.

use std::sync::Arc;

use umbra_core::heads::induction::{OnText, Synthetic};
use umbra_core::heads::ioi::Ioi;

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

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
    /// Fingerprint of the model that read the held-out text last.
    pub(crate) text_of: Option<String>,
    /// All heads on the held-out text.
    pub(crate) text: Load<Arc<Measured>>,
    /// The dictionary whose features were set to 0 last.
    pub(crate) ioi_of: Option<DictionaryId>,
    /// Its features on sentences with two names.
    pub(crate) ioi: Load<Arc<Ioi>>,
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
}

impl InductionState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Synthetic(of, load) => put((&mut self.of, &mut self.synthetic), of, load),
            Event::Text(of, load) => put((&mut self.text_of, &mut self.text), of, load),
            Event::Ioi(of, load) => put((&mut self.ioi_of, &mut self.ioi), of, load),
        }
    }
}

fn put<K: PartialEq, T>((key, value): (&mut Option<K>, &mut Load<T>), of: K, load: Load<T>) {
    if load.is_loading() {
        *value = load;
        *key = Some(of);
    } else if key.as_ref() == Some(&of) {
        *value = load;
    }
}
