//! Facts being measured, and the question to a language model about a feature.

use std::collections::BTreeSet;
use std::sync::Arc;

use umbra_core::ids::FeatureId;
use umbra_core::workbench::ask::{Answer, Endpoint, Material};

use super::catalogue::DictionaryId;
use super::load::Load;

/// Endpoint as it is typed.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Typed {
    /// Address.
    pub(crate) url: String,
    /// Model.
    pub(crate) model: String,
    /// Key; empty for none.
    pub(crate) key: String,
    /// Whether the key is kept in the user's data folder.
    pub(crate) keeps_key: bool,
}

impl std::fmt::Debug for Typed {
    /// Leaves out the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Typed")
            .field("url", &self.url)
            .field("model", &self.model)
            .field("keeps_key", &self.keeps_key)
            .finish_non_exhaustive()
    }
}

impl Typed {
    /// Takes a kept endpoint.
    pub(crate) fn new(kept: Endpoint) -> Self {
        Self {
            url: kept.url,
            model: kept.model,
            keeps_key: kept.key.is_some(),
            key: kept.key.unwrap_or_default(),
        }
    }

    /// Returns the endpoint.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let key = self.key.trim();
        Endpoint {
            url: self.url.trim().to_owned(),
            model: self.model.trim().to_owned(),
            key: (!key.is_empty()).then(|| key.to_owned()),
        }
    }
}

/// A question about a feature.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Dictionary.
    pub(crate) dictionary: DictionaryId,
    /// Feature.
    pub(crate) feature: FeatureId,
    /// Endpoint.
    pub(crate) typed: Typed,
    /// Texts that are shown and held out.
    pub(crate) material: Load<Arc<Material>>,
    /// Answer to the question that was sent last.
    pub(crate) answer: Load<Arc<Answer>>,
}

/// Measurements under way, and the question.
#[derive(Debug, Default)]
pub(crate) struct LabelsState {
    /// Dictionaries about whose features facts are being measured.
    pub(crate) measuring: BTreeSet<DictionaryId>,
    /// The question, while its dialog is open.
    pub(crate) question: Option<Question>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// Facts are being measured, or no longer.
    Measuring(DictionaryId, bool),
    /// The dialog opens for this question, or closes.
    Question(Option<Box<Question>>),
    /// Another endpoint is typed.
    Typed(Typed),
    /// Texts for the question about this feature.
    Material(DictionaryId, FeatureId, Load<Arc<Material>>),
    /// The question about this feature was sent, was answered or failed.
    Answer(DictionaryId, FeatureId, Load<Arc<Answer>>),
}

impl LabelsState {
    /// Carries out an event. What arrives late for another question is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Measuring(id, true) => {
                self.measuring.insert(id);
            }
            Event::Measuring(id, false) => {
                self.measuring.remove(&id);
            }
            Event::Question(question) => self.question = question.map(|question| *question),
            Event::Typed(typed) => {
                if let Some(question) = &mut self.question {
                    question.typed = typed;
                }
            }
            Event::Material(id, feature, load) => {
                if let Some(question) = self.about(id, feature) {
                    question.material = load;
                }
            }
            Event::Answer(id, feature, load) => {
                if let Some(question) = self.about(id, feature) {
                    question.answer = load;
                }
            }
        }
    }

    /// The question if it is about this feature.
    fn about(&mut self, id: DictionaryId, feature: FeatureId) -> Option<&mut Question> {
        let of =
            |question: &&mut Question| (question.dictionary, question.feature) == (id, feature);
        self.question.as_mut().filter(of)
    }
}
