//! Training runs.

use super::{Commands, Context};
use crate::state::AppState;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Stop the run; its dictionary is kept as it stands.
    Stop,
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Stop => {
                if let Some(job) = context.state.training.job {
                    context.commands.send(super::shell::Command::StopJob(job));
                }
            }
        }
    }
}

/// What the state calls for.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}
