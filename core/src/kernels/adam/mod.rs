//! One Adam update of a row of parameters (Kingma and Ba 2015), in place:
//!
//! `m ← β₁m + (1 − β₁)g`, `v ← β₂v + (1 − β₂)g²`, `p ← p − rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)`
//!
//! All four slices are `[d]`. Gradient, moments and parameter are read once and written once while the row is in cache.
//!
//! Tolerance against the definition: 1e-5 relative to the terms of each value (f32).

#[cfg(test)]
pub(super) mod cases;
pub(super) mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(feature = "gpu")]
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
pub(crate) mod reference;

/// Decay of the first moment.
pub const BETA1: f32 = 0.9;
/// Decay of the second moment.
pub const BETA2: f32 = 0.999;
/// Keeps the division finite; small, since the normalised loss has small gradients (the value of Gao et al. 2024).
pub const EPSILON: f32 = 6.25e-10;

/// Factors of one step, shared by all parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Learning rate over the first bias correction.
    pub step: f32,
    /// √ of one over the second bias correction.
    pub root: f32,
}

impl Rates {
    /// Computes the factors of step `t`, counted from 1.
    pub fn new(learning_rate: f64, t: u64) -> Self {
        let t = i32::try_from(t).unwrap_or(i32::MAX);
        let first = 1.0 - f64::from(BETA1).powi(t);
        let second = 1.0 - f64::from(BETA2).powi(t);
        Self {
            step: (learning_rate / first) as f32,
            root: (1.0 / second).sqrt() as f32,
        }
    }
}

/// Parameters with their moments, all of equal length.
#[derive(Debug)]
pub struct Row<'a> {
    /// Parameters.
    pub value: &'a mut [f32],
    /// First moment.
    pub m: &'a mut [f32],
    /// Second moment.
    pub v: &'a mut [f32],
}

/// Updates `row` by `gradient`.
pub fn adam(row: &mut Row<'_>, gradient: &[f32], rates: Rates) {
    cpu::update(row, gradient, rates);
}
