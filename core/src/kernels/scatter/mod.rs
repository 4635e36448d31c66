//! Gradients by feature: sums over the tokens on which a feature is active, of all terms of a loss.
//!
//! `w_dec[i] += scale · Σ_e acts[e] · table[token(e)]`, `w_enc[i] += Σ_e d_acts[e] · centred[token(e)]`,
//! `read[i] += Σ_e d_acts[e]`, `b_enc[i] += Σ_e d_bias[e]` (`d_acts` where a term has no `d_bias`), over the entries `e` of feature `i`, for each term in turn.
//!
//! | tensor | shape |
//! |---|---|
//! | entries of a term: `acts`, `d_acts`, `d_bias` | `[nnz]` |
//! | `centred`, `table` | `[n, d]`, `[n, d_out]`; a term may have several tables, each for the features below an end |
//! | `w_enc`, `w_dec` | `[features, d]`, `[features, d_out]` |
//! | `b_enc`, `read` | `[features]` |
//!
//! A term may cover listed features only: its feature `j` is then the dictionary's feature `list[j]` (AuxK).
//!
//! The CPU computes the sums in `train/optim/terms.rs`, within its pass over the optimiser's state; this folder is the GPU's form.
//!
//! Tolerance against the definition: 1e-5 relative to the sum of the magnitudes of the terms (f32 sums; 2,048 entries in a row lose at most 3e-5 of it in
//! theory and about 3e-6 in practice, since errors do not add up in one direction).

#[cfg(test)]
pub(crate) mod cases;
pub(crate) mod gpu;
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
pub(crate) mod reference;
