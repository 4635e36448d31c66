//! The error of a dictionary predicted from what other dictionaries of the model reconstruct (papers.md 4.4, item 10): one row a source, one column a part.
//!
//! A source is the reconstruction of a dictionary of any hook, earlier in the pass, the same, or later. A linear map with intercept from it to the error, to the
//! linear and to the nonlinear part is fitted on one text and measured on another.

mod run;
mod sums;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::corpus::Positions;
use crate::ids::HookPoint;

pub use self::run::predict;

/// Draws of the bootstrap.
pub const DRAWS: usize = 1000;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "r2",
        "1 − Σ‖part − predicted‖² / Σ‖part − mean part‖² on held-out text, the prediction a linear map of the source with intercept",
    ),
    (
        "r2_mean",
        "the same R² of each coordinate, averaged without weights, as in the paper",
    ),
    (
        "interval",
        "95 % interval of r2 by bootstrap over blocks of the held-out text, with the fit held fixed",
    ),
    ("fvu_total", "Σ‖x − x̂‖² / Σ‖x − mean x‖² on held-out text"),
    (
        "fvu_nonlinear",
        "Σ‖x − x̂ − linear part‖² / Σ‖x − mean x‖² on held-out text: what the probe of the same activation leaves",
    ),
    (
        "fvu_left",
        "Σ‖x − x̂ − linear part − predicted nonlinear part‖² / Σ‖x − mean x‖² on held-out text",
    ),
    (
        "reduction",
        "1 − fvu_left / fvu_nonlinear: how much of what the probe of the same activation leaves the source predicts",
    ),
    (
        "relation",
        "where the source's hook is in the pass: earlier, same or later than the hook whose error is predicted; a later one reads what this activation caused",
    ),
];

/// Place of a source in the pass, seen from the dictionary whose error is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Computed before.
    Earlier,
    /// Computed at one and the same hook.
    Same,
    /// Computed after.
    Later,
}

impl Relation {
    /// Compares the place of `source` in the pass with that of `target`.
    pub fn new(source: HookPoint, target: HookPoint) -> Self {
        match source.cmp(&target) {
            std::cmp::Ordering::Less => Self::Earlier,
            std::cmp::Ordering::Equal => Self::Same,
            std::cmp::Ordering::Greater => Self::Later,
        }
    }

    /// Word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Earlier => "earlier",
            Self::Same => "same hook",
            Self::Later => "later",
        }
    }
}

/// Held-out accuracy of one prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// R² weighted by variance; none where the part does not vary.
    pub r2: Option<f64>,
    /// R² averaged over coordinates.
    pub r2_mean: Option<f64>,
    /// 95 % interval of `r2`.
    pub interval: Option<[f64; 2]>,
}

/// Predictions from one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Name of the dictionary whose reconstruction is the source; none: the activation whose error is predicted, the probe of the same layer.
    pub source: Option<String>,
    /// Hook of the source.
    pub hook: String,
    /// Place of that hook.
    pub relation: Relation,
    /// Width of the source.
    pub width: usize,
    /// Accuracy for the error.
    pub error: Accuracy,
    /// Accuracy for the linear part.
    pub linear: Accuracy,
    /// Accuracy for the nonlinear part.
    pub nonlinear: Accuracy,
    /// FVU that is left with the predicted nonlinear part.
    pub fvu_left: f64,
    /// Share of the nonlinear FVU that is predicted.
    pub reduction: f64,
    /// 95 % interval of `reduction`.
    pub reduction_interval: Option<[f64; 2]>,
}

impl Row {
    /// Name of the source for people.
    pub fn name(&self) -> &str {
        self.source.as_deref().unwrap_or("the activation itself")
    }
}

/// Predictions of one dictionary's error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Name of the dictionary.
    pub sae: String,
    /// Hook that it reads.
    pub hook: String,
    /// Its number of features.
    pub features: usize,
    /// FVU of the reconstruction.
    pub fvu_total: f64,
    /// FVU of the reconstruction and the linear part.
    pub fvu_nonlinear: f64,
    /// The activation itself, the dictionary's own reconstruction, then the sources in the order given.
    pub rows: Vec<Row>,
    /// Number of activations fitted on.
    pub fit_tokens: u64,
    /// Number of activations measured on.
    pub held_out_tokens: u64,
    /// Rule for the positions that count.
    pub positions: Positions,
    /// Blocks that the bootstrap draws, in words.
    pub blocks: String,
    /// Notes that a reader must know.
    pub notes: Vec<String>,
}

impl Predictions {
    /// Sources other than the activation and the dictionary's own reconstruction.
    fn others(&self) -> impl Iterator<Item = &Row> {
        let own = |row: &&Row| row.source.as_ref().is_some_and(|name| *name != self.sae);
        self.rows.iter().filter(own)
    }

    /// Returns what the figures say, in one sentence.
    pub fn conclusion(&self) -> String {
        let best = self
            .others()
            .max_by(|a, b| a.reduction.total_cmp(&b.reduction));
        let Some(best) = best else {
            return format!(
                "No other dictionary was given to predict the error of {}",
                self.sae
            );
        };
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let own = self
            .rows
            .iter()
            .find(|row| row.source.as_ref() == Some(&self.sae));
        let low = best
            .reduction_interval
            .map_or(best.reduction, |[low, _]| low);
        if low <= 0.0 {
            return format!(
                "No source predicts the nonlinear part of {}'s error: the best, {} ({}), gives {} of it",
                self.sae,
                best.name(),
                best.relation.name(),
                percent(best.reduction)
            );
        }
        let against = match own {
            Some(own) => {
                let high = own
                    .reduction_interval
                    .map_or(own.reduction, |[_, high]| high);
                let verdict = if low > high {
                    "more than"
                } else if best.reduction > own.reduction {
                    "not clearly more than"
                } else {
                    "no more than"
                };
                format!(
                    ": {verdict} the reconstruction of {} itself, which predicts {}",
                    self.sae,
                    percent(own.reduction)
                )
            }
            None => String::new(),
        };
        format!(
            "{} ({}) predicts {} of the nonlinear part of {}'s error (FVU falls from {:.4} to {:.4}){against}",
            best.name(),
            best.relation.name(),
            percent(best.reduction),
            self.sae,
            self.fvu_nonlinear,
            best.fvu_left,
        )
    }
}
