//! Requests for the self-test.

use crate::state::catalogue::DictionaryId;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the result kept with the project.
    Look(DictionaryId),
    /// Compute the result and keep it with the project.
    Compute(DictionaryId),
}
