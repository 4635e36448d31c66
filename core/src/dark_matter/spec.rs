//! Settings of a fit, for the window and the command line alike.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FIT_PER_DIMENSION, MEASURED_PER_DIMENSION};
use crate::corpus::Rows;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::sae::Sae;

/// Settings of a fit: what predicts the error, how it is regularised, and on how much text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitSpec {
    /// Values that the error is predicted from.
    pub predictor: Predictor,
    /// Ridge of the least squares.
    pub ridge: Ridge,
    /// Number of activations to fit on, about; none: [`FIT_PER_DIMENSION`] per dimension.
    pub tokens: Option<usize>,
    /// Number of activations to measure on, about; none: [`MEASURED_PER_DIMENSION`] per dimension.
    pub held_out_tokens: Option<usize>,
    /// Number of first positions of each row that do not count ([`Rows::skipping`]).
    pub skip: usize,
    /// Number of bootstrap draws behind the intervals; 0: no intervals.
    pub draws: usize,
    /// Seed of the bootstrap draws.
    pub seed: u64,
}

impl Default for FitSpec {
    fn default() -> Self {
        Self {
            predictor: Predictor::Activation,
            ridge: Ridge::None,
            tokens: None,
            held_out_tokens: None,
            skip: 0,
            draws: 1000,
            seed: 0,
        }
    }
}

impl FitSpec {
    /// Chooses the rows to fit on and to measure on: without the positions that are skipped, evenly spaced, with about as many activations of width `width` as
    /// asked for.
    pub fn sample(&self, (fit, held_out): (&Rows, &Rows), width: usize) -> (Rows, Rows) {
        let chosen = |rows: &Rows, tokens: Option<usize>, each: usize| {
            let rows = rows.clone().skipping(self.skip);
            rows.sample(tokens.unwrap_or(each.saturating_mul(width)))
        };
        (
            chosen(fit, self.tokens, FIT_PER_DIMENSION),
            chosen(held_out, self.held_out_tokens, MEASURED_PER_DIMENSION),
        )
    }
}

/// Values from which the error of a dictionary is predicted, always with a bias.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Predictor {
    /// Activation x that the dictionary reads.
    #[default]
    Activation,
    /// Reconstruction x̂ of the dictionary.
    Reconstruction,
    /// Activation at another hook, all heads side by side.
    Hook {
        /// The hook.
        hook: HookPoint,
    },
    /// Reconstruction of another dictionary of the same model, at the hook of that dictionary.
    Other {
        /// Name of that dictionary.
        sae: String,
        /// [`Sae::fingerprint`] of that dictionary.
        fingerprint: String,
        /// Hook of that dictionary.
        hook: HookPoint,
    },
}

impl Predictor {
    /// Takes the reconstruction of `sae`, a dictionary of the same model.
    pub fn from_sae(sae: &Sae) -> Result<Self> {
        Ok(Self::Other {
            sae: sae.name.clone(),
            fingerprint: sae.fingerprint(),
            hook: sae.hook()?,
        })
    }

    /// Whether it can be computed from the activation that the dictionary reads.
    pub fn is_at_own_hook(&self) -> bool {
        matches!(self, Self::Activation | Self::Reconstruction)
    }
}

impl fmt::Display for Predictor {
    /// Writes it as a phrase: "the activation".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Activation => f.write_str("the activation"),
            Self::Reconstruction => f.write_str("the reconstruction"),
            Self::Hook { hook } => write!(f, "the activation at {hook}"),
            Self::Other { sae, hook, .. } => write!(f, "the reconstruction of {sae} at {hook}"),
        }
    }
}

/// Choice of λ in Σ‖e − Wz − b‖² + λ · n · Σ_j var(z_j) ‖W_j‖², n the number of activations: ridge regression on standardised predictors with penalty λ · n; the
/// bias is free.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ridge {
    /// λ = 0: ordinary least squares.
    #[default]
    None,
    /// This λ.
    Fixed(f64),
    /// The λ of [`RIDGES`] with the least squared error over [`FOLDS`] folds of documents of the text to fit on.
    CrossValidated,
}

/// Values of λ that cross-validation compares.
pub const RIDGES: [f64; 9] = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0];

/// Number of folds of a cross-validation: each document (or run of rows, where the text has fewer than 16 documents) lies in one of them.
pub const FOLDS: usize = 5;
