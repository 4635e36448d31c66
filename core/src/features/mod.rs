//! The feature index: one SQLite file with what is known about each feature over a text. Built in one pass, opened read-only.

use std::path::Path;

use crate::Flow;
use crate::corpus::Rows;
use crate::error::Result;
use crate::eval::Pass;
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;
use crate::sae::Sae;

/// A feature's scalars; the table shows one row of these per feature.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Which feature.
    pub feature: FeatureId,
    /// Share of tokens on which it is active.
    pub density: f64,
    /// Mean activation where active.
    pub mean: f64,
    /// Largest activation.
    pub max: f64,
    /// Norm of its decoder row.
    pub decoder_norm: f64,
}

/// A place in the text where a feature is active.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Name of the document.
    pub document: String,
    /// Token ids, up to 10 either side.
    pub ids: Vec<TokenId>,
    /// The same as shown.
    pub tokens: Vec<String>,
    /// The feature's activation at each.
    pub acts: Vec<f32>,
    /// Position of the example's token in `tokens`.
    pub at: usize,
}

/// Examples of one interval of activation.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Lower end (inclusive).
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Share of the feature's active tokens in it.
    pub share: f64,
    /// Up to 5, drawn at random by seed.
    pub examples: Vec<Example>,
}

/// A token that a feature's direction promotes or suppresses.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEffect {
    /// The token.
    pub id: TokenId,
    /// As shown.
    pub text: String,
    /// Logit change per unit of activation, without the final norm's run-time 1/σ.
    pub effect: f32,
}

/// Activation counts in equal bins from 0 to the maximum (zero itself left out).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// `[bins + 1]`.
    pub edges: Vec<f64>,
    /// `[bins]`.
    pub counts: Vec<u64>,
}

/// Everything known about a feature.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// Scalars.
    pub summary: Summary,
    /// Activation histogram.
    pub histogram: Histogram,
    /// The 20 strongest, one per place, strongest first.
    pub top: Vec<Example>,
    /// Five equal intervals up to the maximum, highest first.
    pub intervals: Vec<Interval>,
    /// 10 promoted tokens, strongest first.
    pub promoted: Vec<TokenEffect>,
    /// 10 suppressed tokens, strongest first.
    pub suppressed: Vec<TokenEffect>,
    /// `[h]` for `hook_z`: share of the decoder row's norm by head, summing to 1; empty elsewhere.
    pub head_shares: Vec<f32>,
}

/// What an index says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Name of the dictionary.
    pub sae: String,
    /// Name of the model.
    pub model: String,
    /// Hook.
    pub hook: String,
    /// What text, as a phrase.
    pub corpus: String,
    /// Hex SHA-256 of that text.
    pub corpus_fingerprint: String,
    /// Activations it is over.
    pub tokens: u64,
    /// Seed of the reservoirs.
    pub seed: u64,
    /// Version that built it.
    pub version: String,
    /// Features.
    pub features: usize,
}

/// Builds the index of `sae` over `rows` into `out` (whole or not at all); `false` if the observer stopped it, and then there is no file.
/// `corpus` and `fingerprint` describe the text.
pub fn build(
    model: &Model,
    sae: &Sae,
    rows: &Rows,
    source: &Source,
    out: &Path,
    observe: &mut dyn FnMut(Pass) -> Flow,
) -> Result<bool> {
    unimplemented!(
        "{} {} {} {source:?} {} {:?}",
        model.name(),
        sae.name,
        rows.len(),
        out.display(),
        observe(Pass { done: 0, rows: 0 })
    )
}

/// What the text of an index is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// As a phrase: file names and part.
    pub corpus: String,
    /// Hex SHA-256.
    pub fingerprint: String,
    /// Seed of the reservoirs.
    pub seed: u64,
}

/// An index opened read-only. `Send`, not shared: each thread opens its own.
#[derive(Debug)]
pub struct Index {
    _owner: (),
}

impl Index {
    /// Opens an index file; a file of another version or kind is refused.
    pub fn open(path: &Path) -> Result<Self> {
        unimplemented!("{}", path.display())
    }

    /// What it says about itself.
    pub fn about(&self) -> &About {
        unimplemented!()
    }

    /// Scalars of all features, by feature.
    pub fn summaries(&self) -> Result<Vec<Summary>> {
        unimplemented!()
    }

    /// Everything about one feature.
    pub fn detail(&self, feature: FeatureId) -> Result<Detail> {
        unimplemented!("{feature}")
    }

    /// Features whose examples' strongest tokens, promoted or suppressed tokens match the words of `query` (full-text, prefix), best first.
    pub fn search(&self, query: &str) -> Result<Vec<FeatureId>> {
        unimplemented!("{query}")
    }

    /// The strongest token of each feature's top example, as shown, for the table.
    pub fn top_tokens(&self) -> Result<Vec<String>> {
        unimplemented!()
    }

    /// The distinct tokens at which each of a feature's top examples peaks (for Jaccard over a head's features).
    pub fn peak_tokens(&self, feature: FeatureId) -> Result<Vec<TokenId>> {
        unimplemented!("{feature}")
    }
}
