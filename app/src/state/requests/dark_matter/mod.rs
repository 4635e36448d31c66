//! Requests of the dark matter lab, one file per panel.

pub(crate) mod depth;
pub(crate) mod fit;
pub(crate) mod ladder;
pub(crate) mod places;
pub(crate) mod predict;
pub(crate) mod pursuit;
pub(crate) mod self_test;
pub(crate) mod splice;
pub(crate) mod train;

use crate::state::dark_matter::question::Question;

macro_rules! panels {
    ($($(#[$doc:meta])* $name:ident $module:ident),* $(,)?) => {
        /// Requests of this area.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Command {
            /// Show a question's panel.
            Show(Question),
            $($(#[$doc])* $name($module::Command),)*
        }

        $(impl From<$module::Command> for super::Command {
            fn from(command: $module::Command) -> Self {
                Self::DarkMatter(Command::$name(command))
            }
        })*
    };
}

panels! {
    /// The linear probe.
    Fit fit,
    /// Where the error is.
    Places places,
    /// The error along depth.
    Depth depth,
    /// The width ladder.
    Ladder ladder,
    /// Cross-entropy with each part put back.
    Splice splice,
    /// Features chosen one by one.
    Pursuit pursuit,
    /// Predictions from other hooks.
    Predict predict,
    /// The self-test of the split.
    SelfTest self_test,
    /// Dictionaries trained on the error.
    Train train,
}
