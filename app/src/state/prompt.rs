//! The sentence in Prompt and its reading by model and dictionary. The labs work on the same sentence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_core::prompt::Reading;

use super::catalogue::DictionaryId;
use super::{AppState, Load};

/// How long nobody types before the sentence is read.
pub const PAUSE: Duration = Duration::from_millis(250);

/// Sentence and reading.
#[derive(Debug, Default)]
pub struct PromptState {
    /// The sentence.
    pub text: String,
    /// When it was last typed at.
    pub typed: Option<Instant>,
    /// What the reading is of.
    pub reading_of: Option<(DictionaryId, String)>,
    /// The reading.
    pub reading: Load<Arc<Reading>>,
    /// The last reading that succeeded, shown until the next arrives, and its dictionary.
    pub last: Option<(DictionaryId, Arc<Reading>)>,
}

impl PromptState {
    /// Time until the sentence is read, if somebody types.
    pub fn pause_left(&self) -> Option<Duration> {
        let left = PAUSE.checked_sub(self.typed?.elapsed())?;
        (!left.is_zero()).then_some(left)
    }
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// Another sentence; `typed` if letter by letter, so that reading waits for a pause.
    Text {
        /// The sentence.
        text: String,
        /// Whether somebody types.
        typed: bool,
    },
    /// A reading is asked for, arrived or failed.
    Reading(DictionaryId, String, Load<Arc<Reading>>),
}

/// Carries out an event. What arrives late for another sentence is dropped.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let prompt = &mut state.prompt;
    match event {
        Event::Text { text, typed } => {
            prompt.typed = typed.then(Instant::now);
            prompt.text = text;
        }
        Event::Reading(dictionary, text, load) => {
            let of = Some((dictionary, text));
            if load.is_loading() {
                prompt.reading_of.clone_from(&of);
            }
            if prompt.reading_of != of {
                return;
            }
            if let Load::Ready(reading) = &load {
                prompt.last = Some((dictionary, Arc::clone(reading)));
                let tokens = reading.tokens.len();
                let selected = &mut state.selection.token;
                *selected = selected.filter(|at| *at < tokens);
            }
            prompt.reading = load;
        }
    }
}
