//! Requests for the attention patterns of the sentence in Prompt.

use umbra_core::ids::Layer;

/// Requests of this area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Look at all heads.
    Overview,
    /// Compute the patterns of a layer.
    Patterns(Layer),
}
