//! Terms of training rules on codes: what an entry adds to the loss, its gradients, and those of numbers learnt for each feature.
//!
//! With `z` an entry's pre-activation, `a` its activation, `g` the gradient `d_acts` so far, and f its feature:
//!
//! | rule | formula |
//! |---|---|
//! | ReLU | `g += w`; loss `w · Σ a` |
//! | JumpReLU | `a = z` if `z > θ_f`, else 0; with `h = g + w·s·(1 − tanh²(s·a))`: `g = h` if `a > 0`, else 0; `dθ_f = −Σ (θ_f · h + slope) / ε` over entries with `abs(z − θ_f) < ε/2`; loss `w · Σ tanh(s·a)`, and of L0 what the rule says |
//! | Gated | `a = max(exp(r_f)·(z − b_f) + m_f, 0)`; with `h = g` if `a > 0`, else 0, and `q` the gradient of the gate: `dm_f = Σ h`, `dr_f = Σ h·exp(r_f)·(z − b_f)`, `g = q + h·exp(r_f)` |
//! | gradient, literal | `factor = score / z`, `g *= factor` |
//! | Multi-TopK | the k largest entries of each row, ties to lower features |
//!
//! | tensor | shape |
//! |---|---|
//! | entries | `[nnz]` |
//! | numbers of features | `[f]` |
//!
//! Tolerance against the definition: 1e-5 of the sum of the magnitudes of the terms. The sum over a feature's entries takes them in the order of tokens in 8
//! lanes: (n_f/8 + 3) roundings of 2⁻²⁴. The library's `exp` errs by at most 3 + 2·abs(x) units in the last place. Whether `z` lies within ε/2 of θ is decided in
//! f32: entries within 2⁻²³ · abs(z) of the edge may fall on either side. The CPU computes these terms in the rules, in f64 where they are sums.

#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(test)]
pub(super) mod reference;
