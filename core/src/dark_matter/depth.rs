//! The error along depth: all dictionaries of one model, on the same tokens, from one pass of the model.

use serde::{Deserialize, Serialize};

use crate::ids::HookPoint;

/// Error of one dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DepthRow {
    /// Name of the dictionary.
    pub sae: String,
    /// [`crate::sae::Sae::fingerprint`] of the dictionary.
    pub fingerprint: String,
    /// Hook of the dictionary.
    pub hook: HookPoint,
    /// Number of features.
    pub features: usize,
    /// Mean number of active features per token.
    pub l0: f64,
    /// FVU of the reconstruction on held-out text.
    pub fvu_total: f64,
    /// FVU of reconstruction plus linear part on held-out text.
    pub fvu_nonlinear: f64,
    /// Interval of `fvu_total`, 95 %.
    pub total: Option<[f64; 2]>,
    /// Interval of `fvu_nonlinear`, 95 %.
    pub nonlinear: Option<[f64; 2]>,
    /// R² of the error vector on held-out text, mean over dimensions.
    pub r2_mean: f64,
    /// R² of the error vector on held-out text, weighted by variance.
    pub r2_weighted: f64,
    /// R² of the squared norm of the error on held-out text.
    pub r2_norm: f64,
}

impl DepthRow {
    /// Returns the part of the FVU that adding the linear part takes away.
    pub fn fvu_linear(&self) -> f64 {
        self.fvu_total - self.fvu_nonlinear
    }
}

/// Error of several dictionaries of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Depth {
    /// Dictionaries, in the order of a forward pass; those of one hook by their number of features.
    pub rows: Vec<DepthRow>,
    /// Dictionaries that were left out, and why.
    pub left_out: Vec<(String, String)>,
    /// Number of activations fitted on.
    pub fit_tokens: u64,
    /// Number of activations measured on.
    pub held_out_tokens: u64,
    /// Parts of the text that were drawn for the intervals, as a phrase.
    pub drawn: String,
}

impl Depth {
    /// Says in one sentence how the error changes with depth.
    pub fn conclusion(&self) -> String {
        let by_total = |a: &&DepthRow, b: &&DepthRow| a.fvu_total.total_cmp(&b.fvu_total);
        let (Some(least), Some(most)) = (
            self.rows.iter().min_by(by_total),
            self.rows.iter().max_by(by_total),
        ) else {
            return "No dictionary was measured".to_owned();
        };
        if self.rows.len() == 1 {
            return format!(
                "{} leaves {:.0} % unexplained; depth needs a second dictionary",
                least.sae,
                100.0 * least.fvu_total
            );
        }
        let apart =
            matches!((least.total, most.total), (Some(least), Some(most)) if least[1] < most[0]);
        let linear = |row: &DepthRow| row.fvu_linear() / row.fvu_total;
        let by_linear = |a: &&DepthRow, b: &&DepthRow| linear(a).total_cmp(&linear(b));
        let shares = [
            self.rows.iter().min_by(by_linear),
            self.rows.iter().max_by(by_linear),
        ]
        .map(|row| row.map_or(0.0, |row| 100.0 * linear(row)));
        let ends = if apart {
            format!(
                "{} at {} leaves most unexplained ({:.0} %), {} at {} least ({:.0} %)",
                most.sae,
                most.hook,
                100.0 * most.fvu_total,
                least.sae,
                least.hook,
                100.0 * least.fvu_total
            )
        } else {
            format!(
                "All {} dictionaries leave between {:.0} % and {:.0} % unexplained, within the intervals of each other",
                self.rows.len(),
                100.0 * least.fvu_total,
                100.0 * most.fvu_total
            )
        };
        format!(
            "{ends}; {:.0} to {:.0} % of it is linear in the activation",
            shares[0], shares[1]
        )
    }
}
