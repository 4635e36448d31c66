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

/// Ends of the sliders of strength; a number outside can be written.
pub(crate) const STRENGTHS: std::ops::RangeInclusive<f32> = -20.0..=20.0;

/// Definition of a strength.
pub(crate) const STRENGTH: &str = "Multiple of the feature's decoder row";

/// The screen that shows a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Steering.
    Lab,
    /// A feature's page.
    Page,
}

impl Place {
    /// A run of this screen began.
    pub(crate) fn started(self, job: JobId, request: Request) -> Event {
        match self {
            Self::Lab => Event::Started(job, request),
            Self::Page => Event::Tried(job, request),
        }
    }

    /// A run of this screen failed.
    pub(crate) fn failed(self, why: String) -> Event {
        match self {
            Self::Lab => Event::Failed(why),
            Self::Page => Event::TrialFailed(why),
        }
    }
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

impl Run {
    fn begun(job: JobId, request: Request) -> Self {
        Self {
            job,
            request,
            baseline: vec![],
            steered: vec![],
            shift: vec![],
            ended: None,
        }
    }

    fn fail(shown: &mut Option<Self>, why: String) {
        if let Some(run) = shown {
            run.ended = Some(Ended::Failed(why));
        }
    }
}

/// The form, and the running or last run.
#[derive(Debug, Default)]
pub(crate) struct SteeringState {
    /// The form as filled in.
    pub(crate) draft: Draft,
    /// The run.
    pub(crate) run: Option<Run>,
    /// The small run of a feature's page.
    pub(crate) trial: Option<Run>,
    /// Materials of the last run, which the next one reuses; jobs alone open it.
    pub(crate) stock: Arc<Mutex<Option<Stock>>>,
}

impl SteeringState {
    /// The run, if it has not ended.
    pub(crate) fn running(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.ended.is_none())
    }

    /// The run that this screen shows.
    pub(crate) fn shown(&self, place: Place) -> Option<&Run> {
        match place {
            Place::Lab => self.run.as_ref(),
            Place::Page => self.trial.as_ref(),
        }
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The form was edited.
    Draft(Box<Draft>),
    /// A run began.
    Started(JobId, Request),
    /// The small run of a feature's page began.
    Tried(JobId, Request),
    /// One more token.
    Token(JobId, Stream, String),
    /// Changes of probability.
    Shift(JobId, Vec<Change>),
    /// The run ended. What comes of an earlier run is dropped.
    Ended(JobId, Ended),
    /// The run failed before it had a job number, or later: one sentence for the run that is shown.
    Failed(String),
    /// Event of a page's small run.
    TrialFailed(String),
}

impl SteeringState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let of = |all: &mut Self, job: JobId, change: &mut dyn FnMut(&mut Run)| {
            let runs = all.run.iter_mut().chain(&mut all.trial);
            for run in runs.filter(|run| run.job == job) {
                change(run);
            }
        };
        match event {
            Event::Draft(draft) => self.draft = *draft,
            Event::Started(job, request) => self.run = Some(Run::begun(job, request)),
            Event::Tried(job, request) => self.trial = Some(Run::begun(job, request)),
            Event::Token(job, stream, text) => of(self, job, &mut |run| {
                let tokens = match stream {
                    Stream::Baseline => &mut run.baseline,
                    Stream::Steered => &mut run.steered,
                };
                tokens.push(text.clone());
            }),
            Event::Shift(job, shift) => of(self, job, &mut |run| run.shift.clone_from(&shift)),
            Event::Ended(job, ended) => of(self, job, &mut |run| {
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
            Event::Failed(why) => Run::fail(&mut self.run, why),
            Event::TrialFailed(why) => Run::fail(&mut self.trial, why),
        }
    }
}
