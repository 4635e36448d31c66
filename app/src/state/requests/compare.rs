//! Requests that compare two dictionaries.

use crate::state::catalogue::DictionaryId;
use crate::state::compare::Two;

/// Requests of this area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show this dictionary beside another.
    Show(DictionaryId),
    /// Choose these two dictionaries.
    Choose(Two),
    /// Compare them.
    Compare(Two),
    /// Measure their pairs on the project's held-out text.
    Together(Two),
}
