//! Evaluate, index, export, report of one dictionary.

use super::Context;
use crate::state::catalogue::DictionaryId;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Evaluate it on held-out text; the figures are kept with the project.
    Evaluate(DictionaryId),
    /// Build its index on held-out text; the file is kept with the project.
    BuildIndex(DictionaryId),
    /// Take it off the project; its files stay.
    Remove(DictionaryId),
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        context.fail(format!("{self:?} has nothing to work on yet"));
    }
}
