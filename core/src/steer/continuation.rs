//! A continuation with edits in force: of the prompt, of every new position, or of what their positions say.

use candle_core::Tensor;

use super::edits::{Clean, Edited, Edits};
use crate::Flow;
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Capture, Finish, Generator, Model, NoHooks, Sampling};

/// A text that grows token by token while edits change what the model computes.
#[derive(Debug)]
pub struct Continuation<'m> {
    generator: Generator<'m>,
    edits: Edits,
    /// Tokens of the prompt.
    prompt: usize,
    /// Reads the same tokens without edits, where an edit needs what is computed then.
    clean: Option<Generator<'m>>,
}

impl<'m> Continuation<'m> {
    /// Of `prompt` (BOS included by the caller), which it reads.
    pub fn new(
        model: &'m Model,
        prompt: &[TokenId],
        edits: Edits,
        sampling: &Sampling,
    ) -> Result<Self> {
        Ok(Self {
            generator: model.generator(prompt, sampling)?,
            prompt: prompt.len(),
            clean: match edits.frozen() {
                hooks if hooks.is_empty() => None,
                _ => Some(model.generator(prompt, sampling)?),
            },
            edits,
        })
    }

    /// The same beside `baseline`, which has not read its prompt yet and has no edits: both have read it afterwards, and what no edit reaches was
    /// computed once. Bit by bit what each would be alone.
    pub(super) fn beside(
        baseline: &mut Generator<'m>,
        prompt: usize,
        edits: Edits,
    ) -> Result<Self> {
        let mut keep = Capture::to_the_end(edits.frozen());
        let entering = match edits.first_hook() {
            Some(first) if edits.reach_prompt(prompt) => {
                let entering = baseline.enter(first, &mut keep)?;
                // None: it is the embedding that is edited, and nothing lies before.
                Some(entering)
            }
            _ => {
                baseline.logits(&mut keep)?;
                None
            }
        };
        let mut edited = Edited {
            edits: &edits,
            prompt,
            clean: &keep.values,
            inner: &mut NoHooks,
        };
        let generator = match &entering {
            Some(Some(entering)) => baseline.fork(Some(entering), &mut edited)?,
            Some(None) => baseline.again(&mut edited)?,
            None => baseline.fork(None, &mut NoHooks)?,
        };
        let clean = if keep.wanted.is_empty() {
            None
        } else {
            Some(baseline.fork(None, &mut NoHooks)?)
        };
        Ok(Self {
            generator,
            edits,
            prompt,
            clean,
        })
    }

    /// Logits `[v]` of the token to come.
    pub fn logits(&mut self) -> Result<Tensor> {
        let clean = self.clean_values()?;
        self.generator.logits(&mut Edited {
            edits: &self.edits,
            prompt: self.prompt,
            clean: &clean,
            inner: &mut NoHooks,
        })
    }

    /// The next token; none once it has ended.
    pub fn step(&mut self) -> Result<Option<TokenId>> {
        if !self.generator.is_over() {
            self.logits()?;
        }
        // The logits are there: no pass is left that hooks could see.
        let token = self.generator.step(&mut NoHooks)?;
        if let (Some(token), Some(clean)) = (token, &mut self.clean) {
            clean.read(token);
        }
        Ok(token)
    }

    /// Why it has ended, once a step has found that it has.
    pub fn finish(&self) -> Option<&Finish> {
        self.generator.finish()
    }

    /// What the run without edits holds at the positions that the next pass reads.
    fn clean_values(&mut self) -> Result<Clean> {
        let Some(clean) = &mut self.clean else {
            return Ok(Clean::new());
        };
        let mut keep = Capture::to_the_end(self.edits.frozen());
        clean.logits(&mut keep)?;
        Ok(keep.values)
    }
}

/// `prompt` (BOS included by the caller) continued with `edits` in force; `observe` gets each new token at once. Returns the new tokens and why
/// there are no more, which is none where the observer stopped it.
pub fn generate(
    model: &Model,
    prompt: &[TokenId],
    edits: Edits,
    sampling: &Sampling,
    observe: &mut dyn FnMut(TokenId) -> Flow,
) -> Result<(Vec<TokenId>, Option<Finish>)> {
    let mut continuation = Continuation::new(model, prompt, edits, sampling)?;
    continuation.logits()?;
    let mut new = Vec::new();
    while let Some(token) = continuation.step()? {
        new.push(token);
        if observe(token).is_break() {
            return Ok((new, None));
        }
    }
    Ok((new, continuation.finish().cloned()))
}
