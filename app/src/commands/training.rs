//! Training runs: the form, counting the text, opening a store, starting a run and going on with one, past runs.

mod browse;
mod past;
#[cfg(test)]
mod tests;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::bench;
use umbra_core::corpus::{Corpus, CorpusSpec, Part};
use umbra_core::error::Result;
use umbra_core::ids::{HookPoint, Site};
use umbra_core::models::Model;
use umbra_core::store::Store;
use umbra_core::train::{Keeping, Spec};

use self::work::{Reads, Work};
use super::{Commands, Context, dictionary};
use crate::shell::dialogs::Ask;
use crate::state::catalogue::name_of;
use crate::state::training::{Curves, Ended, Event as Training, Form, Run, Source, Text, TextKey};
use crate::state::{AppState, Event, Load, log};
use crate::views::{ViewId, training::plan};

/// What can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The form was edited.
    Fill(Form),
    /// Show the form ready to train on this layer's attention values.
    Preset(HookPoint),
    /// Ask for a text by the system's dialog.
    PickText,
    /// Ask for an activation store by the system's dialog.
    PickStore,
    /// Read and count the text of the form.
    CountText(TextKey),
    /// Open the store of the form.
    OpenStore(PathBuf),
    /// Measure how long a training step of these sizes takes.
    Measure(bench::Settings),
    /// Start the run that the form describes.
    Start,
    /// Stop the run; its dictionary is kept as it stands.
    Stop,
    /// Go on with the run that ended, from its checkpoint.
    GoOn,
    /// List the runs that left records with the project.
    ListPast(PathBuf),
    /// Show the curves of a past run, or hide them.
    TogglePast(PathBuf),
    /// Read the curves of a past run.
    ReadCurves(PathBuf),
    /// Go on with a past run, from its checkpoint.
    GoOnPast(PathBuf),
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
                    let (text, store) = (Some(path), None);
                    Self::Fill(Form {
                        text,
                        store,
                        ..form
                    })
                    .into()
                });
            }
            Self::PickStore => {
                let ask = Ask::Folder("Choose an activation store to train on");
                let form = context.state.training.form.clone();
                context.ask(ask, move |folder| {
                    let (text, store) = (None, Some(folder));
                    Self::Fill(Form {
                        text,
                        store,
                        ..form
                    })
                    .into()
                });
            }
            Self::CountText(key) => count_text(context, key),
            Self::OpenStore(folder) => open_store(context, folder),
            Self::Measure(sizes) => measure(context, sizes),
            Self::Start => start(context),
            Self::Stop => {
                if let Some(run) = context.state.training.running() {
                    let stop = super::shell::Command::StopJob(run.job);
                    context.commands.send(stop);
                }
            }
            Self::GoOn => go_on(context),
            Self::ListPast(folder) => past::list(context, folder),
            Self::TogglePast(folder) => past::toggle(context, &folder),
            Self::ReadCurves(folder) => past::read(context, folder),
            Self::GoOnPast(folder) => past::go_on(context, &folder),
            Self::SaveAgain => save_again(context),
            Self::Clear => context.apply(Event::Training(Training::Cleared)),
        }
    }
}

/// What the state calls for: the curves of the past runs that are to be shown. Text and store are asked for by the screen, once it is shown.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let past = &state.training.past;
    let missing = past
        .chosen
        .iter()
        .filter(|run| !past.curves.contains_key(*run));
    for folder in missing {
        commands.send(Command::ReadCurves(folder.clone()));
    }
}

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

fn open_store(context: &mut Context<'_>, folder: PathBuf) {
    let event = |folder, load| Event::Training(Training::Store(folder, load));
    context.apply(event(folder.clone(), Load::Loading));
    let failed = folder.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let (store, notes) = Store::open(&folder)?;
            for note in notes.iter() {
                worker.send(Event::Log(log::Event::Line(note.to_owned())));
            }
            worker.send(event(folder, Load::Ready(Arc::new(store))));
            Ok(())
        },
    );
}

fn measure(context: &mut Context<'_>, sizes: bench::Settings) {
    let event = |sizes, load| Event::Training(Training::Measured(sizes, load));
    context.apply(event(sizes.clone(), Load::Loading));
    let failed = sizes.clone();
    context.jobs.start_or(
        "Measure the speed of a training step",
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let figures = bench::train(&sizes, &mut |share| {
                worker.progress((share * 100.0).round() as u64, 100, "percent")
            })?;
            let load = figures.map_or(Load::Absent, |figures| {
                Load::Ready(sizes.batch as f64 / figures.step.as_secs_f64().max(1e-9))
            });
            worker.send(event(sizes, load));
            Ok(())
        },
    );
}

fn start(context: &mut Context<'_>) {
    let plan = plan::plan(context.state);
    let state = &context.state;
    let (Some(spec), None) = (plan.spec, plan.refusal) else {
        return;
    };
    let (Some(project), Some(source)) = (state.project.open(), plan::source(state)) else {
        return;
    };
    let name = free_name(&saes_folder(&project.folder), plan.name);
    let keeping = Keeping {
        folder: Some(saes_folder(&project.folder).join(&name)),
        interval: plan.checkpoint,
        ..Keeping::default()
    };
    begin(context, (spec, source, keeping), Curves::default());
}

/// Goes on with the run on screen. Where it failed, the learning rate of the form is taken: with the old one it would fail again.
fn go_on(context: &mut Context<'_>) {
    let state = &context.state;
    let Some(run) = state.training.run.as_ref() else {
        return;
    };
    let mut spec = run.spec.clone();
    if let Some(Ended::Failed { .. }) = &run.ended {
        spec.learning_rate = plan::read(&state.training.form).0.learning_rate;
    }
    let keeping = Keeping {
        folder: Some(run.folder.clone()),
        interval: plan::plan(state).checkpoint,
        resume: true,
        ..Keeping::default()
    };
    let (source, curves) = (run.source.clone(), run.curves.clone());
    begin(context, (spec, source, keeping), curves);
}

/// Starts the job of a run; `curves` are those that it had before.
fn begin(
    context: &mut Context<'_>,
    (spec, source, keeping): (Spec, Source, Keeping),
    curves: Curves,
) {
    let state = &context.state;
    if state.training.running().is_some() {
        return;
    }
    let reads = match (&source, state.model()) {
        (Source::Text(key, text), Some(loaded)) => {
            Reads::Text(Arc::clone(&loaded.model), Arc::clone(text), key.clone())
        }
        (Source::Store(store), loaded) => {
            let open = loaded.map(|loaded| Arc::clone(&loaded.model));
            Reads::Store(Arc::clone(store), open)
        }
        (Source::Text(..), None) => {
            return context.fail("Open the model first: the run reads its activations");
        }
    };
    let Some(folder) = keeping.folder.clone() else {
        return;
    };
    let name = name_of(&folder);
    let left = Keeping {
        resume: true,
        ..keeping.clone()
    };
    let work = Work {
        spec: spec.clone(),
        reads,
        replaces: state.catalogue.by_folder(&folder).map(|there| there.id),
        folder: folder.clone(),
        keeping,
    };
    let job = context.jobs.start_or(
        format!("Train {name}"),
        move |why| {
            let checkpoint = left.check().is_ok();
            Event::Training(Training::Ended(Ended::Failed { why, checkpoint }))
        },
        move |worker| work::train(worker, work),
    );
    context.apply(Event::Training(Training::Started(Box::new(Run {
        job,
        name,
        folder,
        spec,
        source,
        curves,
        ranking: None,
        browsed: None,
        last: None,
        notes: vec![],
        ended: None,
    }))));
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

/// Where the project in `folder` keeps what it trained.
fn saes_folder(folder: &Path) -> PathBuf {
    folder.join("saes")
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
            work::finish(worker, &sae, (&folder, None), (seen, stopped, false));
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
