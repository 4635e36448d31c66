//! Requests for the width ladder.

use crate::state::catalogue::DictionaryId;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the result kept with the project.
    Look(DictionaryId),
    /// Put this dictionary on the ladder, or leave it out.
    Tick(DictionaryId, bool),
    /// Measure the dictionaries on the ladder of this one's hook and keep the result with the project.
    Compute(DictionaryId),
}
