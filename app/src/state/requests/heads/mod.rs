//! Requests of the heads lab, one file per panel.

pub(crate) mod attribution;
pub(crate) mod circuit;
pub(crate) mod features;
pub(crate) mod induction;
pub(crate) mod roles;
pub(crate) mod survey;

use umbra_core::ids::{Head, Layer};

use crate::state::heads::map::MapState;
use crate::state::heads::step::{Step, Tab};

macro_rules! panels {
    ($($(#[$doc:meta])* $name:ident $module:ident),* $(,)?) => {
        /// Requests of this area.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Command {
            /// Show a step.
            Step(Step),
            /// Show a tab of the last step.
            Tab(Tab),
            /// Change the map's appearance.
            Map(MapState),
            /// Select a head and show it.
            Choose(Layer, Head),
            $($(#[$doc])* $name($module::Command),)*
        }

        $(impl From<$module::Command> for super::Command {
            fn from(command: $module::Command) -> Self {
                Self::Heads(Command::$name(command))
            }
        })*
    };
}

panels! {
    /// The ten features of a head.
    Features features,
    /// Studies of heads on text, and the person's verdicts.
    Roles roles,
    /// The attribution of a feature.
    Attribution attribution,
    /// The trace of a feature.
    Circuit circuit,
    /// The induction lab.
    Induction induction,
    /// The survey of all heads.
    Survey survey,
}
