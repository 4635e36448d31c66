//! State that waits until the dictionary or the model that it is about is loaded: the feature of a link, and the screens of the last time.

use std::collections::{BTreeMap, BTreeSet};

use umbra_core::ids::{FeatureId, Head, Layer};
use umbra_core::workbench::link::Link;

use super::catalogue::DictionaryId;
use super::kept::Around;
use super::steering::Draft;

/// State that waits.
#[derive(Debug, Default)]
pub(crate) struct ResumeState {
    /// A link that was checked; its feature is shown as soon as its dictionary is loaded.
    pub(crate) link: Option<Link>,
    /// Fingerprints that dictionaries had which are not loaded yet.
    pub(crate) claims: BTreeMap<DictionaryId, String>,
    /// The feature that was selected in the dictionary in use.
    pub(crate) feature: Option<FeatureId>,
    /// Edits that name features or dictionaries.
    pub(crate) draft: Option<Draft>,
    /// The dictionary that was in use, by which edits go that name none.
    pub(crate) in_use: Option<DictionaryId>,
    /// Dictionaries that turned out to be others than before.
    pub(crate) refused: BTreeSet<DictionaryId>,
    /// Fingerprint of the model that was open.
    pub(crate) model: Option<String>,
    /// The head that was selected in it.
    pub(crate) head: Option<(Layer, Head)>,
    /// Tiles, places and scroll positions on their way to the layout.
    pub(crate) around: Option<Around>,
    /// Such dictionaries, on their way to the places in the layout.
    pub(crate) foreign: Vec<DictionaryId>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A link is followed, or no longer.
    Link(Option<Link>),
    /// The layout took what was for it.
    LaidOut,
}

impl ResumeState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Link(link) => self.link = link,
            Event::LaidOut => {
                self.around = None;
                self.foreign.clear();
            }
        }
    }

    /// Whether the layout has something to take.
    pub(crate) fn is_for_layout(&self) -> bool {
        self.around.is_some() || !self.foreign.is_empty()
    }
}
