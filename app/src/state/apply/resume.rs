//! Puts back what was on the screens when the project was open last. What is about a dictionary or a model waits until that is loaded and its fingerprint is the
//! same; what does not fit is dropped, with a line in the log, and was never drawn.

use std::collections::BTreeSet;

use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::kept::Kept;
use crate::state::load::Load;
use crate::state::resume::ResumeState;
use crate::state::selection::{Event as Selected, Focus};
use crate::state::steering::EditDraft;

/// The project was just opened: all of it that needs no dictionary and no model is in place at once.
pub(super) fn begin(state: &mut AppState, kept: Kept) {
    let resumed = kept.resumed(&state.catalogue.dictionaries);
    state.prompt.text = resumed.written.text;
    state.prompt.tokens = resumed.written.tokens;
    state.prompt.chat = resumed.written.chat;
    state.prompt.side = resumed.side;
    state.texts.beside.text = resumed.second;
    state.texts.sets.form.sets = resumed.sets;
    state.features.filter = resumed.filter;
    if resumed.dictionary.is_some() {
        state.selection.choose_dictionary(resumed.dictionary);
    }
    state.selection.token = resumed.token;
    state.selection.shown = resumed.shown;
    state.selection.question = resumed.question;
    state.selection.tab = resumed.tab;
    state.selection.evaluation = resumed.evaluation;
    state.heads.map = resumed.map;
    if resumed.focus == Focus::Feature || (resumed.token.is_some() && resumed.focus == Focus::Token)
    {
        state.selection.focus = resumed.focus;
    }
    state.resume = ResumeState {
        link: state.resume.link.take(),
        claims: resumed.claims,
        feature: resumed.feature,
        draft: Some(resumed.draft),
        in_use: resumed.dictionary,
        refused: BTreeSet::new(),
        model: Some(resumed.model).filter(|model| !model.is_empty()),
        head: resumed.head,
        around: Some(resumed.around),
        foreign: vec![],
    };
    settle_draft(state);
}

/// A dictionary was loaded, or could not be.
pub(super) fn dictionary(state: &mut AppState, id: DictionaryId) {
    let Some(dictionary) = state.catalogue.get(id) else {
        return;
    };
    let name = dictionary.name.clone();
    let features = match &dictionary.load {
        Load::Absent | Load::Loading => return,
        Load::Failed(_) => None,
        Load::Ready(loaded) => {
            let claim = state.resume.claims.get(&id);
            let same = claim.is_none_or(|claim| *claim == loaded.fingerprint);
            same.then(|| loaded.sae.features())
        }
    };
    let Some(_) = state.resume.claims.remove(&id) else {
        return;
    };
    if features.is_none() {
        state.resume.foreign.push(id);
        state.resume.refused.insert(id);
        state.log.line(&format!(
            "{name} is not the dictionary it was: the feature and the edits that were shown are dropped"
        ));
    }
    settle_draft(state);
    if state.selection.dictionary != Some(id) {
        return;
    }
    let exists = |feature: FeatureId| features.is_some_and(|all| feature.index() < all);
    if features.is_none() {
        state.selection.feature = None;
    }
    if let Some(feature) = state.resume.feature.take().filter(|it| exists(*it)) {
        let focus = state.selection.focus;
        state.selection.apply(Selected::Feature(Some(feature)));
        if focus == Focus::Token {
            state.selection.focus = focus;
        }
    }
}

/// Puts the edits in place once every dictionary that they name is known; those that name what is no more are left out.
fn settle_draft(state: &mut AppState) {
    let (waits, catalogue) = (&state.resume, &state.catalogue);
    let Some(mut draft) = waits.draft.clone() else {
        return;
    };
    let of = |edit: &EditDraft| match &edit.dictionary {
        Some(name) => catalogue.named(name).map(|dictionary| dictionary.id),
        None => waits.in_use,
    };
    let needs = |edit: &&EditDraft| edit.feature.is_some() || edit.dictionary.is_some();
    let mut named = draft.edits.iter().filter(needs).filter_map(of);
    if named.any(|id| waits.claims.contains_key(&id)) {
        return;
    }
    draft.edits.retain(|edit| {
        let dictionary = of(edit);
        let loaded = dictionary.and_then(|id| catalogue.get(id)?.load.ready());
        match edit.feature {
            Some(feature) => {
                let same = dictionary.is_some_and(|id| !waits.refused.contains(&id));
                same && loaded.is_some_and(|loaded| feature.index() < loaded.sae.features())
            }
            None => edit.dictionary.is_none() || dictionary.is_some(),
        }
    });
    state.resume.draft = None;
    state.steering.draft = draft;
}

/// The model was loaded, or could not be.
pub(super) fn model(state: &mut AppState) {
    let Load::Ready(loaded) = &state.catalogue.model else {
        return;
    };
    let Some(before) = state.resume.model.take() else {
        return;
    };
    let head = state.resume.head.take();
    if before != loaded.model.fingerprint() {
        state.prompt.tokens = None;
        state.selection.token = None;
    } else if let Some((layer, head)) = head {
        let focus = state.selection.focus;
        state.selection.apply(Selected::Head(layer, head));
        if focus != Focus::Nothing {
            state.selection.focus = focus;
        }
    }
}

/// A person chose something: what waited gives way.
pub(super) fn gives_way(waits: &mut ResumeState, chosen: &Selected) {
    match chosen {
        Selected::Dictionary(_) | Selected::Feature(_) => {
            waits.feature = None;
        }
        Selected::Head(..) => waits.head = None,
        Selected::Token(_)
        | Selected::Edit(_)
        | Selected::Shown(_)
        | Selected::Question(_)
        | Selected::Tab(_)
        | Selected::Evaluation(_) => {}
    }
}
