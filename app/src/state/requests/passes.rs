//! Requests for evaluation and index: how much text they read, and to run them.

use umbra_core::workbench::passes::{Amount, Pass};

use crate::state::catalogue::DictionaryId;
use crate::state::passes::{Asked, TextOf};

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Change the answer to the open question.
    Answer(Asked),
    /// Close the question.
    Close,
    /// Count the tokens of a text.
    Count(TextOf),
    /// Run the pass; its result is saved with the project.
    Run(DictionaryId, Pass, Amount),
}
