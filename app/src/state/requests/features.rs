//! Requests for the feature table, the feature page and labels.

use umbra_core::features::directions::Asked;
use umbra_core::ids::FeatureId;

use crate::state::catalogue::DictionaryId;
use crate::state::features::{Query, Seeker};

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Label a feature of the selected dictionary; an empty text removes the label.
    SetLabel {
        /// The feature.
        feature: FeatureId,
        /// The text.
        text: String,
    },
    /// Filter the table by this.
    Filter(String),
    /// Read the table of the selected dictionary from its index.
    LoadTable,
    /// The page of the selected feature is shown: read what is known about it, and find its neighbours.
    ShowPage(FeatureId),
    /// Read a feature's details for a hover card.
    Detail(FeatureId),
    /// Compute the sources of those examples of a feature of the selected dictionary for which the index has none.
    Sources(FeatureId),
    /// Read what lists show of these features.
    Previews(DictionaryId, Vec<FeatureId>),
    /// Give these features of the selected dictionary one label.
    LabelAll {
        /// The features.
        features: Vec<FeatureId>,
        /// The text.
        text: String,
    },
    /// Save a filter with the project.
    KeepFilter(String),
    /// Remove a filter from those saved with the project.
    DropFilter(String),
    /// Map the decoder directions of a dictionary, and keep the map with the project.
    MapDirections(DictionaryId, Asked),
    /// Find the features that these words are about.
    Search(Seeker, Query),
    /// Start the search that waits, now that the words of the index are read.
    Seek(Seeker),
}
