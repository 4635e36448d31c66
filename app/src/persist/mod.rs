//! Keeps state over a restart and a crash. Settings lie in the program's folder for data as `settings.json`, the state of a project's screens in the project's folder
//! as `window.json`, the demo's in the person's copy of it. (eframe itself keeps the window's size and position.)
//!
//! A change is written within half a second by a thread that sleeps until there is one: nothing is drawn and nothing ticks for it.

mod files;
mod gather;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use umbra_core::workbench::edits_file;

use crate::state::AppState;
use crate::state::kept::Kept;
use crate::state::layout::Layout;
use crate::state::settings::Settings;

pub(crate) use files::{Content, project, settings};

/// Longest time from a change to its writing.
const SOON: Duration = Duration::from_millis(400);

/// Changes on their way to the thread that writes.
#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Latest content of each file that is not written yet.
    files: BTreeMap<PathBuf, Content>,
    /// Whether they are written without waiting for more.
    hurry: bool,
    /// Whether nothing more will come.
    closed: bool,
    /// Sentences on what could not be written.
    failures: Vec<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, then a little for more, and takes all. Nothing: there will be none.
    fn next(&self) -> Option<BTreeMap<PathBuf, Content>> {
        let idle = |waiting: &mut Waiting| waiting.files.is_empty() && !waiting.closed;
        let waiting = self.changed.wait_while(self.lock(), idle);
        let open = |waiting: &mut Waiting| !waiting.closed && !waiting.hurry;
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(waiting, SOON, open);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.hurry = false;
        let files = std::mem::take(&mut waiting.files);
        (!files.is_empty()).then_some(files)
    }
}

/// Sees what changed and has it written.
#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    settings: Option<Settings>,
    project: Option<(PathBuf, Kept)>,
    /// The edits of the project's file, as they were handed over.
    edits: String,
}

impl Keeper {
    /// Starts the thread; `wake` makes the window draw, to show what could not be written.
    pub(crate) fn new(wake: impl Fn() + Send + 'static) -> Self {
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("keep state".to_owned());
        let thread = thread.spawn(move || write_through(&of_thread, &wake));
        Self {
            shared,
            thread: thread.ok(), // without it the changes are lost, as after a crash
            settings: None,
            project: None,
            edits: String::new(),
        }
    }

    /// Hands over what changed since the last call. The first state of settings and of a project is what was read, and not written again.
    pub(crate) fn see(&mut self, state: &AppState, layout: &Layout) {
        if self.settings.as_ref() != Some(&state.settings) {
            let first = self.settings.replace(state.settings.clone()).is_none();
            if let (false, Some(data)) = (first, &state.places.data) {
                let content = Content::Settings(Box::new(state.settings.clone()));
                self.hand_over(data.join(files::SETTINGS), content);
            }
        }
        let folder = state.project.folder().map(Path::to_path_buf);
        if self.project.as_ref().map(|(of, _)| of) != folder.as_ref() {
            self.hurry(); // a project that is left may be opened again at once
        }
        let Some(folder) = folder.filter(|_| !state.resume.is_for_layout()) else {
            return;
        };
        let kept = gather::kept(state, layout);
        let (same, first) = match &self.project {
            Some((of, before)) => (*of == folder && *before == kept, *of != folder),
            None => (false, true),
        };
        if !same {
            self.project = Some((folder.clone(), kept.clone()));
            let edits = gather::edits(state);
            let changed = std::mem::replace(&mut self.edits, edits.clone()) != edits;
            if !first && changed {
                self.hand_over(folder.join(edits_file::NAME), Content::Edits(edits));
            }
            if !first {
                self.hand_over(folder.join(files::WINDOW), Content::Project(Box::new(kept)));
            }
        }
    }

    /// Sentences on what could not be written since the last call, one for each file.
    pub(crate) fn failures(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().failures)
    }

    /// Writes what waits and ends the thread.
    pub(crate) fn close(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // it panicked: nothing is left to write
        }
    }

    fn hurry(&self) {
        let mut waiting = self.shared.lock();
        waiting.hurry = !waiting.files.is_empty();
        drop(waiting);
        self.shared.changed.notify_one();
    }

    fn hand_over(&self, path: PathBuf, content: Content) {
        self.shared.lock().files.insert(path, content);
        self.shared.changed.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes changes until there will be no more, the latest of each file.
fn write_through(shared: &Shared, wake: &dyn Fn()) {
    let mut told = BTreeSet::new();
    while let Some(files) = shared.next() {
        for (path, content) in files {
            let Err(error) = files::write(&path, &content) else {
                continue;
            };
            if told.insert(path) {
                let failed = format!("What is on the screens is not kept: {error}");
                shared.lock().failures.push(failed);
                wake();
            }
        }
    }
}
