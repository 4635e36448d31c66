//! Requests for dictionaries trained on the error.

use umbra_core::sae::ErrorPart;

use crate::state::catalogue::DictionaryId;

/// Requests of the panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Choose the part of the error and the number of features, none for as many as the parent has.
    Choose(ErrorPart, Option<usize>),
    /// Train a dictionary on the chosen part of the error of this one, with the form of Training.
    Train(DictionaryId),
    /// Begin what waits, now that its text is counted.
    Begin,
    /// Give up what waits, for this reason.
    GiveUp(String),
    /// Measure a child with its parent on held-out text.
    Measure(DictionaryId),
    /// Measure no child by itself any more.
    Forget,
}
