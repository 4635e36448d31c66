//! Requests of the user as plain data, one enum per area. Views send them; `commands/` carries them out after the frame is drawn.
//!
//! To add one: a variant in `requests/AREA.rs`'s `Command` and an arm in `commands/AREA.rs`'s `run`. Views send it with
//! `commands.send(AREA::Command::…)`.

pub(crate) mod attention;
pub(crate) mod compare;
pub(crate) mod dark_matter;
pub(crate) mod devices;
pub(crate) mod dictionary;
pub(crate) mod evaluation;
pub(crate) mod families;
pub(crate) mod features;
pub(crate) mod heads;
pub(crate) mod labels;
pub(crate) mod lens;
pub(crate) mod library;
pub(crate) mod navigation;
pub(crate) mod opening;
pub(crate) mod passes;
pub(crate) mod path;
pub(crate) mod prompt;
pub(crate) mod results;
pub(crate) mod search;
pub(crate) mod shell;
pub(crate) mod steering;
pub(crate) mod texts;
pub(crate) mod training;

macro_rules! areas {
    ($($(#[$doc:meta])* $name:ident $module:ident),* $(,)?) => {
        /// One request, by area.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Command {
            $($(#[$doc])* $name($module::Command),)*
        }

        $(impl From<$module::Command> for Command {
            fn from(command: $module::Command) -> Self {
                Self::$name(command)
            }
        })*

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
    /// The devices that compute.
    Devices devices,
    /// Export, report of one dictionary, and the way to its evaluation and index.
    Dictionary dictionary,
    /// Evaluation and index: how much text, and to run them.
    Passes passes,
    /// Table, feature page, labels.
    Features features,
    /// Families of features, and tests of predicates.
    Families families,
    /// Measured facts, and labels from facts, files and a language model.
    Labels labels,
    /// The sentence and its reading.
    Prompt prompt,
    /// The sentence by every dictionary, beside a second text, and two sets of texts.
    Texts texts,
    /// Search by text over all dictionaries.
    Search search,
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
    /// Worth of dictionaries: kept numbers, and a task with a known answer.
    Evaluation evaluation,
    /// The project's report of results.
    Results results,
}

/// This frame's commands, with where each was sent from.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    list: Vec<(Command, &'static std::panic::Location<'static>)>,
}

impl Commands {
    /// Asks for something.
    #[track_caller]
    pub(crate) fn send(&mut self, command: impl Into<Command>) {
        self.list
            .push((command.into(), std::panic::Location::caller()));
    }

    /// Takes all commands, oldest first; tests compare them.
    pub(crate) fn take(&mut self) -> Vec<Command> {
        let list = std::mem::take(&mut self.list);
        list.into_iter().map(|(command, _)| command).collect()
    }

    /// Returns what was asked for so far, oldest first.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &Command> {
        self.list.iter().map(|(command, _)| command)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
