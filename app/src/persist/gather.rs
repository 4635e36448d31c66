//! Gathers the state of a project's screens.

use umbra_core::ids::{Head, Layer};
use umbra_core::steer::edits_to_toml;

use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::kept::{Edits, Kept, Named, Place, Sentence};
use crate::state::layout::{self, Layout};
use crate::state::steering::Draft;

/// Takes the edits of Steering in their written form; nothing for a stack that nobody touched.
pub(super) fn edits(state: &AppState) -> String {
    let draft = &state.steering.draft;
    if draft.edits == Draft::default().edits {
        return String::new();
    }
    let edits = draft.switched(state);
    edits_to_toml(edits.iter().map(|(edit, on)| (edit, *on)))
}

/// Takes the state of the screens; a thing that waits for its dictionary counts as there.
pub(super) fn kept(state: &AppState, layout: &Layout) -> Kept {
    let waits = &state.resume;
    let all = &state.catalogue.dictionaries;
    let at = |id: Option<DictionaryId>| all.iter().position(|d| Some(d.id) == id);
    let fingerprint = |dictionary: &Dictionary| match dictionary.load.ready() {
        Some(loaded) => loaded.fingerprint.clone(),
        None => waits
            .claims
            .get(&dictionary.id)
            .cloned()
            .unwrap_or_default(),
    };
    let named = |dictionary: &Dictionary| Named {
        name: dictionary.name.clone(),
        fingerprint: fingerprint(dictionary),
    };
    let (selection, model) = (&state.selection, state.model());
    let feature = waits.feature.or(selection.feature);
    let head = waits.head.or(selection.head);
    let draft = waits.draft.as_ref().unwrap_or(&state.steering.draft);
    let (places, present) = layout.places();
    let numbers = |(layer, head): (Layer, Head)| (layer.0, head.0);
    let place = |place: &layout::Place| Place {
        view: place.view,
        dictionary: at(place.dictionary),
        feature: place.feature.map(|feature| feature.0),
        heads: (place.heads).map(|(shown, head)| (shown, head.map(numbers))),
        question: place.question,
        tab: place.tab,
        evaluation: place.evaluation,
        aside: place.aside.as_ref().map(Sentence::new),
    };
    Kept {
        sentence: Sentence::new(&state.prompt.written()),
        side: state.prompt.side,
        second: state.texts.beside.text.clone(),
        sets: state.texts.sets.form.sets.clone(),
        filter: state.features.filter.clone(),
        dictionaries: all.iter().map(named).collect(),
        dictionary: at(selection.dictionary),
        feature: feature.map(|feature| feature.0),
        token: selection.token,
        head: head.map(numbers),
        shown: selection.shown,
        question: selection.question,
        tab: selection.tab,
        evaluation: selection.evaluation,
        map: state.heads.map.clone(),
        focus: selection.focus,
        model: model.map_or_else(
            || waits.model.clone().unwrap_or_default(),
            |loaded| loaded.model.fingerprint().to_owned(),
        ),
        edits: Edits::new(draft),
        tiles: Some(layout.saved()),
        places: places.iter().map(place).collect(),
        at: present,
        scrolls: layout.scrolls.clone(),
    }
}
