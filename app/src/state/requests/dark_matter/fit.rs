//! Requests for the linear probe.

use crate::state::catalogue::DictionaryId;

/// Requests of the fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the probe kept with the project.
    Look(DictionaryId),
    /// Fit a probe and keep it with the project.
    Compute(DictionaryId),
}
