//! Requests for the search by text.

use crate::state::catalogue::DictionaryId;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Find the features that fire on the sentence of Prompt; a search of another sentence stops.
    Read,
    /// Put this sentence into Prompt and show the screen.
    Sentence(String),
    /// List the features of a dictionary, or leave them out.
    List(DictionaryId, bool),
}
