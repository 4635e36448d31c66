//! Weight-based attribution: splits a feature's decoder norm by head.

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head};
use crate::sae::Autoencoder;

/// Computes the shares for [`super::head_shares`].
pub(super) fn head_shares(sae: Autoencoder<'_>, heads: usize) -> Result<Matrix> {
    let width = sae.width();
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(Error::Shape {
            op: "head shares",
            what: format!(
                "a decoder row of dictionary {} has {width} entries, which {heads} heads do not divide: open the model it was trained on",
                sae.name
            ),
        });
    }
    sae.w_dec.check()?;
    let mut shares = Matrix::zeros(sae.features(), heads);
    for (feature, row) in sae.w_dec.iter_rows().enumerate() {
        let norms: Vec<f64> = row
            .chunks_exact(width / heads)
            .map(|slice| {
                slice
                    .iter()
                    .map(|v| f64::from(*v).powi(2))
                    .sum::<f64>()
                    .sqrt()
            })
            .collect();
        let sum: f64 = norms.iter().sum();
        for (share, norm) in shares.row_mut(feature).iter_mut().zip(norms) {
            *share = if sum > 0.0 {
                (norm / sum) as f32
            } else {
                1.0 / heads as f32
            };
        }
    }
    Ok(shares)
}

/// Returns the features for [`super::top_features`].
pub(super) fn top_features(
    shares: &Matrix,
    head: Head,
    most: usize,
    among: impl Fn(FeatureId) -> bool,
) -> Vec<(FeatureId, f32)> {
    let mut ranked: Vec<(FeatureId, f32)> = shares
        .iter_rows()
        .enumerate()
        .map(|(feature, row)| (FeatureId::from(feature), row[head.index()]))
        .filter(|(feature, _)| among(*feature))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.truncate(most);
    ranked
}
