//! Past runs: listing them, showing their curves, going on with one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::runs;
use umbra_core::train::Keeping;

use super::begin;
use super::saes_folder;
use crate::commands::context::Context;
use crate::state::catalogue::name_of;
use crate::state::training::{Curves, Event as Training, Past, PastEvent};
use crate::state::{Event, Load, log};

fn event(event: PastEvent) -> Event {
    Event::Training(Training::Past(event))
}

/// Lists the runs that left records in `project`'s folder for dictionaries, or beside a dictionary that it names.
pub(super) fn list(context: &mut Context<'_>, project: PathBuf) {
    let saes = saes_folder(&project);
    let named = context.state.catalogue.dictionaries.iter();
    let elsewhere = named.map(|dictionary| dictionary.folder.clone());
    let mut folders: Vec<PathBuf> = elsewhere
        .filter(|folder| folder.parent() != Some(&saes))
        .collect();
    folders.push(saes);
    let listed = |project, load| event(PastEvent::List(project, load));
    context.apply(listed(project.clone(), Load::Loading));
    let failed = project.clone();
    context.jobs.start_quiet(
        move |why| listed(failed, Load::Failed(why)),
        move |worker| {
            // A folder that holds a dictionary alone is no folder of runs: what it holds is not looked into.
            let is_run = |folder: &PathBuf| folder.join(runs::RECORD).exists();
            let is_saes = |folder: &PathBuf| *folder == saes_folder(&project) && folder.is_dir();
            folders.retain(|folder| is_run(folder) || is_saes(folder));
            let (found, notes) = runs::list(&folders)?;
            for note in notes.iter() {
                worker.send(Event::Log(log::Event::Line(note.to_owned())));
            }
            let past = found.into_iter().rev().map(|(folder, record)| {
                let keeping = Keeping {
                    folder: Some(folder.clone()),
                    resume: true,
                    ..Keeping::default()
                };
                Past {
                    name: name_of(&folder),
                    checkpoint: keeping.check().is_ok(),
                    folder,
                    record,
                }
            });
            let past = Arc::new(past.collect());
            worker.send(listed(project, Load::Ready(past)));
            Ok(())
        },
    );
}

/// Shows the curves of a run, or hides them.
pub(super) fn toggle(context: &mut Context<'_>, folder: &Path) {
    let chosen = context.state.training.past.toggled(folder);
    context.apply(event(PastEvent::Chosen(chosen)));
}

/// Reads the curves of a run.
pub(super) fn read(context: &mut Context<'_>, folder: PathBuf) {
    let read = |folder, load| event(PastEvent::Curves(folder, load));
    context.apply(read(folder.clone(), Load::Loading));
    let failed = folder.clone();
    context.jobs.start_quiet(
        move |why| read(failed, Load::Failed(why)),
        move |worker| {
            let curves = Curves::from_points(&runs::curves(&folder)?);
            worker.send(read(folder, Load::Ready(Arc::new(curves))));
            Ok(())
        },
    );
}

/// Goes on with a run from its checkpoint.
pub(super) fn go_on(context: &mut Context<'_>, folder: &Path) {
    match begin::past(context.state, folder) {
        Some(Ok(beginning)) => begin::begin(context, beginning),
        Some(Err(why)) => context.fail(why),
        None => {}
    }
}
