//! Requests for the sentence by every dictionary, beside a second text, and for two sets of texts.

use std::path::PathBuf;

use crate::state::texts::SetsForm;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Read the sentence by every dictionary; what is under way of another sentence stops.
    ReadLayers,
    /// Another second text.
    Second(String),
    /// Read the sentence and the second text, and align them; what is under way of other texts stops.
    Align,
    /// Another form of the sets.
    Form(SetsForm),
    /// Ask for a file of texts for a set, 0 or 1.
    ChooseSet(usize),
    /// Take the texts of a file for a set.
    TakeSet(usize, PathBuf),
    /// Tell both sets apart by the selected dictionary.
    Separate,
}
