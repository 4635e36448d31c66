//! The training form, the text it counts, and the run: its curves and how it ended. Folded once, here, from the run's events.

mod browsed;
mod past;
mod ranking;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::bench;
use umbra_core::corpus::Rows;
use umbra_core::ids::{HookPoint, Site};
use umbra_core::sae::Sae;
use umbra_core::store::Store;
use umbra_core::train::{Progress, Spec};

use super::jobs::JobId;
use super::{AppState, Load};

pub use browsed::{Browsed, Fired};
pub use past::{Event as PastEvent, Past, PastRuns};
pub use ranking::Ranking;

/// Minutes between two checkpoints unless a person says otherwise.
pub const CHECKPOINT_MINUTES: &str = "10";

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
    /// Activation store to read in place of a model's activations on a text.
    pub store: Option<PathBuf>,
    /// Minutes between two checkpoints, as written.
    pub checkpoint: String,
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
            store: None,
            checkpoint: CHECKPOINT_MINUTES.to_owned(),
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

/// What a run reads.
#[derive(Debug, Clone)]
pub enum Source {
    /// A model's activations on a text.
    Text(TextKey, Arc<Text>),
    /// Activations captured before.
    Store(Arc<Store>),
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
    /// The curves of a run that was recorded.
    pub fn of(points: &[Progress]) -> Self {
        let mut curves = Self::default();
        for at in points {
            curves.push(at);
        }
        curves
    }

    fn push(&mut self, at: &Progress) {
        let x = at.tokens_seen as f64;
        for (curve, value) in [
            (&mut self.loss, at.loss),
            (&mut self.fvu, at.fvu),
            (&mut self.l0, at.l0),
            (&mut self.dead, at.dead_fraction),
            (&mut self.speed, at.tokens_per_second),
        ] {
            // A run that goes on from a checkpoint does again what it had done beyond it.
            curve.truncate(curve.partition_point(|before| before[0] < x));
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
        /// Whether a checkpoint is left to go on from.
        checkpoint: bool,
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
    /// It broke off.
    Failed {
        /// One sentence.
        why: String,
        /// Whether a checkpoint is left to go on from.
        checkpoint: bool,
    },
}

impl Ended {
    /// Whether the run can go on.
    pub fn checkpoint(&self) -> bool {
        match self {
            Self::Saved { checkpoint, .. } | Self::Failed { checkpoint, .. } => *checkpoint,
            Self::Unsaved { .. } => false,
        }
    }
}

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its job.
    pub job: JobId,
    /// Name of the dictionary.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What decided it.
    pub spec: Spec,
    /// What it reads.
    pub source: Source,
    /// The curves so far.
    pub curves: Curves,
    /// How often its features fire.
    pub ranking: Option<Arc<Ranking>>,
    /// What its features fire on.
    pub browsed: Option<Arc<Browsed>>,
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
    /// The store asked for last.
    pub store_of: Option<PathBuf>,
    /// It, opened.
    pub store: Load<Arc<Store>>,
    /// The running or last run.
    pub run: Option<Run>,
    /// Runs that left records in the project's folders.
    pub past: PastRuns,
    /// How many activations a second a training step of these sizes takes on, without the model.
    pub measured: Option<(bench::Settings, Load<f64>)>,
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
    /// A store is being opened, is open or failed.
    Store(PathBuf, Load<Arc<Store>>),
    /// A run began, or goes on with the curves that it had.
    Started(Box<Run>),
    /// One more point of the curves.
    Progress(Progress),
    /// How often features fire now.
    Ranked(Arc<Ranking>),
    /// What features fire on now.
    Browsed(Arc<Browsed>),
    /// The run says something.
    Note(String),
    /// It ended.
    Ended(Ended),
    /// A finished run was put away.
    Cleared,
    /// Something about past runs.
    Past(PastEvent),
    /// The speed of a step of these sizes is being measured, was or could not be.
    Measured(bench::Settings, Load<f64>),
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
        Event::Store(folder, load) => {
            if load.is_loading() {
                training.store_of = Some(folder.clone());
            }
            if training.store_of.as_ref() == Some(&folder) {
                // Where there is nothing to choose, nothing is left to be chosen.
                if let Load::Ready(store) = &load
                    && let [only] = store.about().hooks.as_slice()
                    && let HookPoint::Block(layer, site) = only.hook
                {
                    (training.form.layer, training.form.site) = (layer.index(), site);
                }
                training.store = load;
            }
        }
        Event::Started(run) => training.run = Some(*run),
        Event::Progress(progress) => {
            if let Some(run) = &mut training.run
                && progress.step > 0
            {
                run.curves.push(&progress);
                run.last = Some(progress);
            }
        }
        Event::Ranked(ranking) => {
            if let Some(run) = &mut training.run {
                run.ranking = Some(ranking);
            }
        }
        Event::Browsed(browsed) => {
            if let Some(run) = &mut training.run {
                run.browsed = Some(browsed);
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
            training.past.is_stale = true;
        }
        Event::Cleared => training.run = None,
        Event::Past(event) => training.past.apply(event),
        Event::Measured(sizes, load) => training.measured = Some((sizes, load)),
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
    fn a_run_that_goes_on_draws_over_what_it_does_again() {
        let point = |step: u64, loss: f64| Progress {
            step,
            tokens_seen: step * 10,
            loss,
            ..Progress::default()
        };
        let first: Vec<Progress> = (1..=5).map(|step| point(step, 1.0)).collect();
        let mut curves = Curves::of(&first);
        curves.push(&point(4, 0.5));
        let ends = [[10.0, 1.0], [20.0, 1.0], [30.0, 1.0], [40.0, 0.5]];
        assert_eq!(curves.loss, ends);
    }

    #[test]
    fn time_left_follows_the_speed() {
        let mut state = AppState::default();
        let spec = Spec {
            tokens: 1_000,
            ..Spec::default_for(HookPoint::block(0, Site::Z))
        };
        for event in [
            Event::Started(Box::new(crate::testing::run(spec))),
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
