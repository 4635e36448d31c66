//! `pre[n, j] = centred[n, d] · w_enc[features[j], d] + b_enc[features[j]]`: a small dense product over chosen features.
//!
//! | tensor | shape |
//! |---|---|
//! | `centred` | `[n, d]` |
//! | `w_enc`, `b_enc` | `[f, d]`, `[f]` |
//! | `features` | `j` indices below `f` |
//! | result | `[n, j]` |
//!
//! Tolerance against the definition: as in `encode`, which shares its reference.

mod cpu;
#[cfg(test)]
pub(super) mod reference;

use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};

/// Computes the pre-activations `[n, features.len()]` of centred activations `[n, d]`.
pub fn pre_activations(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    features: &[u32],
) -> Result<Matrix> {
    Dims::new("pre_activations")
        .bind("centred", centred, "n d")?
        .bind("w_enc", w_enc, "f d")?
        .bind("b_enc", b_enc, "f")?;
    if let Some(beyond) = features.iter().find(|f| **f as usize >= w_enc.rows()) {
        return Err(Error::Shape {
            op: "pre_activations",
            what: format!("there is no feature {beyond} among {}", w_enc.rows()),
        });
    }
    let d = w_enc.columns();
    let mut chosen = Matrix::zeros(features.len(), d);
    for (i, feature) in features.iter().enumerate() {
        chosen
            .row_mut(i)
            .copy_from_slice(w_enc.row(*feature as usize));
    }
    let bias: Vec<f32> = features.iter().map(|f| b_enc[*f as usize]).collect();
    let mut out = Matrix::zeros(centred.rows(), features.len());
    cpu::product(&mut out, centred, &chosen, &bias);
    Ok(out)
}
