//! Requests of the heads lab.

use umbra_core::ids::{Head, Layer};
use umbra_core::prompt::Input;

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Key;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Measure the heads of the layer that a dictionary reads.
    Measure(DictionaryId),
    /// Select a head and the dictionary of its layer, with a notification.
    Choose(Layer, Head),
    /// Read a sentence with a dictionary, to find where its features are active.
    Read(DictionaryId, Input),
    /// Attribute a feature's pre-activation at a token to heads and source tokens.
    Attribute(Key),
}
