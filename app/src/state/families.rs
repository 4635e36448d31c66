//! Families and steering scores of features, and the test of a feature against a predicate.

use std::collections::BTreeSet;
use std::sync::Arc;

use umbra_core::features::predicate::lab::Tested;
use umbra_core::ids::FeatureId;

use super::catalogue::DictionaryId;
use super::load::Load;

/// Identifies a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// The feature.
    pub(crate) feature: FeatureId,
    /// Text of the predicate.
    pub(crate) predicate: String,
}

/// Result of a test.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// Counts and examples.
    pub(crate) tested: Tested,
    /// The text they are over, as a phrase.
    pub(crate) text: String,
}

/// Measurements under way, and the latest test.
#[derive(Debug, Default)]
pub(crate) struct FamiliesState {
    /// Dictionaries whose families are being measured.
    pub(crate) measuring: BTreeSet<DictionaryId>,
    /// Dictionaries whose steering is being scored.
    pub(crate) scoring: BTreeSet<DictionaryId>,
    /// Text in the field of the predicate.
    pub(crate) predicate: String,
    /// The test requested last.
    pub(crate) asked: Option<Key>,
    /// Its answer.
    pub(crate) answer: Load<Arc<Answer>>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// Families of a dictionary are being measured, or no longer.
    Measuring(DictionaryId, bool),
    /// Steering by the features of a dictionary is being scored, or no longer.
    Scoring(DictionaryId, bool),
    /// Another predicate is in the field.
    Predicate(String),
    /// A test is running, has an answer, was stopped or failed.
    Answer(Key, Load<Arc<Answer>>),
}

impl FamiliesState {
    /// Carries out an event. What arrives late for another test is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Measuring(id, true) => {
                self.measuring.insert(id);
            }
            Event::Measuring(id, false) => {
                self.measuring.remove(&id);
            }
            Event::Scoring(id, true) => {
                self.scoring.insert(id);
            }
            Event::Scoring(id, false) => {
                self.scoring.remove(&id);
            }
            Event::Predicate(text) => self.predicate = text,
            Event::Answer(of, load) => {
                if load.is_loading() {
                    self.asked = Some(of.clone());
                }
                if self.asked.as_ref() == Some(&of) {
                    self.answer = load;
                }
            }
        }
    }

    /// The answer to a test of this feature, if it is the latest one.
    pub(crate) fn answer_of(
        &self,
        dictionary: DictionaryId,
        feature: FeatureId,
    ) -> Option<(&Key, &Load<Arc<Answer>>)> {
        let asked = self.asked.as_ref()?;
        let same = asked.dictionary == dictionary && asked.feature == feature;
        same.then_some((asked, &self.answer))
    }
}
