//! Requests of the heads lab.

use umbra_core::ids::{Head, Layer};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Key;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Measure the heads of the layer that a dictionary reads.
    Measure(DictionaryId),
    /// Select a head and the dictionary of its layer, with a notification.
    Choose(Layer, Head),
    /// Attribute a feature's pre-activation at a token to heads and source tokens.
    Attribute(Key),
}
