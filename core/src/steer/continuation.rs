//! Continues a text with edits in force: on the prompt, on every new position, or on the positions they name.

use candle_core::Tensor;

use super::edits::{Clean, Edited, Edits};
use super::positions::Row;
use crate::error::Result;
use crate::ids::{HookPoint, TokenId};
use crate::models::{Branch, Capture, Finish, Generator, Hooks, Model, NoHooks, Paused, Sampling};
use crate::progress::{Ended, Flow};

/// Text that grows token by token while edits change the model's values.
#[derive(Debug)]
pub struct Continuation<'m> {
    generator: Generator<'m>,
    edits: Edits,
    /// Prompt and generated tokens.
    row: Row,
    /// Run without edits on the same tokens, where an edit needs its values.
    clean: Option<Generator<'m>>,
    /// Hook whose values, after the edits, are kept.
    watched: Option<HookPoint>,
    /// Value at that hook in the latest pass.
    seen: Option<Tensor>,
    /// Whether an edit has changed any number so far.
    moved: bool,
}

/// Generated text, its tokens and why it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// New tokens, including the one that ended the text.
    pub tokens: Vec<TokenId>,
    /// Text after the prompt, without a stop string and what follows it, and without the token that ends a text.
    pub text: String,
    /// Why the text ended; none if the observer stopped it.
    pub finish: Option<Finish>,
}

impl<'m> Continuation<'m> {
    /// Reads `prompt` (BOS included by the caller).
    pub fn new(
        model: &'m Model,
        prompt: &[TokenId],
        edits: Edits,
        sampling: &Sampling,
    ) -> Result<Self> {
        Ok(Self {
            generator: model.generator(prompt, sampling)?,
            row: Row::new(prompt, prompt.len()),
            clean: match edits.frozen() {
                hooks if hooks.is_empty() => None,
                _ => Some(model.generator(prompt, sampling)?),
            },
            edits,
            watched: None,
            seen: None,
            moved: false,
        })
    }

    /// Reads the prompt of `read`, whose pass had no edits, anew from `branch` on. `clean` holds the values without edits that edits need; `watched` is a hook
    /// whose values are kept.
    pub(super) fn beside(
        (model, read): (&'m Model, &Paused),
        (branch, clean): (Branch<'_>, &Clean),
        (edits, watched): (Edits, Option<HookPoint>),
        (row, sampling): (Row, &Sampling),
    ) -> Result<Self> {
        let mut keep = Capture::to_the_end(Vec::from_iter(watched));
        let mut hooks = Noticing {
            edited: Edited::new(&edits, (std::slice::from_ref(&row), clean), &mut keep),
            moved: false,
        };
        let generator = read.fork(model, branch, sampling, &mut hooks)?;
        let moved = hooks.moved;
        let clean = if edits.frozen().is_empty() {
            None
        } else {
            Some(read.fork(model, Branch::End, sampling, &mut NoHooks)?)
        };
        Ok(Self {
            generator,
            edits,
            row,
            clean,
            watched,
            seen: None,
            moved,
        })
    }

    /// Starts another continuation from here, before the first token, with `sampling`.
    pub(super) fn again(self, model: &'m Model, sampling: &[Sampling]) -> Result<Vec<Self>> {
        let (read, clean) = (self.generator.pause(), self.clean.map(Generator::pause));
        let of = |sampling: &Sampling| {
            let end = |read: &Paused| read.fork(model, Branch::End, sampling, &mut NoHooks);
            Ok(Self {
                generator: end(&read)?,
                edits: self.edits.clone(),
                row: self.row.clone(),
                clean: clean.as_ref().map(end).transpose()?,
                watched: self.watched,
                seen: None,
                moved: self.moved,
            })
        };
        sampling.iter().map(of).collect()
    }

    /// Returns logits `[v]` of the next token.
    pub fn logits(&mut self) -> Result<Tensor> {
        let clean = self.clean_values()?;
        let mut keep = Capture::to_the_end(Vec::from_iter(self.watched));
        let mut hooks = Noticing {
            edited: Edited::new(
                &self.edits,
                (std::slice::from_ref(&self.row), &clean),
                &mut keep,
            ),
            moved: self.moved,
        };
        let logits = self.generator.logits(&mut hooks)?;
        self.moved = hooks.moved;
        self.seen = keep
            .values
            .pop_first()
            .map(|(_, value)| value)
            .or(self.seen.take());
        Ok(logits)
    }

    /// Returns logits `[v]` of the next token by the model without edits, where an edit makes it read along.
    pub(super) fn clean_logits(&mut self) -> Result<Option<Tensor>> {
        let clean = self.clean.as_mut();
        clean.map(|clean| clean.logits(&mut NoHooks)).transpose()
    }

    /// Returns the watched hook's value after the edits at the positions that the latest pass read, once.
    pub(super) fn seen(&mut self) -> Option<Tensor> {
        self.seen.take()
    }

    /// Reads the last token, so that its values are seen, if the model has room for it.
    pub(super) fn read_last(&mut self) -> Result<()> {
        if self.generator.has_room() {
            self.logits()?;
        }
        Ok(())
    }

    /// Whether an edit has changed any number so far: until then the model without edits would say the same, bit by bit.
    pub(super) fn moved(&self) -> bool {
        self.moved
    }

    /// Generates the next token; none once the text has ended.
    pub fn step(&mut self) -> Result<Option<TokenId>> {
        if !self.generator.is_over() {
            self.logits()?;
        }
        // The logits exist already: no further pass runs that hooks could see.
        let token = self.generator.step(&mut NoHooks)?;
        if let Some(token) = token {
            self.row.push(token);
            if let Some(clean) = &mut self.clean {
                clean.read(token);
            }
        }
        Ok(token)
    }

    /// Whether the text has ended.
    pub(super) fn is_over(&self) -> bool {
        self.generator.is_over()
    }

    /// Returns the text that the last token added; see [`Generator::piece`].
    pub fn piece(&self) -> &str {
        self.generator.piece()
    }

    /// Returns the text of all generated tokens; see [`Generator::text`].
    pub fn text(&mut self) -> &str {
        self.generator.text()
    }

    /// Returns why the text ended, if it has.
    pub fn finish(&self) -> Option<&Finish> {
        self.generator.finish()
    }

    /// Returns the values of the run without edits at the positions that the next pass reads.
    fn clean_values(&mut self) -> Result<Clean> {
        let Some(clean) = &mut self.clean else {
            return Ok(Clean::new());
        };
        let mut keep = Capture::to_the_end(self.edits.frozen());
        clean.logits(&mut keep)?;
        Ok(keep.values)
    }
}

/// Edits as hooks that notice whether they change anything.
struct Noticing<'a> {
    edited: Edited<'a>,
    moved: bool,
}

impl Hooks for Noticing<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.edited.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let new = self.edited.visit(hook, first, value)?;
        if let (false, Some(new)) = (self.moved, &new) {
            let numbers = |of: &Tensor| of.flatten_all()?.to_vec1::<f32>();
            self.moved = numbers(new)? != numbers(value)?;
        }
        Ok(new)
    }

    fn last(&self) -> Option<HookPoint> {
        self.edited.last()
    }
}

/// Continues `prompt` (BOS included by the caller) with `edits` in force. `observe` receives each new token and the text it adds. Stopped, it gives the text so far.
pub fn generate(
    model: &Model,
    prompt: &[TokenId],
    edits: Edits,
    sampling: &Sampling,
    observe: &mut dyn FnMut(TokenId, &str) -> Flow,
) -> Result<Ended<Written, Written>> {
    let mut continuation = Continuation::new(model, prompt, edits, sampling)?;
    continuation.logits()?;
    let mut tokens = Vec::new();
    let mut stopped = false;
    while let Some(token) = continuation.step()? {
        tokens.push(token);
        stopped = observe(token, continuation.piece()).is_break();
        if stopped {
            break;
        }
    }
    let finish = continuation.finish().filter(|_| !stopped).cloned();
    let written = Written {
        tokens,
        text: continuation.text().to_owned(),
        finish,
    };
    Ok(Ended::new(written, stopped))
}
