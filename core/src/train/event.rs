//! Events of a run, and its outcome.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ids::FeatureId;
use crate::sae::Sae;

/// One point of the curves of a run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Activations seen.
    pub tokens_seen: u64,
    /// Normalised squared error and the variant's other terms.
    pub loss: f64,
    /// Fraction of variance unexplained of this step's batch.
    pub fvu: f64,
    /// Mean active features per token of this step's batch.
    pub l0: f64,
    /// L0 under the rule for later use, where that is not the rule of training (one threshold, or thresholds by feature, instead of a budget); measured now
    /// and then.
    pub inference_l0: Option<f64>,
    /// FVU under that rule.
    pub inference_fvu: Option<f64>,
    /// Share of features silent for longer than the dead limit.
    pub dead_fraction: f64,
    /// Length of the gradient of all parameters together before it is cut down, where it is.
    pub gradient_norm: Option<f64>,
    /// Share of steps whose gradient was longer than is allowed.
    pub clipped_fraction: f64,
    /// Activations per second lately (see [`Pace`](crate::progress::Pace)); 0 before it can be told.
    pub tokens_per_second: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
}

/// How often each feature fires.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Firing {
    /// `[f]`: share of a batch's tokens on which it is active, a moving average at rate 0.01 per step. It decides nothing.
    pub densities: Vec<f64>,
    /// Features silent for longer than the dead limit, ascending.
    pub dead: Vec<FeatureId>,
}

/// Event of a run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A sentence to show (corpus read again, what was decided).
    Note(String),
    /// Progress after every step, and while activations are gathered.
    Progress(Point),
    /// The dictionary in its current state, about every twentieth of the run, for browsing.
    Snapshot(Arc<Sae>),
    /// The device failed; the sentence says where the run goes on, and from where.
    Fault(String),
    /// The run failed with this sentence; others trained together continue.
    Failed(String),
    /// How often each feature fires: about every hundredth of the run, and at its end.
    Firing(Arc<Firing>),
}

/// Outcome of a run, at its end or where it was stopped.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The dictionary in its current state.
    pub sae: Sae,
    /// Activations seen.
    pub tokens_seen: u64,
    /// Checkpoint, if one was written: a stopped run resumes from it, a finished run keeps it until its dictionary is saved.
    pub checkpoint: Option<PathBuf>,
    /// L0, FVU, loss over the last steps (a hundred at most), dead share at the end.
    pub last: Point,
}
