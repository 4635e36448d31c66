//! The two continuations in turn.

use crate::Flow;
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Generator, Model, NoHooks, Sampling};
use crate::sae::Sae;

use super::shift::{changes, divergence, log_probabilities};
use super::{Addition, Event, Outcome, Steering, Stream};

/// Both continuations at one prompt.
pub(super) struct Run<'m> {
    model: &'m Model,
    addition: Addition,
    baseline: Generator<'m>,
    steered: Generator<'m>,
}

impl<'m> Run<'m> {
    /// Checks everything before anything is computed.
    pub(super) fn begin(
        model: &'m Model,
        sae: &Sae,
        prompt: &[TokenId],
        steering: Steering,
        sampling: &Sampling,
    ) -> Result<Self> {
        model.check_hook(sae.hook()?)?;
        Ok(Self {
            model,
            addition: Addition::new(sae, steering)?,
            baseline: model.generator(prompt, sampling)?,
            steered: model.generator(prompt, sampling)?,
        })
    }

    /// Reads the prompt twice, then lets the two advance in turn.
    pub(super) fn finish(mut self, observe: &mut dyn FnMut(Event) -> Flow) -> Result<Outcome> {
        let before = log_probabilities(&self.baseline.logits(&mut NoHooks)?)?;
        let after = log_probabilities(&self.steered.logits(&mut self.addition)?)?;
        let shift = changes(&before, &after, self.model.codec());
        let mut outcome = Outcome {
            baseline: Vec::new(),
            steered: Vec::new(),
            kl: divergence(&before, &after),
            shift: shift.clone(),
            stopped: observe(Event::Shift(shift)).is_break(),
        };
        while !outcome.stopped {
            let Some(token) = self.baseline.step(&mut NoHooks)? else {
                break;
            };
            outcome.baseline.push(token);
            outcome.stopped = self.tell(Stream::Baseline, token, observe);
            if outcome.stopped {
                break;
            }
            let Some(token) = self.steered.step(&mut self.addition)? else {
                break;
            };
            outcome.steered.push(token);
            outcome.stopped = self.tell(Stream::Steered, token, observe);
        }
        Ok(outcome)
    }

    /// Reports one token; whether the observer stopped.
    fn tell(&self, stream: Stream, token: TokenId, observe: &mut dyn FnMut(Event) -> Flow) -> bool {
        let text = self.model.codec().display(token);
        observe(Event::Token(stream, token, text)).is_break()
    }
}
