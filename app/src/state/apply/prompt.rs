//! The sentence in Prompt changes: the selected token and the undo stack follow it.

use std::sync::Arc;
use std::time::Instant;

use crate::state::load::Load;
use crate::state::prompt::{Event, SENTENCE};
use crate::state::{AppState, history};

/// Carries out an event. What arrives late for another sentence is dropped.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let prompt = &mut state.prompt;
    match event {
        Event::Text { text, typed } => {
            prompt.typed = typed.then(Instant::now);
            prompt.text = text;
            prompt.tokens = None;
        }
        Event::Tokens { tokens, text, at } => {
            let before = prompt.written();
            prompt.typed = None;
            prompt.text = text;
            prompt.tokens = Some(tokens);
            let after = prompt.written();
            state.selection.token = Some(at);
            let did = history::Event::Did {
                what: SENTENCE.to_owned(),
                change: history::Change::Sentence(Box::new(history::Pair { before, after })),
                continues: false,
            };
            state.history.apply(did);
        }
        Event::Put(written) => {
            prompt.typed = None;
            prompt.text = written.text;
            prompt.tokens = written.tokens;
        }
        Event::Restored(shown) => {
            prompt.typed = None;
            prompt.text = shown.text;
            prompt.tokens = shown.tokens;
        }
        Event::Side(side) => prompt.side = side,
        Event::Reading(dictionary, input, load) => {
            let of = Some((dictionary, input));
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
