//! Report of a step, and what makes one an error.

use std::time::Duration;

use super::metrics::REMEDY;
use crate::error::{Error, Result};

/// Time spent in each part of a step; the last three are summed over threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phases {
    /// Gathering the batch, centring it.
    pub gather: Duration,
    /// Encoder product and selection.
    pub encode: Duration,
    /// Residual and its products with the decoder's rows.
    pub decode: Duration,
    /// AuxK: choosing, its residual and products, its gradients; meanwhile the main term's entries are sorted by feature.
    pub aux: Duration,
    /// Sums over tokens of the main term.
    pub gradients: Duration,
    /// Adam's pass.
    pub adam: Duration,
    /// Decoder rows back to length 1.
    pub unit_norm: Duration,
}

/// Report of one step.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Activations.
    pub tokens: usize,
    /// All terms.
    pub loss: f64,
    /// Σ‖x − x̂‖², of scaled activations.
    pub squared: f64,
    /// Σ‖x − batch mean‖², of scaled activations.
    pub variance: f64,
    /// Spread that the sample predicts for the batch.
    pub expected: f64,
    /// Active (token, feature) pairs.
    pub active: usize,
    /// Length of the gradient of all parameters together, where it is cut down to a length.
    pub gradient_norm: Option<f64>,
    /// Whether it was cut down.
    pub clipped: bool,
    /// Pairs AuxK used.
    pub aux_active: usize,
    /// Share of features dead.
    pub dead_fraction: f64,
    /// Active pairs and Σ‖x − x̂‖² of the same batch under the rule for later use, where that was asked for and differs.
    pub inference: Option<(usize, f64)>,
    /// Note for the user.
    pub note: Option<String>,
    /// Where the time went.
    pub phases: Phases,
}

/// Checks that the loss is finite.
pub(super) fn check_loss(report: &Report, step: u64) -> Result<()> {
    if report.loss.is_finite() {
        return Ok(());
    }
    Err(Error::Numeric {
        what: format!(
            "the run diverges: the loss became {} at step {step}; {REMEDY}",
            report.loss
        ),
    })
}

/// Names the step in a numeric error.
pub(super) fn at_step(step: u64, error: Error) -> Error {
    match error {
        Error::Numeric { what } => Error::Numeric {
            what: format!("step {step}: {what}"),
        },
        other => other,
    }
}
