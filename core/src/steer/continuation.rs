//! A continuation with edits in force: of the prompt, of every new position, or of what their positions say.

use candle_core::Tensor;

use super::edits::{Clean, Edited, Edits};
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Capture, Finish, Generator, Model, NoHooks, Sampling};
use crate::progress::{Ended, Flow};

/// A text that grows token by token while edits change what the model computes.
#[derive(Debug)]
pub struct Continuation<'m> {
    generator: Generator<'m>,
    edits: Edits,
    /// Tokens of the prompt.
    prompt: usize,
    /// Reads the same tokens without edits, where an edit or somebody beside it needs what is computed then.
    clean: Option<Generator<'m>>,
}

/// A text and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The new tokens, the one that ended the text included.
    pub tokens: Vec<TokenId>,
    /// What they say behind the prompt, without a stop string and what follows it, and without the token that ends a text.
    pub text: String,
    /// Why there are no more; none where the observer stopped it.
    pub finish: Option<Finish>,
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
    /// computed once. Bit by bit what each would be alone. [`Continuation::clean_logits`] says what the model without edits would do at each step.
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
        Ok(Self {
            generator,
            edits,
            prompt,
            clean: Some(baseline.fork(None, &mut NoHooks)?),
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

    /// Logits `[v]` of the token to come by the model without edits, which has read the prompt and the tokens made so far.
    pub(super) fn clean_logits(&mut self) -> Result<Option<Tensor>> {
        let clean = self.clean.as_mut();
        clean.map(|clean| clean.logits(&mut NoHooks)).transpose()
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

    /// Whether no token is left to make.
    pub(super) fn is_over(&self) -> bool {
        self.generator.is_over()
    }

    /// What the last token added to the text; see [`Generator::piece`].
    pub fn piece(&self) -> &str {
        self.generator.piece()
    }

    /// The text of all tokens made; see [`Generator::text`].
    pub fn text(&mut self) -> &str {
        self.generator.text()
    }

    /// Why it has ended, if it has.
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

/// `prompt` (BOS included by the caller) continued with `edits` in force; `observe` gets each new token at once, and what it adds to the text. Stopped, it gives the text so far.
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
