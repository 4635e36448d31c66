//! Requests for the error by token.

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::places::Key;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show the sentence (none) or this row of the held-out text.
    Show(Option<usize>),
    /// Read the held-out text.
    ReadHeldOut,
    /// Compute the errors of a text by token.
    TakeApart(Key),
    /// Look for the errors over the project's text that are kept with it.
    Look(DictionaryId),
    /// Measure the errors over the project's text and keep the result with it.
    Compute(DictionaryId),
}
