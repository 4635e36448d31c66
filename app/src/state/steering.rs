//! Steering: the request, both texts as they stream, and the change of the next token's probabilities.

pub(crate) mod causes;
mod draft;
mod line;
mod live;
mod run;
mod stack;
pub(crate) mod sweep;
pub(crate) mod tab;

use std::sync::{Arc, Mutex};

use umbra_core::ids::FeatureId;
use umbra_core::models::Sampling;
use umbra_core::prompt::Input;
use umbra_core::steer::{self, EditSpec, Proof, Session};
use umbra_core::workbench::materials::Stock;

use super::catalogue::DictionaryId;
use super::jobs::JobId;

pub(crate) use draft::{Draft, EditDraft, Field, FileVector, help, label};
pub(crate) use live::{Live, Pace};
pub(crate) use run::{Ended, Run, Text};

/// Everything that decides a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// The dictionaries that the edits edit by. Where there are several, each edit names its own.
    pub(crate) dictionaries: Vec<DictionaryId>,
    /// Edits in their order.
    pub(crate) edits: Vec<EditSpec>,
    /// The text that is continued.
    pub(crate) prompt: Input,
    /// Sampling of both texts.
    pub(crate) sampling: Sampling,
    /// Number of samples; sample i has seed `seed + i`.
    pub(crate) samples: usize,
    /// Which of the edits names the feature whose activation is measured.
    pub(crate) dial: Option<usize>,
}

impl Request {
    /// Whether another run gives the same texts, whatever feature is measured along them.
    pub(crate) fn writes_same(&self, other: &Self) -> bool {
        let plain = |request: &Self| Self {
            dial: None,
            ..request.clone()
        };
        plain(self) == plain(other)
    }

    /// Whether it differs from another run in how strongly its edits act and in nothing else: a control was moved.
    pub(crate) fn retunes(&self, other: &Self) -> bool {
        let plain = |request: &Self| Self {
            edits: vec![],
            ..request.clone()
        };
        let kind = |edit: &EditSpec| (std::mem::discriminant(&edit.what), edit.feature());
        let kinds = |request: &Self| request.edits.iter().map(kind).collect::<Vec<_>>();
        self.edits != other.edits && kinds(self) == kinds(other) && plain(self) == plain(other)
    }
}

/// Ends of the sliders of strength; a number outside can be written.
pub(crate) const STRENGTHS: std::ops::RangeInclusive<f32> = -20.0..=20.0;

/// Definition of a strength.
pub(crate) const STRENGTH: &str = "Multiple of the feature's decoder row";

/// A feature chip while it is dragged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dragged {
    /// The dictionary of the feature.
    pub(crate) dictionary: DictionaryId,
    /// The feature.
    pub(crate) feature: FeatureId,
}

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

/// Materials and session of a place's last run, which the next one reuses; jobs alone open it.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Materials of edits.
    pub(crate) stock: Option<Stock>,
    /// Everything that does not depend on the edits.
    pub(crate) session: Option<Session>,
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
    /// The tab Causes.
    pub(crate) causes: Box<causes::CausesState>,
    /// The tab Sweep.
    pub(crate) sweep: Box<sweep::SweepState>,
    /// Everything that the next run of Steering and of the feature's page reuses.
    pub(crate) kept: [Arc<Mutex<Kept>>; 2],
    /// Whether texts follow the form at once, if a person has said so.
    pub(crate) live: Option<bool>,
    /// Measured pace of the last run with the open model.
    pub(crate) pace: Option<Pace>,
}

impl SteeringState {
    /// The run, if it has not ended.
    pub(crate) fn running(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.ended.is_none())
    }

    /// Whether texts of this length follow the form at once, and why not.
    pub(crate) fn live(&self, request: &Request) -> Live {
        Live::new(self.live, self.pace, request)
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
    /// A change of the tab Sweep.
    Sweep(sweep::Event),
    /// The form was edited.
    Draft(Box<Draft>),
    /// A run began.
    Started(JobId, Request),
    /// The small run of a feature's page began.
    Tried(JobId, Request),
    /// A run tells something; dropped if another run took its place.
    Told(JobId, steer::Event),
    /// The edits of a run are proved to act, or not to.
    Proved(JobId, Arc<Proof>),
    /// The run ended. What comes of an earlier run is dropped.
    Ended(JobId, Ended),
    /// The run failed before it had a job number, or later: one sentence for the run that is shown.
    Failed(String),
    /// Event of a page's small run.
    TrialFailed(String),
    /// See [`causes::Event`].
    Causes(causes::Event),
    /// A person decided whether texts follow the form at once.
    Live(bool),
    /// A run of the open model measured its pace.
    Paced(Pace),
}

impl SteeringState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let fail = |shown: &mut Option<Run>, why| {
            if let Some(run) = shown {
                run.ended = Some(Ended::Failed(why));
            }
        };
        match event {
            Event::Sweep(event) => self.sweep.apply(event),
            Event::Draft(draft) => self.draft = *draft,
            Event::Causes(event) => self.causes.apply(event),
            Event::Started(job, request) => {
                self.run = Some(Run::begun(job, request, self.run.take()));
            }
            Event::Tried(job, request) => {
                self.trial = Some(Run::begun(job, request, self.trial.take()));
            }
            Event::Told(job, event) => {
                if let Some(run) = self.of(job) {
                    run.told(event);
                }
            }
            Event::Proved(job, proof) => {
                if let Some(run) = self.of(job) {
                    run.proof = Some(proof);
                }
            }
            Event::Ended(job, ended) => {
                if let Some(run) = self.of(job) {
                    run.end(ended);
                }
            }
            Event::Failed(why) => fail(&mut self.run, why),
            Event::TrialFailed(why) => fail(&mut self.trial, why),
            Event::Live(live) => self.live = Some(live),
            Event::Paced(pace) => self.pace = Some(pace),
        }
    }

    /// Drops what runs of another model or dictionary left.
    pub(super) fn forget(&mut self) {
        self.kept = Default::default();
    }

    fn of(&mut self, job: JobId) -> Option<&mut Run> {
        let mut runs = self.run.iter_mut().chain(&mut self.trial);
        runs.find(|run| run.job == job)
    }
}
