//! Names of features by all that the state knows of them.

use std::sync::Arc;

use umbra_core::features::{Name, Preview};
use umbra_core::ids::FeatureId;

use super::AppState;
use super::catalogue::DictionaryId;

impl AppState {
    /// Returns what lists show of a feature of any dictionary of the project; it is read soon if it is not known yet and the dictionary has an index.
    pub(crate) fn preview(
        &self,
        dictionary: DictionaryId,
        feature: FeatureId,
    ) -> Option<&Arc<Preview>> {
        self.index_of(dictionary)?;
        self.features.previews.get(dictionary, feature)
    }

    /// The name of a feature of any dictionary of the project: its label, its clearest measured fact, or the token at which it peaks. Views show features by this and by nothing else.
    pub(crate) fn name_of(&self, dictionary: DictionaryId, feature: FeatureId) -> Name<'_> {
        let entry = self.catalogue.get(dictionary);
        let label = entry.and_then(|entry| self.project.label(&entry.name, feature));
        let peak = self
            .preview(dictionary, feature)
            .and_then(|preview| preview.peak.as_ref());
        let fact = self
            .preview(dictionary, feature)
            .and_then(|preview| preview.fact.as_deref());
        let listed = || {
            let table = self.features.table_for(dictionary)?;
            let token = table.top_tokens.get(feature.index())?;
            (!token.is_empty()).then_some(token.as_str())
        };
        Name {
            label,
            fact,
            token: peak.map(|peak| peak.token.as_str()).or_else(listed),
            peak,
        }
    }

    /// The name of a feature of the selected dictionary.
    pub(crate) fn name(&self, feature: FeatureId) -> Name<'_> {
        let dictionary = self.selection.dictionary;
        dictionary.map_or_else(Name::default, |id| self.name_of(id, feature))
    }
}
