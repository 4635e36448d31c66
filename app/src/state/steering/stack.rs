//! Edits of the form with what is open: each by its own dictionary. One run takes the features of one dictionary.

use umbra_core::ids::FeatureId;
use umbra_core::models::Sampling;
use umbra_core::steer::EditSpec;

use super::{Draft, EditDraft, Field, Request};
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::words;

impl EditDraft {
    /// Whether it edits by a dictionary: a feature, an activation, or the hook that it reads.
    pub(crate) fn uses_dictionary(&self) -> bool {
        let named = |field: &Field| matches!(field, Field::Feature | Field::Error | Field::Part);
        self.hook.is_none() || self.fields().iter().any(named)
    }

    /// Returns the entry of the dictionary that it edits by: its own, else the one in use.
    pub(crate) fn dictionary_in<'a>(&self, state: &'a AppState) -> Option<&'a Dictionary> {
        match &self.dictionary {
            Some(name) => state.catalogue.named(name),
            None => state.dictionary(),
        }
    }

    /// Returns the feature that it edits by: its own, else the selected one of the dictionary in use.
    pub(crate) fn feature_in(&self, state: &AppState) -> Option<FeatureId> {
        let dictionary = self.dictionary_in(state).map(|d| d.id);
        let selected = state.selection.feature;
        let is_in_use = dictionary == state.selection.dictionary;
        self.feature.or_else(|| selected.filter(|_| is_in_use))
    }

    /// Returns the dictionary that it edits by, none if it needs none; an error says in one sentence why it cannot be used.
    pub(crate) fn dictionary_id(&self, state: &AppState) -> Result<Option<DictionaryId>, String> {
        if !self.uses_dictionary() {
            return Ok(None);
        }
        let Some(dictionary) = self.dictionary_in(state) else {
            return Err(match &self.dictionary {
                Some(name) => format!(
                    "{name} is not part of this project: choose another feature, or remove the edit"
                ),
                None => "This edit needs a dictionary: open one, or choose a hook and an action without features".to_owned(),
            });
        };
        let name = &dictionary.name;
        if let Some(why) = state.unfit(dictionary.id) {
            return Err(format!("{name} cannot be used with this model: {why}"));
        }
        if dictionary.load.is_loading() || dictionary.load.is_absent() {
            return Err(format!("{name} is loading"));
        }
        if let Some(why) = dictionary.load.failure() {
            return Err(format!("{name} did not load: {why}"));
        }
        Ok(Some(dictionary.id))
    }

    /// Returns the edit that it means with what is open; an error is one sentence.
    pub(crate) fn spec_in(&self, state: &AppState) -> Result<EditSpec, String> {
        let dictionary = self.dictionary_id(state)?;
        let feature = self.feature_in(state);
        let sae = dictionary.and_then(|id| state.sae_of(id));
        if let (Some(feature), Some(sae)) = (feature, sae)
            && self.fields().contains(&Field::Feature)
            && feature.index() >= sae.features()
        {
            return Err(format!(
                "{} has {} features, no #{feature}: choose another feature",
                sae.name,
                sae.features()
            ));
        }
        self.spec(feature)
    }

    /// Keeps the dictionary and the feature that it edits by now, whatever is selected later.
    pub(crate) fn pin(&mut self, state: &AppState) {
        if !self.uses_dictionary() {
            return;
        }
        if self.fields().contains(&Field::Feature) {
            self.feature = self.feature_in(state);
            if self.feature.is_none() {
                return; // it goes on following the selection
            }
        }
        self.dictionary = self.dictionary_in(state).map(|d| d.name.clone());
    }
}

impl Draft {
    /// Returns this form with edits that keep the dictionaries and features that they edit by now.
    #[must_use]
    pub(crate) fn pinned(&self, state: &AppState) -> Self {
        let mut draft = self.clone();
        for edit in &mut draft.edits {
            edit.pin(state);
        }
        draft
    }

    /// Switches off edits of dictionaries other than this one; returns what they are of.
    pub(crate) fn keep_only(&mut self, id: DictionaryId, state: &AppState) -> Vec<String> {
        let own = |edit: &EditDraft| edit.dictionary_in(state).map(|d| d.id) == Some(id);
        let others = self.edits.iter_mut().enumerate();
        let others = others.filter(|(_, edit)| edit.on && edit.uses_dictionary() && !own(edit));
        let told = others.map(|(i, edit)| {
            edit.on = false;
            let of = edit.dictionary.as_deref().unwrap_or("no dictionary");
            let feature = edit.feature.map(|feature| format!("#{feature} of "));
            format!("edit {} ({}{of})", i + 1, feature.unwrap_or_default())
        });
        told.collect()
    }

    /// Returns the request that the form describes; an error says what is missing.
    pub(crate) fn request(&self, state: &AppState) -> Result<Request, String> {
        let (mut edits, mut used) = (Vec::new(), Vec::new());
        for edit in self.edits.iter().filter(|edit| edit.on) {
            edits.push(edit.spec_in(state)?);
            used.extend(edit.dictionary_id(state)?);
        }
        if self.edits.is_empty() {
            return Err("Add an edit".to_owned());
        }
        if edits.is_empty() {
            return Err("Enable an edit".to_owned());
        }
        used.sort_unstable();
        used.dedup();
        if used.len() > 1 {
            let names = used.iter().filter_map(|id| state.catalogue.get(*id));
            let names: Vec<&str> = names.map(|d| d.name.as_str()).collect();
            let (several, one) = match names.len() {
                2 => ("two", "one of them"),
                _ => ("several", "all but one of them"),
            };
            return Err(format!(
                "Edits of {several} dictionaries are switched on ({}); a run takes features of one. Switch off the edits of {one}.",
                words::list(&names)
            ));
        }
        let prompt = self.prompt.as_ref().unwrap_or(&state.prompt.text).clone();
        if prompt.trim().is_empty() {
            return Err("Type a text to continue".to_owned());
        }
        let stop = self.stop.replace("\\n", "\n");
        Ok(Request {
            dictionary: used.first().copied(),
            edits,
            prompt,
            sampling: Sampling {
                stop: if stop.is_empty() { vec![] } else { vec![stop] },
                ..self.sampling.clone()
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::ids::{HookPoint, Site};

    use super::*;
    use crate::state::{Event, Load, catalogue, selection};
    use crate::testing;

    /// Two dictionaries that fit the model: z0 in use, z1.
    fn two() -> AppState {
        let mut state = testing::with_model();
        state.prompt.text = "Once".to_owned();
        let loaded = state.catalogue.dictionaries[0].load.ready().cloned();
        let id = DictionaryId(1);
        for event in [
            catalogue::Event::Added("z1".into(), None),
            catalogue::Event::Sae(id, Load::Ready(loaded.unwrap())),
        ] {
            state.apply(Event::Catalogue(event));
        }
        state
    }

    fn use_other(state: &mut AppState) {
        let other = selection::Event::Dictionary(DictionaryId(1));
        state.apply(Event::Selection(other));
    }

    #[test]
    fn an_edit_keeps_its_dictionary_when_another_comes_into_use() {
        let mut state = two();
        let follows = Draft::default();
        let pinned = follows.pinned(&state);
        let before = pinned.request(&state).unwrap();
        assert_eq!(before, follows.request(&state).unwrap());
        assert_eq!(before.dictionary, Some(DictionaryId(0)));
        use_other(&mut state);
        assert_eq!(pinned.request(&state), Ok(before));
        let why = follows.request(&state).unwrap_err();
        assert!(why.contains("Choose a feature"), "{why}");
    }

    #[test]
    fn edits_of_two_dictionaries_are_refused_by_their_names() {
        let state = two();
        let of = |name: &str| EditDraft::of_feature(name, FeatureId(3));
        let mut draft = Draft {
            edits: vec![of("z0"), of("z1")],
            ..Draft::default()
        };
        let why = draft.request(&state).unwrap_err();
        assert_eq!(
            why,
            "Edits of two dictionaries are switched on (z0 and z1); a run takes features of one. Switch off the edits of one of them."
        );
        draft.edits[0].on = false;
        let request = draft.request(&state).unwrap();
        assert_eq!(request.dictionary, Some(DictionaryId(1)));
    }

    #[test]
    fn a_dictionary_that_is_gone_and_a_feature_it_lacks_are_refused() {
        let state = two();
        let why = |name: &str, feature: u32| {
            EditDraft::of_feature(name, FeatureId(feature))
                .spec_in(&state)
                .unwrap_err()
        };
        assert!(why("gone", 3).contains("not part of this project"));
        assert!(why("z1", 64).contains("has 64 features, no #64"));
        // An edit of heads needs none.
        let mut edit = EditDraft::new("zero");
        assert!(edit.uses_dictionary(), "at the dictionary's hook");
        edit.hook = Some(HookPoint::block(0, Site::Z));
        assert_eq!(edit.dictionary_id(&state), Ok(None));
    }

    #[test]
    fn a_dictionary_of_another_model_is_refused() {
        let mut state = testing::with_demo_model(testing::typical());
        state.prompt.text = "Once".to_owned();
        let why = Draft::default().request(&state).unwrap_err();
        assert!(
            why.starts_with("z0 cannot be used with this model"),
            "{why}"
        );
    }
}
