//! Features by head and attribution by head and source token (Kissane et al. 2024, papers.md 3.3, 3.4, 3.8).

use crate::dims::Matrix;
use crate::error::Result;
use crate::features::Index;
use crate::ids::{FeatureId, Head, TokenId};
use crate::models::Model;
use crate::sae::Sae;

/// Share of each feature's decoder norm by head, `[f, h]`; rows sum to 1.
pub fn head_shares(sae: &Sae, heads: usize) -> Result<Matrix> {
    unimplemented!("{} {heads}", sae.name)
}

/// The features with the largest share in `head`, largest first.
pub fn top_features(shares: &Matrix, head: Head, most: usize) -> Vec<(FeatureId, f32)> {
    unimplemented!("{shares:?} {head} {most}")
}

/// What is measured of one head over its ten features.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadFigures {
    /// Which head.
    pub head: Head,
    /// Its ten features with their shares.
    pub features: Vec<(FeatureId, f32)>,
    /// Mean of 1/Σ share² over them: how many heads a feature spreads over.
    pub spread: f64,
    /// Mean pairwise cosine of their decoder rows through `W_O`.
    pub cosine: f64,
    /// Mean Jaccard of their top tokens, if there is an index.
    pub jaccard: Option<f64>,
}

/// Figures of every head of the layer a `hook_z` dictionary reads.
pub fn figures(model: &Model, sae: &Sae, index: Option<&Index>) -> Result<Vec<HeadFigures>> {
    unimplemented!("{} {} {}", model.name(), sae.name, index.is_some())
}

/// Attribution of one feature's pre-activation at one token.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// The prompt's tokens.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// `[h, t]`: A_h[t, s] · (v_h[s] · w_{i,h}).
    pub by_head_and_source: Matrix,
    /// Pre-activation as the dictionary computes it.
    pub pre_activation: f64,
    /// `w · b_dec`, subtracted.
    pub decoder_bias: f64,
    /// `b_enc`, added.
    pub encoder_bias: f64,
}

impl Attribution {
    /// `[t]`, summed over heads.
    pub fn by_source(&self) -> Vec<f64> {
        unimplemented!()
    }

    /// `[h]`, summed over sources.
    pub fn by_head(&self) -> Vec<f64> {
        unimplemented!()
    }

    /// Σ attributions − (pre-activation + decoder bias − encoder bias): 0 up to rounding.
    pub fn residue(&self) -> f64 {
        unimplemented!()
    }
}

/// Direct feature attribution of `feature` at position `at` of `text`.
pub fn attribute(
    model: &Model,
    sae: &Sae,
    text: &str,
    feature: FeatureId,
    at: usize,
) -> Result<Attribution> {
    unimplemented!("{} {} {text} {feature} {at}", model.name(), sae.name)
}
