//! The attribution of one feature at one token of the sentence in Prompt.

use std::sync::Arc;

use umbra_core::heads::{Attribution, Firing, firing};
use umbra_core::ids::FeatureId;
use umbra_core::prompt::{Input, Reading};

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Identifies an attribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// The feature.
    pub(crate) feature: FeatureId,
    /// The sentence.
    pub(crate) input: Input,
    /// Position of the token in it.
    pub(crate) at: usize,
}

/// A sentence as a dictionary reads it.
#[derive(Debug)]
pub(crate) struct Read {
    /// Tokens and features.
    pub(crate) reading: Reading,
    /// Features that fire on it, strongest first.
    pub(crate) firing: Vec<Firing>,
}

impl Read {
    pub(crate) fn new(reading: Reading) -> Self {
        let firing = firing((&reading.latents, &reading.counts), None, None);
        Self { reading, firing }
    }
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct AttributionState {
    /// Dictionary and sentence of the reading requested last.
    pub(crate) reading_of: Option<(DictionaryId, Input)>,
    /// The sentence as that dictionary reads it, whether or not it is in use.
    pub(crate) reading: Load<Arc<Read>>,
    /// Choice of a person in the panel, shown even where the feature is silent.
    pub(crate) chosen: Option<Key>,
    /// Whether all features that fire are listed, not those of the head alone.
    pub(crate) all: bool,
    /// The attribution requested last.
    pub(crate) of: Option<Key>,
    /// The attribution.
    pub(crate) load: Load<Arc<Attribution>>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// A sentence is being read with a dictionary, was or could not be.
    Reading((DictionaryId, Input), Load<Arc<Read>>),
    /// An attribution is being computed, arrived or failed.
    Attribution(Key, Load<Arc<Attribution>>),
    /// A person chose what is explained.
    Chosen(Key),
    /// Whether all features that fire are listed.
    All(bool),
}

impl AttributionState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Reading(of, load) => {
                if load.is_loading() {
                    self.reading_of = Some(of.clone());
                }
                if self.reading_of.as_ref() == Some(&of) {
                    self.reading = load;
                }
            }
            Event::Chosen(key) => self.chosen = Some(key),
            Event::All(all) => self.all = all,
            Event::Attribution(of, load) => {
                if load.is_loading() {
                    self.of = Some(of.clone());
                }
                if self.of.as_ref() == Some(&of) {
                    self.load = load;
                }
            }
        }
    }
}
