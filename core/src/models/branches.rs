//! Several runs of one prompt in one batch: the prompt is read once, and each row computes only what its changes reach.

use candle_core::Tensor;

use super::decoder::{Logits, Memory};
use super::{Hooks, Model, NoHooks, Start, token_tensor};
use crate::error::{Error, Key, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};

/// Prompt that the model has read without changes.
#[derive(Debug)]
pub struct Trunk<'m> {
    model: &'m Model,
    tokens: Vec<TokenId>,
    /// Keys and values of all positions.
    memory: Memory,
    /// Positions that every row computes itself: the last ones of the prompt.
    own: usize,
    start: Entrance,
    logits: Tensor,
}

/// Place where rows enter the model.
#[derive(Debug)]
enum Entrance {
    /// The token ids: the embedding itself may be changed.
    Tokens,
    /// The residual stream that enters a layer at the rows' own positions, `[1, own, d]`, and the hook of that very value, if no pass from there reaches it.
    Residual(Layer, Tensor, Option<HookPoint>),
}

/// Rows that have read a trunk and may go on, each with tokens of its own.
#[derive(Debug)]
pub struct Branches<'m> {
    model: &'m Model,
    memory: Memory,
    /// Tokens of each row that the memory holds.
    held: Vec<Vec<TokenId>>,
    logits: Tensor,
}

impl Model {
    /// Reads `prompt` (BOS included by the caller) for rows that change nothing before hook `at`, and nothing before the last `own` positions.
    pub fn trunk(&self, prompt: &[TokenId], at: HookPoint, own: usize) -> Result<Trunk<'_>> {
        self.check_hook(at)?;
        if let Some(bos) = self.separate
            && prompt.iter().skip(1).any(|token| *token == bos)
        {
            let what = "runs in one batch read one text and keep no documents apart, give the text of one document";
            return Err(Error::setting(Key::SeparateDocuments, what));
        }
        let entrance = match at {
            HookPoint::Block(layer, Site::ResidPost) => Some((Layer(layer.0 + 1), at)),
            HookPoint::Block(layer, _) => Some((layer, HookPoint::Block(layer, Site::ResidPre))),
            HookPoint::FinalScale | HookPoint::FinalNormalized => {
                let last = self.config.layers - 1;
                let end = Layer::from(self.config.layers);
                Some((end, HookPoint::block(last, Site::ResidPost)))
            }
            HookPoint::Embed | HookPoint::PosEmbed => None,
        };
        let mut memory = Memory::default();
        let mut entering = super::Capture::to_the_end(entrance.map_or(vec![], |(_, at)| vec![at]));
        let input = token_tensor(&[prompt])?;
        let logits = self.pass(
            Start::Tokens(&input),
            Logits::Last,
            (&mut entering, &mut memory),
        )?;
        let own = own.clamp(1, prompt.len());
        let start =
            match entrance.and_then(|(layer, at)| Some((layer, entering.values.remove(&at)?))) {
                None => Entrance::Tokens,
                Some((layer, stream)) => {
                    let stream = stream.narrow(1, prompt.len() - own, own)?; // [1, own, d]
                    let offered = matches!(at, HookPoint::Block(_, Site::ResidPost)).then_some(at);
                    Entrance::Residual(layer, stream.contiguous()?, offered)
                }
            };
        Ok(Trunk {
            model: self,
            tokens: prompt.to_vec(),
            memory,
            own,
            start,
            logits: logits.flatten_all()?, // [v]
        })
    }

    /// Runs a pass that continues `memory`.
    fn pass(
        &self,
        start: Start<'_>,
        wanted: Logits,
        (hooks, memory): (&mut dyn Hooks, &mut Memory),
    ) -> Result<Tensor> {
        let logits =
            self.decoder
                .forward(&self.config, (start, None), wanted, hooks, Some(memory))?;
        logits.ok_or_else(|| {
            Error::setting(
                "hooks",
                "runs in one batch need logits and cannot end at a hook",
            )
        })
    }
}

impl<'m> Trunk<'m> {
    /// Returns logits `[v]` of the next token without changes.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// Returns the number of tokens of the prompt.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether the prompt has no token, which [`Model::trunk`] refuses.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Runs `rows` copies of the prompt; `hooks` see the values of its last `own` positions, `[rows, own, …]`.
    pub fn rows(&self, rows: usize, hooks: &mut dyn Hooks) -> Result<Branches<'m>> {
        let before = self.tokens.len() - self.own;
        let logits;
        let memory = match &self.start {
            Entrance::Tokens => {
                let own = &self.tokens[before..];
                let input = token_tensor(&vec![own; rows])?;
                let mut memory = self.memory.until(before, Layer(0))?;
                logits =
                    self.model
                        .pass(Start::Tokens(&input), Logits::Last, (hooks, &mut memory))?;
                memory
            }
            Entrance::Residual(layer, stream, offered) => {
                let (_, own, d) = stream.dims3()?;
                let mut stream = stream.broadcast_as((rows, own, d))?.contiguous()?;
                if let Some(hook) = offered.filter(|hook| hooks.wants(*hook))
                    && let Some(changed) = hooks.visit(hook, before, &stream)?
                {
                    stream = changed;
                }
                let mut memory = self.memory.until(before, *layer)?;
                let start = Start::Residual(*layer, &stream, None);
                logits = self.model.pass(start, Logits::Last, (hooks, &mut memory))?;
                memory
            }
        };
        Ok(Branches {
            model: self.model,
            memory,
            held: vec![self.tokens.clone(); rows],
            logits: logits.squeeze(1)?, // [rows, v]
        })
    }

    /// Returns the logits after each token of `continuations`, which are of one length, `[rows, t, v]`: the model without changes reads them behind the prompt.
    pub fn after(&self, continuations: &[Vec<TokenId>]) -> Result<Tensor> {
        let rows: Vec<&[TokenId]> = continuations.iter().map(Vec::as_slice).collect();
        let input = token_tensor(&rows)?;
        let (begin, t) = (self.tokens.len(), input.dim(1)?);
        if self.model.decoder.turns_anew(begin..begin + t) {
            // The memory was rotated by other angles: read everything again.
            let whole: Vec<Vec<TokenId>> = rows
                .iter()
                .map(|row| [&self.tokens, *row].concat())
                .collect();
            let whole: Vec<&[TokenId]> = whole.iter().map(Vec::as_slice).collect();
            let input = token_tensor(&whole)?;
            let mut memory = Memory::default();
            let hooks = (&mut NoHooks as &mut dyn Hooks, &mut memory);
            let logits = self.model.pass(Start::Tokens(&input), Logits::All, hooks)?;
            return Ok(logits.narrow(1, begin, t)?);
        }
        let mut memory = self.memory.clone();
        let hooks = (&mut NoHooks as &mut dyn Hooks, &mut memory);
        self.model.pass(Start::Tokens(&input), Logits::All, hooks)
    }
}

impl Branches<'_> {
    /// Returns logits `[rows, v]` of each row's next token.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// Appends one token to each row; `hooks` see the values at the new position, `[rows, 1, …]`.
    pub fn read(&mut self, next: &[TokenId], hooks: &mut dyn Hooks) -> Result<()> {
        let at = self.held.first().map_or(0, Vec::len);
        for (held, token) in self.held.iter_mut().zip(next) {
            held.push(*token);
        }
        let from = if self.model.decoder.turns_anew(at..at + 1) {
            // The memory was rotated by other angles: read all tokens again.
            self.memory = Memory::default();
            0
        } else {
            at
        };
        let rows: Vec<&[TokenId]> = self.held.iter().map(|held| &held[from..]).collect();
        let input = token_tensor(&rows)?;
        let memory = &mut self.memory;
        let logits = self
            .model
            .pass(Start::Tokens(&input), Logits::Last, (hooks, memory))?;
        self.logits = logits.squeeze(1)?;
        Ok(())
    }
}
