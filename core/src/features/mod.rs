//! The feature index: one SQLite file with what is known about each feature over a text. Built in one pass over the rows with memory bounded by
//! the number of features, opened read-only. Knows no labels: those are the project's.

mod belongs;
mod build;
mod effects;
mod export;
mod file;
mod histogram;
mod index;
mod json;
mod pack;
mod reservoir;
mod tally;
#[cfg(test)]
mod tests;

use crate::corpus::Positions;
use crate::ids::{FeatureId, TokenId};
use crate::models::Unembed;
use crate::prompt::Input;

pub use build::build;
pub(crate) use export::is_of_export;
pub use export::{Exported, Source as NeuronpediaSource, Viewer, export};
pub use index::Index;
pub use json::json;

/// Examples in the list of the strongest.
pub const TOP: usize = 20;
/// Equal intervals up to the maximum.
pub const INTERVALS: usize = 5;
/// Examples drawn from each.
pub const PER_INTERVAL: usize = 5;
/// Tokens shown on either side of an example's.
pub const CONTEXT: usize = 10;
/// Tokens listed as promoted, and as suppressed.
pub const EFFECTS: usize = 10;
/// Bins of a histogram at most.
pub const BINS: usize = 50;

/// A feature's scalars; the table shows one row of these per feature.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Which feature.
    pub feature: FeatureId,
    /// Share of tokens on which it is active.
    pub density: f64,
    /// Mean activation where active.
    pub mean: f64,
    /// Least activation, 0 where none is negative.
    pub min: f64,
    /// Largest activation, 0 where none is positive.
    pub max: f64,
    /// Norm of its decoder row.
    pub decoder_norm: f64,
}

impl Summary {
    /// The activation of largest size, with its sign: what the feature is ranked by.
    pub fn strongest(&self) -> f64 {
        if -self.min > self.max {
            self.min
        } else {
            self.max
        }
    }
}

/// Where a token stands in the text of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of its row among all rows of the text.
    pub row: u32,
    /// Position in the row.
    pub position: usize,
}

/// The row of tokens that an example is of, as the model read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// Name of the example's document; other tokens of the row may be of others.
    pub document: String,
    /// Number of the row among all rows of the text.
    pub row: u32,
    /// All its tokens, BOS included where the text has it.
    pub ids: Vec<TokenId>,
    /// The same as shown.
    pub texts: Vec<String>,
    /// Position of the example's token.
    pub position: usize,
    /// The feature's activation there, as the index has it.
    pub act: f32,
    /// Whether documents packed in the row were kept apart.
    pub apart: bool,
}

impl Passage {
    /// As a model reads it.
    pub fn input(&self) -> Input {
        Input::Tokens {
            ids: self.ids.as_slice().into(),
            apart: self.apart,
        }
    }

    /// Where it is of.
    pub fn describe(&self) -> String {
        format!(
            "{}, row {}, position {}",
            self.document, self.row, self.position
        )
    }
}

/// A place in the text where a feature is active.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Name of the document.
    pub document: String,
    /// Where its token stands; none in an index of version 1.
    pub place: Option<Place>,
    /// Token ids, up to 10 either side.
    pub ids: Vec<TokenId>,
    /// The same as shown.
    pub tokens: Vec<String>,
    /// The feature's activation at each, with its sign (0 at positions that do not count), exact to 1/65,535 of the strongest here.
    pub acts: Vec<f32>,
    /// Position of the example's token in `tokens`.
    pub at: usize,
}

/// Examples of one interval of activation, which may reach below 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Lower end (inclusive).
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Share of the feature's active tokens in it; where an end falls inside one of the 512 bins that are counted, that bin is divided in proportion.
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
    /// Logit change per unit of activation, without the final norm's run-time 1/σ; [`About::unembed`] says whether less its mean over the vocabulary.
    pub effect: f32,
}

/// Activation counts in at most 50 equal bins with an edge at 0, from the least activation or 0 to the largest or 0 (zero itself left out). Counts are
/// exact; the outermost bins end at the least and the largest and include them, so they may be narrower.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// `[bins + 1]`.
    pub edges: Vec<f64>,
    /// `[bins]`.
    pub counts: Vec<u64>,
}

/// Everything known about a feature.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Detail {
    /// Scalars.
    pub summary: Summary,
    /// Activation histogram.
    pub histogram: Histogram,
    /// The 20 strongest by size, strongest first, one per row of tokens at most.
    pub top: Vec<Example>,
    /// Five equal intervals from the least activation or 0 to the largest or 0, highest first.
    pub intervals: Vec<Interval>,
    /// 10 promoted tokens, strongest first; empty at a hook whose directions are not of the residual stream.
    pub promoted: Vec<TokenEffect>,
    /// 10 suppressed tokens, strongest first.
    pub suppressed: Vec<TokenEffect>,
    /// The effects on all tokens of the vocabulary, in [`BINS`] equal bins from the least to the largest; empty where there are none, and in indexes that
    /// were built before this was kept.
    pub logits: Histogram,
    /// `[h]` for `hook_z`: share of the decoder row's norm by head, summing to 1; empty elsewhere.
    pub head_shares: Vec<f32>,
}

impl Example {
    /// The activation at the example's token.
    pub fn act(&self) -> f32 {
        self.acts[self.at]
    }
}

impl Detail {
    /// All examples in the order in which they are numbered from 1: the strongest, then those of the intervals.
    pub fn examples(&self) -> impl Iterator<Item = &Example> {
        let drawn = self.intervals.iter().flat_map(|i| &i.examples);
        self.top.iter().chain(drawn)
    }
}

impl About {
    /// Whether the file is of an older form: without negative activations, centred effects on logits and rows of examples.
    pub fn is_older(&self) -> bool {
        self.form <= file::FIRST
    }

    /// How the effects on logits were read, as a phrase; an older index says that it is one.
    pub fn logit_effects(&self) -> &'static str {
        match self.unembed {
            _ if self.is_older() => "logit effects: raw, older index",
            Unembed::Centred => "logit effects: less their mean over the vocabulary",
            Unembed::Raw => "logit effects: raw, for the model's logits have a soft cap",
        }
    }
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
    /// Form of the file: 2, or 1 of an older one.
    pub form: u32,
    /// How the effects on logits were read.
    pub unembed: Unembed,
    /// Features.
    pub features: usize,
    /// Row length.
    pub context: usize,
    /// Which positions of the text count.
    pub positions: Positions,
    /// Whether documents packed in one row were kept apart.
    pub separate_documents: bool,
    /// Positions that do not; none in an index that was built before they were counted.
    pub left_out: Option<u64>,
    /// [`crate::sae::Sae::fingerprint`] of the dictionary; in an older form, which says none of its model, a checksum of its weights.
    pub sae_fingerprint: String,
    /// [`crate::models::Model::fingerprint`] of the model; empty in an older form.
    pub model_fingerprint: String,
    /// What the dictionary says about its training (seed, tokens seen, …), as key and value, by key.
    pub facts: Vec<(String, String)>,
}
