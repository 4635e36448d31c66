//! Advances the two continuations in turn.

use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Generator, Model, NoHooks, Sampling};
use crate::progress::{Ended, Flow};

use super::continuation::{Continuation, Written};
use super::edits::Edits;
use super::shift::{Means, changes, divergence, log_probabilities};
use super::{Event, Outcome, Stream};

/// Both continuations of one prompt, which both have read.
pub(super) struct Run<'m> {
    model: &'m Model,
    baseline: Generator<'m>,
    steered: Continuation<'m>,
    /// Sums over the distributions that steered tokens were drawn from.
    means: Means,
}

impl<'m> Run<'m> {
    /// Reads the prompt; the part that no edit reaches is computed once for both.
    pub(super) fn begin(
        model: &'m Model,
        edits: Edits,
        prompt: &[TokenId],
        sampling: &Sampling,
    ) -> Result<Self> {
        let mut baseline = model.generator(prompt, sampling)?;
        Ok(Self {
            model,
            steered: Continuation::beside(&mut baseline, prompt.len(), edits)?,
            baseline,
            means: Means::default(),
        })
    }

    /// Advances the two in turn, each until it ends.
    pub(super) fn finish(
        mut self,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Ended<Outcome, Outcome>> {
        let before = log_probabilities(&self.baseline.logits(&mut NoHooks)?)?;
        let after = log_probabilities(&self.steered.logits()?)?;
        let shift = changes(&before, &after, self.model.codec());
        let kl = divergence(&before, &after);
        let mut stopped = observe(Event::Shift(shift.clone())).is_break();
        let mut tokens = [Vec::new(), Vec::new()];
        let mut goes_on = true;
        while goes_on && !stopped {
            goes_on = false;
            for stream in [Stream::Baseline, Stream::Steered] {
                let Some(token) = self.step(stream)? else {
                    continue;
                };
                goes_on = true;
                tokens[stream as usize].push(token);
                stopped = self.tell(stream, token, observe);
                if stopped {
                    break;
                }
            }
        }
        let [baseline, steered] = tokens;
        let outcome = Outcome {
            baseline: Written {
                tokens: baseline,
                finish: self.baseline.finish().cloned(),
                text: self.baseline.text().to_owned(),
            },
            steered: Written {
                tokens: steered,
                finish: self.steered.finish().cloned(),
                text: self.steered.text().to_owned(),
            },
            shift,
            kl,
            generated: self.means.shift(self.model.codec()),
        };
        Ok(Ended::new(outcome, stopped))
    }

    fn step(&mut self, stream: Stream) -> Result<Option<TokenId>> {
        if stream == Stream::Baseline {
            return self.baseline.step(&mut NoHooks);
        }
        if !self.steered.is_over() {
            let after = log_probabilities(&self.steered.logits()?)?;
            let before = self.steered.clean_logits()?;
            let before = before.map_or_else(|| Ok(after.clone()), |l| log_probabilities(&l))?;
            self.means.add(&before, &after);
        }
        self.steered.step()
    }

    /// Reports one token. Returns whether the observer stopped the run.
    fn tell(&self, stream: Stream, token: TokenId, observe: &mut dyn FnMut(Event) -> Flow) -> bool {
        let piece = match stream {
            Stream::Baseline => self.baseline.piece(),
            Stream::Steered => self.steered.piece(),
        };
        observe(Event::Token(stream, token, piece.to_owned())).is_break()
    }
}
