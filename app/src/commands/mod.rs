//! Everything a person can ask for: one enum per area, carried out after the frame was drawn.
//!
//! # How an area adds something
//! - **a command**: a variant in `commands/AREA.rs`'s `Command` and an arm in its `run(self, context)`. Views send it with
//!   `commands.send(AREA::Command::…)`. In `run`, change the state only by `context.apply(event)`; start long work by `context.jobs.start(…)`.
//! - **something that happens by itself** when the state calls for it (the table of a newly selected dictionary): `follow(state, commands)` of the
//!   area, asked once a frame; it compares what is there with what is selected and sends a command. The command must mark the state at once
//!   (`Load::Loading`), or it would be sent again in the next frame.
//! - **an entry of the palette**: a line in `shell/palette.rs`.

pub mod attention;
pub mod compare;
pub mod dark_matter;
pub mod dictionary;
pub mod features;
pub mod heads;
mod history;
pub mod lens;
pub mod library;
pub mod navigation;
#[cfg(test)]
mod notes_tests;
pub mod opening;
pub mod path;
pub mod prompt;
pub mod shell;
pub mod steering;
pub mod training;

use std::path::PathBuf;
use std::sync::Arc;

use crate::jobs::Jobs;
use crate::shell::dialogs::{Ask, Dialogs};
use crate::shell::layout::Layout;
use crate::state::{AppState, Event};

macro_rules! areas {
    ($($(#[$doc:meta])* $name:ident $module:ident),* $(,)?) => {
        /// One thing asked for, by area.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            $($(#[$doc])* $name($module::Command),)*
        }

        $(impl From<$module::Command> for Command {
            fn from(command: $module::Command) -> Self {
                Self::$name(command)
            }
        })*

        impl Command {
            /// Carries it out.
            pub fn run(self, context: &mut Context<'_>) {
                match self {
                    $(Self::$name(command) => command.run(context),)*
                }
            }
        }
    };
}

areas! {
    /// Screens, selection, back and forward.
    Navigation navigation,
    /// The window itself: theme, text size, palette, notifications, jobs.
    Shell shell,
    /// Projects, and opening models, dictionaries and indexes.
    Library library,
    /// The dialog that opens a model.
    Opening opening,
    /// The window's own question for a path.
    Path path,
    /// Evaluate, index, export, report of one dictionary.
    Dictionary dictionary,
    /// Table, feature page, labels.
    Features features,
    /// The sentence and its reading.
    Prompt prompt,
    /// Its logit lens.
    Lens lens,
    /// Attention patterns on it.
    Attention attention,
    /// Training runs.
    Training training,
    /// Two dictionaries side by side.
    Compare compare,
    /// Dark matter lab.
    DarkMatter dark_matter,
    /// Heads lab.
    Heads heads,
    /// Steering lab.
    Steering steering,
}

/// What a command may touch.
#[derive(Debug)]
pub struct Context<'a> {
    /// Read it; change it by [`Context::apply`].
    pub state: &'a mut AppState,
    /// Long work.
    pub jobs: &'a mut Jobs,
    /// Tiles, history, palette.
    pub layout: &'a mut Layout,
    /// File dialogs.
    pub dialogs: &'a Arc<dyn Dialogs>,
    /// Commands for the same frame, after those already waiting.
    pub commands: &'a mut Commands,
}

impl Context<'_> {
    /// Changes the state.
    pub fn apply(&mut self, event: Event) {
        self.state.apply(event);
    }

    /// Asks for a path by the system's dialog, else by the window's own, and sends the command made from the answer. Waits on a thread of its own.
    pub fn ask(&mut self, ask: Ask, then: impl FnOnce(PathBuf) -> Command + Send + 'static) {
        let dialogs = Arc::clone(self.dialogs);
        self.jobs.start_dialog(move |worker| {
            if let Some(path) = worker.path(&*dialogs, ask) {
                worker.ask(then(path));
            }
            Ok(())
        });
    }

    /// Shows a failure: one sentence.
    pub fn fail(&mut self, sentence: impl Into<String>) {
        let notice = crate::state::log::Notice::failure(sentence);
        self.apply(Event::Log(crate::state::log::Event::Show(notice)));
    }
}

/// This frame's commands, with where each was sent from.
#[derive(Debug, Default)]
pub struct Commands {
    list: Vec<(Command, &'static std::panic::Location<'static>)>,
}

impl Commands {
    /// Asks for something.
    #[track_caller]
    pub fn send(&mut self, command: impl Into<Command>) {
        self.list
            .push((command.into(), std::panic::Location::caller()));
    }

    /// Takes all commands, oldest first; tests compare them.
    pub fn take(&mut self) -> Vec<Command> {
        let list = std::mem::take(&mut self.list);
        list.into_iter().map(|(command, _)| command).collect()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Asks every area what the state calls for.
pub fn follow(state: &AppState, commands: &mut Commands) {
    library::follow(state, commands);
    opening::follow(state, commands);
    path::follow(state, commands);
    features::follow(state, commands);
    prompt::follow(state, commands);
    training::follow(state, commands);
    compare::follow(state, commands);
    dark_matter::follow(state, commands);
    heads::follow(state, commands);
    steering::follow(state, commands);
}
