//! Activations at the ends of texts that begin alike: what they share is read once.

use super::decoder::{Logits, Memory};
use super::{Capture, Model, Start, token_tensor};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};

/// A text: so many of the shared tokens, then tokens of its own, one at least.
pub(crate) type Ending<'a> = (usize, &'a [TokenId]);

impl Model {
    /// Returns the activation of `hook` at the last token of each text, heads concatenated. `endings` name ascending numbers of tokens of `shared`. Each text is
    /// read as one document.
    pub(crate) fn at_endings(
        &self,
        shared: &[TokenId],
        endings: &[Ending<'_>],
        hook: HookPoint,
    ) -> Result<Vec<Vec<f32>>> {
        self.check_hook(hook)?;
        let longest = endings.iter().map(|(n, own)| n + own.len()).max();
        // Where a longer text turns by other angles, what is held of a shorter one is of no use.
        let anew = self.decoder.turns_anew(1..longest.unwrap_or(1));
        let mut memory = Memory::default();
        let mut read = 0;
        let mut values = Vec::with_capacity(endings.len());
        for (n, own) in endings {
            if anew {
                let text = [&shared[..*n], own].concat();
                values.push(self.last_of(&text, hook, &mut Memory::default())?);
                continue;
            }
            if read < *n {
                self.last_of(&shared[read..*n], hook, &mut memory)?;
                read = *n;
            }
            values.push(self.last_of(own, hook, &mut memory.clone())?);
        }
        Ok(values)
    }

    /// Reads `tokens` behind those that `memory` holds, up to `hook`; returns its value at the last of them.
    fn last_of(
        &self,
        tokens: &[TokenId],
        hook: HookPoint,
        memory: &mut Memory,
    ) -> Result<Vec<f32>> {
        let mut capture = Capture {
            last: Some(hook),
            ..Capture::to_the_end([hook])
        };
        let ids = token_tensor(&[tokens])?;
        let start = (Start::Tokens(&ids), None);
        let (config, decoder) = (&self.config, &self.decoder);
        decoder.forward(config, start, Logits::Last, &mut capture, Some(memory))?;
        let value = capture
            .values
            .remove(&hook)
            .ok_or_else(|| Error::hook(hook, "the pass did not reach it: choose another hook"))?;
        let last = value.narrow(1, tokens.len() - 1, 1)?;
        Ok(last.flatten_all()?.to_vec1::<f32>()?)
    }
}
