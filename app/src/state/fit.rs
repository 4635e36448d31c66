//! Whether a dictionary belongs to the model, and an index to both. The core decides by fingerprints; the verdicts are kept here, and every screen asks
//! for them. Everything rejected is treated as missing.

use std::sync::Arc;

use umbra_core::fit::Fit;
use umbra_core::ids::Layer;
use umbra_core::sae::Sae;
use umbra_core::workbench::pair::Pair;

use super::AppState;
use super::catalogue::{Dictionary, DictionaryId, LoadedIndex};
use super::prompt::Reader;

impl AppState {
    /// Whether a dictionary belongs to the open model; none until both are loaded.
    pub(crate) fn fit(&self, id: DictionaryId) -> Option<&Fit> {
        let pair = self.catalogue.get(id)?.pair.as_ref();
        pair.map(|pair| &pair.fit)
    }

    /// A dictionary with the open model as it reads for it, once both are loaded and if they may be used together.
    pub(crate) fn pair(&self, id: DictionaryId) -> Option<&Pair> {
        let pair = self.catalogue.get(id)?.pair.as_ref();
        pair.filter(|pair| !pair.fit.is_refused())
    }

    /// Why a dictionary may not be used with the open model, if it may not.
    pub(crate) fn unfit(&self, id: DictionaryId) -> Option<&str> {
        let fit = self.fit(id).filter(|fit| fit.is_refused())?;
        Some(fit.why.as_str())
    }

    /// Why the selected dictionary may not be used with the open model, if it may not.
    pub(crate) fn misfit(&self) -> Option<&str> {
        self.unfit(self.selection.dictionary?)
    }

    /// The weights of a dictionary, if they are loaded and may be used with the open model.
    pub(crate) fn sae_of(&self, id: DictionaryId) -> Option<&Arc<Sae>> {
        let loaded = self.catalogue.get(id)?.load.ready()?;
        self.unfit(id).is_none().then_some(&loaded.sae)
    }

    /// The selected dictionary's weights, if they are loaded and may be used with the open model.
    pub(crate) fn sae(&self) -> Option<&Arc<Sae>> {
        self.sae_of(self.selection.dictionary?)
    }

    /// The dictionary that reads sentences with the model, `Some(None)` where no selected dictionary can. None while one is loading.
    pub(crate) fn reader(&self) -> Option<Reader> {
        let Some(dictionary) = self.dictionary() else {
            return Some(None);
        };
        if dictionary.load.is_loading() || dictionary.load.is_absent() {
            return None;
        }
        Some(self.sae().map(|_| dictionary.id))
    }

    /// Dictionaries that may be used with the open model.
    pub(crate) fn fitting(&self) -> impl Iterator<Item = &Dictionary> {
        let all = self.catalogue.dictionaries.iter();
        all.filter(|dictionary| self.unfit(dictionary.id).is_none())
    }

    /// Why the index of a dictionary may not be used, if it may not: it was built with another dictionary or model.
    pub(crate) fn foreign_index(&self, id: DictionaryId) -> Option<&str> {
        let fit = self.catalogue.get(id)?.index_fit.ready()?;
        fit.is_refused().then_some(fit.why.as_str())
    }

    /// The index of a dictionary, once it is known that it may be used.
    pub(crate) fn index_of(&self, id: DictionaryId) -> Option<&LoadedIndex> {
        let dictionary = self.catalogue.get(id)?;
        let fit = dictionary.index_fit.ready()?;
        dictionary.index.ready().filter(|_| !fit.is_refused())
    }

    /// The dictionary on `attn.hook_z` of a layer that fits the model: the selected one if it reads there, else the first.
    pub(crate) fn z_dictionary(&self, layer: Layer) -> Option<&Dictionary> {
        let reads = |dictionary: &&Dictionary| {
            dictionary
                .hook()
                .is_some_and(|hook| hook.is_z() && hook.layer() == Some(layer))
        };
        self.dictionary()
            .filter(|dictionary| self.unfit(dictionary.id).is_none() && reads(dictionary))
            .or_else(|| self.fitting().find(reads))
    }
}
