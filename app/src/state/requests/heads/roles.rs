//! Requests for studies of heads and for the person's verdicts.

use umbra_core::ids::Head;
use umbra_core::project::HeadVerdict;

use crate::state::catalogue::DictionaryId;

/// Requests of the panels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Study the layers that these dictionaries read, one after the other.
    Study(Vec<DictionaryId>),
    /// Measure the causal effects of a head's features.
    Effects(DictionaryId, Head),
    /// Read the person's verdicts.
    ReadOwn,
    /// Keep the person's verdict on a head.
    Set(HeadVerdict),
}
