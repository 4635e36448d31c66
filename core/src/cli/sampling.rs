//! Sampling flags of commands that generate text.

use serde_json::{Value, json};

use crate::models::{Finish, Sampling};
use crate::steer::Written;

/// Flags of sampling.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SamplingArgs {
    /// Largest number of tokens to generate; EOS or the model's context may end the text earlier
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(super) tokens: usize,
    /// Sampling temperature; 0 always picks the most likely token
    #[arg(long, value_name = "X", default_value_t = 0.8)]
    temperature: f64,
    /// Sample among this many most likely tokens; 0 for all
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: usize,
    /// Sample among the most likely tokens that hold this much probability [default: all]
    #[arg(long, value_name = "P")]
    top_p: Option<f64>,
    /// Divide positive logits of tokens that are already in the text by this, and multiply negative ones; 1 changes nothing
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Seed of the sampling
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// End the text before this string; may be repeated
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Continue after tokens that end a text (EOS, see `umbra model info`) and print them; without this flag the text ends there and omits them
    #[arg(long)]
    ignore_eos: bool,
}

impl SamplingArgs {
    /// Returns the flags as the library's type.
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

/// Returns `length`, `context`, `stop` or `eos`; none if the run was stopped.
fn name(finish: Option<&Finish>) -> Option<&'static str> {
    finish.map(|finish| match finish {
        Finish::Length => "length",
        Finish::Context => "context",
        Finish::Stop(_) => "stop",
        Finish::Eos(_) => "eos",
    })
}

/// Returns one text as an object.
pub(super) fn object(written: &Written) -> Value {
    let ids: Vec<u32> = written.tokens.iter().map(|id| id.0).collect();
    json!({"tokens": ids, "text": written.text, "finish": name(written.finish.as_ref())})
}
