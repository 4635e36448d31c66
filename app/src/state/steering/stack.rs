//! Edits of the form with what is open: each by its own dictionary.

use umbra_core::ids::FeatureId;
use umbra_core::models::Sampling;
use umbra_core::prompt::Input;
use umbra_core::steer::{EditSpec, Switched};
use umbra_core::workbench::pair::{self, Pair};

use super::{Draft, EditDraft, Field, Request};
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::words;

impl EditDraft {
    /// Whether it edits by a dictionary: a feature, an activation, or the hook that it reads.
    pub(crate) fn uses_dictionary(&self) -> bool {
        if self.written.is_some() {
            return self.spec(None).is_ok_and(|spec| spec.needs_dictionary());
        }
        let named = |field: &Field| match field {
            Field::Feature => self.file.is_none(),
            field => matches!(field, Field::Error | Field::Part),
        };
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
            && self.file.is_none()
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
        if self.fields().contains(&Field::Feature) && self.file.is_none() {
            self.feature = self.feature_in(state);
            if self.feature.is_none() {
                return; // it goes on following the selection
            }
        }
        self.dictionary = self.dictionary_in(state).map(|d| d.name.clone());
    }
}

impl Request {
    /// Returns the dictionary that `edit` edits by.
    pub(crate) fn dictionary_of(&self, edit: &EditSpec, state: &AppState) -> Option<DictionaryId> {
        match &edit.sae {
            Some(name) => state.catalogue.named(name).map(|of| of.id),
            None => self.dictionaries.first().copied(),
        }
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

    /// Returns the edits that can be written, each with the name of its dictionary, and whether it is in force.
    pub(crate) fn switched(&self, state: &AppState) -> Vec<Switched> {
        let pinned = self.pinned(state);
        let edits = pinned.edits.iter().filter_map(|edit| {
            let mut spec = edit.spec(edit.feature_in(state)).ok()?;
            spec.sae = edit.dictionary.clone().filter(|_| edit.uses_dictionary());
            Some((spec, edit.on))
        });
        edits.collect()
    }

    /// Returns what is continued: the form's own text or messages, else those in Prompt.
    pub(crate) fn prompt_in(&self, state: &AppState) -> Input {
        self.prompt.clone().unwrap_or_else(|| state.prompt.asked())
    }

    /// Returns the request that the form describes; an error says what is missing.
    pub(crate) fn request(&self, state: &AppState) -> Result<Request, String> {
        let (mut edits, mut used, mut dial) = (Vec::new(), Vec::new(), None);
        for (i, edit) in self.edits.iter().enumerate().filter(|(_, edit)| edit.on) {
            let dictionary = edit.dictionary_id(state)?;
            let spec = edit.spec_in(state)?;
            let is_selected = state.selection.edit == Some(i);
            if spec.feature().is_some() && (is_selected || dial.is_none()) {
                dial = Some(edits.len());
            }
            edits.push((spec, dictionary));
            used.extend(dictionary);
        }
        if self.edits.is_empty() {
            return Err("Add an edit".to_owned());
        }
        if edits.is_empty() {
            return Err("Enable an edit".to_owned());
        }
        used.sort_unstable();
        used.dedup();
        let several = used.len() > 1;
        if several {
            let pairs = used.iter().filter_map(|id| state.pair(*id));
            let pairs: Vec<Pair> = pairs.cloned().collect();
            pair::together(&pairs).map_err(|error| words::error(&error))?;
        }
        let named = |(mut edit, dictionary): (EditSpec, Option<DictionaryId>)| {
            let of = dictionary.and_then(|id| state.catalogue.get(id));
            edit.sae = of.filter(|_| several).map(|of| of.name.clone());
            edit
        };
        let edits = edits.into_iter().map(named).collect();
        let prompt = self.prompt_in(state);
        if prompt.is_blank() {
            return Err("Type a text to continue".to_owned());
        }
        let stop = self.stop.replace("\\n", "\n");
        Ok(Request {
            dictionaries: used,
            edits,
            prompt,
            sampling: Sampling {
                stop: if stop.is_empty() { vec![] } else { vec![stop] },
                ..self.sampling.clone()
            },
            samples: self.samples,
            dial,
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
        assert_eq!(before.dictionaries, [DictionaryId(0)]);
        use_other(&mut state);
        assert_eq!(pinned.request(&state), Ok(before));
        let why = follows.request(&state).unwrap_err();
        assert!(why.contains("Choose a feature"), "{why}");
    }

    #[test]
    fn edits_of_two_dictionaries_run_together_and_name_theirs() {
        let state = two();
        let of = |name: &str| EditDraft::of_feature(name, FeatureId(3));
        let mut draft = Draft {
            edits: vec![of("z0"), of("z1"), EditDraft::of_head(0.into(), 1.into())],
            ..Draft::default()
        };
        let request = draft.request(&state).unwrap();
        assert_eq!(request.dictionaries, [DictionaryId(0), DictionaryId(1)]);
        let edits: Vec<String> = request.edits.iter().map(EditSpec::to_string).collect();
        let want = [
            "add feature=3 strength=8 sae=z0",
            "add feature=3 strength=8 sae=z1",
            "zero hook=blocks.0.attn.hook_z heads=1",
        ];
        assert_eq!(edits, want);
        let of: Vec<_> = (request.edits.iter())
            .map(|edit| request.dictionary_of(edit, &state).map(|id| id.0))
            .collect();
        assert_eq!(of[..2], [Some(0), Some(1)]);
        draft.edits[0].on = false;
        let request = draft.request(&state).unwrap();
        assert_eq!(request.dictionaries, [DictionaryId(1)]);
        assert_eq!(request.edits[0].sae, None, "the only one needs no name");
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
