//! Heads: figures by dictionary, attribution of one feature at one token of the sentence in Prompt.

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::heads::{Attribution, HeadFigures};
use umbra_core::ids::FeatureId;
use umbra_core::prompt::{Input, Reading};

use super::catalogue::DictionaryId;
use super::load::Load;

/// Figures of the heads of one layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// Sums by head.
    pub(crate) load: Load<Arc<Vec<HeadFigures>>>,
    /// Whether an index gave them top tokens; measured anew once there is one.
    pub(crate) indexed: bool,
}

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

/// Figures and attributions of heads.
#[derive(Debug, Default)]
pub(crate) struct HeadsState {
    /// Figures of each `hook_z` dictionary.
    pub(crate) figures: BTreeMap<DictionaryId, Figures>,
    /// Dictionary and sentence of the reading requested last.
    pub(crate) reading_of: Option<(DictionaryId, Input)>,
    /// The sentence as that dictionary reads it, whether or not it is in use.
    pub(crate) reading: Load<Arc<Reading>>,
    /// The attribution requested last.
    pub(crate) attribution_of: Option<Key>,
    /// The attribution.
    pub(crate) attribution: Load<Arc<Attribution>>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// Figures are being measured, arrived or failed; with an index or without.
    Figures(DictionaryId, bool, Load<Arc<Vec<HeadFigures>>>),
    /// A sentence is being read with a dictionary, was or could not be.
    Reading((DictionaryId, Input), Load<Arc<Reading>>),
    /// An attribution is being computed, arrived or failed.
    Attribution(Key, Load<Arc<Attribution>>),
}

impl HeadsState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        let heads = self;
        match event {
            Event::Figures(of, indexed, load) => {
                if load.is_loading() {
                    heads.figures.entry(of).or_default().indexed = indexed;
                }
                let kept = heads.figures.get_mut(&of);
                if let Some(kept) = kept.filter(|kept| kept.indexed == indexed) {
                    kept.load = load;
                }
            }
            Event::Reading(of, load) => {
                if load.is_loading() {
                    heads.reading_of = Some(of.clone());
                }
                if heads.reading_of.as_ref() == Some(&of) {
                    heads.reading = load;
                }
            }
            Event::Attribution(of, load) => {
                if load.is_loading() {
                    heads.attribution_of = Some(of.clone());
                }
                if heads.attribution_of.as_ref() == Some(&of) {
                    heads.attribution = load;
                }
            }
        }
    }
}
