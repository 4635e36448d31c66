//! A run: its texts as they stream, with their figures. Until the first token of a new text is there, the one before stands in its place, so that nothing
//! flickers while a slider is dragged.

use std::sync::Arc;

use umbra_core::models::Finish;
use umbra_core::steer::{self, Change, Measure, Outcome, Proof, Stream, Token};

use super::Request;
use crate::state::jobs::JobId;

/// One text as it streams.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Text {
    /// Its tokens.
    pub(crate) tokens: Vec<Token>,
    /// Figures of the first of them.
    pub(crate) measures: Vec<Measure>,
    /// Activations of the dialled feature at the first of them.
    pub(crate) activations: Vec<f32>,
    /// Why it ended; none for one that goes on or was stopped.
    pub(crate) finish: Option<Finish>,
    /// End of the text that was held back until the run ended.
    pub(crate) rest: String,
    /// Whether it is an earlier run's, which stands until this one's first token is there.
    is_earlier: bool,
}

impl Text {
    /// Begins anew, unless this run has begun it.
    fn renew(&mut self) {
        if self.is_earlier {
            *self = Self::default();
        }
    }

    /// Returns the text.
    #[cfg(test)]
    pub(crate) fn joined(&self) -> String {
        let pieces = self.tokens.iter().map(|token| token.piece.as_str());
        pieces.chain([self.rest.as_str()]).collect()
    }
}

/// Outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    /// All texts are complete or stopped.
    Done {
        /// The whole of it.
        outcome: Arc<Outcome>,
        /// Whether a person stopped it.
        stopped: bool,
    },
    /// One sentence.
    Failed(String),
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    /// Its job.
    pub(crate) job: JobId,
    /// The request that decided it.
    pub(crate) request: Request,
    /// Baseline and steered text of each sample; at least one.
    pub(crate) samples: Vec<[Text; 2]>,
    /// Changes of the prompt's next-token probabilities, largest first.
    pub(crate) shift: Vec<Change>,
    /// KL(steered ‖ baseline) of the next token at the prompt's end, nats.
    pub(crate) kl: Option<f64>,
    /// Changes of mean probabilities along the steered text of each sample, once it is complete.
    pub(crate) along: Vec<Vec<Change>>,
    /// Proof that the edits acted; none while it runs.
    pub(crate) proof: Option<Arc<Proof>>,
    /// Outcome; none while it runs.
    pub(crate) ended: Option<Ended>,
}

impl Run {
    /// Begins a run. What an earlier run of the same place shows stays until this one has something in its place.
    pub(super) fn begun(job: JobId, request: Request, earlier: Option<Self>) -> Self {
        let many = request.samples.max(1);
        let mut run = match earlier {
            Some(earlier) => Self {
                job,
                ended: None,
                ..earlier
            },
            None => Self {
                job,
                request: request.clone(),
                samples: Vec::new(),
                shift: Vec::new(),
                kl: None,
                along: Vec::new(),
                proof: None,
                ended: None,
            },
        };
        run.samples.resize_with(many, Default::default);
        for text in run.samples.iter_mut().flatten() {
            text.is_earlier = true;
        }
        run.request = request;
        run
    }

    /// Returns one text.
    pub(crate) fn text(&self, sample: usize, stream: Stream) -> &Text {
        &self.samples[sample][stream as usize]
    }

    /// Whether its steered text has begun.
    pub(crate) fn has_begun(&self) -> bool {
        let text = self.text(0, Stream::Steered);
        !text.is_earlier && !text.tokens.is_empty()
    }

    /// Takes what the run tells.
    pub(super) fn told(&mut self, event: steer::Event) {
        match event {
            steer::Event::Shift(shift, kl) => {
                self.shift = shift;
                self.kl = Some(kl);
            }
            steer::Event::Tokens {
                sample,
                stream,
                first,
                tokens,
            } => {
                if let Some(text) = self.of(sample, stream) {
                    text.renew();
                    put(&mut text.tokens, first, tokens);
                }
            }
            steer::Event::Measures {
                sample,
                stream,
                first,
                measures,
            } => {
                if let Some(text) = self.of(sample, stream) {
                    put(&mut text.measures, first, measures);
                }
            }
            steer::Event::Activations {
                sample,
                stream,
                first,
                values,
            } => {
                if let Some(text) = self.of(sample, stream) {
                    put(&mut text.activations, first, values);
                }
            }
            _ => {}
        }
    }

    fn of(&mut self, sample: usize, stream: Stream) -> Option<&mut Text> {
        let pair = self.samples.get_mut(sample)?;
        pair.get_mut(stream as usize)
    }

    /// Ends the run.
    pub(super) fn end(&mut self, ended: Ended) {
        if let Ended::Done { outcome, .. } = &ended {
            self.samples.iter_mut().flatten().for_each(Text::renew);
            for (pair, sample) in self.samples.iter_mut().zip(&outcome.samples) {
                for (text, stream) in pair.iter_mut().zip(Stream::ALL) {
                    let whole = sample.text(stream);
                    let shown: usize = text.tokens.iter().map(|token| token.piece.len()).sum();
                    let rest = whole.written.text.get(shown..);
                    rest.unwrap_or_default().clone_into(&mut text.rest);
                    text.finish.clone_from(&whole.written.finish);
                }
            }
            let along = outcome.samples.iter().map(|sample| {
                let generated = sample.generated.as_ref();
                generated.map_or_else(Vec::new, |generated| generated.shift.clone())
            });
            self.along = along.collect();
        }
        self.ended = Some(ended);
    }
}

/// Puts what is told of the items from `first` on in its place; what stood there goes.
fn put<T>(all: &mut Vec<T>, first: usize, new: Vec<T>) {
    all.truncate(first);
    all.extend(new);
}
