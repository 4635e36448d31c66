//! The training form, what it reads and goes on from, and the run. Folded once, here, from the run's events.

mod browsed;
mod form;
pub(crate) mod line;
mod past;
pub(crate) mod plan;
mod ranking;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::bench;
use umbra_core::corpus::Positions;
use umbra_core::sae::Sae;
use umbra_core::store::Store;
use umbra_core::workbench::text::{Text, TextRequest};

use super::load::Load;

pub(crate) use browsed::{Browsed, Fired};
pub(crate) use form::{CHECKPOINT_MINUTES, Draft, Form, Parent};
pub(crate) use past::{Event as PastEvent, Past, PastRuns};
pub(crate) use ranking::Ranking;
pub(crate) use run::{Curves, Ended, Member, Points, Run, Said, TOGETHER};

/// A text to read and the model whose tokenizer reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextKey {
    /// Files, part and how they are read.
    pub(crate) request: TextRequest,
    /// Path of the model.
    pub(crate) model: PathBuf,
}

/// A text that was read, with its positions counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CountedText {
    /// The text.
    pub(crate) text: Text,
    /// Positions that count by each rule, in the order of [`Positions::ALL`].
    pub(crate) by_rule: [u64; 4],
}

impl CountedText {
    /// Counts the positions of `text` by each rule.
    pub(crate) fn new(text: Text) -> Self {
        let by_rule = Positions::ALL.map(|rule| text.rows.counted_by(rule) as u64);
        Self { text, by_rule }
    }

    /// Activations in one reading: positions that do not count by `rule` are left out.
    pub(crate) fn activations(&self, rule: Positions) -> u64 {
        let rules = Positions::ALL.iter().zip(self.by_rule);
        let found = rules.into_iter().find(|(of, _)| **of == rule);
        found.map_or(0, |(_, counted)| counted)
    }
}

/// Source of a run's activations.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A model's activations on a text.
    Text(TextKey, Arc<CountedText>),
    /// Activations captured before.
    Store(Arc<Store>),
}

/// Form, text and run.
#[derive(Debug, Default)]
pub(crate) struct TrainingState {
    /// The form as filled in.
    pub(crate) form: Form,
    /// The text asked for last.
    pub(crate) text_of: Option<TextKey>,
    /// The text, read and counted.
    pub(crate) text: Load<Arc<CountedText>>,
    /// The store asked for last.
    pub(crate) store_of: Option<PathBuf>,
    /// The store, opened.
    pub(crate) store: Load<Arc<Store>>,
    /// The dictionary to go on from that was asked for last and that the project has not open.
    pub(crate) start_of: Option<PathBuf>,
    /// The dictionary, loaded.
    pub(crate) start: Load<Arc<Sae>>,
    /// The running or last run.
    pub(crate) run: Option<Run>,
    /// Runs that left records in the project's folders.
    pub(crate) past: PastRuns,
    /// Activations per second of a training step of these sizes, without the model.
    pub(crate) measured: Option<(bench::Settings, Load<f64>)>,
}

impl TrainingState {
    /// The run, if it has not ended.
    pub(crate) fn running(&self) -> Option<&Run> {
        self.run.as_ref().filter(|run| run.is_running())
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The form was edited.
    Form(Form),
    /// Text is being counted, is ready or failed.
    Text(TextKey, Load<Arc<CountedText>>),
    /// A store is being opened, is open or failed.
    Store(PathBuf, Load<Arc<Store>>),
    /// A dictionary to go on from is being read, is or could not be.
    Start(PathBuf, Load<Arc<Sae>>),
    /// A run began, or goes on with the curves that it had.
    Started(Box<Run>),
    /// The run says something of one of its dictionaries.
    Said(usize, Said),
    /// The run broke off with this sentence; whether each of its dictionaries has a checkpoint left.
    Broke(String, Vec<bool>),
    /// Show densities and features of this dictionary of the run.
    Shown(usize),
    /// A finished run was put away.
    Cleared,
    /// Something about past runs.
    Past(PastEvent),
    /// The speed of a step of these sizes is being measured, was or could not be.
    Measured(bench::Settings, Load<f64>),
}

impl TrainingState {
    /// Carries out an event.
    pub(super) fn apply(&mut self, event: Event) {
        let training = self;
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
                    {
                        training.form.on(Some(only.hook));
                    }
                    training.store = load;
                }
            }
            Event::Started(run) => training.run = Some(*run),
            Event::Start(folder, load) => {
                if load.is_loading() {
                    training.start_of = Some(folder.clone());
                }
                if training.start_of.as_ref() == Some(&folder) {
                    if let Load::Ready(sae) = &load
                        && training.form.from.as_ref() == Some(&folder)
                    {
                        training.form.on(sae.provenance.hook);
                    }
                    training.start = load;
                }
            }
            Event::Said(which, said) => {
                training.past.is_stale |= matches!(said, Said::Ended(_));
                let members = training.run.as_mut().map(|run| &mut run.members);
                if let Some(member) = members.and_then(|members| members.get_mut(which)) {
                    member.apply(said);
                }
            }
            Event::Broke(why, checkpoints) => {
                let members = training.run.iter_mut().flat_map(|run| &mut run.members);
                for (member, checkpoint) in members.zip(checkpoints) {
                    let why = why.clone();
                    // What ended before it is not touched by it.
                    member
                        .ended
                        .get_or_insert(Ended::Failed { why, checkpoint });
                }
                training.past.is_stale = true;
            }
            Event::Shown(which) => {
                if let Some(run) = &mut training.run {
                    run.shown = which.min(run.members.len().saturating_sub(1));
                }
            }
            Event::Cleared => training.run = None,
            Event::Past(event) => training.past.apply(event),
            Event::Measured(sizes, load) => training.measured = Some((sizes, load)),
        }
    }
}
