//! Attention patterns on the sentence in Prompt: all heads at a glance, and one layer whole.

use std::sync::Arc;

use umbra_core::attention::{Overview, Patterns};
use umbra_core::ids::Layer;

use super::prompt::Sentence;
use super::{AppState, Load};

/// What is known of where heads look.
#[derive(Debug, Default)]
pub struct AttentionState {
    /// What the overview is of.
    pub overview_of: Option<Sentence>,
    /// All heads.
    pub overview: Load<Arc<Overview>>,
    /// The last overview that succeeded, shown until the next arrives.
    pub last_overview: Option<(Sentence, Arc<Overview>)>,
    /// What the patterns are of.
    pub patterns_of: Option<(Sentence, Layer)>,
    /// The patterns of one layer.
    pub patterns: Load<Arc<Patterns>>,
    /// The last patterns that succeeded.
    pub last_patterns: Option<(Sentence, Arc<Patterns>)>,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// All heads are being looked at, arrived, failed or were stopped (absent).
    Overview(Sentence, Load<Arc<Overview>>),
    /// A layer's patterns are being computed, arrived or failed.
    Patterns(Sentence, Layer, Load<Arc<Patterns>>),
}

/// Carries out an event. What arrives late for something else is dropped.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let attention = &mut state.attention;
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
