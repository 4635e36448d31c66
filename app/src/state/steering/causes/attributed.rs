//! Panels “Which features?” and “Which parts write it?”: one result for both, the next tokens of the text, and the rows that a person chose.

use std::sync::Arc;

use umbra_core::causes::Causes;
use umbra_core::prompt::NextToken;
use umbra_core::workbench::patching::Asked;

use crate::state::dark_matter::study::{Change, Study};
use crate::state::load::Load;

/// Name of the job.
pub(crate) const JOB: &str = "Find the causes of a prediction";

/// Points of integrated gradients.
pub(crate) const POINTS: usize = 4;

/// A text and the fingerprint of the model that reads it.
pub(crate) type Of = (String, String);

/// Next tokens of a text, most likely first.
pub(crate) type Next = Load<Arc<Vec<NextToken>>>;

/// Facts of the panels. A result belongs to the model of a fingerprint.
#[derive(Debug, Default)]
pub(crate) struct AttributedState {
    /// Whether integrated gradients are measured too.
    pub(crate) integrated: bool,
    /// Whether a feature is listed at every position, or only where it moves the target most.
    pub(crate) every: bool,
    /// The result.
    pub(crate) study: Study<Asked<Causes>, String>,
    /// Rows of the features' table that are chosen, by their rank.
    pub(crate) chosen: Vec<u64>,
    /// The text whose next tokens were asked for last.
    pub(crate) next_of: Option<Of>,
    /// Its next tokens.
    pub(crate) next: Next,
}

/// Changes of the panels.
#[derive(Debug)]
pub(crate) enum Event {
    /// Whether integrated gradients are measured too.
    Integrated(bool),
    /// Whether a feature is listed at every position.
    Every(bool),
    /// Change of the result.
    Study(Change<Asked<Causes>, String>),
    /// Rows were chosen.
    Chosen(Vec<u64>),
    /// Next tokens of a text are being computed, arrived or failed.
    Next(Of, Next),
}

impl AttributedState {
    /// Carries out an event. What arrives late for another text is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Integrated(integrated) => self.integrated = integrated,
            Event::Every(every) => self.every = every,
            Event::Study(change) => {
                if matches!(change, Change::Kept(..) | Change::Ended(_, Some(_))) {
                    self.chosen.clear();
                }
                self.study.apply(change);
            }
            Event::Chosen(rows) => self.chosen = rows,
            Event::Next(of, next) => {
                if next.is_loading() {
                    self.next_of = Some(of.clone());
                }
                if self.next_of.as_ref() == Some(&of) {
                    self.next = next;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_tokens_of_another_text_are_dropped() {
        let of = |text: &str| (text.to_owned(), "model".to_owned());
        let mut state = AttributedState::default();
        state.apply(Event::Next(of("a"), Load::Loading));
        state.apply(Event::Next(of("b"), Load::Loading));
        state.apply(Event::Next(of("a"), Load::Ready(Arc::default())));
        assert!(state.next.is_loading());
        state.apply(Event::Next(of("b"), Load::Ready(Arc::default())));
        assert!(state.next.ready().is_some());
    }
}
