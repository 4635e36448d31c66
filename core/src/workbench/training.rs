//! Training from settings to saved dictionaries: the folders are checked and locked, the runs recorded, the dictionaries saved, the checkpoints kept until then.
//! Records and metadata are the same whoever starts a run.

mod on_error;
mod request;
mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::session::{Session, claimed};
use super::devices::{Choice, Job};
use super::needs::Needs;
use super::text::Text;
use crate::device::Compute;
use crate::error::{Error, Notes, Result};
use crate::fit::{Fit, short};
use crate::formats::{self, Precision};
use crate::models::{MODEL_FINGERPRINT, Model};
use crate::progress::{Ended, Flow};
use crate::runs::{self, Locked};
use crate::sae::Sae;
use crate::store::Store;
use crate::train::{self, CHECKPOINT, Event, Keeping, Outcome, Spec};
use crate::whole_file;

pub use on_error::{OnError, kept_probe, trained_on};
pub use request::{Reads, Request};

/// Source of the activations that runs read.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A model that reads a text.
    Text(&'a Model, &'a Text),
    /// Activations captured before.
    Store(&'a Store),
}

/// Dictionaries to train together.
#[derive(Debug, Clone)]
pub struct Runs<'a> {
    /// Activations to train on.
    pub source: Source<'a>,
    /// Settings of each dictionary, and its folder with its checkpoints.
    pub runs: Vec<(Spec, Keeping)>,
    /// Keys of settings that a person gave. A store decides how positions count and whether documents are kept apart, unless the setting was given: a store
    /// captured otherwise is then refused.
    pub given: Vec<String>,
    /// Number format of the saved weights.
    pub precision: Precision,
    /// Whether a folder that holds anything may be written.
    pub overwrite: bool,
    /// Device that computes the steps, and why; see [`Source::job`].
    pub device: Choice,
}

/// Report of training under way.
#[derive(Debug)]
pub enum Report {
    /// A sentence about all runs.
    Note(String),
    /// An event of the run of this number.
    Run(usize, Event),
}

/// Result of one run.
#[derive(Debug)]
pub enum Trained {
    /// The dictionary is saved.
    Saved(Box<Ended<Outcome, Outcome>>),
    /// The dictionary was trained and could not be saved, for this reason. A checkpoint, if one was written, is still there: see [`save_again`] and [`rescue`].
    Unsaved(Box<Ended<Outcome, Outcome>>, Error),
    /// The run broke off.
    Failed(Error),
}

impl Trained {
    /// Returns the outcome of a run whose dictionary is saved, else the reason why it is not.
    pub fn into_saved(self) -> Result<Outcome> {
        match self {
            Self::Saved(ended) => Ok(ended.into_value()),
            Self::Unsaved(_, error) | Self::Failed(error) => Err(error),
        }
    }
}

/// Results of all runs.
#[derive(Debug)]
pub struct Finished {
    /// In the order asked for.
    pub runs: Vec<Trained>,
    /// Sentences on records and folders that were not completed.
    pub notes: Notes,
}

impl Source<'_> {
    /// Returns the name of the model whose activations are read.
    pub fn model(&self) -> &str {
        match self {
            Self::Text(model, _) => model.name(),
            Self::Store(store) => &store.about().model,
        }
    }

    /// Returns what records and metadata say about the text and the model.
    pub fn facts(&self) -> BTreeMap<String, Value> {
        match self {
            Self::Text(model, text) => text.run_facts(model),
            Self::Store(store) => store.about().facts().into_iter().collect(),
        }
    }

    /// Checks everything that can be known of `runs` before any is begun: whether they agree, whether the hooks are there, whether memory is free.
    pub fn check(&self, runs: &[(Spec, Keeping)]) -> Result<()> {
        match self {
            Self::Text(model, text) => train::check_several(runs, model, &text.rows),
            Self::Store(store) => train::check_several_from_store(runs, store),
        }
    }

    /// Completes the settings by what the source decides; returns what was decided.
    fn settle(&self, runs: &mut [(Spec, Keeping)], given: &[String]) -> Result<Notes> {
        let mut notes = Notes::default();
        if let Self::Store(store) = self {
            let rule = store.about().mask.rule;
            let (counted, all) = (store.counted(), store.rows() * store.about().context);
            notes.add(format!(
                "{counted} of the store's {all} positions count: {}",
                rule.said(Some((all - counted) as u64))
            ));
            let is_given = |key: &str| given.iter().any(|given| given == key);
            for (spec, _) in runs.iter_mut() {
                if !is_given("positions") {
                    spec.positions = rule;
                }
                if !is_given("separate_documents") {
                    spec.separate_documents = store.about().separates_documents();
                }
            }
        }
        let facts = self.facts();
        for (spec, _) in runs.iter_mut() {
            if let Some(note) = self.check_start(spec)? {
                notes.add(note);
            }
            spec.facts.extend(facts.clone());
        }
        notes.add(self.needs(runs).note());
        Ok(notes)
    }

    /// Counts the memory, steps and data that `runs` need.
    pub fn needs(&self, runs: &[(Spec, Keeping)]) -> Needs {
        let specs: Vec<&Spec> = runs.iter().map(|(spec, _)| spec).collect();
        match self {
            Self::Text(model, text) => {
                let rule = specs.first().map(|spec| spec.positions);
                let there = rule.map(|rule| (text.rows.counted_by(rule) as u64, text.rows.len()));
                Needs::new(&specs, |hook| model.width(hook).ok(), there)
            }
            Self::Store(store) => {
                let there = Some((store.counted() as u64, store.rows()));
                Needs::new(&specs, |hook| store.width(hook).ok(), there)
            }
        }
    }

    /// Describes the work of `runs` for the choice of a device: the largest of them decides.
    pub fn job(&self, runs: &[(Spec, Keeping)]) -> Result<Job> {
        let mut all: Vec<Job> = Vec::new();
        for (spec, _) in runs {
            let width = |hook| match self {
                Self::Text(model, _) => model.width(hook),
                Self::Store(store) => store.width(hook),
            };
            let d = width(spec.hook)?;
            let written = if spec.transcodes {
                width(spec.writes())?
            } else {
                d
            };
            all.push(Job {
                bytes: train::device_bytes(spec, (d, written)),
                uncovered: train::uncovered(spec, d),
                ..Job::new(spec.batch, d, spec.features)
            });
        }
        let bytes = all.iter().map(|job| job.bytes).sum();
        let uncovered = all.iter_mut().find_map(|job| job.uncovered.take());
        let largest = (all.into_iter())
            .max_by(|a, b| a.operations().total_cmp(&b.operations()))
            .unwrap_or_default();
        Ok(Job {
            bytes,
            uncovered,
            ..largest
        })
    }

    /// Checks that the dictionary that a run starts from belongs to the model; a sentence where it may not.
    fn check_start(&self, spec: &Spec) -> Result<Option<String>> {
        let Some(start) = spec.start.as_deref() else {
            return Ok(None);
        };
        match self {
            // On another hook than its own a dictionary is no more than a start.
            Self::Text(..) if start.provenance.hook != Some(spec.hook) => Ok(None),
            Self::Text(model, _) => Fit::judge(model, start).check(false),
            Self::Store(store) => Ok(another_model(start, store)),
        }
    }

    fn train(
        &self,
        runs: &[(Spec, Keeping)],
        compute: &Compute,
        observe: &mut dyn FnMut(usize, Event) -> Flow,
    ) -> Result<Vec<Result<Ended<Outcome, Outcome>>>> {
        match self {
            Self::Text(model, text) => {
                train::run_several(runs, model, &text.rows, compute, observe)
            }
            Self::Store(store) => train::run_several_from_store(runs, store, compute, observe),
        }
    }
}

/// Says that `start` was trained on another model than that of the store, by their fingerprints.
fn another_model(start: &Sae, store: &Store) -> Option<String> {
    let about = store.about();
    let named = start.provenance.other.get(MODEL_FINGERPRINT)?.as_str()?;
    let stored = about.model_fingerprint.as_deref()?;
    (named != stored).then(|| {
        format!(
            "The dictionary that the run starts from was trained on another model than the store's {}: their fingerprints are {} and {}",
            about.model,
            short(named),
            short(stored)
        )
    })
}

impl<'a> Runs<'a> {
    /// Asks for `runs`, each saved as f32 into a folder that holds nothing or a checkpoint to resume from.
    pub fn new(source: Source<'a>, runs: Vec<(Spec, Keeping)>) -> Self {
        Self {
            source,
            runs,
            given: Vec::new(),
            precision: Precision::F32,
            overwrite: false,
            device: Choice::default(),
        }
    }

    /// Trains the dictionaries, records each run in its folder and saves each dictionary there. A run resumes from its checkpoint where its [`Keeping`] says so.
    /// A run that fails does not keep the others from being saved; an error is one that ended all.
    pub fn train(mut self, observe: &mut dyn FnMut(Report) -> Flow) -> Result<Finished> {
        let source = self.source;
        let decided = source.settle(&mut self.runs, &self.given)?;
        source.check(&self.runs)?;
        let (mut session, begun) = Session::begin(&mut self.runs, source.model(), self.overwrite)?;
        session.computes_on(&self.device);
        for note in decided.iter().chain(begun.iter()) {
            // Whether to stop is asked again with the first event.
            observe(Report::Note(note.to_owned())).continue_value();
        }
        let compute = &self.device.compute;
        let outcomes = source.train(&self.runs, compute, &mut |which, event| {
            session.observe(which, &event);
            observe(Report::Run(which, event))
        });
        match outcomes {
            Ok(outcomes) => {
                let (runs, notes) = session.end(outcomes, self.precision);
                Ok(Finished { runs, notes })
            }
            Err(error) => {
                session.fail(&error);
                Err(error)
            }
        }
    }
}

/// Checks the folders of runs, as [`Runs::train`] does, before anything is read for them: each can be written, and no two are one.
pub fn check_folders(runs: &[(Spec, Keeping)], overwrite: bool) -> Result<()> {
    let folders = runs
        .iter()
        .filter_map(|(_, keeping)| keeping.folder.as_deref());
    let mut before: Vec<PathBuf> = Vec::new();
    for out in folders {
        let folder = whole_file::identity(out);
        let refuse = |what: String| Err(Error::setting("out", what));
        let out = out.display();
        if before.contains(&folder) {
            return refuse(format!(
                "two dictionaries cannot be written to the same folder {out}, give another"
            ));
        }
        if before
            .iter()
            .any(|other| folder.starts_with(other.join(CHECKPOINT)))
        {
            return refuse(format!(
                "{out} holds the checkpoint of another dictionary, give another folder"
            ));
        }
        before.push(folder);
    }
    let mut notes = Notes::default();
    let mut one = |keeping: &Keeping| claimed(&mut keeping.clone(), overwrite, &mut notes);
    runs.iter()
        .try_for_each(|(_, keeping)| one(keeping).map(drop))
}

/// Saves a dictionary that could not be saved when its run ended, and returns whether a checkpoint is left, as of a run that was `stopped`.
pub fn save_again(sae: &Sae, folder: &Path, stopped: bool) -> Result<bool> {
    let _lock = Locked::take(folder)?;
    formats::save(sae, folder, Precision::F32)?;
    runs::saved_later(folder, stopped)?;
    let keeping = Keeping {
        folder: Some(folder.to_path_buf()),
        ..Keeping::default()
    };
    if !stopped {
        keeping.discard()?;
    }
    Ok(keeping.has_checkpoint())
}

/// Saves a dictionary that cannot be saved in `out` where temporary files go, and returns the folder.
pub fn rescue(sae: &Sae, out: &Path, precision: Precision) -> Result<PathBuf> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let failed = |source| Error::io("cannot be kept in a temporary folder either", out, source);
    let folder = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir()
        .map_err(failed)?;
    formats::save(sae, folder.path(), precision)?;
    Ok(folder.keep())
}
