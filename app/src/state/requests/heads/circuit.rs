//! Requests for the trace of a feature.

use crate::state::heads::circuit::Key;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Trace a feature at a token back to what makes it up.
    Trace(Key),
    /// Show contributions from this share on.
    Threshold(f64),
    /// Select the node with this id.
    Select(String),
    /// Trace the selected feature where the attribution explains another, or the latter again.
    Own(bool),
}
