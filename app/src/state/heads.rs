//! Heads: figures by dictionary, attribution of one feature at one token of the sentence in Prompt.

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::heads::{Attribution, HeadFigures};
use umbra_core::ids::{FeatureId, Layer};
use umbra_core::prompt::Input;

use super::catalogue::{Dictionary, DictionaryId};
use super::{AppState, Load};

/// Figures of the heads of one layer.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// By head.
    pub load: Load<Arc<Vec<HeadFigures>>>,
    /// Whether an index gave them top tokens; measured anew once there is one.
    pub indexed: bool,
}

/// What was attributed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The dictionary.
    pub dictionary: DictionaryId,
    /// Whose pre-activation.
    pub feature: FeatureId,
    /// The sentence.
    pub input: Input,
    /// Position of the token in it.
    pub at: usize,
}

/// What is known about heads.
#[derive(Debug, Default)]
pub struct HeadsState {
    /// Figures of each `hook_z` dictionary.
    pub figures: BTreeMap<DictionaryId, Figures>,
    /// What was attributed last.
    pub attribution_of: Option<Key>,
    /// The attribution.
    pub attribution: Load<Arc<Attribution>>,
}

impl AppState {
    /// The dictionary on `attn.hook_z` of a layer that fits the model: the selected one if it reads there, else the first.
    pub fn z_dictionary(&self, layer: Layer) -> Option<&Dictionary> {
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

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// Figures are being measured, arrived or failed; with an index or without.
    Figures(DictionaryId, bool, Load<Arc<Vec<HeadFigures>>>),
    /// An attribution is being computed, arrived or failed.
    Attribution(Key, Load<Arc<Attribution>>),
}

/// Carries out an event. What arrives late for something else is dropped.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let heads = &mut state.heads;
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
