//! Training runs: the form, counting the text, opening a store, starting a run and going on with one, past runs.

mod begin;
mod browse;
mod past;
#[cfg(test)]
mod tests;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::bench;
use umbra_core::corpus;
use umbra_core::device::Compute;
use umbra_core::ids::HookPoint;
use umbra_core::store::Store;

use super::context::Context;
use super::opening;
use crate::dialogs::Ask;
use crate::state::requests::Commands;
use crate::state::requests::training::Command;
use crate::state::training::{CountedText, Event as Training, Form, TextKey};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, log};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Fill(form) => context.apply(Event::Training(Training::Form(form))),
            Self::Preset(hook) => preset(context, hook),
            Self::PickText => {
                let ask = Ask::File("Choose a text to train on", corpus::ENDINGS);
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
            Self::PickStart => {
                let ask = Ask::Folder("Choose a dictionary to continue from");
                let form = context.state.training.form.clone();
                context.ask(ask, move |folder| {
                    let open = None; // its hook is known once it is read
                    Self::Fill(form.going_on_from(folder, open)).into()
                });
            }
            Self::OpenStart(folder) => open_start(context, folder),
            Self::Start => begin::start(context),
            Self::NoLine(why) => context.fail(why),
            Self::Stop => {
                if let Some(run) = context.state.training.running() {
                    let stop = crate::state::requests::shell::Command::StopJob(run.job);
                    context.commands.send(stop);
                }
            }
            Self::GoOn => begin::go_on(context),
            Self::Show(which) => context.apply(Event::Training(Training::Shown(which))),
            Self::ListPast(folder) => past::list(context, folder),
            Self::TogglePast(folder) => past::toggle(context, &folder),
            Self::ReadCurves(folder) => past::read(context, folder),
            Self::GoOnPast(folder) => past::go_on(context, &folder),
            Self::SaveAgain(which) => begin::save_again(context, which),
            Self::Clear => context.apply(Event::Training(Training::Cleared)),
        }
    }
}

/// Asks for the curves of the past runs that are shown. The screen asks for text and store once it is shown.
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
    let go = crate::state::requests::navigation::Command::Go(ViewId::Training);
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
            let text = key.request.read(&model, None)?;
            worker.notes(&text.notes);
            let counted = Arc::new(CountedText::new(text));
            worker.send(event(key, Load::Ready(counted)));
            Ok(())
        },
    );
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
            let mut heard = |at| worker.progress(at);
            let figures = bench::train(&sizes, &Compute::Cpu, &mut heard)?.done();
            let load = figures.map_or(Load::Absent, |figures| {
                Load::Ready(sizes.batch as f64 / figures.step.as_secs_f64().max(1e-9))
            });
            worker.send(event(sizes, load));
            Ok(())
        },
    );
}

/// Returns the folder of the dictionaries that the project in `folder` trained.
fn saes_folder(folder: &Path) -> PathBuf {
    folder.join("saes")
}

fn open_start(context: &mut Context<'_>, folder: PathBuf) {
    let event = |folder, load| Event::Training(Training::Start(folder, load));
    let registry = context.state.opening.registry.clone();
    let parents = opening::parents(context.state);
    context.apply(event(folder.clone(), Load::Loading));
    let failed = folder.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let (sae, notes) =
                opening::read_dictionary(folder.clone(), registry.as_deref(), &parents)?;
            for note in notes.iter() {
                worker.send(Event::Log(log::Event::Line(note.to_owned())));
            }
            worker.send(event(folder, Load::Ready(Arc::new(sae))));
            Ok(())
        },
    );
}
