//! Attention heads and what they do, mostly by dictionaries of their outputs (Kissane et al. 2024, arXiv 2406.17759): a survey, the features of a head, its roles, and
//! where a feature's activation comes from.
//!
//! Everything about features covers dictionaries of `hook_z`, whose activation concatenates the heads' mixed values: slice `h·e .. (h + 1)·e` of a row belongs to head `h`.
//! Attention patterns are taken as given; only the values are attributed.

pub mod attribution;
pub mod circuit;
pub mod features;
mod figures;
pub mod induction;
pub mod ioi;
pub mod roles;
mod shares;
pub mod survey;
#[cfg(test)]
mod tests;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::features::Index;
use crate::ids::{FeatureId, Head, Layer};
use crate::models::Model;
use crate::sae::{Autoencoder, Sae};

pub use attribution::{Attribution, Firing, attribute, firing, strongest};

/// Number of features listed and measured per head.
pub const PER_HEAD: usize = 10;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "share",
        "norm of the feature's decoder row within the head's slice, over the sum of these norms for all heads",
    ),
    (
        "features",
        "the ten features with the largest share in the head, among those that are active on the index's text; without an index, among all features, including dead ones",
    ),
    (
        "spread",
        "mean over the head's ten features of 1 / Σ share²: how many heads a feature spreads over",
    ),
    (
        "cosine",
        "mean pairwise cosine of the ten features' decoder rows, each taken through W_O",
    ),
    (
        "jaccard",
        "mean pairwise Jaccard index of the tokens at which the ten features' top examples peak",
    ),
];

/// Splits `all` into waves: the first of `least` items, so that the first report comes early, each later one twice as large, up to `most`.
pub(crate) fn growing<T>(
    mut all: &[T],
    (least, most): (usize, usize),
) -> impl Iterator<Item = &[T]> {
    let mut size = least.clamp(1, most);
    std::iter::from_fn(move || {
        let (wave, rest) = all.split_at(size.min(all.len()));
        (all, size) = (rest, (2 * size).min(most));
        (!wave.is_empty()).then_some(wave)
    })
}

/// Computes the share of each feature's decoder norm by head, `[f, h]`; rows sum to 1. A feature whose decoder row is zero has equal shares.
pub fn head_shares(sae: Autoencoder<'_>, heads: usize) -> Result<Matrix> {
    shares::head_shares(sae, heads)
}

/// Returns the features that `among` accepts with the largest share in `head`, largest first, ties by feature.
pub fn top_features(
    shares: &Matrix,
    head: Head,
    most: usize,
    among: impl Fn(FeatureId) -> bool,
) -> Vec<(FeatureId, f32)> {
    shares::top_features(shares, head, most, among)
}

/// Features among which the ten of a head were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Features that are active on the index's text.
    Active(usize, usize),
    /// All features, including dead ones, because there is no index.
    All(usize),
}

impl Among {
    /// Returns a phrase for people.
    pub fn describe(self) -> String {
        match self {
            Self::Active(active, all) => {
                format!(
                    "chosen among the {active} of {all} features that are active on the index's text"
                )
            }
            Self::All(all) => format!(
                "chosen among all {all} features, including dead ones: build an index to leave those out"
            ),
        }
    }
}

/// Figures of one head over its ten features.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadFigures {
    /// Head.
    pub head: Head,
    /// Ten features with their shares; fewer if fewer are active.
    pub features: Vec<(FeatureId, f32)>,
    /// Features among which they were chosen.
    pub among: Among,
    /// Mean of 1/Σ share²: number of heads over which a feature spreads.
    pub spread: f64,
    /// Mean pairwise cosine of their decoder rows through `W_O`.
    pub cosine: f64,
    /// Mean Jaccard index of their top tokens, if there is an index.
    pub jaccard: Option<f64>,
}

/// Measures every head of the layer that a `hook_z` dictionary reads, over features that are active on the text of `index`; over all features without one.
pub fn figures(
    model: &Model,
    sae: Autoencoder<'_>,
    index: Option<&Index>,
) -> Result<Vec<HeadFigures>> {
    figures::figures(model, sae, index)
}

/// Returns which features are active on the text of an index of `sae`, `[f]`.
pub fn live(index: &Index, sae: &Sae) -> Result<Vec<bool>> {
    figures::active(index, sae)
}

/// Returns the layer whose `hook_z` the dictionary reads; an error for any other hook or a model whose heads do not fill its width.
fn layer_of(model: &Model, sae: Autoencoder<'_>) -> Result<Layer> {
    sae.check_reads_activations()?;
    let hook = sae.hook()?;
    if let Some(head) = sae.provenance.head {
        let what = format!(
            "{} reads only head {head}, so all its features belong to that head: choose a dictionary of all heads",
            sae.name
        );
        return Err(Error::hook(hook, what));
    }
    let layer = hook.layer().filter(|_| hook.is_z()).ok_or_else(|| {
        Error::hook(
            hook,
            "only dictionaries of attn.hook_z tell heads apart: choose one of these",
        )
    })?;
    let width = model.width(hook)?;
    if sae.width() == width {
        return Ok(layer);
    }
    Err(Error::Shape {
        op: "heads",
        what: format!(
            "dictionary {} has width {}, {hook} in this model {width}: open the model it was trained on",
            sae.name,
            sae.width()
        ),
    })
}
