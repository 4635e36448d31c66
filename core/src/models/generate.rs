//! Token-by-token continuation with a key/value cache.

use candle_core::Tensor;
use candle_transformers::generation::{LogitsProcessor, Sampling as Choice};
use candle_transformers::utils::apply_repeat_penalty;

use super::decoder::{Logits, Memory};
use super::{Hooks, Model, Sampling, Start, token_tensor};
use crate::error::{Error, Key, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::progress::{Ended, Flow};
use crate::text::TextStream;

/// Reason why a continuation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The requested number of tokens was generated.
    Length,
    /// The model's context is full.
    Context,
    /// This stop string was generated.
    Stop(String),
    /// The model generated this token, which ends a text.
    Eos(TokenId),
}

/// Continuation that advances one token at a time, so that several can take turns.
pub struct Generator<'m> {
    model: &'m Model,
    sampling: Sampling,
    chooser: LogitsProcessor,
    memory: Memory,
    /// Tokens that the memory holds, for models whose rotations change at some length.
    held: Vec<TokenId>,
    /// Tokens not yet run through the model.
    unread: Vec<TokenId>,
    /// Logits of the token to come, once `unread` was run.
    next: Option<Tensor>,
    /// Number of tokens still to generate.
    left: usize,
    /// Reason of the end once none is left.
    end: Finish,
    /// Text of the tokens generated so far.
    text: TextStream,
    /// Text that the last token added.
    piece: String,
    finish: Option<Finish>,
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
        if model.separate.is_some() {
            let what = "generation continues one text and keeps no documents apart, leave it out";
            return Err(Error::setting(Key::SeparateDocuments, what));
        }
        let room = (model.config.context + 1).saturating_sub(prompt.len());
        Ok(Self {
            model,
            chooser: LogitsProcessor::from_sampling(sampling.seed, choice(sampling)?),
            sampling: sampling.clone(),
            memory: Memory::default(),
            held: Vec::new(),
            unread: prompt.to_vec(),
            next: None,
            // The pass itself rejects a prompt beyond the context.
            left: sampling.tokens.min(room.max(1)),
            end: if sampling.tokens > room {
                Finish::Context
            } else {
                Finish::Length
            },
            text: TextStream::new(&model.codec, prompt, &sampling.stop),
            piece: String::new(),
            finish: None,
        })
    }

    /// Computes logits `[v]` of the next token; runs the unread tokens, which `hooks` see.
    pub fn logits(&mut self, hooks: &mut dyn Hooks) -> Result<Tensor> {
        if let Some(next) = &self.next {
            return Ok(next.clone());
        }
        let positions = self.held.len()..self.held.len() + self.unread.len();
        if self.model.decoder.turns_anew(positions) {
            // The memory was rotated by other angles: read all tokens again.
            self.memory = Memory::default();
            self.unread.splice(0..0, self.held.drain(..));
        }
        let tokens = token_tensor(&[&self.unread])?;
        self.pass(Start::Tokens(&tokens), hooks)
    }

    /// Runs `unread` from `start` on.
    fn pass(&mut self, start: Start<'_>, hooks: &mut dyn Hooks) -> Result<Tensor> {
        let memory = Some(&mut self.memory);
        let (config, decoder) = (&self.model.config, &self.model.decoder);
        let logits = decoder.forward(config, (start, None), Logits::Last, hooks, memory)?;
        let logits = logits
            .ok_or_else(|| {
                Error::setting("hooks", "generation cannot end at a hook, it needs logits")
            })?
            .flatten_all()?; // [v]
        self.held.append(&mut self.unread);
        self.next = Some(logits.clone());
        Ok(logits)
    }

    /// Runs the prompt and keeps the residual stream that enters the block of `first`, so that [`Generator::fork`] need not recompute earlier blocks.
    /// `hooks` look and replace nothing.
    pub fn enter(&mut self, first: HookPoint, hooks: &mut dyn Hooks) -> Result<Option<Entering>> {
        let blocks = Layer::from(self.model.config.layers);
        let (layer, at) = match first {
            HookPoint::Block(layer, _) => (layer, HookPoint::Block(layer, Site::ResidPre)),
            HookPoint::FinalScale | HookPoint::FinalNormalized => {
                let last = Layer(blocks.0 - 1);
                (blocks, HookPoint::Block(last, Site::ResidPost))
            }
            HookPoint::Embed | HookPoint::PosEmbed => {
                self.logits(hooks)?;
                return Ok(None);
            }
        };
        let mut entry = Entry {
            at,
            value: None,
            inner: hooks,
        };
        self.logits(&mut entry)?;
        Ok(entry.value.map(|value| Entering { layer, value }))
    }

    /// Starts a second continuation of the prompt from the same seed, whose hooks reach nothing before the block of `at` (nothing of the prompt at all
    /// where it is none). It gives bit by bit what it would give alone. Call it before this one generates its first token.
    pub fn fork(&self, at: Option<&Entering>, hooks: &mut dyn Hooks) -> Result<Self> {
        let mut other = Self::new(self.model, &self.held, &self.sampling)?;
        if let Some(Entering { layer, value }) = at {
            other.memory = self.memory.below(*layer);
            other.pass(Start::Residual(*layer, value, None), hooks)?;
        } else {
            other.memory = self.memory.clone();
            other.next.clone_from(&self.next);
            other.held.append(&mut other.unread);
        }
        Ok(other)
    }

    /// Starts a second continuation of the prompt from the same seed that reads the prompt itself. Call it before this one generates its first token.
    pub fn again(&self, hooks: &mut dyn Hooks) -> Result<Self> {
        let mut other = Self::new(self.model, &self.held, &self.sampling)?;
        other.logits(hooks)?;
        Ok(other)
    }

    /// Appends `token` as the next one, whoever chose it.
    pub(crate) fn read(&mut self, token: TokenId) {
        self.next = None;
        self.unread = vec![token];
    }

    /// Whether no token is left to generate.
    pub fn is_over(&self) -> bool {
        self.left == 0 || self.finish.is_some()
    }

    /// Reason of the end, once a step has reached it.
    pub fn finish(&self) -> Option<&Finish> {
        self.finish.as_ref()
    }

    /// Generates the next token; `None` once the requested number is reached, the context is full, a stop string is complete, or the model ended the text.
    pub fn step(&mut self, hooks: &mut dyn Hooks) -> Result<Option<TokenId>> {
        if self.finish.is_none() && self.left == 0 {
            self.finish = Some(self.end.clone());
        }
        if self.finish.is_some() {
            self.piece.clear();
            return Ok(None);
        }
        let logits = self.logits(hooks)?;
        let token = self.choose(&logits)?;
        self.left -= 1;
        self.read(token);
        self.finish = self.write(token);
        Ok(Some(token))
    }

    /// Adds `token` to the text; returns the reason if the text ends with it.
    fn write(&mut self, token: TokenId) -> Option<Finish> {
        let ends = !self.sampling.ignore_eos && self.model.ends.ids.contains(&token);
        self.piece = if ends {
            String::new()
        } else {
            self.text.push(token)
        };
        let stop = self.text.stop().map(|stop| Finish::Stop(stop.to_owned()));
        let finish = match (ends, self.left) {
            (true, _) => Some(Finish::Eos(token)),
            (false, 0) => stop.or_else(|| Some(self.end.clone())),
            _ => stop,
        };
        if finish.is_some() {
            self.piece.push_str(&self.text.end());
        }
        finish
    }

    /// Text that the last token added: nothing while it is a part of a character or may begin a stop string. The text of a token that ends it
    /// (EOS) is not included. The pieces, joined, are the text.
    pub fn piece(&self) -> &str {
        &self.piece
    }

    /// Finishes and returns the text of all generated tokens, as it follows the prompt.
    pub fn text(&mut self) -> &str {
        self.text.end();
        self.text.text()
    }

    fn choose(&mut self, logits: &Tensor) -> Result<TokenId> {
        let penalty = self.sampling.repetition_penalty;
        let logits = if penalty == 1.0 {
            logits.clone()
        } else {
            let held: Vec<u32> = self.held.iter().map(|token| token.0).collect();
            apply_repeat_penalty(logits, penalty, &held)?
        };
        let largest = logits.max(0)?.to_scalar::<f32>()?;
        let sum = logits.sum_all()?.to_scalar::<f32>()?;
        if !largest.is_finite() || sum.is_nan() {
            return Err(Error::Numeric {
                what: format!(
                    "the logits after token {} are no numbers: are the weights whole, or does an edit reach too far?",
                    self.held.len()
                ),
            });
        }
        Ok(TokenId(self.chooser.sample(&logits)?))
    }
}

/// Residual stream of a prompt as it enters a block.
#[derive(Debug, Clone)]
pub struct Entering {
    layer: Layer,
    /// Stream, `[1, t, d]`.
    value: Tensor,
}

/// Hooks that keep the value at one hook, and pass the others on.
struct Entry<'a> {
    at: HookPoint,
    value: Option<Tensor>,
    inner: &'a mut dyn Hooks,
}

impl Hooks for Entry<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.at || self.inner.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        if hook == self.at {
            self.value = Some(value.clone());
        }
        if self.inner.wants(hook) {
            self.inner.visit(hook, first, value)
        } else {
            Ok(None)
        }
    }
}

/// Generates a whole continuation; [`Model::generate`] documents it.
pub(super) fn generate(
    model: &Model,
    prompt: &[TokenId],
    sampling: &Sampling,
    hooks: &mut dyn Hooks,
    observe: &mut dyn FnMut(TokenId) -> Flow,
) -> Result<Ended<Vec<TokenId>, Vec<TokenId>>> {
    let mut generator = Generator::new(model, prompt, sampling)?;
    generator.logits(hooks)?;
    let mut new = Vec::new();
    while let Some(token) = generator.step(hooks)? {
        new.push(token);
        if observe(token).is_break() {
            return Ok(Ended::Stopped(new));
        }
    }
    Ok(Ended::Done(new))
}

fn choice(sampling: &Sampling) -> Result<Choice> {
    let temperature = sampling.temperature;
    let penalty = sampling.repetition_penalty;
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
    if !(penalty > 0.0 && penalty.is_finite()) {
        return Err(Error::setting(
            "repetition_penalty",
            format!("{penalty} is not a positive number, 1 leaves repetition alone"),
        ));
    }
    if sampling.stop.iter().any(String::is_empty) {
        return Err(Error::setting(
            "stop",
            "an empty text would stop before anything is written, give a longer one",
        ));
    }
    Ok(match (sampling.top_k, sampling.top_p) {
        _ if temperature < 1e-7 => Choice::ArgMax,
        (None, None) => Choice::All { temperature },
        (Some(k), None) => Choice::TopK { k, temperature },
        (None, Some(p)) => Choice::TopP { p, temperature },
        (Some(k), Some(p)) => Choice::TopKThenTopP { k, p, temperature },
    })
}
