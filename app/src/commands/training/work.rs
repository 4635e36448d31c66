//! The job of a run: trains, records, reports, writes the dictionary.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_core::Flow;
use umbra_core::error::{Error, Result};
use umbra_core::formats::{self, Precision};
use umbra_core::models::Model;
use umbra_core::runs::Recorder;
use umbra_core::sae::Sae;
use umbra_core::store::Store;
use umbra_core::train::{self, Firing, Keeping, Spec};

use super::browse::Block;
use crate::jobs::Worker;
use crate::state::catalogue::{self, DictionaryId, name_of};
use crate::state::log::Notice;
use crate::state::training::{Ended, Event as Training, Ranking, Text, TextKey};
use crate::state::{Event, log};

/// Least time between two points of the curves: the window redraws with each.
const REPORT: Duration = Duration::from_millis(100);

/// Ranking features by density, and looking at what they fire on, each take at most one part in so many of a run.
const LOOKING: u32 = 50;

/// What a run reads.
#[derive(Debug)]
pub(super) enum Reads {
    /// A model's activations on a text.
    Text(Arc<Model>, Arc<Text>, TextKey),
    /// A store; with the model that is open meanwhile.
    Store(Arc<Store>, Option<Arc<Model>>),
}

/// Everything a run needs.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) spec: Spec,
    pub(super) reads: Reads,
    pub(super) folder: PathBuf,
    pub(super) keeping: Keeping,
    /// The dictionary that stands there from before the run went on.
    pub(super) replaces: Option<DictionaryId>,
}

/// Carries out a run.
pub(super) fn train(worker: &Worker, mut work: Work) -> Result<()> {
    let model = describe(worker, &mut work)?;
    let (spec, keeping) = (&work.spec, &work.keeping);
    let mut recorder = if keeping.resume {
        keeping.check()?;
        Recorder::resume(&work.folder, spec, &model)?
    } else {
        Recorder::begin(&work.folder, spec, &model)?
    };
    let mut reporter = Reporter::new(worker, spec, &work.reads);
    let mut observe = |event| {
        recorder.observe(&event);
        reporter.report(event)
    };
    let outcome = match &work.reads {
        Reads::Text(model, text, _) => train::run(spec, model, &text.rows, keeping, &mut observe),
        Reads::Store(store, _) => train::run_from_store(spec, store, keeping, &mut observe),
    };
    reporter.rank();
    if let Err(error) = recorder.end(outcome.as_ref()) {
        let what = format!("The run's record is not whole: {error}");
        worker.send(Event::Log(log::Event::Show(Notice::failure(what))));
    }
    let outcome = outcome?;
    reporter.look_or_say(&outcome.sae);
    let (sae, checkpoint) = (Arc::new(outcome.sae), outcome.checkpoint.is_some());
    let how = (outcome.tokens_seen, outcome.stopped, checkpoint);
    finish(worker, &sae, (&work.folder, work.replaces), how);
    Ok(())
}

/// Puts what the run reads into its facts; the name of the model.
fn describe(worker: &Worker, work: &mut Work) -> Result<String> {
    let facts = &mut work.spec.facts;
    match &work.reads {
        Reads::Text(model, text, key) => {
            let split = if key.split {
                serde_json::json!({ "part": "train", "seed": 0 })
            } else {
                "all of the text".into()
            };
            facts.extend([
                ("corpus".to_owned(), text.phrase.clone().into()),
                ("corpus_sha256".to_owned(), text.fingerprint.clone().into()),
                ("corpus_documents".to_owned(), text.documents.into()),
                ("corpus_unwrapped".to_owned(), key.unwrap.into()),
                ("split".to_owned(), split),
                ("model_sha256".to_owned(), model.fingerprint()?.into()),
            ]);
            Ok(model.name().to_owned())
        }
        Reads::Store(store, open) => {
            facts.extend(store.about().facts());
            let name = store.about().model.clone();
            if let Some(model) = open
                && model.fingerprint()? != store.about().model_sha256
            {
                let note = format!(
                    "The store was captured from {name} with other weights than those of the open model: its dictionary belongs to them"
                );
                worker.send(Event::Training(Training::Note(note)));
            }
            Ok(name)
        }
    }
}

/// Sends on what the window shows of a run, no more often than it can be looked at.
struct Reporter<'a> {
    worker: &'a Worker,
    spec: &'a Spec,
    reads: &'a Reads,
    shown: Option<Instant>,
    ranked: Pace,
    waiting: Option<Arc<Firing>>,
    looked: Pace,
    block: Option<Block>,
}

/// When something was last done, and how long that took.
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
    fn new(worker: &'a Worker, spec: &'a Spec, reads: &'a Reads) -> Self {
        Self {
            worker,
            spec,
            reads,
            shown: None,
            ranked: Pace::default(),
            waiting: None,
            looked: Pace::default(),
            block: None,
        }
    }

    fn report(&mut self, event: train::Event) -> Flow {
        let (worker, total) = (self.worker, self.spec.tokens);
        match event {
            train::Event::Note(note) => worker.send(Event::Training(Training::Note(note))),
            train::Event::Progress(at) => {
                let due = self.shown.is_none_or(|then| then.elapsed() >= REPORT);
                if due || at.tokens_seen >= total {
                    self.shown = (at.step > 0).then(Instant::now);
                    worker.send(Event::Training(Training::Progress(at)));
                    return worker.progress(at.tokens_seen, total, "activations");
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
        worker.flow()
    }

    /// Ranks what was reported last.
    fn rank(&mut self) {
        if let Some(firing) = self.waiting.take() {
            let begun = Instant::now();
            let ranking = Arc::new(Ranking::of(&firing, self.spec.zipf_tau));
            self.ranked.done(begun);
            let ranked = Event::Training(Training::Ranked(ranking));
            self.worker.send(ranked);
        }
    }

    /// Looks at what the features of `sae` fire on; that this fails is no failure of the run.
    fn look_or_say(&mut self, sae: &Sae) {
        if let Err(error) = self.look(sae) {
            let note = format!("Its features cannot be looked at: {error}");
            self.worker.send(Event::Training(Training::Note(note)));
        }
    }

    fn look(&mut self, sae: &Sae) -> Result<()> {
        let block = match self.block.take() {
            Some(block) => block,
            None => Block::of(self.reads, self.spec)?,
        };
        let begun = Instant::now();
        let browsed = Arc::new(block.browse(sae)?);
        self.block = Some(block);
        self.looked.done(begun);
        let browsed = Event::Training(Training::Browsed(browsed));
        self.worker.send(browsed);
        Ok(())
    }
}

/// Writes the dictionary into the folder, in place of the one that stood there, and tells how it went (activations seen, whether it was stopped, whether
/// there is a checkpoint); what was trained is never lost.
pub(super) fn finish(
    worker: &Worker,
    sae: &Arc<Sae>,
    (folder, replaces): (&Path, Option<DictionaryId>),
    (tokens_seen, stopped, checkpoint): (u64, bool, bool),
) {
    let saved = match folder.parent() {
        Some(parent) => std::fs::create_dir_all(parent)
            .map_err(|source| Error::io("cannot make the folder", parent, source)),
        None => Ok(()),
    };
    let saved = saved.and_then(|()| formats::save(sae, folder, Precision::F32));
    let folder = folder.to_path_buf();
    let ended = match saved {
        Ok(()) => {
            // Its weights, figures and index are of what it was before.
            if let Some(id) = replaces {
                worker.send(Event::Catalogue(catalogue::Event::Removed(id)));
            }
            let added = catalogue::Event::Added(folder.clone(), None);
            worker.send(Event::Catalogue(added));
            let done = Notice::success(format!("Trained {}", name_of(&folder)));
            worker.send(Event::Log(log::Event::Show(done)));
            Ended::Saved {
                folder,
                tokens_seen,
                stopped,
                checkpoint,
            }
        }
        Err(error) => Ended::Unsaved {
            sae: Arc::clone(sae),
            folder,
            why: error.to_string(),
        },
    };
    worker.send(Event::Training(Training::Ended(ended)));
}
