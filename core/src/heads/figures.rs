//! Measures each head over its ten features: their spread over heads, the similarity of their directions and of the tokens at which they peak.

use std::collections::BTreeSet;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::ids::{FeatureId, Head, TokenId};
use crate::models::Model;
use crate::sae::{Autoencoder, Sae};

use super::{Among, HeadFigures, PER_HEAD, head_shares, layer_of, top_features};

/// Computes the figures for [`super::figures`].
pub(super) fn figures(
    model: &Model,
    sae: Autoencoder<'_>,
    index: Option<&Index>,
) -> Result<Vec<HeadFigures>> {
    let layer = layer_of(model, sae)?;
    let heads = model.config().heads;
    let shares = head_shares(sae, heads)?;
    let w_o = model.w_o(layer)?; // [h·e, d]
    let active = index.map(|index| active(index, &sae)).transpose()?;
    let among = match &active {
        Some(active) => Among::Active(active.iter().filter(|a| **a).count(), active.len()),
        None => Among::All(sae.features()),
    };
    let of_head = |head: Head| {
        let chosen = |feature: FeatureId| active.as_ref().is_none_or(|a| a[feature.index()]);
        let features = top_features(&shares, head, PER_HEAD, chosen);
        let written = through(&sae.w_dec, &features, &w_o)?;
        let tokens: Option<Vec<BTreeSet<TokenId>>> = index
            .map(|index| {
                let peaks = features
                    .iter()
                    .map(|(feature, _)| index.peak_tokens(*feature));
                peaks
                    .map(|tokens| Ok(tokens?.into_iter().collect()))
                    .collect::<Result<_>>()
            })
            .transpose()?;
        Ok(HeadFigures {
            head,
            spread: spread(&shares, &features),
            cosine: mean_of_pairs(written.rows(), |a, b| {
                Some(cosine(written.row(a), written.row(b)))
            })
            .unwrap_or(0.0),
            jaccard: tokens
                .and_then(|sets| mean_of_pairs(sets.len(), |a, b| jaccard(&sets[a], &sets[b]))),
            features,
            among,
        })
    };
    (0..heads).map(|head| of_head(Head::from(head))).collect()
}

/// Returns which features are active on the text of an index of `sae`, `[f]`.
pub(super) fn active(index: &Index, sae: &Sae) -> Result<Vec<bool>> {
    index.check_features(sae)?;
    let summaries = index.summaries()?;
    if summaries.len() != sae.features() {
        let what = "the index lacks features of its dictionary, build it again";
        return Err(Error::input(what, index.path()));
    }
    Ok(summaries.iter().map(|s| s.density > 0.0).collect())
}

/// Computes the mean of 1/Σ share².
pub(super) fn spread(shares: &Matrix, features: &[(FeatureId, f32)]) -> f64 {
    let of_feature = |feature: FeatureId| {
        let squares = shares.row(feature.index()).iter();
        squares.map(|s| f64::from(*s).powi(2)).sum::<f64>().recip()
    };
    let sum: f64 = features
        .iter()
        .map(|(feature, _)| of_feature(*feature))
        .sum();
    sum / features.len().max(1) as f64
}

/// Maps decoder rows of some features through the output projection, `[features, d]`.
fn through(w_dec: &Matrix, features: &[(FeatureId, f32)], w_o: &Matrix) -> Result<Matrix> {
    Dims::new("decoder rows through W_O")
        .bind("w_dec", w_dec, "f z")?
        .bind("w_o", w_o, "z d")?;
    let rows: Vec<f32> = features
        .iter()
        .flat_map(|(feature, _)| w_dec.row(feature.index()))
        .copied()
        .collect();
    let mut written = Matrix::zeros(features.len(), w_o.columns());
    matmul(
        MatMut::from_row_major_slice_mut(written.values_mut(), features.len(), w_o.columns()),
        Accum::Replace,
        MatRef::from_row_major_slice(&rows, features.len(), w_o.rows()),
        MatRef::from_row_major_slice(w_o.values(), w_o.rows(), w_o.columns()),
        1.0,
        Par::Seq,
    );
    Ok(written)
}

/// Computes the mean of `of(a, b)` over all pairs of `0..n` that have a value; `None` if none has.
pub(super) fn mean_of_pairs(n: usize, of: impl Fn(usize, usize) -> Option<f64>) -> Option<f64> {
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    let values: Vec<f64> = pairs.filter_map(|(a, b)| of(a, b)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Computes the cosine of two directions; 0 if either is zero.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

/// Computes |a ∩ b| / |a ∪ b|; `None` if both are empty (features without examples).
pub(super) fn jaccard(a: &BTreeSet<TokenId>, b: &BTreeSet<TokenId>) -> Option<f64> {
    let union = a.union(b).count();
    (union > 0).then(|| a.intersection(b).count() as f64 / union as f64)
}
