//! How a continuation picks its tokens: the flags of every command that writes text.

use serde_json::{Value, json};

use crate::models::{Finish, Sampling};
use crate::steer::Written;

/// Flags of sampling.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SamplingArgs {
    /// Tokens to write at most; the model (by EOS) and its context may end a text earlier
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
    /// Go on behind tokens that end a text (EOS, named by `umbra model info`) and write them out; without it a text ends there and their text is left out
    #[arg(long)]
    ignore_eos: bool,
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
            ignore_eos: self.ignore_eos,
        }
    }
}

/// `length`, `context`, `stop`, `eos`; none where it was stopped from outside.
fn name(finish: Option<&Finish>) -> Option<&'static str> {
    finish.map(|finish| match finish {
        Finish::Length => "length",
        Finish::Context => "context",
        Finish::Stop(_) => "stop",
        Finish::Eos(_) => "eos",
    })
}

/// One text as an object.
pub(super) fn object(written: &Written) -> Value {
    let ids: Vec<u32> = written.tokens.iter().map(|id| id.0).collect();
    json!({"tokens": ids, "text": written.text, "finish": name(written.finish.as_ref())})
}
