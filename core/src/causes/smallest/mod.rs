//! Smallest set of edits of features that reaches a target, found greedily: an edit a round, the best one given those before it.
//!
//! Between two texts it is the sparse edit of Makelov, Lange and Nanda (arXiv 2405.08366, section on sparse controllability): starting from the true activation
//! `a_s` of the second text, candidate `j` adds `(f_j(a_t) − f_j(a_s)) u_j`, and each round takes the candidate after which the distance to `a_t` of the
//! first text is least; a candidate that was taken is used up. On a single text candidates are the features that are active in it; each round tries the ones
//! with the largest attribution a·grad, by removing them one by one, and takes the one that moves the target most.
//!
//! Edits keep the dictionary's error, and leave the first position alone. Each step is run through the model, together with all steps before it.

mod effect;
mod reading;
mod said;
mod section;
#[cfg(test)]
mod tests;
mod toward;

use serde::{Deserialize, Serialize};

pub use effect::{EffectRequest, Goal, effect};
pub use toward::{TowardRequest, toward};

use crate::error::Result;
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::prompt::NextToken;
use crate::steer::EditSpec;

/// Rounds unless a person asks for another number.
pub const ROUNDS: usize = 8;
/// Candidates that a round tries on a single text unless a person asks for another number.
pub const CANDIDATES: usize = 64;
/// Next tokens that are listed before and after each step.
pub const TOP: usize = 5;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "distance",
        "‖a − a_t‖ over the positions, a being the text's activation with the edits so far and a_t that of the text aimed at",
    ),
    (
        "target",
        "the target with this edit and all before it; for a token that should win, its logit less the largest other one",
    ),
    (
        "before, after",
        "the feature's activation in the untouched text, and the one that the edit gives it; the dictionary's error is kept",
    ),
    (
        "weight",
        "(f_i u_i)·(â − b_dec) / ‖â − b_dec‖² of the feature in the untouched text at its position, â being the reconstruction: the weights of a position sum to 1",
    ),
    (
        "magnitude",
        "edit magnitude: weights of the edited features that were active, added up at each position and averaged over the positions edited so far",
    ),
    (
        "agrees",
        "whether the likeliest next token is the one under the patch a ← a_t at the same positions",
    ),
    ("top", "the likeliest next tokens at the end of the text"),
];

/// Aim of the edits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "aim", rename_all = "snake_case")]
pub enum Aim {
    /// Activation of another text.
    Toward {
        /// Tokens of that text.
        tokens: Vec<TokenId>,
        /// Their display forms.
        texts: Vec<String>,
        /// Distance before any edit.
        distance: f64,
        /// Target with the whole activation patched in, if a target is watched.
        patched: Option<f64>,
        /// Next tokens with the whole activation patched in.
        top: Vec<NextToken>,
    },
    /// Value of the target: at least it where the target starts below, at most it where it starts above.
    Reach {
        /// The value.
        value: f64,
    },
    /// Token that should become the likeliest.
    Wins {
        /// The token.
        token: TokenId,
        /// Its display form.
        text: String,
    },
}

/// Reason why the edits end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The aim was reached.
    Reached,
    /// All rounds were done.
    Rounds,
    /// No candidate brings the aim nearer.
    NothingLeft,
}

/// One edit and the state after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Feature.
    pub feature: FeatureId,
    /// Position.
    pub position: usize,
    /// Its activation in the untouched text.
    pub before: f32,
    /// Activation that the edit gives it.
    pub after: f32,
    /// Decoder rows that the edit adds: the difference of the activations, in the model's units.
    pub strength: f32,
    /// Its weight in the reconstruction at its position; none where the reconstruction is 0.
    pub weight: Option<f64>,
    /// Edit magnitude so far.
    pub magnitude: f64,
    /// Distance to the other text's activation.
    pub distance: Option<f64>,
    /// Target.
    pub target: Option<f64>,
    /// Whether the likeliest next token is that under the whole patch.
    pub agrees: Option<bool>,
    /// Likeliest next tokens.
    pub top: Vec<NextToken>,
}

/// Result of [`toward`] and [`effect`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Smallest {
    /// Aim.
    pub aim: Aim,
    /// Name of the dictionary.
    pub dictionary: String,
    /// Its hook.
    pub hook: HookPoint,
    /// Tokens of the text that is edited.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Positions that may be edited.
    pub positions: Vec<usize>,
    /// Target as it is written, if one is watched.
    pub written: Option<String>,
    /// Target in words.
    pub said: Option<String>,
    /// Target without edits.
    pub target: Option<f64>,
    /// Likeliest next tokens without edits.
    pub top: Vec<NextToken>,
    /// Edits in the order in which they were taken.
    pub steps: Vec<Step>,
    /// Reason why they end.
    pub end: End,
}

impl Smallest {
    /// Returns the first `steps` edits in their written form, by the dictionary of this name; together they are those of the last of these steps. Each adds a multiple of a
    /// decoder row, so that none depends on those before it; a multiple of minus its activation removes a feature.
    pub fn edits(&self, steps: usize) -> Result<Vec<EditSpec>> {
        reading::edits((&self.dictionary, self.hook), self.steps.iter().take(steps))
    }
}
