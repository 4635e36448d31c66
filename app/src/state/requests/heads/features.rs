//! Requests for the features of heads.

use crate::state::catalogue::DictionaryId;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Measure the heads of the layer that a dictionary reads.
    Measure(DictionaryId),
}
