//! The ten features of each head, by dictionary.

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::heads::HeadFigures;

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Figures of the heads of one layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// Sums by head.
    pub(crate) load: Load<Arc<Vec<HeadFigures>>>,
    /// Whether an index gave them top tokens; measured anew once there is one.
    pub(crate) indexed: bool,
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct FeaturesState {
    /// Figures of each `hook_z` dictionary.
    pub(crate) figures: BTreeMap<DictionaryId, Figures>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// Figures are being measured, arrived or failed; with an index or without.
    Figures(DictionaryId, bool, Load<Arc<Vec<HeadFigures>>>),
}

impl FeaturesState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Figures(of, indexed, load) => {
                if load.is_loading() {
                    self.figures.entry(of).or_default().indexed = indexed;
                }
                let kept = self.figures.get_mut(&of);
                if let Some(kept) = kept.filter(|kept| kept.indexed == indexed) {
                    kept.load = load;
                }
            }
        }
    }
}
