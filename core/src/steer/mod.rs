//! Interventions at a hook, and baseline and steered text side by side from one seed.
//!
//! Steering adds c × decoder row at every position but the first (formats.md of the field: `h + c·v`); the first is where attention rests and no
//! dictionary was trained on it. [`Splice`] edits activations of features instead and keeps the dictionary's error.

mod addition;
mod run;
mod shift;
mod splice;
#[cfg(test)]
mod tests;

use crate::Flow;
use crate::error::Result;
use crate::ids::{FeatureId, TokenId};
use crate::models::{Model, Sampling};
use crate::sae::Sae;

pub use addition::Addition;
pub use splice::{Edit, Splice};

/// Changes of next-token probabilities that are reported.
pub const CHANGES: usize = 20;

/// What is added.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steering {
    /// Whose decoder row.
    pub feature: FeatureId,
    /// Times this.
    pub strength: f32,
}

/// Which of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Untouched.
    Baseline,
    /// Steered.
    Steered,
}

/// What a steering run reports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// How the prompt's next-token probabilities change, largest changes first.
    Shift(Vec<Change>),
    /// One more token of one text.
    Token(Stream, TokenId, String),
}

/// A token whose probability changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The token.
    pub id: TokenId,
    /// As shown.
    pub text: String,
    /// Probability without steering.
    pub before: f32,
    /// Probability with it.
    pub after: f32,
}

/// Both texts and the shift.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Continuation without steering.
    pub baseline: Vec<TokenId>,
    /// Continuation with it.
    pub steered: Vec<TokenId>,
    /// Changes of the prompt's next-token probabilities, largest first.
    pub shift: Vec<Change>,
    /// KL(steered ‖ baseline) of the next token, nats.
    pub kl: f64,
    /// Whether the observer stopped it.
    pub stopped: bool,
}

/// Streams both texts, token by token in turn; the same seed draws both. The shift is that of the prompt's last position.
pub fn run(
    model: &Model,
    sae: &Sae,
    prompt: &str,
    steering: Steering,
    sampling: &Sampling,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Outcome> {
    let tokens = model.codec().encode_with_bos(prompt)?;
    run::Run::begin(model, sae, &tokens, steering, sampling)?.finish(observe)
}
