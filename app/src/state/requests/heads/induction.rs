//! Requests of the induction lab.

use std::path::PathBuf;

use umbra_core::ids::{Head, Layer};

use crate::state::catalogue::DictionaryId;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Measure all heads on random sequences with a repeated prefix.
    Measure,
    /// Measure all heads on the project's held-out text.
    OnText,
    /// Show sentences with two names for a dictionary.
    Dictionary(DictionaryId),
    /// Set a dictionary's features to 0 in sentences with two names: those of a file, or sentences from templates.
    Names(DictionaryId, Option<PathBuf>),
    /// Ask for a file of sentences, and measure them.
    NamesOfFile(DictionaryId),
    /// Select a head and stay in the lab.
    Select(Layer, Head),
}
