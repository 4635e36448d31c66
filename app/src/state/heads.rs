//! Heads: figures by dictionary, attribution of the selected feature at the selected token.

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::heads::HeadFigures;

use super::catalogue::DictionaryId;
use super::{AppState, Load};

/// What is known about heads.
#[derive(Debug, Default)]
pub struct HeadsState {
    /// Figures of each `hook_z` dictionary.
    pub figures: BTreeMap<DictionaryId, Load<Arc<Vec<HeadFigures>>>>,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// Figures are asked for, arrived or failed.
    Figures(DictionaryId, Load<Arc<Vec<HeadFigures>>>),
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    match event {
        Event::Figures(of, load) => {
            state.heads.figures.insert(of, load);
        }
    }
}
