//! Training: settings, the run, its events.

use std::sync::Arc;

use crate::Flow;
use crate::corpus::Rows;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::sae::Sae;

/// Everything that decides a run. Described for flags and form by `SETTINGS` in `spec.rs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Hook to read.
    pub hook: HookPoint,
    /// Features, `f`.
    pub features: usize,
    /// Active per token, `k`.
    pub k: usize,
    /// Activations to train on.
    pub tokens: u64,
    /// Seeds initialisation, order and shuffling.
    pub seed: u64,
    /// Activations per step.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps spent warming up linearly.
    pub warmup: f64,
    /// Share of the steps at the end over which the rate falls linearly to 0.
    pub decay: f64,
    /// Features AuxK may use per token.
    pub k_aux: usize,
    /// Weight of AuxK's loss.
    pub aux_coefficient: f64,
    /// Activations after which a silent feature counts as dead; none: min(10 M, 5 % of the run).
    pub dead_after: Option<u64>,
    /// Start `b_dec` at the geometric median instead of the mean.
    pub geometric_median: bool,
    /// Activations held in the shuffle buffer.
    pub buffer: usize,
    /// Extra facts for the saved metadata (corpus, split), as JSON.
    pub facts: std::collections::BTreeMap<String, serde_json::Value>,
}

/// One point of the curves.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Activations seen.
    pub tokens_seen: u64,
    /// Normalised squared error plus AuxK's part.
    pub loss: f64,
    /// Fraction of variance unexplained of this step's batch.
    pub fvu: f64,
    /// Mean active features per token of this step's batch.
    pub l0: f64,
    /// Share of features silent for longer than the dead limit.
    pub dead_fraction: f64,
    /// Activations per second lately.
    pub tokens_per_second: f64,
    /// Learning rate of this step.
    pub learning_rate: f64,
}

/// What a run reports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A sentence to show (corpus read again, memory, what was decided).
    Note(String),
    /// At least one per few steps.
    Progress(Progress),
    /// The dictionary as it stands, now and then, to be browsed while it trains.
    Snapshot(Arc<Sae>),
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The dictionary as it stands.
    pub sae: Sae,
    /// Activations seen.
    pub tokens_seen: u64,
    /// Whether the observer stopped it.
    pub stopped: bool,
    /// L0, FVU and dead share over the last steps.
    pub last: Progress,
}

/// Trains one TopK SAE on `rows`, streamed through `model` with a bounded shuffle buffer.
pub fn run(
    spec: &Spec,
    model: &Model,
    rows: &Rows,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Outcome> {
    unimplemented!(
        "{spec:?} {} {} {:?}",
        model.name(),
        rows.len(),
        observe(Event::Note(String::new()))
    )
}
