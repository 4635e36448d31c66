//! Evaluation: what dictionaries are worth, one file per panel of the screen. Kept numbers of dictionaries are in the catalogue.

pub(crate) mod tab;
pub(crate) mod task;

/// All panels' facts.
#[derive(Debug, Default)]
pub(crate) struct EvaluationState {
    /// The task with a known answer.
    pub(crate) task: task::TaskState,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// See [`task::Event`].
    Task(task::Event),
}

impl EvaluationState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Task(event) => self.task.apply(event),
        }
    }
}
