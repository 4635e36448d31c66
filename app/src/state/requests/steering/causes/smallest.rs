//! Requests of the panel “What is the least edit?”.

use crate::state::catalogue::DictionaryId;
use crate::state::steering::causes::smallest::Form;

/// Text, target and second text of a search, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Text that is edited.
    pub(crate) text: String,
    /// Target as the command line writes it.
    pub(crate) target: String,
    /// The second text.
    pub(crate) second: Option<String>,
}

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Choices changed.
    Form(Box<Form>),
    /// Look for the result kept with the project.
    Look(DictionaryId),
    /// Search the edits of the form's aim with this dictionary and keep the result with the project.
    Search(DictionaryId, Asked),
    /// Put the first edits of the result, so many, into the stack of Steering.
    Steer(DictionaryId, usize),
}
