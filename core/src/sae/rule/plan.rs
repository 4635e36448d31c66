//! A rule's step as plain data.

use super::super::custom::Custom;
use super::super::gated::Magnitudes;
use super::super::jump_relu::Jump;

/// How a step selects, and what it charges beside the squared error.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) choose: Choose,
    pub(crate) terms: Terms,
}

impl Plan {
    /// Plan of a step whose loss is the squared error alone.
    pub(crate) fn plain(choose: Choose) -> Self {
        Self {
            choose,
            terms: Terms::Plain,
        }
    }
}

/// Selection of a step.
#[derive(Debug, Clone)]
pub(crate) enum Choose {
    /// The `k` largest positive pre-activations of each token. `guess` times a row's length should lie a little below the least of them; it changes the time,
    /// never the result.
    PerToken { k: usize, guess: f32 },
    /// The `k` pre-activations of largest magnitude of each token.
    Signed { k: usize },
    /// The `k` pre-activations of each token with the largest scores `pre · (1 + β·|g|)`; see [`super::Rule::beta`].
    Scored { k: usize },
    /// The `budget` largest positive pre-activations of the batch; `guess` as above.
    Budget { budget: usize, guess: f32 },
    /// The so many largest positive pre-activations of each feature, `[f]`.
    ByFeature(Vec<u32>),
    /// All pre-activations above a bar.
    Above(Bars),
    /// Those that a rule from outside the crate selects.
    Custom(Custom),
}

/// Bars that pre-activations must exceed.
#[derive(Debug, Clone)]
pub(crate) enum Bars {
    /// One for all features.
    One(f32),
    /// One for each feature, `[f]`.
    ByFeature(Vec<f32>),
}

/// Activations that the selected pre-activations become, and terms of the loss.
#[derive(Debug, Clone)]
pub(crate) enum Terms {
    /// The pre-activations; the squared error alone.
    Plain,
    /// The `k` largest of each token; the squared error of the longer code that was selected counts times `weight`.
    Longer { k: usize, weight: f32 },
    /// The squared errors of the codes of the features up to each end, summed; ends rise, the last is the number of features.
    Levels(Vec<usize>),
    /// The scores in place of the pre-activations.
    Scores,
    /// A charge of `each` on every activation.
    Relu { each: f64 },
    /// Thresholds, and a charge on the number of active features.
    JumpRelu(Jump),
    /// Gates, magnitudes, and a charge on gates.
    Gated(Magnitudes),
    /// Those of a rule from outside the crate.
    Custom(Custom),
}

/// Figures of a selection that its rule learns from.
#[derive(Debug, Clone)]
pub(crate) enum Finding {
    /// The least of the tokens' `k`-th largest pre-activations over the length of the row; 0 if a row had fewer.
    LeastKept(f32),
    /// The least of as many activations as the budget allows, and the least of all that were selected.
    Cut {
        cut: Option<f32>,
        least: Option<f32>,
    },
    /// For each feature, the number of its entries and the least of them.
    ByFeature { counts: Vec<u32>, least: Vec<f32> },
}
