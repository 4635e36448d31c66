//! Weighted sum of rows: `out[c] = Σ_i read[i] · length[i] · w_enc[i, c]`, which is what a bias of the encoder's input gets through the encoder.
//!
//! | tensor | shape |
//! |---|---|
//! | `read`, `length` | `[f]`; lengths of decoder rows where they are free, else 1 |
//! | `w_enc` | `[f, d]` |
//! | result | `[d]`, f64 |
//!
//! The CPU computes the sum in `train/optim.rs`, within its pass over the optimiser's state; this folder is the GPU's form.
//!
//! Tolerance against the definition: 1e-5 relative to Σ|read · length · w_enc| of the column (f32 sums of 128 rows, then of 64 such sums, the rest in f64).

pub(crate) mod gpu;
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
pub(super) mod reference;
