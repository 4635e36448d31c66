//! Steering: both texts as they stream, and the change of the next token's probabilities.

use umbra_core::steer::{Change, Stream};

use super::AppState;

/// A steering run.
#[derive(Debug, Default)]
pub struct SteeringState {
    /// Whether one runs.
    pub running: bool,
    /// Tokens of the untouched text.
    pub baseline: Vec<String>,
    /// Tokens of the steered text.
    pub steered: Vec<String>,
    /// Changes of the prompt's next-token probabilities.
    pub shift: Vec<Change>,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// A run began.
    Started,
    /// One more token.
    Token(Stream, String),
    /// Changes of probability.
    Shift(Vec<Change>),
    /// The run ended.
    Ended,
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let lab = &mut state.steering;
    match event {
        Event::Started => {
            *lab = SteeringState {
                running: true,
                ..SteeringState::default()
            };
        }
        Event::Token(Stream::Baseline, text) => lab.baseline.push(text),
        Event::Token(Stream::Steered, text) => lab.steered.push(text),
        Event::Shift(shift) => lab.shift = shift,
        Event::Ended => lab.running = false,
    }
}
