//! Principal component analysis by the eigenvectors of the covariance.

use super::dense::{eigen, matrix};
use super::sums::Sums;
use super::{Made, Spec};
use crate::error::{Error, Result};
use crate::sae::AbsTopK;

/// Fits the principal components; the sign of each makes its entry of largest magnitude positive.
pub(super) fn fit(spec: &Spec, sums: &Sums) -> Result<Made> {
    let d = sums.width();
    let (values, vectors) = eigen(&sums.covariance((0, d), (0, d)))?;
    let all: f64 = values.iter().map(|value| value.max(0.0)).sum();
    if all <= 0.0 {
        let what = "the activations do not vary: give varied text".to_owned();
        return Err(Error::Numeric { what });
    }
    let kept: f64 = values[..spec.features].iter().sum();
    let signs: Vec<f64> = (0..spec.features)
        .map(|j| {
            let larger = |best: f64, i: usize| {
                let value = vectors[(i, j)];
                if value.abs() > best.abs() {
                    value
                } else {
                    best
                }
            };
            (0..d).fold(0.0, larger).signum()
        })
        .collect();
    let rows = matrix(spec.features, d, |j, i| signs[j] * vectors[(i, j)])?;
    Ok(Made {
        w_enc: rows.clone(),
        b_enc: vec![0.0; spec.features],
        w_dec: rows,
        selection: AbsTopK { k: spec.active() }.into(),
        rounds: 0,
        converged: true,
        left: Some((1.0 - kept / all).max(0.0)),
    })
}
