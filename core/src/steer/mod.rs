//! Interventions at hooks, and baseline and steered text side by side from one seed.
//!
//! An [`Edit`] describes a change of a hook's value and its positions, rows and heads; [`Edits`] apply several together, in a plain forward pass or while text
//! is generated. [`EditSpec`] is their written form. The first position is the attention sink, and no dictionary was trained on it: edits by a dictionary skip
//! it by default.

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

/// Number of reported changes of next-token probabilities.
pub const CHANGES: usize = 20;

/// One of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Text without edits.
    Baseline,
    /// Text with edits.
    Steered,
}

/// Progress of a steering run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Changes of the prompt's next-token probabilities, largest first.
    Shift(Vec<Change>),
    /// New token of one text and the piece of text it adds; the joined pieces are the text.
    Token(Stream, TokenId, String),
}

/// Change of a token's probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Token id.
    pub id: TokenId,
    /// Token as text.
    pub text: String,
    /// Probability without edits.
    pub before: f32,
    /// Probability with edits.
    pub after: f32,
}

/// Definition of [`Outcome::kl`].
pub const KL: &str = "KL(steered ‖ baseline) of the next token at the prompt's end, nats";
/// Definition of [`Generated::kl`].
pub const GENERATED_KL: &str = "mean over the steered text's tokens of KL(steered ‖ baseline) of the distribution each was drawn from, nats; the baseline is the model without edits reading the same steered text (teacher-forced), at temperature 1";

/// Both texts and the change of next-token probabilities.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Continuation without edits.
    pub baseline: Written,
    /// Continuation with edits.
    pub steered: Written,
    /// Changes of the prompt's next-token probabilities, largest first.
    pub shift: Vec<Change>,
    /// KL(steered ‖ baseline) of the next token at the prompt's end, nats.
    pub kl: f64,
    /// Change over the steered text; none while it has no token.
    pub generated: Option<Generated>,
}

/// Change of the next token along the steered text: at the prompt's end and after each new token except the last, wherever a token was drawn. The model without
/// edits reads the same tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Mean of KL(steered ‖ baseline), nats.
    pub kl: f64,
    /// KL in nats of the distribution that each token was drawn from, in order; the first is the one at the prompt's end.
    pub kl_by_token: Vec<f64>,
    /// Changes of mean probabilities, largest first.
    pub shift: Vec<Change>,
}

/// Generates both texts, token by token in turn, from one seed. Stopped, it gives the texts so far.
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
