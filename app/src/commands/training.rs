//! Training runs: the form, counting the text, the run itself, what follows it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_core::corpus::{Corpus, CorpusSpec, Part};
use umbra_core::error::Result;
use umbra_core::formats::{self, Precision};
use umbra_core::ids::{HookPoint, Site};
use umbra_core::models::Model;
use umbra_core::project::Project;
use umbra_core::runs::Recorder;
use umbra_core::sae::Sae;
use umbra_core::train::{self, Spec};

use super::{Commands, Context, dictionary};
use crate::jobs::Worker;
use crate::shell::dialogs::Ask;
use crate::state::catalogue::{self, name_of};
use crate::state::log::Notice;
use crate::state::training::{Ended, Event as Training, Form, Text, TextKey};
use crate::state::{AppState, Event, Load, log};
use crate::views::{ViewId, training::plan};

/// Least time between two points of the curves: the window redraws with each.
const REPORT: Duration = Duration::from_millis(100);

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The form was edited.
    Fill(Form),
    /// Show the form ready to train on this layer's attention values.
    Preset(HookPoint),
    /// Ask for a text by the system's dialog.
    PickText,
    /// Read and count the text of the form.
    CountText(TextKey),
    /// Start the run that the form describes.
    Start,
    /// Stop the run; its dictionary is kept as it stands.
    Stop,
    /// Write a dictionary that could not be written.
    SaveAgain,
    /// Put a finished run away.
    Clear,
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Fill(form) => context.apply(Event::Training(Training::Form(form))),
            Self::Preset(hook) => preset(context, hook),
            Self::PickText => {
                let ask = Ask::File("Choose a text to train on", &["txt", "jsonl", "parquet"]);
                let form = context.state.training.form.clone();
                context.ask(ask, move |path| {
                    let text = Some(path);
                    Self::Fill(Form { text, ..form }).into()
                });
            }
            Self::CountText(key) => count_text(context, key),
            Self::Start => start(context),
            Self::Stop => {
                if let Some(run) = context.state.training.running() {
                    let stop = super::shell::Command::StopJob(run.job);
                    context.commands.send(stop);
                }
            }
            Self::SaveAgain => save_again(context),
            Self::Clear => context.apply(Event::Training(Training::Cleared)),
        }
    }
}

/// What the state calls for: nothing by itself; the screen asks for its text to be counted once it is shown.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}

fn preset(context: &mut Context<'_>, hook: HookPoint) {
    if let HookPoint::Block(layer, site) = hook {
        let form = Form {
            layer: layer.index(),
            site,
            name: None,
            ..context.state.training.form.clone()
        };
        context.apply(Event::Training(Training::Form(form)));
    }
    let go = super::navigation::Command::Go(ViewId::Training);
    context.commands.send(go);
}

fn count_text(context: &mut Context<'_>, key: TextKey) {
    let Some(model) = context
        .state
        .model()
        .map(|loaded| Arc::clone(&loaded.model))
    else {
        return;
    };
    let event = |key, load| Event::Training(Training::Text(key, load));
    context.apply(event(key.clone(), Load::Loading));
    let failed = key.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let text = read_text(&key, &model)?;
            worker.send(event(key, Load::Ready(Arc::new(text))));
            Ok(())
        },
    );
}

/// The text of `key` as rows of `model`'s tokens.
pub(super) fn read_text(key: &TextKey, model: &Model) -> Result<Text> {
    let (corpus, _) = Corpus::open(&CorpusSpec {
        paths: key.paths.clone(),
        unwrap: key.unwrap,
        column: None,
    })?;
    let corpus = if key.split {
        corpus.part(Part::Train, 0).0
    } else {
        corpus
    };
    let names: Vec<_> = key.paths.iter().map(|path| name_of(path)).collect();
    let mut phrase = names.join(", ");
    if key.split {
        phrase.push_str(" without its held-out part (seed 0)");
    }
    Ok(Text {
        rows: Arc::new(dictionary::rows(&corpus, model)?),
        phrase,
        fingerprint: corpus.fingerprint(),
        documents: corpus.documents.len(),
    })
}

/// Everything a run needs.
struct Work {
    spec: Spec,
    model: Arc<Model>,
    text: Arc<Text>,
    key: TextKey,
    folder: PathBuf,
}

fn start(context: &mut Context<'_>) {
    let plan = plan::plan(context.state);
    let state = &context.state;
    let (Some(spec), None) = (plan.spec, plan.refusal) else {
        return;
    };
    let (Some(project), Some(model), Some(text), Some(key)) = (
        state.project.open(),
        state.model(),
        state.training.text.ready(),
        state.training.text_of.clone(),
    ) else {
        return;
    };
    let name = free_name(&saes_folder(project), plan.name);
    let work = Work {
        spec: spec.clone(),
        model: Arc::clone(&model.model),
        text: Arc::clone(text),
        key,
        folder: saes_folder(project).join(&name),
    };
    let job = context.jobs.start_or(
        format!("Train {name}"),
        |why| Event::Training(Training::Ended(Ended::Failed(why))),
        move |worker| train(worker, work),
    );
    context.apply(Event::Training(Training::Started {
        job,
        name,
        spec: Box::new(spec),
    }));
}

/// `name`, or with a number behind it if a folder has it already.
fn free_name(folder: &Path, name: String) -> String {
    if !folder.join(&name).exists() {
        return name;
    }
    (2..10_000)
        .map(|i| format!("{name}-{i}"))
        .find(|name| !folder.join(name).exists())
        .unwrap_or(name)
}

/// Where a project keeps what it trained.
pub fn saes_folder(project: &Project) -> PathBuf {
    project.folder.join("saes")
}

fn train(worker: &Worker, mut work: Work) -> Result<()> {
    let split = if work.key.split {
        serde_json::json!({ "part": "train", "seed": 0 })
    } else {
        "all of the text".into()
    };
    work.spec.facts.extend([
        ("corpus".to_owned(), work.text.phrase.clone().into()),
        (
            "corpus_sha256".to_owned(),
            work.text.fingerprint.clone().into(),
        ),
        ("corpus_documents".to_owned(), work.text.documents.into()),
        ("corpus_unwrapped".to_owned(), work.key.unwrap.into()),
        ("split".to_owned(), split),
        ("model_sha256".to_owned(), work.model.fingerprint()?.into()),
    ]);
    let total = work.spec.tokens;
    let mut shown: Option<Instant> = None;
    let keeping = train::Keeping::default();
    let (spec, rows) = (&work.spec, &work.text.rows);
    let mut recorder = Recorder::begin(&work.folder, spec, work.model.name())?;
    let outcome = train::run(spec, &work.model, rows, &keeping, &mut |event| {
        recorder.observe(&event);
        match event {
            train::Event::Note(note) => worker.send(Event::Training(Training::Note(note))),
            train::Event::Progress(at) => {
                let due = shown.is_none_or(|then| then.elapsed() >= REPORT);
                if due || at.tokens_seen >= total {
                    shown = (at.step > 0).then(Instant::now);
                    worker.send(Event::Training(Training::Progress(at)));
                    return worker.progress(at.tokens_seen, total, "activations");
                }
            }
            _ => {}
        }
        worker.flow()
    });
    if let Err(error) = recorder.end(outcome.as_ref()) {
        let what = format!("The run's record is not whole: {error}");
        worker.send(Event::Log(log::Event::Show(Notice::failure(what))));
    }
    let outcome = outcome?;
    let (sae, stopped) = (Arc::new(outcome.sae), outcome.stopped);
    finish(worker, &sae, &work.folder, (outcome.tokens_seen, stopped));
    Ok(())
}

/// Writes the dictionary and tells how it went; what was trained is never lost.
fn finish(worker: &Worker, sae: &Arc<Sae>, folder: &Path, (tokens_seen, stopped): (u64, bool)) {
    let saved = match folder.parent() {
        Some(parent) => std::fs::create_dir_all(parent).map_err(|source| {
            umbra_core::error::Error::io("cannot make the folder", parent, source)
        }),
        None => Ok(()),
    };
    let saved = saved.and_then(|()| formats::save(sae, folder, Precision::F32));
    let folder = folder.to_path_buf();
    let ended = match saved {
        Ok(()) => {
            let added = catalogue::Event::Added(folder.clone(), None);
            worker.send(Event::Catalogue(added));
            let done = Notice::success(format!("Trained {}", name_of(&folder)));
            worker.send(Event::Log(log::Event::Show(done)));
            Ended::Saved {
                folder,
                tokens_seen,
                stopped,
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

fn save_again(context: &mut Context<'_>) {
    let Some(run) = &context.state.training.run else {
        return;
    };
    let Some(Ended::Unsaved { sae, folder, .. }) = run.ended.clone() else {
        return;
    };
    let seen = run.last.map_or(0, |last| last.tokens_seen);
    let stopped = seen < run.spec.tokens;
    context
        .jobs
        .start(format!("Save {}", run.name), move |worker| {
            finish(worker, &sae, &folder, (seen, stopped));
            Ok(())
        });
}

/// Sites a dictionary can read, in the order of a forward pass.
pub fn sites() -> impl Iterator<Item = Site> {
    let unread = [
        Site::Ln1Scale,
        Site::AttnScores,
        Site::Pattern,
        Site::Result,
        Site::Ln2Scale,
    ];
    Site::ALL
        .into_iter()
        .filter(move |site| !unread.contains(site))
}
