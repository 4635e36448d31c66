//! Everything that a command may touch while it is carried out.

use std::path::PathBuf;
use std::sync::Arc;

use crate::dialogs::{Ask, Dialogs};
use crate::jobs::Jobs;
use crate::state::layout::Layout;
use crate::state::requests::{Command, Commands};
use crate::state::{AppState, Event};

/// Everything that a command may touch.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Read it; change it by [`Context::apply`].
    pub(crate) state: &'a mut AppState,
    /// Long work.
    pub(crate) jobs: &'a mut Jobs,
    /// Tiles, history, palette.
    pub(crate) layout: &'a mut Layout,
    /// File dialogs.
    pub(crate) dialogs: &'a Arc<dyn Dialogs>,
    /// Commands for the same frame, after those already waiting.
    pub(crate) commands: &'a mut Commands,
}

impl Context<'_> {
    /// Changes the state.
    pub(crate) fn apply(&mut self, event: Event) {
        self.state.apply(event);
    }

    /// Asks for a path by the system's dialog, else by the window's own, and sends the command made from the answer. Waits on a thread of its own.
    pub(crate) fn ask(&mut self, ask: Ask, then: impl FnOnce(PathBuf) -> Command + Send + 'static) {
        let dialogs = Arc::clone(self.dialogs);
        self.jobs.start_dialog(move |worker| {
            if let Some(path) = worker.path(&*dialogs, ask) {
                worker.ask(then(path));
            }
            Ok(())
        });
    }

    /// Shows a failure: one sentence.
    pub(crate) fn fail(&mut self, sentence: impl Into<String>) {
        let notice = crate::state::log::Notice::failure(sentence);
        self.apply(Event::Log(crate::state::log::Event::Show(notice)));
    }
}
