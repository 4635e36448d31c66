//! Opens, creates, saves and restores projects. The bundled demo opens over the user's copy, which never names another model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::error::{Error, Notes, Result};
use umbra_core::hub;
use umbra_core::models::Opening;
use umbra_core::project::{Overlaid, Project};
use umbra_core::workbench::edits_file;

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::persist;
use crate::state::catalogue::{self, Evaluation};
use crate::state::kept::Edits;
use crate::state::log::Notice;
use crate::state::project::{Kind, Opened};
use crate::state::requests::library::{Command, Pick};
use crate::state::requests::shell;
use crate::state::steering::Draft;
use crate::state::{Event, log, project};

/// Opens the demo over the person's copy; a copy that named another model is repaired and says so.
pub(super) fn open_demo(context: &mut Context<'_>) {
    let places = context.state.places.clone();
    start_opening(context, places.demo.clone(), move |worker| {
        let (bundled, notes) = Project::open(&places.demo)?;
        let overlaid = bundled.overlay(&places.users_demo()?)?;
        demo_opened(worker, overlaid, notes)
    });
}

/// Asks before the demo is restored.
pub(super) fn ask_to_restore(context: &mut Context<'_>) {
    let question = shell::Question {
        title: "Restore the demo",
        text: "The demo returns to its original state and keeps your labels. Your other changes (added dictionaries, saved sentences, figures) move to a backup in your folder; dictionaries that you trained stay where they are.".to_owned(),
        button: "Restore",
        command: Box::new(Command::RestoreDemo.into()),
    };
    context.commands.send(shell::Command::Ask(Some(question)));
}

/// Restores the user's copy of the demo and opens it.
pub(super) fn restore_demo(context: &mut Context<'_>) {
    let places = context.state.places.clone();
    start_opening(context, places.demo.clone(), move |worker| {
        let (bundled, mut notes) = Project::open(&places.demo)?;
        let mut overlaid = bundled.restore(&places.users_demo()?)?;
        let restored = std::mem::take(&mut overlaid.notes);
        let said: Vec<_> = restored.iter().collect();
        let done = format!("The demo is restored. {}", said.join(". "));
        worker.send(show(Notice::success(done)));
        notes.extend(restored);
        demo_opened(worker, overlaid, notes)
    });
}

fn show(notice: Notice) -> Event {
    Event::Log(log::Event::Show(notice))
}

fn demo_opened(worker: &Worker, overlaid: Overlaid, mut notes: Notes) -> Result<Opened> {
    if let Some((model, opening)) = overlaid.displaced {
        let words = format!(
            "Your copy of the demo used another model, {}. The demo uses its own model again.",
            model.display()
        );
        let open = Command::OpenModel(model, opening);
        worker.send(show(Notice::info(words).with("Open the other model", open)));
    }
    notes.extend(overlaid.notes);
    opened(worker, overlaid.project, notes, Kind::Demo)
}

/// Opens the project in `folder`; one that lies over another is brought up to date with it.
pub(super) fn open_project(context: &mut Context<'_>, folder: PathBuf) {
    let places = &context.state.places;
    if folder
        .canonicalize()
        .is_ok_and(|folder| folder == places.demo)
    {
        return open_demo(context); // never written to
    }
    let unsaved = places.unsaved();
    start_opening(context, folder.clone(), move |worker| {
        let (project, notes) = Project::open(&folder)?;
        if let Some(origin) = project.origin.as_ref().filter(|o| Project::is_in(o)) {
            let (bundled, notes) = Project::open(origin)?;
            let overlaid = bundled.overlay(&project.folder)?;
            return demo_opened(worker, overlaid, notes);
        }
        let kind = match unsaved {
            _ if project.origin.is_some() => Kind::Demo,
            Ok(unsaved) if project.folder.starts_with(&unsaved) => Kind::Unsaved,
            _ => Kind::Own,
        };
        opened(worker, project, notes, kind)
    });
}

/// Makes a project in `folder` and opens it.
pub(super) fn new_project(context: &mut Context<'_>, folder: &Path) {
    match Project::create(folder, &catalogue::name_of(folder)) {
        Ok(project) => open_project(context, project.folder),
        Err(error) => context.fail(error.to_string()),
    }
}

/// Opens a model: into the project, or, where that is the demo or there is none, into a new one that is not saved yet.
pub(super) fn open_model(context: &mut Context<'_>, path: PathBuf, opening: Opening) {
    let state = &context.state;
    let catalogue = &state.catalogue;
    let same = catalogue.model_path.as_ref() == Some(&path);
    match state.project.open() {
        Some(demo) if state.project.kind == Kind::Demo => {
            if !same || catalogue.model_opening != opening {
                let demo = Arc::clone(demo);
                open_model_apart(context, &demo, path, opening);
            }
        }
        None if state.places.data.is_some() && !state.project.load.is_loading() => {
            open_model_apart(context, &Arc::default(), path, opening);
        }
        _ => {
            let named = catalogue::Event::ModelNamed(path, opening);
            context.apply(Event::Catalogue(named));
        }
    }
}

/// Opens a model in a new project with the texts of `like`. The demo's model opened in another way takes its dictionaries along.
fn open_model_apart(
    context: &mut Context<'_>,
    like: &Arc<Project>,
    path: PathBuf,
    opening: Opening,
) {
    let places = context.state.places.clone();
    let sentence = context.state.prompt.text.clone();
    let demo = context.state.project.kind == Kind::Demo;
    let same = demo && like.model.as_ref() == Some(&path);
    let name = if same {
        like.name.clone()
    } else {
        hub::name_in(&path).unwrap_or_else(|| catalogue::name_of(&path))
    };
    let like = Arc::clone(like);
    context
        .jobs
        .start("Open the model in a new project", move |worker| {
            let folder = Project::free_folder(&places.unsaved()?, &name);
            let mut project = if same {
                like.save_as(&folder)?
            } else {
                like.fresh_like(&folder, &name)?
            };
            (project.model, project.opening) = (Some(path), opening);
            project.save()?;
            let mut opened = opened(worker, project, Notes::default(), Kind::Unsaved)?;
            opened.sentence = Some(sentence);
            worker.send(Event::Project(project::Event::Opened(Box::new(opened))));
            let words = format!("{name} was opened in a new project, which is not saved yet.");
            let notice = Notice::info(words)
                .with("Save project as…", Command::Pick(Pick::SaveProject))
                .with("Open the demo", Command::OpenDemo);
            worker.send(show(notice));
            Ok(())
        });
}

/// Copies the open project to `folder` and continues there.
pub(super) fn save_as(context: &mut Context<'_>, folder: PathBuf) {
    let state = &context.state;
    let Some(project) = state.project.open().map(Arc::clone) else {
        return context.fail("No project to save: open a model first");
    };
    let running = state.jobs.running().next().map(|job| job.name.clone());
    if let Some(job) = running {
        let what = format!("Wait until “{job}” has ended, or stop it");
        return context.fail(format!("{what}: it writes to the project's folder"));
    }
    let unsaved = context.state.project.kind == Kind::Unsaved;
    context.jobs.start("Save the project", move |worker| {
        let saved = project.save_as(&folder)?;
        worker.send(Event::Project(project::Event::Saved(Arc::new(saved))));
        let done = format!("Project saved in {}", folder.display());
        worker.send(show(Notice::success(done)));
        if unsaved {
            std::fs::remove_dir_all(&project.folder).map_err(|source| {
                Error::io("cannot remove the previous folder", &project.folder, source)
            })?;
            let forget = Command::Forget(project.folder.clone());
            worker.ask(forget.into());
        }
        Ok(())
    });
}

/// Reads labels, kept figures and what was on the screens beside the project itself.
fn opened(worker: &Worker, project: Project, mut notes: Notes, kind: Kind) -> Result<Opened> {
    let (mut kept, said) = persist::project(&project.folder);
    if let Some(said) = said {
        worker.send(show(Notice::info(said)));
    }
    let mut edits = vec![];
    let file = project.folder.join(edits_file::NAME);
    let is_kept = kept.as_ref().is_some_and(|kept| !kept.edits.is_untouched());
    if !is_kept && file.is_file() {
        match edits_file::read(&file) {
            Ok(read) => edits = read,
            Err(why) => notes.add(why.to_string()),
        }
    }
    if let Some(kept) = &mut kept
        && !edits.is_empty()
    {
        kept.edits = Edits::new(&Draft::from_switched(&edits));
    }
    let store = project.labels_there()?;
    let mut labels = vec![];
    let mut evaluations = vec![];
    for entry in &project.entries {
        let name = catalogue::name_of(&entry.sae);
        if let Some(store) = &store {
            labels.extend(store.all(&name)?);
        }
        match project.figures(&name) {
            Ok(None) => {}
            Ok(Some(kept)) => {
                let evaluation = Evaluation {
                    figures: kept.figures,
                    text: kept.text,
                    device: kept.device,
                };
                evaluations.push((entry.sae.clone(), evaluation));
            }
            Err(why) => notes.add(why.to_string()), // they are measured anew by a click
        }
    }
    Ok(Opened {
        project: Arc::new(project),
        labels,
        evaluations,
        notes,
        kind,
        sentence: None,
        kept: kept.map(Box::new),
        edits,
    })
}

fn start_opening(
    context: &mut Context<'_>,
    folder: PathBuf,
    open: impl FnOnce(&Worker) -> Result<Opened> + Send + 'static,
) {
    context.apply(Event::Project(project::Event::Asked(folder)));
    context.jobs.start_or(
        "Open the project",
        |why| Event::Project(project::Event::Failed(why)),
        move |worker| {
            let opened = open(worker)?;
            worker.send(Event::Project(project::Event::Opened(Box::new(opened))));
            Ok(())
        },
    );
}
