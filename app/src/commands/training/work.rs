//! The job of a run: trains, records, reports, writes the dictionary.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_core::error::{Error, Result};
use umbra_core::models::Model;
use umbra_core::progress::{Ended as Finish, Progress};
use umbra_core::sae::Sae;
use umbra_core::store::Store;
use umbra_core::train::{self, Firing, Keeping, Spec};
use umbra_core::workbench::training::{self, OnError, Report, Runs, Source, Trained};

use super::browse::Block;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::{self, DictionaryId, name_of};
use crate::state::log::Notice;
use crate::state::training::{CountedText, Ended, Event as Training, Ranking, Said};
use crate::state::{Event, log};
use crate::words;

/// Least time between two points of the curves: the window redraws with each.
const REPORT: Duration = Duration::from_millis(100);

/// Ranking features by density, and looking at what they fire on, each take at most one part in so many of a run.
const LOOKING: u32 = 50;

/// Source of a run's activations.
#[derive(Debug)]
pub(super) enum Reads {
    /// A model's activations on a text.
    Text(Arc<Model>, Arc<CountedText>),
    /// A store; with the model that is open meanwhile.
    Store(Arc<Store>, Option<Arc<Model>>),
}

/// Everything a run needs.
#[derive(Debug)]
pub(super) struct Work {
    /// Its dictionaries, one at least.
    pub(super) tasks: Vec<Task>,
    pub(super) reads: Reads,
    /// Part of a dictionary's error that is read in place of the activation.
    pub(super) on: Option<OnError>,
    /// Wishes and facts that decide the device.
    pub(super) wanted: Wanted,
}

/// One dictionary to train.
#[derive(Debug)]
pub(super) struct Task {
    /// Index in the run's dictionaries.
    pub(super) member: usize,
    pub(super) spec: Spec,
    pub(super) folder: PathBuf,
    pub(super) keeping: Keeping,
    /// The dictionary that stands there from before the run went on.
    pub(super) replaces: Option<DictionaryId>,
}

/// Carries out a run.
pub(super) fn train(worker: &Worker, work: &Work) -> Result<()> {
    say_other_weights(worker, work);
    let source = match &work.reads {
        Reads::Text(model, text) => Source::Text(model, &text.text),
        Reads::Store(store, _) => Source::Store(store),
    };
    let mut runs: Vec<(Spec, Keeping)> = (work.tasks.iter())
        .map(|task| (task.spec.clone(), task.keeping.clone()))
        .collect();
    if let Some(on) = &work.on {
        let applied = on.apply(&source, &mut runs, &mut |at| worker.progress(at))?;
        let Finish::Done(notes) = applied else {
            let what =
                "was stopped while the linear map of the error was fitted: nothing was trained";
            return Err(Error::setting("training", what));
        };
        for note in notes.iter() {
            say_to_all(worker, work, &words::said(note));
        }
    }
    let (device, _turn) = worker.choose(&work.wanted, source.job(&runs)?)?;
    say_to_all(worker, work, &words::said(&device.note()));
    let mut reporters: Vec<Reporter<'_>> = (work.tasks.iter())
        .map(|task| Reporter::new(worker, task, &work.reads))
        .collect();
    let runs = Runs {
        device,
        ..Runs::new(source, runs)
    };
    let finished = runs.train(&mut |report| match report {
        Report::Note(note) => {
            say_to_all(worker, work, &note);
            worker.flow()
        }
        Report::Run(which, event) => {
            if !reporters[which].report(event) {
                return worker.flow();
            }
            let (progress, speed) = progress(&reporters);
            worker.progress_at(progress, speed)
        }
    })?;
    for note in finished.notes.iter() {
        worker.send(Event::Log(log::Event::Show(Notice::failure(note))));
    }
    for ((task, reporter), trained) in work.tasks.iter().zip(reporters).zip(finished.runs) {
        conclude(worker, task, reporter, trained);
    }
    Ok(())
}

/// Adds a sentence to the notes of every dictionary of the run.
fn say_to_all(worker: &Worker, work: &Work, note: &str) {
    for task in &work.tasks {
        let note = Said::Note(note.to_owned());
        worker.send(Event::Training(Training::Said(task.member, note)));
    }
}

/// Notes that the store was captured from weights other than the open model's.
fn say_other_weights(worker: &Worker, work: &Work) {
    if let Reads::Store(store, Some(model)) = &work.reads
        && (store.about().model_fingerprint.as_deref())
            .is_some_and(|print| print != model.fingerprint())
    {
        let note = format!(
            "The store was captured from {} with weights other than the open model's: the dictionary belongs to those weights",
            store.about().model
        );
        say_to_all(worker, work, &note);
    }
}

/// Progress of all dictionaries that have not failed, together. They take turns at steps, so their speeds add up.
fn progress(reporters: &[Reporter<'_>]) -> (Progress, Option<f64>) {
    let going = || reporters.iter().filter(|reporter| !reporter.failed.get());
    let speed: f64 = going().map(|one| one.at.tokens_per_second).sum();
    let progress = Progress {
        done: going().map(|one| one.at.tokens_seen).sum(),
        total: going().map(|one| one.task.spec.tokens).sum(),
        unit: "activations",
    };
    (progress, Some(speed).filter(|speed| *speed > 0.0))
}

/// Reports one dictionary once all have been trained.
fn conclude(worker: &Worker, task: &Task, mut reporter: Reporter<'_>, trained: Trained) {
    reporter.rank();
    let (ended, unsaved) = match trained {
        Trained::Saved(ended) => (ended, None),
        Trained::Unsaved(ended, error) => (ended, Some(error)),
        Trained::Failed(error) => return reporter.fail(words::error(&error)),
    };
    let stopped = ended.is_stopped();
    let outcome = ended.into_value();
    reporter.look_or_say(&outcome.sae);
    let place = (task.member, task.folder.as_path(), task.replaces);
    match unsaved {
        None => {
            let checkpoint = outcome.checkpoint.is_some();
            saved(worker, place, (outcome.tokens_seen, stopped, checkpoint));
        }
        Some(error) => {
            let sae = Arc::new(outcome.sae);
            say_unsaved(
                worker,
                (task.member, &task.folder),
                (sae, words::error(&error)),
            );
        }
    }
}

/// Sends the window the progress of a dictionary in training, at a rate that can be watched.
struct Reporter<'a> {
    worker: &'a Worker,
    task: &'a Task,
    reads: &'a Reads,
    /// Status.
    at: train::Point,
    failed: Cell<bool>,
    shown: Option<Instant>,
    ranked: Pace,
    waiting: Option<Arc<Firing>>,
    looked: Pace,
    block: Option<Block>,
}

/// Draws the time and duration of the last event.
#[derive(Debug, Default)]
struct Pace(Option<(Instant, Duration)>);

impl Pace {
    /// Whether it may be done again without holding the run up.
    fn is_due(&self) -> bool {
        let rested = |(then, took): (Instant, Duration)| then.elapsed() >= took * LOOKING;
        self.0.is_none_or(rested)
    }

    fn done(&mut self, begun: Instant) {
        self.0 = Some((Instant::now(), begun.elapsed()));
    }
}

impl<'a> Reporter<'a> {
    fn new(worker: &'a Worker, task: &'a Task, reads: &'a Reads) -> Self {
        Self {
            worker,
            task,
            reads,
            at: train::Point::default(),
            failed: Cell::new(false),
            shown: None,
            ranked: Pace::default(),
            waiting: None,
            looked: Pace::default(),
            block: None,
        }
    }

    fn say(&self, said: Said) {
        let said = Training::Said(self.task.member, said);
        self.worker.send(Event::Training(said));
    }

    /// Whether a point of the curves was sent.
    fn report(&mut self, event: train::Event) -> bool {
        match event {
            train::Event::Note(note) | train::Event::Fault(note) => self.say(Said::Note(note)),
            train::Event::Failed(why) => self.fail(why),
            train::Event::Progress(at) => {
                self.at = at;
                let due = self.shown.is_none_or(|then| then.elapsed() >= REPORT);
                if due || at.tokens_seen >= self.task.spec.tokens {
                    self.shown = (at.step > 0).then(Instant::now);
                    self.say(Said::Progress(at));
                    return true;
                }
            }
            train::Event::Firing(firing) => {
                self.waiting = Some(firing);
                if self.ranked.is_due() {
                    self.rank();
                }
            }
            train::Event::Snapshot(sae) if self.looked.is_due() => self.look_or_say(&sae),
            _ => {}
        }
        false
    }

    /// Tells that it broke off.
    fn fail(&self, why: String) {
        self.failed.set(true);
        let left = Keeping {
            resume: true,
            ..self.task.keeping.clone()
        };
        let checkpoint = left.check().is_ok();
        self.say(Said::Ended(Ended::Failed { why, checkpoint }));
    }

    /// Ranks what was reported last.
    fn rank(&mut self) {
        if let Some(firing) = self.waiting.take() {
            let begun = Instant::now();
            let ranking = Arc::new(Ranking::new(&firing, self.task.spec.zipf_tau));
            self.ranked.done(begun);
            self.say(Said::Ranked(ranking));
        }
    }

    /// Looks at what the features of `sae` fire on; that this fails is no failure of the run.
    fn look_or_say(&mut self, sae: &Sae) {
        if let Err(error) = self.look(sae) {
            let note = format!("Its features cannot be shown: {error}");
            self.say(Said::Note(note));
        }
    }

    fn look(&mut self, sae: &Sae) -> Result<()> {
        let block = match self.block.take() {
            Some(block) => block,
            None => Block::new(self.reads, &self.task.spec)?,
        };
        let begun = Instant::now();
        let browsed = Arc::new(block.browse(sae)?);
        self.block = Some(block);
        self.looked.done(begun);
        self.say(Said::Browsed(browsed));
        Ok(())
    }
}

/// Saves a member's dictionary again after a failure, and reports the result; a trained dictionary is never lost.
pub(super) fn save_again(
    worker: &Worker,
    sae: &Arc<Sae>,
    (member, folder): (usize, &Path),
    (tokens_seen, stopped): (u64, bool),
) {
    match training::save_again(sae, folder, stopped) {
        Ok(checkpoint) => {
            let how = (tokens_seen, stopped, checkpoint);
            saved(worker, (member, folder, None), how);
        }
        Err(error) => {
            let unsaved = (Arc::clone(sae), words::error(&error));
            say_unsaved(worker, (member, folder), unsaved);
        }
    }
}

/// Tells that the dictionary of this member is on disk, in place of the one that stood there: activations seen, whether it was stopped, whether there is a
/// checkpoint.
fn saved(
    worker: &Worker,
    (member, folder, replaces): (usize, &Path, Option<DictionaryId>),
    (tokens_seen, stopped, checkpoint): (u64, bool, bool),
) {
    let folder = folder.to_path_buf();
    // Its weights, figures and index are of what it was before.
    if let Some(id) = replaces {
        worker.send(Event::Catalogue(catalogue::Event::Removed(id)));
    }
    let added = catalogue::Event::Added(folder.clone(), None);
    worker.send(Event::Catalogue(added));
    let done = Notice::success(format!("Trained {}", name_of(&folder)));
    worker.send(Event::Log(log::Event::Show(done)));
    let ended = Said::Ended(Ended::Saved {
        folder,
        tokens_seen,
        stopped,
        checkpoint,
    });
    worker.send(Event::Training(Training::Said(member, ended)));
}

/// Reports that a member's dictionary could not be saved, and keeps it in memory.
fn say_unsaved(worker: &Worker, (member, folder): (usize, &Path), (sae, why): (Arc<Sae>, String)) {
    let ended = Said::Ended(Ended::Unsaved {
        sae,
        folder: folder.to_path_buf(),
        why,
    });
    worker.send(Event::Training(Training::Said(member, ended)));
}
