//! The question of Dark matter that is shown. It belongs to the selection: back and forward restore it, and it survives a restart.

use serde::{Deserialize, Serialize};

/// A question on a dictionary's error, in the order a newcomer asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Question {
    /// How much the dictionary leaves unexplained.
    #[default]
    Missing,
    /// On which tokens, positions and contexts.
    Places,
    /// How much of it a linear map of the activation predicts.
    Linear,
    /// How it falls with the number of features.
    Ladder,
    /// How it raises the model's cross-entropy.
    Cost,
    /// How much pursuit, other hooks and dictionaries of the error recover.
    Back,
}

impl Question {
    /// All, in order.
    pub(crate) const ALL: [Self; 6] = [
        Self::Missing,
        Self::Places,
        Self::Linear,
        Self::Ladder,
        Self::Cost,
        Self::Back,
    ];

    /// Its words on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Missing => "How much is missing?",
            Self::Places => "Where is it?",
            Self::Linear => "Is it linear?",
            Self::Ladder => "Does more width help?",
            Self::Cost => "What does it cost?",
            Self::Back => "Can it be got back?",
        }
    }

    /// Returns what its panel measures, in one sentence.
    pub(crate) fn help(self) -> &'static str {
        match self {
            Self::Missing => {
                "Share of the activation's variance that the dictionary leaves unexplained, split into a linear and a nonlinear part"
            }
            Self::Places => {
                "Error by token, position and kind of token, and the contexts that are explained least and best"
            }
            Self::Linear => {
                "How well a linear map of the activation predicts the error vector and its norm on held-out text"
            }
            Self::Ladder => {
                "Error of several dictionaries of one hook against their number of features"
            }
            Self::Cost => "Cross-entropy of the model with each part of the error put back",
            Self::Back => {
                "Error that a better choice of features, reconstructions of other hooks, or a dictionary trained on the error recover"
            }
        }
    }
}
