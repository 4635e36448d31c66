//! Model and texts of the lists, and the size of their runs.

use super::Report;
use super::held::Held;
use crate::corpus::{Positions, Rows};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site};
use crate::models::Model;
use crate::train::Spec;

/// Model with training text and measured text.
#[derive(Debug)]
pub struct Demo {
    pub(super) model: Model,
    /// Rows for training.
    pub(super) train: Rows,
    /// Rows for figures.
    pub(super) held_out: Rows,
}

impl Demo {
    /// Selects as many rows of `train` and `held_out` as `options` ask for, evenly spaced, so that every document contributes.
    pub fn new(model: Model, train: &Rows, held_out: &Rows, options: &DemoOptions) -> Result<Self> {
        Ok(Self {
            model,
            train: spread(train, options.distinct)?,
            held_out: spread(held_out, options.held_out)?,
        })
    }
}

/// Selects evenly spaced rows of `all` with `most` positions ≥ 1 in total, but at least one row. All but the first position of each row count, as in published
/// tables.
fn spread(all: &Rows, most: usize) -> Result<Rows> {
    let t = all.context();
    if all.is_empty() || t < 3 {
        let what = "the claims need a row of 3 or more tokens, give more text or a longer context";
        return Err(Error::setting("corpus", what));
    }
    let rows = (most / (t - 1)).clamp(1, all.len());
    Ok(all.spread(rows).by(Positions::First))
}

/// Size of the runs on a model.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Hook that dictionaries read.
    pub hook: HookPoint,
    /// Features, `f`.
    pub features: usize,
    /// Active features per token, `k`.
    pub k: usize,
    /// Number of activations read from the model; training repeats them.
    pub distinct: usize,
    /// Activations of each run.
    pub tokens: u64,
    /// Activations for figures.
    pub held_out: usize,
    /// Seeds, 0 up.
    pub seeds: u64,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            hook: HookPoint::block(2, Site::ResidPost),
            features: 512,
            k: 16,
            distinct: 100_000,
            tokens: 300_000,
            held_out: 16_000,
            seeds: 3,
        }
    }
}

impl DemoOptions {
    /// Activations per step: a budget of sixteen per feature and batch, and several hundred steps for the averages that thresholds are.
    const BATCH: usize = 512;

    /// Checks that runs of this size are possible.
    pub fn check(&self) -> Result<()> {
        if self.seeds == 0 {
            let what = "there is nothing to do for none, give 1 or more";
            return Err(Error::setting("seeds", what));
        }
        self.spec(0).validate()
    }

    /// Returns the settings that all variants share.
    pub(super) fn spec(&self, seed: u64) -> Spec {
        let mut spec = Spec::default_for(self.hook);
        (spec.features, spec.k, spec.tokens) = (self.features, self.k, self.tokens);
        (spec.batch, spec.seed) = (Self::BATCH, seed);
        spec.positions = Positions::First;
        // What is held comes shuffled already.
        spec.buffer = 8_192;
        spec
    }

    pub(super) fn describe(
        &self,
        demo: &Demo,
        (held, held_out): (&Held, &Held),
        report: &mut Report,
    ) {
        let spec = self.spec(0);
        let model = demo.model.name();
        report.set(
            "model",
            format!(
                "{model}, {}, rows of {} tokens, positions by `{}`",
                self.hook,
                demo.train.context(),
                demo.train.mask().rule
            ),
        );
        report.set(
            "dictionaries",
            format!(
                "{} features, mean L0 {}, {} activations ({} different ones) in batches of {}, Adam at {:.4}",
                self.features,
                self.k,
                self.tokens,
                held.activations.rows(),
                spec.batch,
                spec.peak_learning_rate()
            ),
        );
        report.set(
            "measured",
            format!(
                "on {} held-out activations, {} seeds, mean ± standard deviation",
                held_out.activations.rows(),
                self.seeds
            ),
        );
    }
}
