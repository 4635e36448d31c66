//! Projects, and opening models, dictionaries and indexes.
//!
//! Opening is declared, not scripted: an event puts a path into the catalogue as `Load::Absent`, [`follow`] asks for what is absent, and once it is
//! ready and the project does not name it, asks to keep it.

#[cfg(test)]
mod belongs_tests;
mod projects;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_core::corpus;
use umbra_core::device;
use umbra_core::error::{Error, Result};
use umbra_core::features::Index;
use umbra_core::fit::Fit;
use umbra_core::formats;
use umbra_core::models::{Model, Opening, read_tensors, verify};
use umbra_core::progress::{Ended, Progress};
use umbra_core::project::{Entry, Project};
use umbra_core::runs::Record;
use umbra_core::sae::Sae;

use super::context::Context;
use super::opening;
use crate::dialogs::Ask;
use crate::state::catalogue::{self, DictionaryId, LoadedIndex, LoadedModel, LoadedSae};
use crate::state::opening::Kind as What;
use crate::state::project::Kind;
use crate::state::requests::library::{Command, Missing, Pick};
use crate::state::requests::{Command as AnyCommand, Commands};
use crate::state::{AppState, Event, Load, log, project, settings};

/// Files of this many bytes take long enough to read that what they take is shown first.
const WORTH_SHOWING: u64 = 256 << 20;

/// Longest wait for work on a model that is no longer open; work that takes longer gives memory back at its own end.
const IN_USE: Duration = Duration::from_secs(5);

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::OpenDemo => projects::open_demo(context),
            Self::AskToRestore => projects::ask_to_restore(context),
            Self::RestoreDemo => projects::restore_demo(context),
            Self::OpenProject(folder) => projects::open_project(context, folder),
            Self::NewProject(folder) => projects::new_project(context, &folder),
            Self::SaveAs(folder) => projects::save_as(context, folder),
            Self::Forget(path) => {
                context.apply(Event::Settings(settings::Event::Forgotten(path)));
            }
            Self::Pick(pick) => ask_path(context, pick),
            Self::OpenModel(path, opening) => projects::open_model(context, path, opening),
            Self::OpenSae(folder) => {
                context.apply(Event::Catalogue(catalogue::Event::Added(folder, None)));
            }
            Self::OpenIndex(path) => open_index(context, path),
            Self::AddText { path, held_out } => add_text(context, path, held_out),
            Self::Reading { recursive, column } => read_as(context, recursive, column),
            Self::Verify(reference) => verify_model(context, reference),
            Self::Dropped(paths) => {
                for path in paths {
                    dropped(context, path);
                }
            }
            Self::Load(missing) => load(context, missing),
            Self::GiveBack => give_back(context),
            Self::Keep => keep(context),
        }
    }
}

/// Asks for everything that the project names and that is not loaded yet.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let catalogue = &state.catalogue;
    if catalogue.model.is_absent() && catalogue.model_path.is_some() {
        commands.send(Command::Load(Missing::Model));
    }
    for dictionary in &catalogue.dictionaries {
        if dictionary.load.is_absent() {
            commands.send(Command::Load(Missing::Sae(dictionary.id)));
        }
        if dictionary.index.is_absent() && dictionary.index_path.is_some() {
            commands.send(Command::Load(Missing::Index(dictionary.id)));
        }
        if can_be_judged(catalogue, dictionary) {
            commands.send(Command::Load(Missing::IndexFit(dictionary.id)));
        }
    }
    if !catalogue.former.is_empty() {
        commands.send(Command::GiveBack);
    }
    if let Some(project) = state.project.open()
        && !state.project.unwritable
        && with_loaded(project, state) != **project
    {
        commands.send(Command::Keep);
    }
}

/// Whether an index waits to be judged and nothing that it is judged by is still on its way.
fn can_be_judged(catalogue: &catalogue::Catalogue, dictionary: &catalogue::Dictionary) -> bool {
    let settled = !dictionary.load.is_loading()
        && !dictionary.load.is_absent()
        && (catalogue.model_path.is_none()
            || !(catalogue.model.is_loading() || catalogue.model.is_absent()));
    settled && dictionary.index.ready().is_some() && dictionary.index_fit.is_absent()
}

/// The project with everything that is loaded in it; the demo's model is always its own.
fn with_loaded(project: &Project, state: &AppState) -> Project {
    let catalogue = &state.catalogue;
    let mut project = project.clone();
    if let (Some(path), Load::Ready(loaded)) = (&catalogue.model_path, &catalogue.model)
        && state.project.kind != Kind::Demo
    {
        project.model = Some(path.clone());
        project.opening = Opening {
            processing: loaded.model.processing(), // what was asked for, as far as the model allowed it
            ..catalogue.model_opening
        };
    }
    for dictionary in &catalogue.dictionaries {
        let index = dictionary.index.ready().map(|index| index.path.clone());
        let sae = &dictionary.folder;
        match project.entries.iter_mut().find(|entry| entry.sae == *sae) {
            Some(entry) => entry.index = index.or(entry.index.take()),
            None if dictionary.load.ready().is_some() => project.entries.push(Entry {
                sae: sae.clone(),
                index,
            }),
            None => {}
        }
    }
    project
}

/// Waits until nothing uses the models and dictionaries that are no longer open, and gives their memory back.
fn give_back(context: &mut Context<'_>) {
    let former = context.state.catalogue.former.clone();
    context.apply(Event::Catalogue(catalogue::Event::GivingBack));
    let why = |why| Event::Log(log::Event::Line(why));
    context.jobs.start_quiet(why, move |worker| {
        let until = Instant::now() + IN_USE;
        let used = || former.iter().any(|it| it.strong_count() > 0);
        while used() && !worker.stopped() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        device::give_back();
        Ok(())
    });
}

fn keep(context: &mut Context<'_>) {
    if let Some(project) = context.state.project.open() {
        let changed = with_loaded(project, context.state);
        write(context, changed);
    }
}

/// Writes the project and shows it changed; a failure is shown once and not tried again by itself.
pub(super) fn write(context: &mut Context<'_>, changed: Project) -> bool {
    match changed.save() {
        Ok(()) => {
            let event = project::Event::Changed(Arc::new(changed));
            context.apply(Event::Project(event));
            true
        }
        Err(error) => {
            context.apply(Event::Project(project::Event::Unwritable));
            context.fail(format!("The project could not be saved: {error}"));
            false
        }
    }
}

fn load(context: &mut Context<'_>, missing: Missing) {
    match missing {
        Missing::Model => load_model(context),
        Missing::Sae(id) => load_sae(context, id),
        Missing::Index(id) => load_index(context, id),
        Missing::IndexFit(id) => judge_index(context, id),
    }
}

fn load_model(context: &mut Context<'_>) {
    let Some(path) = context.state.catalogue.model_path.clone() else {
        return;
    };
    let opening = context.state.catalogue.model_opening;
    let event =
        |path: PathBuf, load| Event::Catalogue(catalogue::Event::Model(path, Box::new(load)));
    context.apply(event(path.clone(), Load::Loading));
    let failed = path.clone();
    context.jobs.start_or(
        format!("Load {}", catalogue::name_of(&path)),
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let (model, notes) = Model::open_as(&path, opening)?;
            let loaded = LoadedModel {
                model: Arc::new(model),
                notes,
                size_bytes: size_bytes(&path),
            };
            worker.send(event(path, Load::Ready(loaded)));
            Ok(())
        },
    );
}

fn load_sae(context: &mut Context<'_>, id: DictionaryId) {
    let Some(folder) = context.state.catalogue.get(id).map(|d| d.folder.clone()) else {
        return;
    };
    let event = move |load| Event::Catalogue(catalogue::Event::Sae(id, load));
    context.apply(event(Load::Loading));
    let registry = context.state.opening.registry.clone();
    let project = context.state.project.open().cloned();
    let parents = opening::parents(context.state);
    let name = catalogue::name_of(&folder);
    context.jobs.start_or(
        format!("Load {name}"),
        move |why| event(Load::Failed(why)),
        move |worker| {
            let size_bytes = size_bytes(&folder);
            let run = Record::read(&folder).ok().map(Arc::new); // other libraries write none
            let (sae, notes) = opening::read_dictionary(folder, registry.as_deref(), &parents)?;
            if let Some(why) = project.and_then(|it| foreign_figures(&it, &name, &sae)) {
                let evaluation = catalogue::Event::Evaluation(id, Load::Failed(why));
                worker.send(Event::Catalogue(evaluation));
            }
            let loaded = LoadedSae {
                run,
                ..LoadedSae::new(sae, notes, size_bytes)
            };
            worker.send(event(Load::Ready(loaded)));
            Ok(())
        },
    );
}

/// Says why the saved figures belong to another dictionary of the same name, if they do.
fn foreign_figures(project: &Project, name: &str, sae: &Sae) -> Option<String> {
    let kept = project.figures(name).ok()??;
    let fit = Fit::of_figures(&kept, None, Some(sae));
    fit.is_refused().then_some(fit.why)
}

fn load_index(context: &mut Context<'_>, id: DictionaryId) {
    let Some(dictionary) = context.state.catalogue.get(id) else {
        return;
    };
    let (Some(path), name) = (dictionary.index_path.clone(), dictionary.name.clone()) else {
        return;
    };
    let event = move |load| Event::Catalogue(catalogue::Event::Index(id, load));
    context.apply(event(Load::Loading));
    context.jobs.start_or(
        format!("Open the index of {name}"),
        move |why| event(Load::Failed(why)),
        move |worker| {
            worker.send(event(Load::Ready(read_index(path)?)));
            Ok(())
        },
    );
}

/// Compares fingerprints; the dictionary's takes a while to compute.
fn judge_index(context: &mut Context<'_>, id: DictionaryId) {
    let catalogue = &context.state.catalogue;
    let Some(dictionary) = catalogue.get(id) else {
        return;
    };
    let Some(about) = dictionary.index.ready().map(|index| index.about.clone()) else {
        return;
    };
    let sae = dictionary
        .load
        .ready()
        .map(|loaded| Arc::clone(&loaded.sae));
    let model = catalogue
        .model
        .ready()
        .map(|loaded| Arc::clone(&loaded.model));
    let event = move |load| Event::Catalogue(catalogue::Event::IndexFit(id, load));
    context.apply(event(Load::Loading));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let fit = Fit::of_index(&about, model.as_deref(), sae.as_deref());
            worker.send(event(Load::Ready(fit)));
            Ok(())
        },
    );
}

/// Reads what an index says about itself.
pub(super) fn read_index(path: PathBuf) -> Result<LoadedIndex> {
    let index = Index::open(&path)?;
    Ok(LoadedIndex {
        facts_elsewhere: index.facts_elsewhere()?,
        about: index.about().clone(),
        size_bytes: size_bytes(&path),
        path,
    })
}

/// Opens an index and ties it to the dictionary of the name it gives.
fn open_index(context: &mut Context<'_>, path: PathBuf) {
    let dictionaries = context.state.catalogue.dictionaries.iter();
    let known: Vec<(DictionaryId, String)> = dictionaries.map(|d| (d.id, d.name.clone())).collect();
    context.jobs.start("Open the index", move |worker| {
        let loaded = read_index(path)?;
        let of = &loaded.about.sae;
        let Some((id, _)) = known.iter().find(|(_, name)| name == of) else {
            let what =
                format!("this index belongs to the dictionary `{of}`: open that dictionary first");
            return Err(Error::input(what, &loaded.path));
        };
        let event = catalogue::Event::Index(*id, Load::Ready(loaded));
        worker.send(Event::Catalogue(event));
        Ok(())
    });
}

fn add_text(context: &mut Context<'_>, path: PathBuf, held_out: bool) {
    let Some(project) = context.state.project.open() else {
        return context.fail("Open or create a project first: texts are saved with it");
    };
    let mut changed = (**project).clone();
    let texts = if held_out {
        &mut changed.held_out_text
    } else {
        &mut changed.train_text
    };
    if !texts.contains(&path) {
        texts.push(path);
        write(context, changed);
    }
}

/// Opens a dropped path according to its content.
fn dropped(context: &mut Context<'_>, path: PathBuf) {
    let holds = |name: &str| path.join(name).is_file();
    let ends = |endings: &[&str]| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    let of_dictionary = |path: &Path| formats::Format::detect(path).is_ok();
    let command = if Project::is_in(&path) {
        Command::OpenProject(path)
    } else if path.is_dir() && of_dictionary(&path) {
        Command::OpenSae(path)
    } else if holds("config.json") || ends(&["gguf"]) {
        return dropped_model(context, path);
    } else if ends(&["sqlite", "db"]) {
        Command::OpenIndex(path)
    } else if corpus::is_text(&path) {
        Command::AddText {
            path,
            held_out: false,
        }
    } else if ends(&["json", "safetensors", "pt", "pth", "npz"]) && path.parent().is_some() {
        // a file of a model or dictionary means its folder, unless that holds several dictionaries
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        if of_dictionary(&folder) {
            Command::OpenSae(folder)
        } else if of_dictionary(&path) {
            Command::OpenSae(path)
        } else if ends(&["json"]) && !folder.join("config.json").is_file() {
            Command::AddText {
                path,
                held_out: false,
            }
        } else {
            return dropped_model(context, folder);
        }
    } else {
        let what = "this is not a project, model, dictionary, index or text";
        return context.fail(format!("{}: {what}", path.display()));
    };
    context.commands.send(command);
}

/// Opens a small model at once; of a large one the dialog first shows what it takes.
fn dropped_model(context: &mut Context<'_>, path: PathBuf) {
    if size_bytes(&path) < WORTH_SHOWING {
        context
            .commands
            .send(Command::OpenModel(path, Opening::default()));
    } else {
        context
            .commands
            .send(crate::state::requests::opening::Command::Source(
                What::Model,
                path,
            ));
    }
}

/// Keeps how the project's texts are read.
fn read_as(context: &mut Context<'_>, recursive: bool, column: Option<String>) {
    let Some(project) = context.state.project.open() else {
        return;
    };
    let mut changed = (**project).clone();
    changed.recursive = recursive;
    changed.text_column = column;
    write(context, changed);
}

/// Compares the model with reference values in a file, or its hooks with one another.
fn verify_model(context: &mut Context<'_>, reference: Option<PathBuf>) {
    let catalogue = &context.state.catalogue;
    let (Some(path), Some(loaded)) = (&catalogue.model_path, catalogue.model.ready()) else {
        return context.fail("Open a model first");
    };
    let before = match &catalogue.verification {
        Load::Loading => return,
        Load::Ready(before) => Load::Ready(Arc::clone(before)),
        _ => Load::Absent,
    };
    let (path, model) = (path.clone(), Arc::clone(&loaded.model));
    let reference = reference.or_else(|| verify::beside(&path));
    let event = move |path, load| Event::Catalogue(catalogue::Event::Verification(path, load));
    context.apply(event(path.clone(), Load::Loading));
    let failed = path.clone();
    context.jobs.start_or(
        format!("Verify {}", model.name()),
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let mut done = 0;
            let values = reference.map(|file| read_tensors(&file)).transpose()?;
            let total = values.as_ref().map_or(0, BTreeMap::len);
            let observe = &mut |_: &verify::Row| {
                done += 1;
                worker.progress(Progress::new(done, total.max(done), "tensors"))
            };
            let verification = match &values {
                Some(values) => verify::against(&model, values, observe),
                None => verify::itself(&model, observe),
            }?;
            let load = match verification {
                Ended::Done(verification) => Load::Ready(Arc::new(verification)),
                Ended::Stopped(_) => before,
            };
            worker.send(event(path, load));
            Ok(())
        },
    );
}

/// Asks for a path on a thread of its own and sends the command that it is for.
fn ask_path(context: &mut Context<'_>, pick: Pick) {
    let ask = match pick {
        Pick::Project => Ask::Folder("Open a project"),
        Pick::NewProject => Ask::Folder("Choose an empty folder for the new project"),
        Pick::SaveProject => {
            let name = context
                .state
                .project
                .open()
                .map(|project| project.name.clone());
            // A name of its own: the folder last opened holds the model's, by the same name.
            let name = name.unwrap_or_default().replace('/', "-");
            Ask::Save("Save the project as a folder", format!("{name} project"))
        }
        Pick::Index => Ask::File("Open an index", &["sqlite", "db"]),
        Pick::Reference => Ask::File("Compare with reference values", &["safetensors"]),
        Pick::Text { .. } => Ask::File("Add a text", corpus::ENDINGS),
    };
    context.ask(ask, move |path| {
        AnyCommand::Library(match pick {
            Pick::Project => Command::OpenProject(path),
            Pick::NewProject => Command::NewProject(path),
            Pick::SaveProject => Command::SaveAs(path),
            Pick::Index => Command::OpenIndex(path),
            Pick::Reference => Command::Verify(Some(path)),
            Pick::Text { held_out } => Command::AddText { path, held_out },
        })
    });
}

/// Size of a file, or of the files of a folder.
fn size_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return std::fs::metadata(path).map_or(0, |file| file.len());
    };
    let files = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    files
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum()
}
