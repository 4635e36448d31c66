//! The splice: cross-entropy with each part of the error put back.

use umbra_core::dark_matter::splice::Costs;

use super::study::{Change, Study};

/// Returns the name of the job that computes it for a dictionary.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Measure the cross-entropy of {dictionary}")
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct SpliceState {
    /// The result.
    pub(crate) study: Study<Costs>,
}

/// Changes of the panel.
pub(crate) type Event = Change<Costs>;

impl SpliceState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.study.apply(event);
    }
}
