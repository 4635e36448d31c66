//! The tab of Evaluation that is shown. It belongs to the selection: back and forward restore it, and it survives a restart.

use serde::{Deserialize, Serialize};

/// A tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Tab {
    /// All dictionaries with their kept numbers.
    #[default]
    Dictionaries,
    /// A task whose answer is known.
    Task,
}

impl Tab {
    /// All, in order.
    pub(crate) const ALL: [Self; 2] = [Self::Dictionaries, Self::Task];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Dictionaries => "Dictionaries",
            Self::Task => "A task with a known answer (IOI)",
        }
    }

    /// Returns the question that it answers, in one sentence.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::Dictionaries => {
                "Which dictionary is best at what? All numbers that are kept with the project, and the front of any two"
            }
            Self::Task => {
                "Are the features good enough to approximate, control and interpret the model? Sentences with two names have a known answer"
            }
        }
    }
}
