//! Splits the error of an SAE into a linear and a nonlinear part (Engels et al. 2024, arXiv 2410.14670).
//!
//! Two least-squares probes with biases read the activation and predict the error vector and its squared norm. The prediction of the first is the linear part
//! of the error, the rest the nonlinear part. Unlike in the paper's code, fit and figures use different documents, and R² is given both as a mean over
//! dimensions (as in the paper) and weighted by variance.

mod fit;
mod keep;
pub mod ladder;
mod linear;
mod maps;
mod measure;
mod normal;
pub mod pursuit;
pub mod splice;
mod split;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::corpus::{Positions, Rows};
use crate::dims::Matrix;
use crate::error::Result;
pub use fit::{ROWS_AT_ONCE, tokens_at_once};
pub use maps::{LinearMap, linear_maps};

use crate::fit::{Fit, Made, Verdict};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Autoencoder, Sae};
use crate::whole_file;

/// Least number of activations to fit a probe on, per dimension of the activation.
pub const TOKENS_PER_DIMENSION: usize = 20;

/// Default number of activations to fit a probe on, per dimension.
pub const FIT_PER_DIMENSION: usize = 10 * TOKENS_PER_DIMENSION;

/// Largest number of activations to measure a probe on, per dimension.
pub const MEASURED_PER_DIMENSION: usize = 5 * TOKENS_PER_DIMENSION;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "r2_mean",
        "R² of the error vector predicted from the activation, held-out text, unweighted mean over dimensions",
    ),
    (
        "r2_weighted",
        "R² of the error vector, held-out text: 1 − Σ‖e − ê‖² / Σ‖e − mean e‖²",
    ),
    (
        "r2_norm",
        "R² of the squared norm of the error predicted from the activation, held-out text",
    ),
    (
        "fvu_total",
        "Σ‖x − x̂‖² / Σ‖x − mean x‖² on held-out text, over the positions that count",
    ),
    (
        "fvu_nonlinear",
        "Σ‖x − x̂ − ê‖² / Σ‖x − mean x‖² on held-out text: what reconstruction and linear part together leave",
    ),
];

/// Linear probes of the error vector and of its squared norm from the activation, with biases, and their accuracy on held-out text.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Weights `[d + 1, d]`: error ≈ [x, 1] · weights.
    pub weights: Matrix,
    /// Weights `[d + 1]`: ‖error‖² ≈ [x, 1] · norm_weights.
    pub norm_weights: Vec<f32>,
    /// Held-out R² of the error vector, mean over dimensions.
    pub r2_mean: f64,
    /// Held-out R² of the error vector, weighted by variance.
    pub r2_weighted: f64,
    /// Held-out R² of the squared norm.
    pub r2_norm: f64,
    /// Held-out FVU of the reconstruction.
    pub fvu_total: f64,
    /// Held-out FVU of reconstruction plus linear part.
    pub fvu_nonlinear: f64,
    /// Number of activations fitted on.
    pub fit_tokens: u64,
    /// Number of activations measured on.
    pub held_out_tokens: u64,
    /// Rule for the positions of both texts that count.
    pub positions: Positions,
    /// Whether documents packed in one row were kept apart.
    pub separate_documents: bool,
    /// Number of positions that do not count, in the fitted and in the held-out text; none in probes of older versions.
    pub left_out: Option<(u64, u64)>,
    /// Ridge added to the diagonal of the normal equations, which is scaled to 1; 0 unless the activations do not span their space.
    pub ridge: f64,
    /// Name of the dictionary.
    pub sae: String,
    /// [`Sae::fingerprint`] of the dictionary; empty in an older format.
    pub sae_fingerprint: String,
    /// Name of the model; empty in an older format.
    pub model: String,
    /// [`Model::fingerprint`] of the model; empty in an older format.
    pub model_fingerprint: String,
}

/// Chooses the rows to fit a probe on and to measure it on: evenly spaced, with about `tokens` activations for the fit (none: ten times the minimum) and half of
/// that default for measuring.
pub fn sample(
    (fit, held_out): (&Rows, &Rows),
    width: usize,
    tokens: Option<usize>,
) -> (Rows, Rows) {
    let fit = fit.sample(tokens.unwrap_or(FIT_PER_DIMENSION * width));
    (fit, held_out.sample(MEASURED_PER_DIMENSION * width))
}

/// Error norms of one token.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ErrorNorms {
    /// Norm ‖x‖ of the activation.
    pub activation: f32,
    /// Norm ‖x − x̂‖ of the error.
    pub total: f32,
    /// Norm of the linear part.
    pub linear: f32,
    /// Norm of the nonlinear part.
    pub nonlinear: f32,
}

/// Decomposed activations, each `[n, d]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Reconstruction x̂.
    pub reconstruction: Matrix,
    /// Linear part of the error, which the probe predicts.
    pub linear: Matrix,
    /// Nonlinear part of the error.
    pub nonlinear: Matrix,
    /// Norms per token.
    pub norms: Vec<ErrorNorms>,
}

/// Fits the probes on the positions of `fit` that count (at least 20·d tokens or refused) and measures on `held_out`.
pub fn fit(
    model: &Model,
    sae: Autoencoder<'_>,
    fit: &Rows,
    held_out: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Probe>> {
    fit::run(model, sae, fit, held_out, observe)
}

impl Probe {
    /// Checks that a probe can be stored at `path`, before fitting one.
    pub fn check_place(path: &Path) -> Result<()> {
        whole_file::check_regular(path)
    }

    /// Writes the probe as one safetensors file, atomically.
    pub fn save(&self, path: &Path) -> Result<()> {
        keep::save(self, path)
    }

    /// Reads a file that [`Probe::save`] wrote.
    pub fn open(path: &Path) -> Result<Self> {
        keep::open(path)
    }

    /// Returns the probe for use with `model` and `sae` despite the verdict of [`Fit::of_probe`].
    #[must_use]
    pub fn taken_for(mut self, model: &Model, sae: &Sae) -> Self {
        self.sae_fingerprint = sae.fingerprint();
        model.fingerprint().clone_into(&mut self.model_fingerprint);
        self
    }

    /// Splits the errors of activations `[n, d]`: `x = x̂ + linear + nonlinear` up to f32 rounding.
    pub fn split(&self, sae: Autoencoder<'_>, x: &Matrix) -> Result<Split> {
        split::split(&self.weights, sae, x)
    }

    /// Returns a note if the fit needed a ridge.
    pub fn note(&self) -> Option<String> {
        (self.ridge > 0.0).then(|| {
            format!(
                "The activations do not span their {} dimensions; a ridge of {:.0e} of each dimension's mean square was added",
                self.weights.columns(),
                self.ridge
            )
        })
    }
}

impl Fit {
    /// Judges whether `probe` was fitted on the errors of `sae` in `model`, as far as they are given.
    pub fn of_probe(probe: &Probe, model: Option<&Model>, sae: Option<&Sae>) -> Self {
        let width = probe.weights.columns();
        if let Some(sae) = sae.filter(|sae| sae.w_dec.columns() != width) {
            let why = format!(
                "The probe of {} is {width} wide, {} is {}: choose its own dictionary, or fit it again with `umbra dark-matter fit`",
                probe.sae,
                sae.name,
                sae.w_dec.columns()
            );
            return Self::new(Verdict::Unfit, why);
        }
        let known = |print: &'_ String| !print.is_empty();
        let what = format!("The probe of {}", probe.sae);
        let made = Made {
            what: &what,
            remedy: "fit it again with `umbra dark-matter fit`",
            sae: &probe.sae,
            sae_fingerprint: Some(&probe.sae_fingerprint)
                .filter(|print| known(print))
                .map(String::as_str),
            model: &probe.model,
            model_fingerprint: Some(&probe.model_fingerprint)
                .filter(|print| known(print))
                .map(String::as_str),
        };
        Self::of_made(made, model, sae)
    }
}
