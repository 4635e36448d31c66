//! The step of Heads that is shown. It belongs to the selection: back and forward restore it, and it survives a restart.

use serde::{Deserialize, Serialize};

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Step {
    /// All heads.
    #[default]
    Map,
    /// One head: its behaviour, its features.
    Head,
    /// Where a feature of it comes from.
    Why,
}

impl Step {
    /// All, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Map, Self::Head, Self::Why];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Map => "Map",
            Self::Head => "Head",
            Self::Why => "Why",
        }
    }
}

/// A tab of the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Tab {
    /// One feature by head and source token.
    #[default]
    Attribution,
    /// Its parts, and theirs in turn.
    Circuit,
    /// All heads by the length of a repeated prefix.
    Induction,
    /// Features in sentences with two names.
    Names,
}

impl Tab {
    /// All, in order.
    pub(crate) const ALL: [Self; 4] = [
        Self::Attribution,
        Self::Circuit,
        Self::Induction,
        Self::Names,
    ];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Attribution => "Attribution",
            Self::Circuit => "Circuit",
            Self::Induction => "Induction",
            Self::Names => "Two names",
        }
    }
}

/// The step with the tab that its last one shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    /// The step.
    pub(crate) step: Step,
    /// The tab.
    pub(crate) tab: Tab,
}
