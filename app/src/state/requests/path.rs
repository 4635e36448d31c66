//! Requests of the window's own path dialog.

use std::path::PathBuf;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// One more letter, or what completes it.
    Text(String),
    /// Complete what is typed as far as it can be.
    Complete,
    /// Mark a line of the list, or none.
    Mark(Option<usize>),
    /// List this folder.
    List(PathBuf),
    /// Make the folder that is typed.
    MakeFolder,
    /// Answer with the typed path, if it is valid.
    Choose,
    /// Answer with nothing.
    Cancel,
}
