//! Requests for pursuit.

use umbra_core::dark_matter::pursuit::Method;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::pursuit::Key;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the result kept with the project.
    Look(DictionaryId),
    /// Compute the result and keep it with the project.
    Compute(DictionaryId),
    /// Use this rule from now on.
    Use(Method),
    /// Compute both codes of a sentence.
    Codes(Key),
}
