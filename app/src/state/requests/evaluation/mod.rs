//! Requests of the screen Evaluation.

pub(crate) mod task;

use crate::state::catalogue::DictionaryId;
use crate::state::evaluation::tab::Tab;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show a tab.
    Show(Tab),
    /// Measure the numbers of these dictionaries, one after the other in one job.
    Measure(Vec<DictionaryId>),
    /// See [`task::Command`].
    Task(task::Command),
}

impl From<task::Command> for super::Command {
    fn from(command: task::Command) -> Self {
        Self::Evaluation(Command::Task(command))
    }
}
