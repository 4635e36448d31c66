//! The linear probe of the selected dictionary's error.

use std::sync::Arc;

use umbra_core::dark_matter::Probe;

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Returns the name of the job that fits a dictionary's probe.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Fit the probe of {dictionary}")
}

/// Facts of the fit.
#[derive(Debug, Default)]
pub(crate) struct FitState {
    /// Dictionary whose probe was requested last.
    pub(crate) of: Option<DictionaryId>,
    /// The probe; absent: none is kept.
    pub(crate) probe: Load<Arc<Probe>>,
    /// Number of probes that arrived so far.
    arrived: u64,
}

/// Changes of the fit.
#[derive(Debug)]
pub(crate) enum Event {
    /// A probe is looked for or fitted, arrived, is not there, or failed.
    Probe(DictionaryId, Load<Arc<Probe>>),
}

impl FitState {
    /// The probe, if it is there for the dictionary `of`.
    pub(crate) fn of(&self, of: DictionaryId) -> Option<&Arc<Probe>> {
        self.probe.ready().filter(|_| self.of == Some(of))
    }

    /// Returns the number of the probe that is there for the dictionary `of`: another fit has another number.
    pub(crate) fn number(&self, of: DictionaryId) -> Option<u64> {
        self.of(of).map(|_| self.arrived)
    }

    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        let Event::Probe(of, load) = event;
        if load.is_loading() {
            self.of = Some(of);
        }
        if self.of == Some(of) {
            self.arrived += u64::from(load.ready().is_some());
            self.probe = load;
        }
    }
}
