//! Requests for the attribution of a feature.

use umbra_core::prompt::Input;

use crate::state::catalogue::DictionaryId;
use crate::state::heads::attribution::Key;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Read a sentence with a dictionary, to find where its features are active.
    Read(DictionaryId, Input),
    /// Attribute a feature's pre-activation at a token to heads and source tokens.
    Attribute(Key),
    /// Show the attribution of a feature at a token, even where it is silent, and select both.
    Choose(Key),
    /// List all features that fire on the sentence, or those of the head alone.
    All(bool),
}
