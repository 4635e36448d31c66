//! The training form, the text it counts, and the run: its curves and how it ended. Folded once, here, from the run's events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::corpus::Rows;
use umbra_core::ids::{HookPoint, Site};
use umbra_core::sae::Sae;
use umbra_core::train::{Progress, Spec};

use super::jobs::JobId;
use super::{AppState, Load};

/// What a person filled in. Settings hold only what differs from the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Block.
    pub layer: usize,
    /// Place in the block.
    pub site: Site,
    /// Name of the dictionary; none: made from the hook.
    pub name: Option<String>,
    /// Text; none: the project's training text.
    pub text: Option<PathBuf>,
    /// Settings by key, as written.
    pub settings: BTreeMap<String, String>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            layer: 0,
            site: Site::Z,
            name: None,
            text: None,
            settings: BTreeMap::new(),
        }
    }
}

impl Form {
    /// The hook to read.
    pub fn hook(&self) -> HookPoint {
        HookPoint::block(self.layer, self.site)
    }
}

/// What text was counted: paths, whether it is unwrapped, the model's path, whether a part is left out for measuring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextKey {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Whether lines are joined to paragraphs.
    pub unwrap: bool,
    /// Whether 5 % of the documents are left out.
    pub split: bool,
    /// The model whose tokenizer reads it.
    pub model: PathBuf,
}

/// Text made ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Token rows.
    pub rows: Arc<Rows>,
    /// What it is, as a phrase.
    pub phrase: String,
    /// Hex SHA-256 of the documents.
    pub fingerprint: String,
    /// How many documents.
    pub documents: usize,
}

impl Text {
    /// Activations in one reading: the first position of each row is left out.
    pub fn activations(&self) -> u64 {
        (self.rows.len() * self.rows.context().saturating_sub(1)) as u64
    }
}

/// Points of one curve: activations seen, value.
pub type Points = Vec<[f64; 2]>;

/// The curves of a run, one point per report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    /// Normalised squared error plus AuxK's part.
    pub loss: Points,
    /// Fraction of variance unexplained.
    pub fvu: Points,
    /// Active features per token.
    pub l0: Points,
    /// Share of dead features.
    pub dead: Points,
    /// Activations per second.
    pub speed: Points,
}

/// Points kept per curve; beyond, every second is dropped.
const POINTS: usize = 20_000;

impl Curves {
    fn push(&mut self, at: &Progress) {
        let x = at.tokens_seen as f64;
        for (curve, value) in [
            (&mut self.loss, at.loss),
            (&mut self.fvu, at.fvu),
            (&mut self.l0, at.l0),
            (&mut self.dead, at.dead_fraction),
            (&mut self.speed, at.tokens_per_second),
        ] {
            if value.is_finite() {
                curve.push([x, value]);
            }
            if curve.len() > POINTS {
                let mut keep = false;
                curve.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// The dictionary is on disk.
    Saved {
        /// Its folder.
        folder: PathBuf,
        /// Activations seen.
        tokens_seen: u64,
        /// Whether a person stopped it.
        stopped: bool,
    },
    /// The dictionary was trained but could not be written; it is kept here.
    Unsaved {
        /// The dictionary.
        sae: Arc<Sae>,
        /// Where it was to go.
        folder: PathBuf,
        /// One sentence.
        why: String,
    },
    /// One sentence.
    Failed(String),
}

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its job.
    pub job: JobId,
    /// Name of the dictionary.
    pub name: String,
    /// What decided it.
    pub spec: Spec,
    /// The curves so far.
    pub curves: Curves,
    /// The latest report of a step.
    pub last: Option<Progress>,
    /// Sentences it said.
    pub notes: Vec<String>,
    /// How it ended; none while it runs.
    pub ended: Option<Ended>,
}

impl Run {
    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Seconds left at the present speed.
    pub fn seconds_left(&self) -> Option<f64> {
        let last = self.last?;
        let left = self.spec.tokens.saturating_sub(last.tokens_seen) as f64;
        (last.tokens_per_second > 0.0).then(|| left / last.tokens_per_second)
    }
}

/// Form, text and run.
#[derive(Debug, Default)]
pub struct TrainingState {
    /// What is filled in.
    pub form: Form,
    /// The text asked for last.
    pub text_of: Option<TextKey>,
    /// It, made ready.
    pub text: Load<Arc<Text>>,
    /// The running or last run.
    pub run: Option<Run>,
}

impl TrainingState {
    /// The run, if it has not ended.
    pub fn running(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.is_running())
    }
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// The form was edited.
    Form(Form),
    /// Text is being counted, is ready or failed.
    Text(TextKey, Load<Arc<Text>>),
    /// A run began.
    Started {
        /// Its job.
        job: JobId,
        /// Name of the dictionary.
        name: String,
        /// What decides it.
        spec: Box<Spec>,
    },
    /// One more point of the curves.
    Progress(Progress),
    /// The run says something.
    Note(String),
    /// It ended.
    Ended(Ended),
    /// A finished run was put away.
    Cleared,
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let training = &mut state.training;
    match event {
        Event::Form(form) => training.form = form,
        Event::Text(key, load) => {
            if load.is_loading() {
                training.text_of = Some(key.clone());
            }
            if training.text_of.as_ref() == Some(&key) {
                training.text = load;
            }
        }
        Event::Started { job, name, spec } => {
            training.run = Some(Run {
                job,
                name,
                spec: *spec,
                curves: Curves::default(),
                last: None,
                notes: vec![],
                ended: None,
            });
        }
        Event::Progress(progress) => {
            if let Some(run) = &mut training.run
                && progress.step > 0
            {
                run.curves.push(&progress);
                run.last = Some(progress);
            }
        }
        Event::Note(note) => {
            if let Some(run) = &mut training.run {
                run.notes.push(note);
            }
        }
        Event::Ended(ended) => {
            if let Some(run) = &mut training.run {
                run.ended = Some(ended);
            }
        }
        Event::Cleared => training.run = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stay_bounded_and_keep_their_order() {
        let mut curves = Curves::default();
        for step in 0..50_000_u64 {
            curves.push(&Progress {
                tokens_seen: step,
                loss: 1.0,
                fvu: f64::NAN,
                ..Progress::default()
            });
        }
        assert!(curves.loss.len() <= POINTS, "{}", curves.loss.len());
        assert!(curves.loss.is_sorted_by(|a, b| a[0] < b[0]));
        assert!(curves.fvu.is_empty());
    }

    #[test]
    fn time_left_follows_the_speed() {
        let mut state = AppState::default();
        let spec = Spec {
            tokens: 1_000,
            ..Spec::default_for(HookPoint::block(0, Site::Z))
        };
        for event in [
            Event::Started {
                job: JobId(1),
                name: "z0".to_owned(),
                spec: Box::new(spec),
            },
            Event::Progress(Progress {
                step: 1,
                tokens_seen: 200,
                tokens_per_second: 100.0,
                ..Progress::default()
            }),
        ] {
            apply(&mut state, event);
        }
        let run = state.training.running().unwrap();
        assert_eq!(run.seconds_left(), Some(8.0));
    }
}
