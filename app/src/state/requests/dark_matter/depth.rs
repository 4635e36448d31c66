//! Requests for the error along depth.

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look for the result kept with the project.
    Look,
    /// Measure all loaded dictionaries of the model and keep the result with the project.
    Compute,
}
