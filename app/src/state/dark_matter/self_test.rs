//! The self-test: planted linear, absent-feature and nonlinear error, found again by the split.

use umbra_core::dark_matter::self_test::SelfTest;

use super::study::{Change, Study};

/// Returns the name of the job that computes it for a dictionary.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Test the split on {dictionary}")
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct SelfTestState {
    /// The result.
    pub(crate) study: Study<SelfTest>,
}

/// Changes of the panel.
pub(crate) type Event = Change<SelfTest>;

impl SelfTestState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.study.apply(event);
    }
}
