//! The error of the selected dictionary: its probe and the norms on the sentence in Prompt.

use std::sync::Arc;

use umbra_core::dark_matter::Probe;

use super::catalogue::DictionaryId;
use super::{AppState, Load};

/// Probe of one dictionary.
#[derive(Debug, Default)]
pub struct DarkMatterState {
    /// Whose probe was asked for last.
    pub probe_of: Option<DictionaryId>,
    /// The probe.
    pub probe: Load<Arc<Probe>>,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// A probe is asked for, arrived or failed.
    Probe(DictionaryId, Load<Arc<Probe>>),
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let lab = &mut state.dark_matter;
    match event {
        Event::Probe(of, load) => {
            if load.is_loading() {
                lab.probe_of = Some(of);
            }
            if lab.probe_of == Some(of) {
                lab.probe = load;
            }
        }
    }
}
