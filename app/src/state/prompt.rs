//! The sentence in Prompt and its reading by model and dictionary. The labs work on the same sentence.

use std::sync::Arc;

use umbra_core::prompt::Reading;

use super::catalogue::DictionaryId;
use super::{AppState, Load};

/// Sentence and reading.
#[derive(Debug, Default)]
pub struct PromptState {
    /// The sentence.
    pub text: String,
    /// What the reading is of.
    pub reading_of: Option<(DictionaryId, String)>,
    /// The reading.
    pub reading: Load<Arc<Reading>>,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// Another sentence.
    Text(String),
    /// A reading is asked for, arrived or failed.
    Reading(DictionaryId, String, Load<Arc<Reading>>),
}

/// Carries out an event. What arrives late for another sentence is dropped.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let prompt = &mut state.prompt;
    match event {
        Event::Text(text) => prompt.text = text,
        Event::Reading(dictionary, text, load) => {
            let of = Some((dictionary, text));
            if load.is_loading() {
                prompt.reading_of.clone_from(&of);
            }
            if prompt.reading_of == of {
                prompt.reading = load;
            }
        }
    }
}
