//! The window's own question for a path: lists folders, completes, answers the worker that asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::error::{Error, Result};

use super::context::Context;
use crate::state::path::{Entry, Event as Area, Verdict};
use crate::state::requests::Commands;
use crate::state::requests::path::Command;
use crate::state::{AppState, Event, Load};

/// Entries of a folder that are read.
const ENTRIES: usize = 10_000;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let event = Event::Path;
        match self {
            Self::Text(text) => context.apply(event(Area::Text(text))),
            Self::Complete => {
                if let Some(text) = context.state.path.completed() {
                    context.apply(event(Area::Text(text)));
                }
            }
            Self::Mark(marked) => context.apply(event(Area::Marked(marked))),
            Self::List(folder) => list(context, folder),
            Self::MakeFolder => make_folder(context),
            Self::Choose => choose(context),
            Self::Cancel => context.apply(event(Area::Answered(None))),
        }
    }
}

/// The folder of what is typed is listed.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let folder = state.path.folder(state.places.home.as_deref());
    if let Some(folder) = folder
        && state.path.listed.as_ref() != Some(&folder)
    {
        commands.send(Command::List(folder));
    }
}

fn verdict(state: &AppState) -> Verdict {
    state.path.verdict(state.places.home.as_deref())
}

fn choose(context: &mut Context<'_>) {
    if let Verdict::Good(path) | Verdict::Replaces(path) = verdict(context.state) {
        // what is chosen is named whole: a job may run in another folder
        let path = std::path::absolute(&path).unwrap_or(path);
        context.apply(Event::Path(Area::Answered(Some(path))));
    }
}

fn list(context: &mut Context<'_>, folder: PathBuf) {
    let of = folder.clone();
    let event = move |load| Event::Path(Area::Listed(of.clone(), load));
    context.apply(event(Load::Loading));
    let arrived = event.clone();
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            worker.send(arrived(Load::Ready(Arc::new(entries(&folder)?))));
            Ok(())
        },
    );
}

/// Lists a folder: subfolders first, by name.
fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let read = std::fs::read_dir(folder)
        .map_err(|source| Error::io("cannot read the folder", folder, source))?;
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let folder = entry.path().is_dir(); // of a link, what it leads to
        Some(Entry { name, folder })
    };
    let mut entries: Vec<Entry> = read.take(ENTRIES).filter_map(entry).collect();
    entries.sort_by(|a, b| b.folder.cmp(&a.folder).then_with(|| a.name.cmp(&b.name)));
    Ok(entries)
}

fn make_folder(context: &mut Context<'_>) {
    let Verdict::NewFolder(path) = verdict(context.state) else {
        return;
    };
    match std::fs::create_dir(&path) {
        Ok(()) => {
            let text = context
                .state
                .path
                .field
                .as_ref()
                .map(|f| format!("{}/", f.text));
            context.apply(Event::Path(Area::Text(text.unwrap_or_default())));
        }
        Err(source) => {
            let why = Error::io("cannot create the folder", &path, source);
            context.fail(why.to_string());
        }
    }
}
