//! Interventions at hooks, and baseline and steered text side by side from one seed.
//!
//! An [`Edit`] describes a change of a hook's value and its positions, rows and heads; [`Edits`] apply several together, in a plain forward pass or while text
//! is generated. [`EditSpec`] is their written form. The first position is the attention sink, and no dictionary was trained on it: edits by a dictionary skip
//! it by default.

mod apply;
mod continuation;
mod dial;
mod dictionary;
mod edit;
mod edits;
pub mod limit;
mod mean;
#[cfg(test)]
mod norm_tests;
mod positions;
pub mod proof;
pub mod score;
mod section;
mod session;
#[cfg(test)]
mod session_tests;
mod shift;
#[cfg(test)]
mod smollm2_tests;
mod spec;
pub mod sweep;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod torch_tests;
#[cfg(test)]
mod transcoder_tests;
mod vector_file;

pub use continuation::{Continuation, Written, generate};
pub use dial::Dial;
pub use edit::{Action, Attend, DictionaryEdit, Edit, ErrorTerm, LatentChange};
pub use edits::Edits;
pub use mean::{MEAN_CONTEXT, MEAN_ROWS, TextMean, mean_of_text};
pub use positions::{Positions, Row};
pub use proof::{Proof, prove};
pub use session::{Session, Wanted};
#[cfg(feature = "reproduce")]
pub(crate) use shift::{divergence, log_probabilities};
pub use spec::{
    ACTIONS, ActionHelp, EditSpec, ErrorName, Materials, Strength, Switched, Vector, What,
    edits_from_toml, edits_to_toml,
};
pub use vector_file::{Added, check_model as check_vectors, vector_file};

use std::sync::Arc;

use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Model, Sampling};
use crate::progress::{Ended, Flow};
use crate::prompt::Input;

/// Number of reported changes of next-token probabilities.
pub const CHANGES: usize = 20;

/// Most samples of one run.
pub const SAMPLES: usize = 16;

/// One of the two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Text without edits.
    Baseline,
    /// Text with edits.
    Steered,
}

impl Stream {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Baseline, Self::Steered];
}

/// Progress of a steering run. A text is named by its sample (from 0) and its stream; `first` is the index of the first token that the event is about.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Change of the next token at the prompt's end: changes of probabilities, largest first, and KL(steered ‖ baseline) in nats.
    Shift(Vec<Change>, f64),
    /// New tokens of a text: one as it is written, or all of a baseline that was kept from an earlier run.
    Tokens {
        /// Sample.
        sample: usize,
        /// Which of its two texts.
        stream: Stream,
        /// Index of the first of them.
        first: usize,
        /// The tokens.
        tokens: Vec<Token>,
    },
    /// Figures of tokens that were told before.
    Measures {
        /// Sample.
        sample: usize,
        /// Which of its two texts.
        stream: Stream,
        /// Index of the first token.
        first: usize,
        /// One per token.
        measures: Vec<Measure>,
    },
    /// Activations of the dialled feature at tokens that were told before.
    Activations {
        /// Sample.
        sample: usize,
        /// Which of its two texts.
        stream: Stream,
        /// Index of the first token.
        first: usize,
        /// One per token.
        values: Vec<f32>,
    },
}

/// Generated token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Token id.
    pub id: TokenId,
    /// Text that it adds: nothing while it is a part of a character. The pieces, joined, are the text.
    pub piece: String,
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

/// Figures of one generated token, at temperature 1. The model without edits reads the same tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Log p of the token by the model that wrote the text, nats.
    pub written: f64,
    /// Log p of the token by the model without edits, nats; equal to `written` in the baseline.
    pub unedited: f64,
    /// KL(steered ‖ baseline) of the distribution that the token was drawn from, nats; 0 in the baseline.
    pub kl: f64,
    /// Changes of that distribution's probabilities, largest first; none in the baseline.
    pub shift: Vec<Change>,
}

/// Definition of [`Outcome::kl`].
pub const KL: &str = "KL(steered ‖ baseline) of the next token at the prompt's end, nats";
/// Definition of [`Generated::kl`].
pub const GENERATED_KL: &str = "mean over the steered text's tokens of KL(steered ‖ baseline) of the distribution each was drawn from, nats; the baseline is the model without edits reading the same steered text (teacher-forced), at temperature 1";
/// Definition of [`Text::perplexity`].
pub const PERPLEXITY: &str = "exp of the mean of −log p over a text's generated tokens, p being their probability by the model without edits reading that text, at temperature 1";
/// Definition of [`Text::activations`].
pub const ACTIVATION: &str = "activation of the dialled feature at the token, encoded from the value at the dictionary's hook after the edits";

/// One generated text with its figures. Where a run was stopped, figures may be of fewer tokens than the text has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Text {
    /// Tokens, text and end.
    pub written: Written,
    /// Figures, one per token.
    pub measures: Vec<Measure>,
    /// Activations of the dialled feature ([`ACTIVATION`]), one per token; none without a dial. The last token of a text that fills the model's context has none.
    pub activations: Vec<f32>,
}

impl Text {
    /// Computes the perplexity under the model without edits ([`PERPLEXITY`]) over [`Text::measures`]; none where there are none.
    pub fn perplexity(&self) -> Option<f64> {
        perplexity(&self.measures)
    }
}

/// Computes exp of the mean of −log p under the model without edits; none of no tokens.
pub fn perplexity(measures: &[Measure]) -> Option<f64> {
    let sum: f64 = measures.iter().map(|measure| -measure.unedited).sum();
    (!measures.is_empty()).then(|| (sum / measures.len() as f64).exp())
}

/// Both texts of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Seed of both.
    pub seed: u64,
    /// Continuation without edits.
    pub baseline: Text,
    /// Continuation with edits.
    pub steered: Text,
    /// Change over the steered text; none while it has no token.
    pub generated: Option<Generated>,
}

impl Sample {
    /// Returns one of the two texts.
    pub fn text(&self, stream: Stream) -> &Text {
        match stream {
            Stream::Baseline => &self.baseline,
            Stream::Steered => &self.steered,
        }
    }
}

/// All texts and the change of next-token probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Samples, in the order of their seeds; at least one.
    pub samples: Vec<Sample>,
    /// Changes of the prompt's next-token probabilities, largest first.
    pub shift: Vec<Change>,
    /// KL(steered ‖ baseline) of the next token at the prompt's end, nats.
    pub kl: f64,
}

/// Change of the next token along the steered text: at the prompt's end and after each new token except the last, wherever a token was drawn. The model without
/// edits reads the same tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// Mean of KL(steered ‖ baseline), nats.
    pub kl: f64,
    /// Changes of mean probabilities, largest first.
    pub shift: Vec<Change>,
}

/// Continues `prompt` without edits and with them, from one seed, token by token in turn. Stopped, it gives the texts so far. [`Session`]
/// does the same for one set of edits after another.
pub fn run(
    model: &Arc<Model>,
    edits: Edits,
    prompt: &Input,
    sampling: &Sampling,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Outcome, Outcome>> {
    let wanted = Wanted {
        edits,
        dial: None,
        samples: 1,
    };
    Session::from_input(model, prompt, sampling)?.run(&wanted, observe)
}
