//! Interventions at hooks, and baseline and steered text side by side from one seed.
//!
//! An [`Edit`] says what is done to a hook's value, at which positions, rows and heads; [`Edits`] are several of them in force together, in a plain
//! forward pass or while text is generated. As a person writes them they are [`EditSpec`]s. The first position is where attention rests, and no
//! dictionary was trained on it: edits by a dictionary leave it out unless told otherwise.

mod apply;
mod continuation;
mod dictionary;
mod edit;
mod edits;
mod mean;
#[cfg(test)]
mod norm_tests;
mod positions;
mod run;
mod shift;
#[cfg(test)]
mod smollm2_tests;
mod spec;
#[cfg(test)]
mod tests;

pub use continuation::{Continuation, Written, generate};
pub use edit::{Action, Attend, DictionaryEdit, Edit, ErrorTerm, LatentChange};
pub use edits::Edits;
pub use mean::{MEAN_CONTEXT, MEAN_ROWS, TextMean, mean_of_text};
pub use positions::Positions;
#[cfg(feature = "reproduce")]
pub(crate) use shift::{divergence, log_probabilities};
pub use spec::{ACTIONS, ActionHelp, EditSpec, ErrorName, Materials, Vector, What};

use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Model, Sampling};
use crate::progress::{Ended, Flow};

/// Changes of next-token probabilities that are reported.
pub const CHANGES: usize = 20;

/// Which of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Untouched.
    Baseline,
    /// With the edits.
    Steered,
}

/// What a steering run reports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// How the prompt's next-token probabilities change, largest changes first.
    Shift(Vec<Change>),
    /// One more token of one text, and what it adds to it: pieces, joined, are the text.
    Token(Stream, TokenId, String),
}

/// A token whose probability changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The token.
    pub id: TokenId,
    /// As shown.
    pub text: String,
    /// Probability without edits.
    pub before: f32,
    /// Probability with them.
    pub after: f32,
}

/// What [`Outcome::kl`] is.
pub const KL: &str = "KL(steered ‖ baseline) of the next token at the prompt's end, nats";
/// What [`Generated::kl`] is.
pub const GENERATED_KL: &str = "mean over the steered text's tokens of KL(steered ‖ baseline) of the distribution each was drawn from, nats; the baseline is the model without edits reading the same steered text (teacher-forced), at temperature 1";

/// Both texts and the shift.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Continuation without edits.
    pub baseline: Written,
    /// Continuation with them.
    pub steered: Written,
    /// Changes of the prompt's next-token probabilities, largest first.
    pub shift: Vec<Change>,
    /// KL(steered ‖ baseline) of the next token at the prompt's end, nats.
    pub kl: f64,
    /// The same over the steered text; none while it has no token.
    pub generated: Option<Generated>,
}

/// How edits change the next token along the steered text: at the prompt's end and behind each new token but the last, wherever a token was drawn. The
/// model without edits reads the same tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Mean of KL(steered ‖ baseline), nats.
    pub kl: f64,
    /// KL of the distribution that each token was drawn from, nats, in their order; the first is that at the prompt's end.
    pub kl_by_token: Vec<f64>,
    /// Changes of mean probabilities, largest first.
    pub shift: Vec<Change>,
}

/// Streams both texts, token by token in turn; the same seed draws both. Stopped, it gives the texts so far.
pub fn run(
    model: &Model,
    edits: Edits,
    prompt: &str,
    sampling: &Sampling,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Outcome, Outcome>> {
    let tokens = model.codec().encode_with_bos(prompt)?;
    run::Run::begin(model, edits, &tokens, sampling)?.finish(observe)
}
