//! Steering: the request, both texts as they stream, and the change of the next token's probabilities.

mod draft;
mod line;
mod stack;

use std::sync::{Arc, Mutex};

use umbra_core::models::{Finish, Sampling};
use umbra_core::steer::{Change, EditSpec, Generated, Stream};
use umbra_core::workbench::materials::Stock;

use super::catalogue::DictionaryId;
use super::jobs::JobId;

pub(crate) use draft::{Draft, EditDraft, Field, help, label};

/// Everything that decides a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// The dictionary whose features the edits name.
    pub(crate) dictionary: Option<DictionaryId>,
    /// Edits in their order.
    pub(crate) edits: Vec<EditSpec>,
    /// The text that is continued.
    pub(crate) prompt: String,
    /// Sampling of both texts.
    pub(crate) sampling: Sampling,
}

/// Outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    /// Both texts are complete or stopped.
    Done {
        /// KL(steered ‖ baseline) of the next token at the prompt's end, nats.
        kl: f64,
        /// KL over the tokens of the steered text, if it has any.
        generated: Option<Generated>,
        /// The texts as they stand behind the prompt, of which a run that was stopped holds the end back.
        texts: [String; 2],
        /// Why baseline and steered text ended; none for one that was stopped.
        ends: [Option<Finish>; 2],
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
    /// Baseline text, one piece per token.
    pub(crate) baseline: Vec<String>,
    /// Steered text, one piece per token.
    pub(crate) steered: Vec<String>,
    /// Changes of the prompt's next-token probabilities, largest first.
    pub(crate) shift: Vec<Change>,
    /// Outcome; none while it runs.
    pub(crate) ended: Option<Ended>,
}

/// The form, and the running or last run.
#[derive(Debug, Default)]
pub(crate) struct SteeringState {
    /// The form as filled in.
    pub(crate) draft: Draft,
    /// The run.
    pub(crate) run: Option<Run>,
    /// Materials of the last run, which the next one reuses; jobs alone open it.
    pub(crate) stock: Arc<Mutex<Option<Stock>>>,
}

impl SteeringState {
    /// The run, if it has not ended.
    pub(crate) fn running(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.ended.is_none())
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The form was edited.
    Draft(Box<Draft>),
    /// A run began.
    Started(JobId, Request),
    /// One more token.
    Token(JobId, Stream, String),
    /// Changes of probability.
    Shift(JobId, Vec<Change>),
    /// The run ended. What comes of an earlier run is dropped.
    Ended(JobId, Ended),
    /// The run failed before it had a job number, or later: one sentence for the run that is shown.
    Failed(String),
}

impl SteeringState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let shown = &mut self.run;
        let of = |shown: &mut Option<Run>, job: JobId, change: &mut dyn FnMut(&mut Run)| {
            if let Some(run) = shown.as_mut().filter(|run| run.job == job) {
                change(run);
            }
        };
        match event {
            Event::Draft(draft) => self.draft = *draft,
            Event::Started(job, request) => {
                *shown = Some(Run {
                    job,
                    request,
                    baseline: vec![],
                    steered: vec![],
                    shift: vec![],
                    ended: None,
                });
            }
            Event::Token(job, stream, text) => of(shown, job, &mut |run| {
                let tokens = match stream {
                    Stream::Baseline => &mut run.baseline,
                    Stream::Steered => &mut run.steered,
                };
                tokens.push(text.clone());
            }),
            Event::Shift(job, shift) => of(shown, job, &mut |run| run.shift.clone_from(&shift)),
            Event::Ended(job, ended) => of(shown, job, &mut |run| {
                if let Ended::Done { texts, .. } = &ended {
                    for (pieces, text) in
                        [&mut run.baseline, &mut run.steered].into_iter().zip(texts)
                    {
                        let shown: usize = pieces.iter().map(String::len).sum();
                        pieces.extend(
                            text.get(shown..)
                                .filter(|rest| !rest.is_empty())
                                .map(str::to_owned),
                        );
                    }
                }
                run.ended = Some(ended.clone());
            }),
            Event::Failed(why) => {
                if let Some(run) = shown {
                    run.ended = Some(Ended::Failed(why));
                }
            }
        }
    }
}
