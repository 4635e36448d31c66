//! The error of an SAE as an object: its linear and nonlinear part (Engels et al. 2024, papers.md 4.3).

use std::path::Path;

use crate::Flow;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::eval::Pass;
use crate::models::Model;
use crate::sae::Sae;

/// Linear probes of the error vector and of its squared norm from the activation, with biases, and how well they predict held-out text.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// `[d + 1, d]`: error ≈ [x, 1] · weights.
    pub weights: Matrix,
    /// `[d + 1]`: ‖error‖² ≈ [x, 1] · norm_weights.
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
    /// Activations fitted on.
    pub fit_tokens: u64,
    /// Activations R² is over.
    pub held_out_tokens: u64,
}

/// Error norms of one token.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ErrorNorms {
    /// ‖x‖.
    pub activation: f32,
    /// ‖x − x̂‖.
    pub total: f32,
    /// Norm of the linear part.
    pub linear: f32,
    /// Norm of the nonlinear part.
    pub nonlinear: f32,
}

/// Fits the probes on `fit` rows at positions ≥ 1 (at least 20·d tokens or refused) and measures on `held_out`; `None` if stopped.
pub fn fit(
    model: &Model,
    sae: &Sae,
    fit: &Rows,
    held_out: &Rows,
    observe: &mut dyn FnMut(Pass) -> Flow,
) -> Result<Option<Probe>> {
    unimplemented!(
        "{} {} {} {} {:?}",
        model.name(),
        sae.name,
        fit.len(),
        held_out.len(),
        observe(Pass { done: 0, rows: 0 })
    )
}

impl Probe {
    /// Keeps it as one safetensors file.
    pub fn save(&self, path: &Path) -> Result<()> {
        unimplemented!("{}", path.display())
    }

    /// Reads what [`Probe::save`] wrote.
    pub fn open(path: &Path) -> Result<Self> {
        unimplemented!("{}", path.display())
    }

    /// Splits the errors of activations `[n, d]`: `x = x̂ + linear + nonlinear`.
    pub fn split(&self, sae: &Sae, x: &Matrix) -> Result<Split> {
        unimplemented!("{} {x:?}", sae.name)
    }
}

/// Activations taken apart, each `[n, d]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// x̂.
    pub reconstruction: Matrix,
    /// What the probe predicts of the error.
    pub linear: Matrix,
    /// The rest.
    pub nonlinear: Matrix,
    /// Norms per token.
    pub norms: Vec<ErrorNorms>,
}
