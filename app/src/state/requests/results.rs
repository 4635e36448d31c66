//! Requests for the project's report of results.

use umbra_core::section::Section;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Keep this result with the project and write the report of all that are kept.
    Add(Box<Section>),
}
