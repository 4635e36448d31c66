//! Requests of the tab Causes, one file per panel.

pub(crate) mod attributed;
pub(crate) mod patching;
pub(crate) mod smallest;

use crate::state::steering::causes::Form;
use crate::state::steering::causes::question::Question;

macro_rules! panels {
    ($($(#[$doc:meta])* $name:ident $module:ident),* $(,)?) => {
        /// Requests of the tab.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Command {
            /// Text or target changed.
            Form(Form),
            /// Show a question's panel.
            Ask(Question),
            $($(#[$doc])* $name($module::Command),)*
        }

        $(impl From<$module::Command> for crate::state::requests::Command {
            fn from(command: $module::Command) -> Self {
                Self::Steering(super::Command::Causes(Command::$name(command)))
            }
        })*
    };
}

panels! {
    /// Features and parts as causes.
    Attributed attributed,
    /// Patching between two texts.
    Patching patching,
    /// The smallest set of edits.
    Smallest smallest,
}
