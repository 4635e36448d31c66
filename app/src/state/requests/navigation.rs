//! Requests for screens, the selection, back and forward.

use umbra_core::ids::{FeatureId, Head, Layer};

use crate::state::catalogue::DictionaryId;
use crate::state::view::ViewId;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// The active tile shows this screen.
    Go(ViewId),
    /// A tile beside the active one shows this screen.
    Beside(ViewId),
    /// Select a feature and show its page (in a tile beside if so).
    Feature {
        /// The feature.
        feature: FeatureId,
        /// Whether in a tile beside.
        beside: bool,
    },
    /// Select a dictionary.
    SelectDictionary(DictionaryId),
    /// Select the dictionary of something that was clicked, and say so where another was in use.
    FollowDictionary(DictionaryId),
    /// Select a feature without leaving the screen.
    SelectFeature(Option<FeatureId>),
    /// Select a token of the prompt.
    SelectToken(Option<usize>),
    /// Select a head.
    SelectHead(Layer, Head),
    /// Select an edit of Steering, by its place in the stack.
    SelectEdit(usize),
    /// Go to the previous place.
    Back,
    /// Go to the next place.
    Forward,
}
