//! Heads lab.

use super::{Commands, Context};
use crate::state::AppState;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, _context: &mut Context<'_>) {
        match self {}
    }
}

/// What the state calls for.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}
