//! L0, FVU, dead and rare share, CE clean, spliced, zero- and mean-ablated: each with its definition.

use serde::Serialize;

use crate::Flow;
use crate::corpus::Rows;
use crate::error::Result;
use crate::models::Model;
use crate::sae::Sae;

/// The figures of one dictionary on one text.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
pub struct Figures {
    /// Mean active features per token.
    pub l0: f64,
    /// Σ‖x − x̂‖² / Σ‖x − mean‖².
    pub fvu: f64,
    /// Share of features never active on this text.
    pub dead_fraction: f64,
    /// Share of features with density below 1e-5.
    pub rare_fraction: f64,
    /// Nats per token, untouched.
    pub ce_clean: f64,
    /// With the reconstruction in place of the activation.
    pub ce_sae: f64,
    /// With zeros in place.
    pub ce_zero: f64,
    /// With the mean activation in place.
    pub ce_mean: f64,
    /// (zero − sae) / (zero − clean).
    pub ce_recovered_zero: f64,
    /// (mean − sae) / (mean − clean).
    pub ce_recovered_mean: f64,
    /// Activations the figures are over.
    pub tokens: u64,
}

/// Name and definition of each figure, as shown on hover and written beside it.
pub const DEFINITIONS: &[(&str, &str)] = &[];

/// Progress of an evaluation or any other pass over rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Rows done.
    pub done: usize,
    /// Rows in all.
    pub rows: usize,
}

/// Evaluates `sae` on `rows`; `None` if the observer stopped it.
pub fn run(
    model: &Model,
    sae: &Sae,
    rows: &Rows,
    observe: &mut dyn FnMut(Pass) -> Flow,
) -> Result<Option<Figures>> {
    unimplemented!(
        "{} {} {} {:?}",
        model.name(),
        sae.name,
        rows.len(),
        observe(Pass { done: 0, rows: 0 })
    )
}
