//! The width ladder: several dictionaries of one hook on the same tokens.

use super::study::{Change, Study};

/// Returns the name of the job that computes it for a dictionary.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Measure the width ladder of {dictionary}")
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct LadderState {
    /// The result.
    pub(crate) study: Study<()>,
}

/// Changes of the panel.
pub(crate) type Event = Change<()>;

impl LadderState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.study.apply(event);
    }
}
