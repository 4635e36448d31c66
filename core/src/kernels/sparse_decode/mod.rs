//! `x̂[n, d] = Σ_j acts[n, j] · w_dec[features[n, j], d] + b_dec[d]`: only the rows of active features are read.
//!
//! | tensor | shape |
//! |---|---|
//! | `latents` | `n` rows |
//! | `w_dec`, `b_dec` | `[f, d]`, `[d]` |
//! | result | `[n, d]` |
//!
//! Tolerance against the definition: 1e-5 relative to Σ|acts·w_dec| + |b_dec| of the entry (f32 sums in the order of features).

#[cfg(test)]
pub(super) mod cases;
pub(crate) mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(feature = "gpu")]
mod placed;
#[cfg(test)]
pub(super) mod reference;

use rayon::prelude::*;

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::latents::Latents;

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 64;

/// Decodes `latents` with `w_dec [f, d]` and `b_dec [d]` into the reconstruction, `[n, d]`, on the device on which `w_dec` is placed.
pub fn sparse_decode(latents: &Latents, w_dec: &Matrix, b_dec: &[f32]) -> Result<Matrix> {
    Dims::new("sparse_decode")
        .bind("w_dec", w_dec, "f d")?
        .bind("b_dec", b_dec, "d")?;
    latents.check(w_dec.rows())?;
    #[cfg(feature = "gpu")]
    if let Some(out) = placed::decode(latents, w_dec, b_dec)? {
        return Ok(out);
    }
    let d = w_dec.columns();
    let mut out = Matrix::zeros(latents.rows(), d);
    out.values_mut()
        .par_chunks_mut((ROWS * d).max(1))
        .enumerate()
        .for_each(|(chunk, out)| {
            for (i, out) in out.chunks_exact_mut(d).enumerate() {
                let entries = latents.range(chunk * ROWS + i);
                out.copy_from_slice(b_dec);
                let sum = cpu::Weighted {
                    rows: &latents.features[entries.clone()],
                    weights: &latents.acts[entries],
                    scale: 1.0,
                    table: w_dec.values(),
                };
                cpu::add_rows(out, sum);
            }
        });
    Ok(out)
}
