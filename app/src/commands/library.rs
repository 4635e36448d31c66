//! Projects, and opening models, dictionaries and indexes.

use std::path::PathBuf;

use super::Context;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open the bundled demo over the user's data folder.
    OpenDemo,
    /// Open the project in this folder.
    OpenProject(PathBuf),
    /// Make a new project in this folder.
    NewProject(PathBuf),
    /// Load a model into the project.
    OpenModel(PathBuf),
    /// Add a dictionary to the project.
    OpenSae(PathBuf),
    /// Open an index and tie it to its dictionary.
    OpenIndex(PathBuf),
    /// Open whatever these are.
    Dropped(Vec<PathBuf>),
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        context.fail(format!("{self:?} has nothing to work on yet"));
    }
}
