//! The width ladder: several dictionaries of one hook on the same tokens.

use std::collections::BTreeMap;

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
    /// Dictionaries that a person put on the ladder or left out; of the others those of the result are on it, or all where there is none.
    ticked: BTreeMap<DictionaryId, bool>,
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
            Event::Ticked(id, is_on) => {
                self.ticked.insert(id, is_on);
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
    let mut all = candidates(state, id);
    all.retain(|dictionary| is_on(state, id, dictionary.id));
    all
}

/// Whether `dictionary` is on the ladder of `id`.
pub(crate) fn is_on(state: &AppState, id: DictionaryId, dictionary: DictionaryId) -> bool {
    let lab = &state.dark_matter.ladder;
    if let Some(is_on) = lab.ticked.get(&dictionary) {
        return *is_on;
    }
    let is_measured = |ladder: &Ladder| {
        let name = sae(state, dictionary).map(|sae| &sae.name);
        (ladder.rungs.iter()).any(|rung| Some(&rung.name) == name)
    };
    lab.study
        .result(&id)
        .is_none_or(|ladder| is_measured(ladder))
}

/// Says which dictionaries the result of `id` is of, where others are on the ladder now.
pub(crate) fn differs(state: &AppState, id: DictionaryId) -> Option<String> {
    let ladder = state.dark_matter.ladder.study.result(&id)?;
    let mut measured: Vec<&str> = ladder.rungs.iter().map(|rung| rung.name.as_str()).collect();
    let now = chosen(state, id);
    let mut now: Vec<&str> = (now.iter())
        .filter_map(|dictionary| Some(sae(state, dictionary.id)?.name.as_str()))
        .collect();
    measured.sort_unstable();
    now.sort_unstable();
    (now != measured).then(|| {
        format!(
            "The figures below are of {}; the dictionaries ticked above are others.",
            measured.join(", ")
        )
    })
}

/// Returns the weights of a dictionary that fits the model.
fn sae(state: &AppState, id: DictionaryId) -> Option<&Sae> {
    state.pair(id).map(|pair| &*pair.sae)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Event as Any;
    use crate::state::dark_matter::Event as Lab;
    use crate::testing;

    #[test]
    fn ticks_are_those_of_the_result_until_a_person_chooses() {
        let id = DictionaryId(0);
        let state = testing::with_model();
        assert!(is_on(&state, id, id) && differs(&state, id).is_none());
        let mut state = testing::ladders::with_ladder([32.0; 4]);
        assert!(!is_on(&state, id, id), "it is not among the four measured");
        let words = differs(&state, id).unwrap_or_default();
        assert!(words.contains("ladder-1024, ladder-2048"), "{words}");
        state.apply(Any::DarkMatter(Lab::Ladder(Event::Ticked(id, true))));
        assert!(is_on(&state, id, id));
    }
}
