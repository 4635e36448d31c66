//! The error along the depth of the model, for all of its dictionaries.

use super::study::{Change, Study};

/// Returns the name of the job that computes it for a dictionary.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Measure the error along depth from {dictionary}")
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct DepthState {
    /// The result.
    pub(crate) study: Study<()>,
}

/// Changes of the panel.
pub(crate) type Event = Change<()>;

impl DepthState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.study.apply(event);
    }
}
