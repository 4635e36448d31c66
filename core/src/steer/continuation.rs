//! Continues a text with edits in force: on the prompt, on every new position, or on the positions they name.

use candle_core::Tensor;

use super::edits::{Clean, Edited, Edits};
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Capture, Finish, Generator, Model, NoHooks, Sampling};
use crate::progress::{Ended, Flow};

/// Text that grows token by token while edits change the model's values.
#[derive(Debug)]
pub struct Continuation<'m> {
    generator: Generator<'m>,
    edits: Edits,
    /// Number of prompt tokens.
    prompt: usize,
    /// Run without edits on the same tokens, where an edit or the caller needs its values.
    clean: Option<Generator<'m>>,
}

/// Generated text, its tokens and why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
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
            prompt: prompt.len(),
            clean: match edits.frozen() {
                hooks if hooks.is_empty() => None,
                _ => Some(model.generator(prompt, sampling)?),
            },
            edits,
        })
    }

    /// Reads `prompt` together with `baseline`, which has no edits and has not read its prompt yet. The part that no edit reaches is computed once; both results are
    /// bit-identical to separate runs. [`Continuation::clean_logits`] then gives the logits of the model without edits at each step.
    pub(super) fn beside(
        baseline: &mut Generator<'m>,
        prompt: usize,
        edits: Edits,
    ) -> Result<Self> {
        let mut keep = Capture::to_the_end(edits.frozen());
        let entering = match edits.first_hook() {
            Some(first) if edits.reach_prompt(prompt) => {
                let entering = baseline.enter(first, &mut keep)?;
                // None: the embedding itself is edited, so nothing comes before the edit.
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
        Ok(Self {
            generator,
            edits,
            prompt,
            clean: Some(baseline.fork(None, &mut NoHooks)?),
        })
    }

    /// Returns logits `[v]` of the next token.
    pub fn logits(&mut self) -> Result<Tensor> {
        let clean = self.clean_values()?;
        self.generator.logits(&mut Edited {
            edits: &self.edits,
            prompt: self.prompt,
            clean: &clean,
            inner: &mut NoHooks,
        })
    }

    /// Returns logits `[v]` of the next token by the model without edits, which has read the prompt and the tokens generated so far.
    pub(super) fn clean_logits(&mut self) -> Result<Option<Tensor>> {
        let clean = self.clean.as_mut();
        clean.map(|clean| clean.logits(&mut NoHooks)).transpose()
    }

    /// Generates the next token; none once the text has ended.
    pub fn step(&mut self) -> Result<Option<TokenId>> {
        if !self.generator.is_over() {
            self.logits()?;
        }
        // The logits exist already: no further pass runs that hooks could see.
        let token = self.generator.step(&mut NoHooks)?;
        if let (Some(token), Some(clean)) = (token, &mut self.clean) {
            clean.read(token);
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
