//! Token-by-token continuation with a key/value cache.

use candle_core::Tensor;
use candle_transformers::generation::{LogitsProcessor, Sampling as Choice};

use super::decoder::{Logits, Memory};
use super::{Hooks, Model, Sampling, Start, token_tensor};
use crate::Flow;
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// A continuation that advances one token at a time, so that several can take turns.
pub struct Generator<'m> {
    model: &'m Model,
    chooser: LogitsProcessor,
    memory: Memory,
    /// Tokens the memory holds, for models that turn other ways once they reach so far.
    held: Vec<TokenId>,
    /// Tokens not yet run through the model.
    unread: Vec<TokenId>,
    /// Logits of the token to come, once `unread` was run.
    next: Option<Tensor>,
    /// Tokens still to make.
    left: usize,
}

impl std::fmt::Debug for Generator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("model", &self.model.name())
            .field("unread", &self.unread)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl<'m> Generator<'m> {
    pub(super) fn new(model: &'m Model, prompt: &[TokenId], sampling: &Sampling) -> Result<Self> {
        let room = (model.config.context + 1).saturating_sub(prompt.len());
        Ok(Self {
            model,
            chooser: LogitsProcessor::from_sampling(sampling.seed, choice(sampling)?),
            memory: Memory::default(),
            held: Vec::new(),
            unread: prompt.to_vec(),
            next: None,
            // A prompt beyond the context is refused by the pass itself.
            left: sampling.tokens.min(room.max(1)),
        })
    }

    /// Logits `[v]` of the token to come; runs what was not yet run, which `hooks` see.
    pub fn logits(&mut self, hooks: &mut dyn Hooks) -> Result<Tensor> {
        if let Some(next) = &self.next {
            return Ok(next.clone());
        }
        let positions = self.held.len()..self.held.len() + self.unread.len();
        if self.model.decoder.turns_anew(positions) {
            // What the memory holds was turned the other way: all is read again.
            self.memory = Memory::default();
            self.unread.splice(0..0, self.held.drain(..));
        }
        let tokens = token_tensor(&[&self.unread])?;
        let logits = self
            .model
            .decoder
            .forward(
                &self.model.config,
                Start::Tokens(&tokens),
                Logits::Last,
                hooks,
                Some(&mut self.memory),
            )?
            .ok_or_else(|| {
                Error::setting("hooks", "generation cannot end at a hook, it needs logits")
            })?
            .flatten_all()?; // [v]
        self.held.append(&mut self.unread);
        self.next = Some(logits.clone());
        Ok(logits)
    }

    /// Takes `token` as the next one, whoever chose it.
    pub(super) fn read(&mut self, token: TokenId) {
        self.next = None;
        self.unread = vec![token];
    }

    /// The next token; `None` once all asked for were made or the context is full.
    pub fn step(&mut self, hooks: &mut dyn Hooks) -> Result<Option<TokenId>> {
        if self.left == 0 {
            return Ok(None);
        }
        let logits = self.logits(hooks)?;
        let token = TokenId(self.chooser.sample(&logits)?);
        self.left -= 1;
        self.read(token);
        Ok(Some(token))
    }
}

/// See [`Model::generate`].
pub(super) fn generate(
    model: &Model,
    prompt: &[TokenId],
    sampling: &Sampling,
    hooks: &mut dyn Hooks,
    observe: &mut dyn FnMut(TokenId) -> Flow,
) -> Result<Vec<TokenId>> {
    let mut generator = Generator::new(model, prompt, sampling)?;
    generator.logits(hooks)?;
    let mut new = Vec::new();
    while let Some(token) = generator.step(hooks)? {
        new.push(token);
        if observe(token).is_break() {
            break;
        }
    }
    Ok(new)
}

fn choice(sampling: &Sampling) -> Result<Choice> {
    let temperature = sampling.temperature;
    if !(temperature >= 0.0 && temperature.is_finite()) {
        return Err(Error::setting(
            "temperature",
            format!("{temperature} is not 0 or a positive number"),
        ));
    }
    if let Some(p) = sampling.top_p
        && !(p > 0.0 && p <= 1.0)
    {
        return Err(Error::setting(
            "top_p",
            format!("{p} is not above 0 and at most 1"),
        ));
    }
    if sampling.top_k == Some(0) {
        return Err(Error::setting("top_k", "0 tokens leave nothing to choose"));
    }
    Ok(match (sampling.top_k, sampling.top_p) {
        _ if temperature < 1e-7 => Choice::ArgMax,
        (None, None) => Choice::All { temperature },
        (Some(k), None) => Choice::TopK { k, temperature },
        (None, Some(p)) => Choice::TopP { p, temperature },
        (Some(k), Some(p)) => Choice::TopKThenTopP { k, p, temperature },
    })
}
