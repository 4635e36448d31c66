//! A steered text as it is written, with its figures: the model without edits reads the same tokens some at a time.

use candle_core::Tensor;

use super::{AT_ONCE, no_logits};
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::{Generator, Model, NoHooks};
use crate::steer::continuation::{Continuation, Written};
use crate::steer::dial::Dial;
use crate::steer::shift::{Distribution, Means};
use crate::steer::{Event, Measure, Sample, Stream, Text, Token};

/// Distribution of a steered token that is not measured yet.
struct Waiting {
    logits: Tensor,
    /// Logits of the model without edits, where they are known.
    unedited: Option<Tensor>,
}

/// Text with edits in a run.
pub(super) struct Steered<'m> {
    sample: usize,
    seed: u64,
    pub(super) text: Continuation<'m>,
    tokens: Vec<Token>,
    waiting: Vec<Waiting>,
    /// Values at the dialled hook that are not encoded yet, `[1, 1, …]` each.
    values: Vec<Tensor>,
    /// Model without edits, which reads the same text.
    pub(super) unedited: Generator<'m>,
    /// Number of tokens that it has read.
    read: usize,
    measures: Vec<Measure>,
    means: Means,
    activations: Vec<f32>,
    /// Whether the text is complete and told.
    pub(super) is_told: bool,
}

impl<'m> Steered<'m> {
    pub(super) fn new(
        (sample, seed): (usize, u64),
        text: Continuation<'m>,
        unedited: Generator<'m>,
    ) -> Self {
        Self {
            sample,
            seed,
            text,
            tokens: Vec::new(),
            waiting: Vec::new(),
            values: Vec::new(),
            unedited,
            read: 0,
            measures: Vec::new(),
            means: Means::default(),
            activations: Vec::new(),
            is_told: false,
        }
    }

    /// Writes the next token. Whether there was one.
    pub(super) fn step(
        &mut self,
        dial: Option<&Dial>,
        model: &Model,
        events: &mut Vec<Event>,
    ) -> Result<bool> {
        let waiting = if self.text.is_over() {
            None
        } else {
            let logits = self.text.logits()?;
            let unedited = match self.text.clean_logits()? {
                None if !self.text.moved() => Some(logits.clone()),
                known => known,
            };
            Some(Waiting { logits, unedited })
        };
        self.values.extend(self.text.seen());
        let Some(id) = self.text.step()? else {
            if dial.is_some() && !self.tokens.is_empty() {
                self.text.read_last()?;
                self.values.extend(self.text.seen());
            }
            self.is_told = true;
            self.measure(dial, model, events)?;
            return Ok(false);
        };
        self.waiting.push(waiting.ok_or_else(no_logits)?);
        let token = Token {
            id,
            piece: self.text.piece().to_owned(),
        };
        events.push(Event::Tokens {
            sample: self.sample,
            stream: Stream::Steered,
            first: self.tokens.len(),
            tokens: vec![token.clone()],
        });
        self.tokens.push(token);
        if self.waiting.len() >= AT_ONCE {
            self.measure(dial, model, events)?;
        }
        Ok(true)
    }

    /// Measures the tokens that wait for it.
    fn measure(
        &mut self,
        dial: Option<&Dial>,
        model: &Model,
        events: &mut Vec<Event>,
    ) -> Result<()> {
        let (sample, stream) = (self.sample, Stream::Steered);
        let first = self.measures.len();
        self.read_along(first)?;
        for (waiting, token) in self.waiting.drain(..).zip(&self.tokens[first..]) {
            let after = Distribution::new(&waiting.logits)?;
            let before = Distribution::new(&waiting.unedited.ok_or_else(no_logits)?)?;
            let kl = after.divergence(&before);
            self.means.add(&before, &after, kl);
            self.measures.push(Measure {
                written: after.logs[token.id.index()],
                unedited: before.logs[token.id.index()],
                kl,
                shift: after.changes(&before, model.codec()),
            });
        }
        if self.measures.len() > first {
            events.push(Event::Measures {
                sample,
                stream,
                first,
                measures: self.measures[first..].to_vec(),
            });
        }
        if let (Some(dial), false) = (dial, self.values.is_empty()) {
            let first = self.activations.len();
            let values = Tensor::cat(&self.values, 1)?;
            self.values.clear();
            self.activations.extend(dial.activations(&values)?);
            events.push(Event::Activations {
                sample,
                stream,
                first,
                values: self.activations[first..].to_vec(),
            });
        }
        Ok(())
    }

    /// Finds the logits of the model without edits for those that wait, the first of which is of token `first`: in one pass over the tokens before them.
    fn read_along(&mut self, first: usize) -> Result<()> {
        let unknown = |waiting: &Waiting| waiting.unedited.is_none();
        let Some(last) = self.waiting.iter().rposition(unknown) else {
            return Ok(());
        };
        let (read, until) = (self.read, first + last);
        let next = self.unedited.logits(&mut NoHooks)?; // of token `read`
        let ids: Vec<TokenId> = self.tokens[read..until].iter().map(|t| t.id).collect();
        let further = match ids.as_slice() {
            [] => None,
            ids => Some(self.unedited.read_all(ids)?),
        };
        self.read = until;
        for (token, waiting) in (first..).zip(&mut self.waiting) {
            if waiting.unedited.is_none() {
                waiting.unedited = Some(match &further {
                    Some(further) if token > read => further.get(token - read - 1)?,
                    _ => next.clone(),
                });
            }
        }
        Ok(())
    }

    /// Returns both texts.
    pub(super) fn end(mut self, baseline: Text, model: &Model) -> Sample {
        Sample {
            seed: self.seed,
            baseline,
            steered: Text {
                written: Written {
                    tokens: self.tokens.iter().map(|token| token.id).collect(),
                    finish: self.text.finish().cloned(),
                    text: self.text.text().to_owned(),
                },
                measures: self.measures,
                activations: self.activations,
            },
            generated: self.means.shift(model.codec()),
        }
    }
}
