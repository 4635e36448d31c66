//! A dictionary trained on a matrix of activations, in passes over its rows.

use serde::{Deserialize, Serialize};

use super::draws;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site};
use crate::progress::{Ended, Flow};
use crate::sae::{Sae, Variant};
use crate::train::{Batch, Spec, Trainer};

/// Share of the steps at the end over which the learning rate falls to 0.
const DECAY: f64 = 0.2;

/// What keeps codes sparse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sparsity {
    /// ReLU with this factor of the sum of activations in the loss. Activations are scaled so that their mean squared distance from the mean is 1 in the loss.
    L1(f64),
    /// As many active features a row.
    TopK(usize),
}

impl std::fmt::Display for Sparsity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::L1(weight) => write!(f, "L1 {weight}"),
            Self::TopK(k) => write!(f, "TopK {k}"),
        }
    }
}

/// Settings of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Features.
    pub features: usize,
    /// What keeps codes sparse.
    pub sparsity: Sparsity,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Passes over the rows.
    pub epochs: usize,
    /// Rows of a step.
    pub batch: usize,
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            features: 256,
            sparsity: Sparsity::L1(0.3),
            learning_rate: 3e-3,
            epochs: 400,
            batch: 512,
        }
    }
}

impl Fit {
    /// Returns the settings of a training run on `rows` rows.
    fn spec(&self, rows: usize, seed: u64) -> Spec {
        // The hook is only a name here: the trainer reads a matrix.
        let mut spec = Spec::default_for(HookPoint::block(0, Site::ResidPost));
        spec.features = self.features;
        match self.sparsity {
            Sparsity::L1(weight) => {
                spec.variant = Variant::Relu;
                spec.sparsity_coefficient = Some(weight);
            }
            Sparsity::TopK(k) => {
                spec.variant = Variant::TopK;
                spec.k = k;
            }
        }
        spec.learning_rate = Some(self.learning_rate);
        spec.tokens = (self.epochs * rows) as u64;
        spec.batch = self.batch.min(rows);
        spec.seed = seed;
        spec
    }

    /// Returns the number of steps on `rows` rows. Every pass leaves out the rows that fill no batch.
    fn steps(&self, rows: usize) -> usize {
        self.epochs * (rows / self.batch.min(rows).max(1)).max(1)
    }

    /// Trains a dictionary on `x [n, d]`. The seed decides the first directions and the order of the rows, anew in every pass. `observe` hears of each pass with the
    /// number of passes done.
    pub fn train(
        &self,
        x: &Matrix,
        seed: u64,
        observe: &mut dyn FnMut(usize) -> Flow,
    ) -> Result<Ended<Sae>> {
        if self.epochs == 0 || self.batch == 0 {
            let what = "no row would be read: give 1 or more";
            let key = if self.batch == 0 { "batch" } else { "epochs" };
            return Err(Error::setting(key, what));
        }
        let spec = self.spec(x.rows(), seed);
        let mut trainer = Trainer::new(&spec, x)?;
        let mut rng = draws::source(seed, draws::ORDER);
        let steps = self.steps(x.rows());
        let mut step = 0;
        for epoch in 0..self.epochs {
            let order = draws::order(x.rows(), &mut rng);
            for rows in order.chunks_exact(spec.batch) {
                trainer.step(Batch { from: x, rows }, self.rate(step, steps))?;
                step += 1;
            }
            if observe(epoch + 1).is_break() {
                return Ok(Ended::STOPPED);
            }
        }
        Ok(Ended::Done(trainer.sae()))
    }

    /// Returns the learning rate of step `step`, counted from 0: constant, then falling linearly to 0.
    fn rate(&self, step: usize, steps: usize) -> f64 {
        let left = (steps - step) as f64 / (DECAY * steps as f64);
        self.learning_rate * left.min(1.0)
    }
}
