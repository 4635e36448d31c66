//! Requests for the linear probe.

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::fit::Form;

/// Requests of the fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the probe kept with the project.
    Look(DictionaryId),
    /// Fit a probe and keep it with the project.
    Compute(DictionaryId),
    /// Other settings of the next fit.
    Form(Form),
}
