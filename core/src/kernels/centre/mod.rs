//! Activations scaled and centred: `y[r, c] = scale · x[r, at + c] − less[c]`, the input and the target of a dictionary in training.
//!
//! | tensor | shape |
//! |---|---|
//! | `x` | `[n, wide]`: what stands beside an activation may follow in its row |
//! | `less` | `[d]`: `b_dec`, or the mean that a transcoder takes from its inputs |
//! | `y` | `[n, d]`, columns `at..at + d` of `x` |
//!
//! Tolerance against the definition: 2⁻²³ · (abs(scale · x) + abs(less)), two roundings in f32. Σ y² and Σ y by column are those of `sums`. The CPU
//! centres while it gathers, in `train`.

#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(test)]
pub(super) mod reference;
