//! The sentence in Prompt and its reading.

use super::{Commands, Context};
use crate::state::{AppState, Event, prompt};

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Another sentence.
    Text(String),
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Text(text) => context.apply(Event::Prompt(prompt::Event::Text(text))),
        }
    }
}

/// What the state calls for.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}
