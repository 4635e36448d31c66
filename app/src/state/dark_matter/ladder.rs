//! The width ladder: several dictionaries of one hook on the same tokens.

use std::collections::BTreeSet;

use umbra_core::dark_matter::ladder::{Ladder, place};
use umbra_core::sae::Sae;

use super::study::{Change, Study};
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};

/// Returns the name of the job that computes it for a dictionary.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Measure the width ladder of {dictionary}")
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct LadderState {
    /// The result.
    pub(crate) study: Study<Ladder>,
    /// Dictionaries that a person left out; the others of a hook are on its ladder.
    pub(crate) left_out: BTreeSet<DictionaryId>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// A change of the result.
    Study(Change<Ladder>),
    /// A dictionary was put on the ladder, or left out.
    Ticked(DictionaryId, bool),
}

impl LadderState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Study(change) => self.study.apply(change),
            Event::Ticked(id, true) => {
                self.left_out.remove(&id);
            }
            Event::Ticked(id, false) => {
                self.left_out.insert(id);
            }
        }
    }
}

/// Returns the dictionaries that may stand on one ladder with `id`, narrowest first: loaded autoencoders of its hook that fit the model.
pub(crate) fn candidates(state: &AppState, id: DictionaryId) -> Vec<&Dictionary> {
    let Some(own) = sae(state, id).map(place) else {
        return Vec::new();
    };
    let mut all: Vec<(usize, &Dictionary)> = (state.catalogue.dictionaries.iter())
        .filter_map(|dictionary| {
            let sae = sae(state, dictionary.id)?;
            let is_one = place(sae) == own && sae.autoencoder().is_ok();
            is_one.then(|| (sae.features(), dictionary))
        })
        .collect();
    all.sort_by_key(|(features, _)| *features);
    all.into_iter().map(|(_, dictionary)| dictionary).collect()
}

/// Returns the dictionaries on the ladder of `id`, narrowest first.
pub(crate) fn chosen(state: &AppState, id: DictionaryId) -> Vec<&Dictionary> {
    let left_out = &state.dark_matter.ladder.left_out;
    let mut all = candidates(state, id);
    all.retain(|dictionary| !left_out.contains(&dictionary.id));
    all
}

/// Returns the weights of a dictionary that fits the model.
fn sae(state: &AppState, id: DictionaryId) -> Option<&Sae> {
    state.pair(id).map(|pair| &*pair.sae)
}
