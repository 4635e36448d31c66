//! The tab of Steering that is shown. It belongs to the selection: back and forward restore it, and it survives a restart.

use serde::{Deserialize, Serialize};

/// A tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Tab {
    /// Baseline and steered text.
    #[default]
    Steer,
    /// Effects along strengths.
    Sweep,
    /// Causes of a prediction.
    Causes,
}

impl Tab {
    /// All, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Steer, Self::Sweep, Self::Causes];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Steer => "Steer",
            Self::Sweep => "Sweep",
            Self::Causes => "Causes",
        }
    }

    /// Returns the question that it answers, in one sentence.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::Steer => "What does the model write when something inside it is changed?",
            Self::Sweep => {
                "Which strength has an effect, and which breaks the text? Features are swept over strengths on many prompts"
            }
            Self::Causes => {
                "Which features, heads and layers caused a prediction? They are ranked by what ablating them does to it"
            }
        }
    }
}
