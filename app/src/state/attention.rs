//! Attention patterns on the sentence in Prompt: all heads at a glance, and one layer whole.

use std::sync::Arc;

use umbra_core::attention::{Overview, Patterns};
use umbra_core::ids::Layer;

use super::load::Load;
use super::prompt::Sentence;

/// Attention patterns of the sentence in Prompt.
#[derive(Debug, Default)]
pub(crate) struct AttentionState {
    /// The sentence that the overview is for.
    pub(crate) overview_of: Option<Sentence>,
    /// All heads.
    pub(crate) overview: Load<Arc<Overview>>,
    /// The last overview that succeeded, shown until the next arrives.
    pub(crate) last_overview: Option<(Sentence, Arc<Overview>)>,
    /// The sentence and layer that the patterns are for.
    pub(crate) patterns_of: Option<(Sentence, Layer)>,
    /// The patterns of one layer.
    pub(crate) patterns: Load<Arc<Patterns>>,
    /// The last patterns that succeeded.
    pub(crate) last_patterns: Option<(Sentence, Arc<Patterns>)>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// Patterns of all heads are loading, ready, failed or stopped (absent).
    Overview(Sentence, Load<Arc<Overview>>),
    /// A layer's patterns are being computed, arrived or failed.
    Patterns(Sentence, Layer, Load<Arc<Patterns>>),
}

impl AttentionState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        let attention = self;
        match event {
            Event::Overview(of, load) => {
                if load.is_loading() {
                    attention.overview_of = Some(of.clone());
                }
                if attention.overview_of.as_ref() != Some(&of) {
                    return;
                }
                if let Load::Ready(overview) = &load {
                    attention.last_overview = Some((of, Arc::clone(overview)));
                }
                attention.overview = load;
            }
            Event::Patterns(of, layer, load) => {
                let key = Some((of, layer));
                if load.is_loading() {
                    attention.patterns_of.clone_from(&key);
                }
                if attention.patterns_of != key {
                    return;
                }
                if let (Load::Ready(patterns), Some((of, _))) = (&load, key) {
                    attention.last_patterns = Some((of, Arc::clone(patterns)));
                }
                attention.patterns = load;
            }
        }
    }
}
