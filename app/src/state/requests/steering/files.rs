//! Requests on edits and vectors in files.

use std::path::PathBuf;

/// Requests on files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Ask where to save the edits.
    PickSave,
    /// Save the edits.
    Save(PathBuf),
    /// Ask which edits to open.
    PickOpen,
    /// Open edits in place of the stack.
    Open(PathBuf),
    /// Ask where to save the vectors that the edits add.
    PickSaveVectors,
    /// Save the vectors that the edits add.
    SaveVectors(PathBuf),
    /// Ask for a file of vectors.
    PickVectors,
    /// Add an edit for each vector of a file.
    AddVectors(PathBuf),
}

impl From<Command> for crate::state::requests::Command {
    fn from(command: Command) -> Self {
        Self::Steering(super::Command::Files(command))
    }
}
