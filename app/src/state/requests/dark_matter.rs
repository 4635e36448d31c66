//! Requests of the dark matter lab.

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Key;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the probe kept with the project.
    Look(DictionaryId),
    /// Fit a probe and keep it with the project.
    Fit(DictionaryId),
    /// Show the sentence (none) or this row of the held-out text.
    Show(Option<usize>),
    /// Read the held-out text.
    ReadHeldOut,
    /// Compute the errors of a text by token.
    TakeApart(Key),
}
