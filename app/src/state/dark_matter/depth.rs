//! The error along the depth of the model, for all of its dictionaries.

use umbra_core::dark_matter::depth::Depth;

use super::study::{Change, Study};

/// Name of the job that measures it.
pub(crate) const JOB: &str = "Measure the error along depth";

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct DepthState {
    /// The result, by the fingerprint of the model.
    pub(crate) study: Study<Depth, String>,
}

/// Changes of the panel.
pub(crate) type Event = Change<Depth, String>;

impl DepthState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.study.apply(event);
    }
}
