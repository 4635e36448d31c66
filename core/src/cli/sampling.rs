//! How a continuation picks its tokens: the flags of every command that writes text.

use crate::models::{Finish, Sampling};

/// Flags of sampling.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SamplingArgs {
    /// Tokens to write at most; the model's context may end a text earlier
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(super) tokens: usize,
    /// Sampling temperature; 0 always takes the most likely token
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    temperature: f64,
    /// Sample among this many most likely tokens; 0 for all
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: usize,
    /// Sample among the most likely tokens that hold this much probability [default: all]
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Divide the positive logits of tokens that the text already holds by this, and multiply the negative ones; 1 leaves them
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Seed of the sampling
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// End the text where this is written, and leave it out; may be repeated
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
}

impl SamplingArgs {
    /// As the library takes them.
    pub(super) fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: (self.top_k > 0).then_some(self.top_k),
            repetition_penalty: self.repetition_penalty,
            seed: self.seed,
            tokens: self.tokens,
            stop: self.stop.clone(),
        }
    }
}

/// `length`, `context`, `stop`; none where it was stopped from outside.
pub(super) fn name(finish: Option<&Finish>) -> Option<&'static str> {
    finish.map(|finish| match finish {
        Finish::Length => "length",
        Finish::Context => "context",
        Finish::Stop(_) => "stop",
    })
}

/// `text` up to the stop string that ended it.
pub(super) fn before_stop<'t>(text: &'t str, finish: Option<&Finish>) -> &'t str {
    match finish {
        Some(Finish::Stop(stop)) => text.find(stop).map_or(text, |at| &text[..at]),
        _ => text,
    }
}
