//! Token-by-token continuation with a key/value cache.

use candle_core::Tensor;
use candle_transformers::generation::{LogitsProcessor, Sampling as Choice};
use candle_transformers::utils::apply_repeat_penalty;

use super::decoder::{Logits, Memory};
use super::{Hooks, Model, NoHooks, Sampling, Start, token_tensor};
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
    own: Paused,
}

/// Everything of a continuation but its model, so that it can be kept and resumed.
pub(crate) struct Paused {
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

impl std::fmt::Debug for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paused")
            .field("unread", &self.unread)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Generator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator")
            .field("model", &self.model.name())
            .field("own", &self.own)
            .finish()
    }
}

/// Place in the computation of a prompt from which another continuation of it computes anew.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Branch<'a> {
    /// The embedding: everything is computed anew.
    Beginning,
    /// A block, from a position on: its residual stream there, `[1, t − position, d]`.
    Block(Layer, usize, &'a Tensor),
    /// The logits at the prompt's end: nothing is computed anew.
    End,
}

impl Branch<'_> {
    /// Returns the block before which nothing depends on the value at `first`, and the hook with the residual stream that enters it; none where the embedding
    /// depends on it.
    pub(crate) fn before(first: HookPoint, model: &Model) -> Option<(Layer, HookPoint)> {
        let blocks = Layer::from(model.config.layers);
        match first {
            HookPoint::Block(layer, _) => Some((layer, HookPoint::Block(layer, Site::ResidPre))),
            HookPoint::FinalScale | HookPoint::FinalNormalized => {
                let last = Layer(blocks.0 - 1);
                Some((blocks, HookPoint::Block(last, Site::ResidPost)))
            }
            HookPoint::Embed | HookPoint::PosEmbed => None,
        }
    }
}

impl Paused {
    /// Goes on with `model`, which must be its own.
    pub(crate) fn resume(self, model: &Model) -> Generator<'_> {
        Generator { model, own: self }
    }

    /// Starts another continuation of the prompt, which this one has read and not continued, computed anew from `branch` on. Where that is the beginning or a
    /// block's first position, it gives bit by bit what it would give alone.
    pub(crate) fn fork<'m>(
        &self,
        model: &'m Model,
        branch: Branch<'_>,
        sampling: &Sampling,
        hooks: &mut dyn Hooks,
    ) -> Result<Generator<'m>> {
        let mut other = Generator::new(model, &self.held, sampling)?;
        match branch {
            Branch::Beginning => drop(other.logits(hooks)?),
            Branch::Block(layer, position, value) => {
                other.own.memory = self.memory.until(position, layer)?;
                other.pass(Start::Residual(layer, value, None), Logits::Last, hooks)?;
            }
            Branch::End => {
                other.own.memory = self.memory.clone();
                other.own.next.clone_from(&self.next);
                other.own.held.append(&mut other.own.unread);
            }
        }
        Ok(other)
    }
}

impl<'m> Generator<'m> {
    pub(super) fn new(model: &'m Model, prompt: &[TokenId], sampling: &Sampling) -> Result<Self> {
        if model.separate.is_some() {
            let what = "generation continues one text and keeps no documents apart, leave it out";
            return Err(Error::setting(Key::SeparateDocuments, what));
        }
        let room = (model.config.context + 1).saturating_sub(prompt.len());
        let own = Paused {
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
        };
        Ok(Self { model, own })
    }

    /// Computes logits `[v]` of the next token; runs the unread tokens, which `hooks` see.
    pub fn logits(&mut self, hooks: &mut dyn Hooks) -> Result<Tensor> {
        if let Some(next) = &self.own.next {
            return Ok(next.clone());
        }
        self.turn_anew();
        let tokens = token_tensor(&[&self.own.unread])?;
        self.pass(Start::Tokens(&tokens), Logits::Last, hooks)?;
        Ok(self.own.next.clone().expect("the pass left it"))
    }

    /// Reads `tokens` after those read so far, in one pass. Returns the logits `[tokens.len(), v]` behind each of them.
    pub(crate) fn read_all(&mut self, tokens: &[TokenId]) -> Result<Tensor> {
        self.own.next = None;
        self.own.unread.extend_from_slice(tokens);
        self.turn_anew();
        let ids = token_tensor(&[&self.own.unread])?;
        let logits = self.pass(Start::Tokens(&ids), Logits::All, &mut NoHooks)?;
        let read = logits.dim(0)?;
        Ok(logits.narrow(0, read - tokens.len(), tokens.len())?)
    }

    /// Marks all tokens as unread where the memory was rotated by other angles than the next pass uses.
    fn turn_anew(&mut self) {
        let own = &mut self.own;
        let positions = own.held.len()..own.held.len() + own.unread.len();
        if self.model.decoder.turns_anew(positions) {
            own.memory = Memory::default();
            own.unread.splice(0..0, own.held.drain(..));
        }
    }

    /// Runs `unread` from `start` on; returns the logits, `[rows, v]`.
    fn pass(&mut self, start: Start<'_>, wanted: Logits, hooks: &mut dyn Hooks) -> Result<Tensor> {
        let memory = Some(&mut self.own.memory);
        let (config, decoder) = (&self.model.config, &self.model.decoder);
        let logits = decoder.forward(config, (start, None), wanted, hooks, memory)?;
        let logits = logits
            .ok_or_else(|| {
                Error::setting("hooks", "generation cannot end at a hook, it needs logits")
            })?
            .squeeze(0)?; // [t, v]
        self.own.held.append(&mut self.own.unread);
        self.own.next = Some(logits.get(logits.dim(0)? - 1)?);
        Ok(logits)
    }

    /// Sets the continuation aside.
    pub(crate) fn pause(self) -> Paused {
        self.own
    }

    /// Whether the model can read the tokens that it has not read yet.
    pub(crate) fn has_room(&self) -> bool {
        self.own.held.len() + self.own.unread.len() <= self.model.config.context
    }

    /// Appends `token` as the next one, whoever chose it.
    pub(crate) fn read(&mut self, token: TokenId) {
        self.own.next = None;
        self.own.unread = vec![token];
    }

    /// Whether no token is left to generate.
    pub fn is_over(&self) -> bool {
        self.own.left == 0 || self.own.finish.is_some()
    }

    /// Reason of the end, once a step has reached it.
    pub fn finish(&self) -> Option<&Finish> {
        self.own.finish.as_ref()
    }

    /// Generates the next token; `None` once the requested number is reached, the context is full, a stop string is complete, or the model ended the text.
    pub fn step(&mut self, hooks: &mut dyn Hooks) -> Result<Option<TokenId>> {
        if self.own.finish.is_none() && self.own.left == 0 {
            self.own.finish = Some(self.own.end.clone());
        }
        if self.own.finish.is_some() {
            self.own.piece.clear();
            return Ok(None);
        }
        let logits = self.logits(hooks)?;
        let token = self.choose(&logits)?;
        self.own.left -= 1;
        self.read(token);
        self.own.finish = self.write(token);
        Ok(Some(token))
    }

    /// Adds `token` to the text; returns the reason if the text ends with it.
    fn write(&mut self, token: TokenId) -> Option<Finish> {
        let ends = !self.own.sampling.ignore_eos && self.model.ends.ids.contains(&token);
        self.own.piece = if ends {
            String::new()
        } else {
            self.own.text.push(token)
        };
        let stop = self
            .own
            .text
            .stop()
            .map(|stop| Finish::Stop(stop.to_owned()));
        let finish = match (ends, self.own.left) {
            (true, _) => Some(Finish::Eos(token)),
            (false, 0) => stop.or_else(|| Some(self.own.end.clone())),
            _ => stop,
        };
        if finish.is_some() {
            self.own.piece.push_str(&self.own.text.end());
        }
        finish
    }

    /// Text that the last token added: nothing while it is a part of a character or may begin a stop string. The text of a token that ends it
    /// (EOS) is not included. The pieces, joined, are the text.
    pub fn piece(&self) -> &str {
        &self.own.piece
    }

    /// Finishes and returns the text of all generated tokens, as it follows the prompt.
    pub fn text(&mut self) -> &str {
        self.own.text.end();
        self.own.text.text()
    }

    /// Returns the text of the tokens so far as it would stand if it ended here; more tokens may follow.
    pub(crate) fn text_so_far(&self) -> String {
        let mut text = self.own.text.clone();
        text.end();
        text.text().to_owned()
    }

    fn choose(&mut self, logits: &Tensor) -> Result<TokenId> {
        let penalty = self.own.sampling.repetition_penalty;
        let logits = if penalty == 1.0 {
            logits.clone()
        } else {
            let held: Vec<u32> = self.own.held.iter().map(|token| token.0).collect();
            apply_repeat_penalty(logits, penalty, &held)?
        };
        let largest = logits.max(0)?.to_scalar::<f32>()?;
        let sum = logits.sum_all()?.to_scalar::<f32>()?;
        if !largest.is_finite() || sum.is_nan() {
            return Err(Error::Numeric {
                what: format!(
                    "the logits after token {} are no numbers: are the weights whole, or does an edit reach too far?",
                    self.own.held.len()
                ),
            });
        }
        Ok(TokenId(self.own.chooser.sample(&logits)?))
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
