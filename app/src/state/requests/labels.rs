//! Requests for measured facts, for labels from files and facts, and for labels by a language model.

use std::path::PathBuf;

use umbra_core::ids::FeatureId;
use umbra_core::project::Given;

use crate::state::catalogue::DictionaryId;
use crate::state::labels::Typed;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Measure facts about every feature of a dictionary on held-out text, and keep them in its index.
    MeasureFacts(DictionaryId),
    /// Take the naming facts as labels of the features that have none.
    TakeFacts(DictionaryId),
    /// Give a feature of the selected dictionary a label that was offered.
    Accept {
        /// Feature.
        feature: FeatureId,
        /// Label with its origin.
        given: Given,
    },
    /// Ask for a file of labels of a dictionary.
    PickImport(DictionaryId),
    /// Take the labels of a file for the features that have none.
    Import(DictionaryId, PathBuf),
    /// Ask where to write the labels of a dictionary.
    PickExport(DictionaryId),
    /// Write the labels of a dictionary to a file.
    Export(DictionaryId, PathBuf),
    /// Open the dialog that asks a language model about a feature.
    Question(DictionaryId, FeatureId),
    /// Another endpoint is typed in the dialog.
    Type(Typed),
    /// Send the question.
    Send,
    /// Close the dialog.
    Close,
}
