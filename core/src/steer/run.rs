//! The two continuations in turn.

use crate::Flow;
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Finish, Generator, Model, NoHooks, Sampling};

use super::continuation::Continuation;
use super::edits::Edits;
use super::shift::{changes, divergence, log_probabilities};
use super::{Event, Outcome, Stream};

/// Both continuations at one prompt, which both have read.
pub(super) struct Run<'m> {
    model: &'m Model,
    baseline: Generator<'m>,
    steered: Continuation<'m>,
}

impl<'m> Run<'m> {
    /// Reads the prompt, once as far as no edit reaches.
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
        })
    }

    /// Lets the two advance in turn, each until it ends.
    pub(super) fn finish(mut self, observe: &mut dyn FnMut(Event) -> Flow) -> Result<Outcome> {
        let before = log_probabilities(&self.baseline.logits(&mut NoHooks)?)?;
        let after = log_probabilities(&self.steered.logits()?)?;
        let shift = changes(&before, &after, self.model.codec());
        let mut outcome = Outcome {
            baseline: Vec::new(),
            steered: Vec::new(),
            kl: divergence(&before, &after),
            shift: shift.clone(),
            ends: [None, None],
            stopped: observe(Event::Shift(shift)).is_break(),
        };
        let mut goes_on = true;
        while goes_on && !outcome.stopped {
            goes_on = false;
            for stream in [Stream::Baseline, Stream::Steered] {
                let Some(token) = self.step(stream)? else {
                    continue;
                };
                goes_on = true;
                match stream {
                    Stream::Baseline => outcome.baseline.push(token),
                    Stream::Steered => outcome.steered.push(token),
                }
                outcome.stopped = self.tell(stream, token, observe);
                if outcome.stopped {
                    break;
                }
            }
        }
        outcome.ends = [self.end(Stream::Baseline), self.end(Stream::Steered)];
        Ok(outcome)
    }

    fn step(&mut self, stream: Stream) -> Result<Option<TokenId>> {
        match stream {
            Stream::Baseline => self.baseline.step(&mut NoHooks),
            Stream::Steered => self.steered.step(),
        }
    }

    fn end(&self, stream: Stream) -> Option<Finish> {
        match stream {
            Stream::Baseline => self.baseline.finish().cloned(),
            Stream::Steered => self.steered.finish().cloned(),
        }
    }

    /// Reports one token; whether the observer stopped.
    fn tell(&self, stream: Stream, token: TokenId, observe: &mut dyn FnMut(Event) -> Flow) -> bool {
        let text = self.model.codec().display(token);
        observe(Event::Token(stream, token, text)).is_break()
    }
}
