//! The sentence in Prompt changes: the selected token and the undo stack follow it.

use std::sync::Arc;
use std::time::Instant;

use umbra_core::prompt::Reading;

use crate::state::load::Load;
use crate::state::prompt::{Event, Reader, SENTENCE};
use crate::state::{AppState, history};

/// Carries out an event. What arrives late for another sentence is dropped.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let prompt = &mut state.prompt;
    match event {
        Event::Text { text, typed } => {
            prompt.typed = typed.then(Instant::now);
            match prompt.typed {
                Some(now) if !text.trim().is_empty() => prompt.latencies.pressed(now),
                _ => prompt.latencies.forget(),
            }
            prompt.caret = typed.then_some(text.len());
            prompt.text = text;
            (prompt.tokens, prompt.chat) = (None, None);
        }
        Event::Chat { messages, typed } => {
            prompt.typed = typed.then(Instant::now);
            prompt.latencies.forget();
            prompt.caret = None;
            (prompt.tokens, prompt.chat) = (None, Some(messages));
        }
        Event::Caret(at) => prompt.caret = Some(at),
        Event::Tokens { tokens, text, at } => {
            let before = prompt.written();
            (prompt.typed, prompt.caret) = (None, None);
            prompt.text = text;
            (prompt.tokens, prompt.chat) = (Some(tokens), None);
            let after = prompt.written();
            state.selection.token = Some(at);
            let did = history::Event::Did {
                what: SENTENCE.to_owned(),
                change: history::Change::Sentence(Box::new(history::Pair { before, after })),
                continues: false,
            };
            state.history.apply(did);
        }
        Event::Put(written) | Event::Restored(written) => {
            (prompt.typed, prompt.caret) = (None, None);
            prompt.text = written.text;
            (prompt.tokens, prompt.chat) = (written.tokens, written.chat);
        }
        Event::Side(side) => prompt.side = side,
        Event::Reading(dictionary, input, load) => {
            let of = Some((dictionary, input));
            if load.is_loading() {
                prompt.reading_of.clone_from(&of);
            }
            if prompt.reading_of == of {
                arrived(state, dictionary, load);
            }
        }
        Event::Drawn => {
            if let Some(figures) = prompt.latencies.answered(Instant::now()) {
                let ms = |time: std::time::Duration| time.as_millis();
                let line = format!(
                    "{} key presses in Prompt: new colours after {} ms (median), {} ms (nine of ten)",
                    figures.presses,
                    ms(figures.median),
                    ms(figures.ninety)
                );
                state.log.line(&line);
            }
        }
        Event::Began(flight) => {
            prompt.flights = flight.number + 1;
            prompt.flight = Some(flight);
        }
        Event::Landed(number, load) => {
            if prompt.flight.is_none_or(|flight| flight.number != number) {
                return; // of another model, or another reading took its place
            }
            prompt.flight = None;
            let of = prompt
                .reading_of
                .as_ref()
                .map(|(dictionary, _)| *dictionary);
            if let (Some(dictionary), Some(load)) = (of, load) {
                arrived(state, dictionary, load);
            }
        }
    }
}

/// The reading of the present sentence changes.
fn arrived(state: &mut AppState, dictionary: Reader, load: Load<Arc<Reading>>) {
    let prompt = &mut state.prompt;
    if let Load::Ready(reading) = &load {
        prompt.last = Some((dictionary, Arc::clone(reading)));
        let tokens = reading.tokens.len();
        let selected = &mut state.selection.token;
        *selected = selected.filter(|at| *at < tokens);
        if let Some(caret) = prompt.caret {
            *selected = Some(token_before(reading, caret));
        }
        if reading.text == prompt.text {
            prompt.caret = None;
        }
    }
    prompt.reading = load;
}

/// The token that ends at the caret or is around it.
fn token_before(reading: &Reading, caret: usize) -> usize {
    let spans = reading.spans.iter().enumerate();
    let mut begun = spans.filter(|(_, span)| !span.is_empty() && span.start < caret);
    begun.next_back().map_or(0, |(token, _)| token)
}
