//! Whether a dictionary belongs to the open model. Decided here for all screens: whatever reads with a dictionary asks [`AppState::fit`].

use std::sync::Arc;

use umbra_core::formats;
use umbra_core::models::Model;
use umbra_core::sae::Sae;

use super::AppState;
use super::catalogue::{Dictionary, DictionaryId};
use super::prompt::Reader;

/// What is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// The model or the dictionary is not loaded, so nobody can tell.
    Unknown,
    /// It reads a hook that the model has, as wide as it is there.
    Fits,
    /// It does not: one sentence.
    Unfit(String),
}

impl Fit {
    /// Why it does not fit.
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Self::Unfit(why) => Some(why),
            Self::Unknown | Self::Fits => None,
        }
    }
}

impl AppState {
    /// Whether a dictionary fits the open model.
    pub fn fit(&self, id: DictionaryId) -> Fit {
        let dictionary = self.catalogue.get(id);
        let loaded = dictionary.and_then(|dictionary| dictionary.load.ready());
        let (Some(loaded), Some(model)) = (loaded, self.model()) else {
            return Fit::Unknown;
        };
        match formats::check_hooks(&loaded.sae, &model.model) {
            Ok(()) => Fit::Fits,
            Err(why) => Fit::Unfit(why.to_string()),
        }
    }

    /// Why the selected dictionary does not fit the open model, if it does not.
    pub fn misfit(&self) -> Option<String> {
        let fit = self.fit(self.selection.dictionary?);
        fit.why_not().map(str::to_owned)
    }

    /// The weights of a dictionary, if they are loaded and do not belong to another model.
    pub fn sae_of(&self, id: DictionaryId) -> Option<&Arc<Sae>> {
        let loaded = self.catalogue.get(id)?.load.ready()?;
        self.fit(id).why_not().is_none().then_some(&loaded.sae)
    }

    /// The selected dictionary's weights, if they are loaded and do not belong to another model.
    pub fn sae(&self) -> Option<&Arc<Sae>> {
        self.sae_of(self.selection.dictionary?)
    }

    /// What reads a sentence beside the model: the selected dictionary, or nothing where there is none that can. None while one is loaded.
    pub fn reader(&self) -> Option<Reader> {
        let Some(dictionary) = self.dictionary() else {
            return Some(None);
        };
        if dictionary.load.is_loading() || dictionary.load.is_absent() {
            return None;
        }
        Some(self.sae().map(|_| dictionary.id))
    }

    /// The loaded model as it reads for `sae`: with BOS as that dictionary was trained, where its file says so.
    pub fn model_for(&self, sae: &Sae) -> Option<Arc<Model>> {
        let model = &self.model()?.model;
        let (reader, differs) = formats::reader(model, sae);
        Some(match differs {
            Some(_) => Arc::new(reader),
            None => Arc::clone(model),
        })
    }

    /// Dictionaries that do not belong to another model.
    pub fn fitting(&self) -> impl Iterator<Item = &Dictionary> {
        let all = self.catalogue.dictionaries.iter();
        all.filter(|dictionary| self.fit(dictionary.id).why_not().is_none())
    }
}
