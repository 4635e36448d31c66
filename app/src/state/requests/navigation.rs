//! Requests for screens, the selection, back and forward.

use umbra_core::ids::{FeatureId, Head, Layer};
use umbra_core::workbench::link::Link;

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
    /// Copy the link to a feature of the selected dictionary.
    CopyLink(FeatureId),
    /// Ask for a link, or close the question.
    AskLink(bool),
    /// Show the feature of a link, once the link is checked.
    OpenLink(Link),
    /// Show the feature of a link that is checked; opens its project if another is open.
    FollowLink(Link),
    /// The dictionary of a link is loaded: select the feature and show its page, or say why not.
    Arrive,
    /// The tiles, places and scroll positions of the last time are put in place.
    Resume,
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
