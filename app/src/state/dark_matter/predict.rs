//! Predictions of the error from reconstructions of other hooks.

use umbra_core::dark_matter::predict::Predictions;

use super::study::{Change, Study};

/// Returns the name of the job that computes it for a dictionary.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Predict the error of {dictionary}")
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct PredictState {
    /// The result.
    pub(crate) study: Study<Predictions>,
}

/// Changes of the panel.
pub(crate) type Event = Change<Predictions>;

impl PredictState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.study.apply(event);
    }
}
