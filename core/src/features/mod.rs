//! The feature index: one SQLite file with the facts about each feature over a text. One pass over the rows builds it, with memory bounded by the number of
//! features; a second over the rows of the strongest examples finds their sources, where heads are told apart. It is opened read-only and holds no labels; those belong to the project.

mod belongs;
mod build;
#[cfg(test)]
mod build_tests;
mod checkpoint;
#[cfg(test)]
mod checkpoint_tests;
mod columns;
pub mod correlations;
pub mod directions;
mod effects;
mod export;
pub mod facts;
pub mod families;
mod file;
pub mod filter;
pub mod fires;
mod fold;
mod histogram;
mod index;
mod json;
#[cfg(test)]
mod lab_tests;
mod losses;
mod merge;
#[cfg(test)]
mod merge_tests;
mod merged;
mod named;
mod pack;
mod pack_sources;
mod pack_statistics;
mod pass;
pub mod predicate;
mod preview;
mod relations;
mod reservoir;
pub mod scores;
mod search;
mod silent;
mod sources;
mod spans;
mod spent;
#[cfg(test)]
mod statistics_tests;
mod surprise;
mod tallies;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod uses;
mod weights;
#[cfg(test)]
mod writes_tests;
mod written;

use std::ops::Range;

use crate::corpus::Positions;
use crate::ids::{FeatureId, TokenId};
use crate::models::Unembed;
use crate::prompt::Input;

pub use build::{Job, build, build_all};
pub use checkpoint::is_interrupted;
pub use effects::promoted;
pub use export::{Exported, Source as NeuronpediaSource, Viewer, export};
pub(crate) use export::{cantor, is_of_export};
pub use fold::{BEFORE, Fold, NEAR_DUPLICATES, SHARED, fold};
pub use index::Index;
pub use json::json;
pub use merge::merge;
pub use pass::{ROWS_AT_ONCE, tokens_at_once};
pub use preview::{Name, Peak, Preview, is_marker};
pub use relations::{Coactive, Counting, Neighbour, Neuron, Relations};
pub use search::{Hit, Reason, Words, matches};
pub use silent::{SilentAsked, silent};
pub use sources::{BEFORE_WINDOW, SourceToken, Sources, has_sources, sources};
pub use spans::Span;
pub use spent::Spent;
pub use surprise::{DENSE, Firing, Ranked, Rarity, Survey, surprise};
pub use uses::{TokenUse, Uses};
pub use written::{WRITTEN, Written};

/// Number of examples in the list of the strongest.
pub const TOP: usize = 20;
/// Number of equal intervals up to the maximum.
pub const INTERVALS: usize = 5;
/// Number of examples drawn from each interval.
pub const PER_INTERVAL: usize = 5;
/// Number of tokens shown on either side of an example's token.
pub const CONTEXT: usize = 10;
/// Number of promoted tokens listed, and of suppressed ones.
pub const EFFECTS: usize = 20;
/// Number of tokens that a feature promotes as a target of sweeps and scores of steering.
pub const PROMOTED: usize = 10;
/// Number of tokens in each list of those on which a feature is active.
pub const TOKENS: usize = 20;
/// Number of other features listed by decoder direction, and by tokens that they share; number of neurons.
pub const RELATED: usize = 20;
/// Least number of active tokens of an id among the tokens with the largest mean activation.
pub const LEAST_COUNT: u64 = 5;
/// Largest number of bins in a histogram.
pub const BINS: usize = 50;

/// Scalars of a feature, one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Feature.
    pub feature: FeatureId,
    /// Share of tokens on which the feature is active.
    pub density: f64,
    /// Mean activation where active.
    pub mean: f64,
    /// Least activation, 0 where none is negative.
    pub min: f64,
    /// Largest activation, 0 where none is positive.
    pub max: f64,
    /// Norm of the decoder row.
    pub decoder_norm: f64,
    /// Moments of the active values; none in an older index and for a feature that was never active.
    pub moments: Option<Moments>,
    /// Cosine of encoder and decoder row; none in an older index and where the two have different widths.
    pub encoder_decoder_cosine: Option<f64>,
}

/// Population moments of a feature's active values. Two are equal if their bits are, so that a moment that is NaN equals itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Moments {
    /// Mean square about the mean.
    pub variance: f64,
    /// Mean cube about the mean over variance^1.5; NaN where the variance is 0.
    pub skewness: f64,
    /// Mean fourth power about the mean over variance², 3 for a normal distribution; NaN where the variance is 0.
    pub kurtosis: f64,
}

impl PartialEq for Moments {
    fn eq(&self, other: &Self) -> bool {
        let bits = |of: &Self| [of.variance, of.skewness, of.kurtosis].map(f64::to_bits);
        bits(self) == bits(other)
    }
}

impl Summary {
    /// Returns the activation of largest size, with its sign; features are ranked by it.
    pub fn strongest(&self) -> f64 {
        if -self.min > self.max {
            self.min
        } else {
            self.max
        }
    }
}

/// Place of a token in the text of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the row among all rows of the text.
    pub row: u32,
    /// Position in the row.
    pub position: usize,
}

/// Token row of an example, as the model read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// Document of the example; other tokens of the row may belong to other documents.
    pub document: String,
    /// Number of the row among all rows of the text.
    pub row: u32,
    /// All tokens of the row, BOS included where the text has it.
    pub ids: Vec<TokenId>,
    /// Tokens as shown.
    pub texts: Vec<String>,
    /// Position of the example's token.
    pub position: usize,
    /// Activation of the feature there, as the index stores it.
    pub act: f32,
    /// Whether documents packed in the row were kept apart.
    pub apart: bool,
}

impl Passage {
    /// Returns the row as input for a model.
    pub fn input(&self) -> Input {
        Input::Tokens {
            ids: self.ids.as_slice().into(),
            apart: self.apart,
        }
    }

    /// Returns document, row and position as a phrase.
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
    /// Place of the token; none in an index of version 1.
    pub place: Option<Place>,
    /// Token ids, up to 10 on either side.
    pub ids: Vec<TokenId>,
    /// Tokens as shown.
    pub tokens: Vec<String>,
    /// Activation of the feature at each token, with its sign (0 at positions that do not count), exact to 1/65,535 of the strongest one here.
    pub acts: Vec<f32>,
    /// Index of the example's token in `tokens`.
    pub at: usize,
}

/// Examples of one interval of activation, which may extend below 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Interval {
    /// Lower end (inclusive).
    pub from: f64,
    /// Upper end.
    pub to: f64,
    /// Share of the feature's active tokens in the interval. Where an end falls inside one of the 512 counted bins, the bin is divided in proportion.
    pub share: f64,
    /// Up to 5 examples, drawn at random by seed.
    pub examples: Vec<Example>,
}

/// A token that a feature's direction promotes or suppresses.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenEffect {
    /// Token.
    pub id: TokenId,
    /// Token as shown.
    pub text: String,
    /// Change of the logit per unit of activation, without the final norm's run-time 1/σ. [`About::unembed`] says whether the mean over the vocabulary is
    /// subtracted.
    pub effect: f32,
}

/// Activation counts in at most 50 equal bins with an edge at 0; zero itself is left out. The bins extend from the least activation or 0 to the largest or 0.
/// Counts are exact. The outermost bins end at the least and the largest activation and include them, so they may be narrower.
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
    /// Sizes of activations in at most 50 bins of equal ratio; empty in an older index.
    pub log_histogram: Histogram,
    /// The 20 strongest examples by size, strongest first, at most one per token row.
    pub top: Vec<Example>,
    /// Five equal intervals from the least activation or 0 to the largest or 0, highest first.
    pub intervals: Vec<Interval>,
    /// 20 promoted tokens, 10 in an older index, strongest first; empty at a hook whose directions are not in the residual stream.
    pub promoted: Vec<TokenEffect>,
    /// 20 suppressed tokens, 10 in an older index, strongest first.
    pub suppressed: Vec<TokenEffect>,
    /// Effects on all tokens of the vocabulary, in [`BINS`] equal bins from the least to the largest; empty where there are none and in older indexes.
    pub logits: Histogram,
    /// `[h]` for `hook_z`: share of each head in the norm of the decoder row, summing to 1; empty elsewhere.
    pub head_shares: Vec<f32>,
    /// Sources of the strongest examples, in their order; empty where the index has none ([`About::attribution`]).
    pub sources: Vec<Sources>,
    /// `[h]`: share of each head in the sum of |attribution by head| over the strongest examples, summing to 1; empty where the index has none.
    pub head_attribution: Vec<f32>,
    /// Tokens and positions on which it is active; none in an older index.
    pub uses: Option<Uses>,
    /// Other features and neurons that it has to do with; none in an older index.
    pub relations: Option<Relations>,
    /// Parts that it writes in each layer, where its dictionary writes more than one hook: a layer of a cross-layer transcoder.
    pub written: Vec<Written>,
    /// Change of the next token's cross-entropy, in nats, when the feature is ablated at each of the strongest examples, in their order: above 0 the feature makes
    /// the next token more likely. NaN where no next token is predicted; empty where it was not measured ([`About::loss_effects`]).
    pub loss_effects: Vec<f32>,
}

impl Example {
    /// Returns the title of its document ([`crate::corpus::title`]).
    pub fn title(&self) -> String {
        crate::corpus::title(&self.document)
    }

    /// Returns the activation at the example's token.
    pub fn act(&self) -> f32 {
        self.acts[self.at]
    }
}

impl Detail {
    /// Returns all examples in the order of their numbers from 1: the strongest, then those of the intervals.
    pub fn examples(&self) -> impl Iterator<Item = &Example> {
        let drawn = self.intervals.iter().flat_map(|i| &i.examples);
        self.top.iter().chain(drawn)
    }
}

impl About {
    /// Returns whether the file has the first form, without negative activations, centred effects on logits and token rows of examples.
    pub fn is_older(&self) -> bool {
        self.form <= file::FIRST
    }

    /// Returns the hook that is read and, behind an arrow, the hook that is written where it is another: of several the first and the last.
    pub fn hooks(&self) -> String {
        match self.writes.as_slice() {
            [] => self.hook.clone(),
            [alone] => format!("{} → {alone}", self.hook),
            [first, .., last] => format!("{} → {first} to {last}", self.hook),
        }
    }

    /// Returns, as a phrase, how the effects on logits were computed; names an older index as such.
    pub fn logit_effects(&self) -> &'static str {
        match self.unembed {
            _ if self.is_older() => "logit effects: raw, older index",
            Unembed::Centred => "logit effects: minus their mean over the vocabulary",
            Unembed::Raw => "logit effects: raw, since the model's logits have a soft cap",
        }
    }
}

/// Text of an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// File names and part, as a phrase.
    pub corpus: String,
    /// Hex SHA-256.
    pub fingerprint: String,
    /// Seed of the reservoirs.
    pub seed: u64,
    /// Rows to read, counted from 0; none for all.
    pub rows: Option<Range<usize>>,
    /// Whether a dictionary of `hook_z` gets the attribution of its strongest examples by source token and head, by a second pass over their rows.
    pub attribution: bool,
    /// Whether the effect of each feature on the loss is measured at its strongest examples, by ablation.
    pub loss_effects: bool,
    /// Whether the file leaves out the full counts, by which indexes merge; it takes a third of the space then.
    pub without_counts: bool,
}

/// Facts that an index states about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// Name of the dictionary.
    pub sae: String,
    /// Name of the model.
    pub model: String,
    /// Hook that the dictionary reads.
    pub hook: String,
    /// Hooks that it writes, in the order of the pass; empty where it writes the hook that it reads.
    pub writes: Vec<String>,
    /// Text, as a phrase.
    pub corpus: String,
    /// Hex SHA-256 of the text, or of several texts' checksums.
    pub corpus_fingerprint: String,
    /// Rows that it covers, in the order of their numbers; empty in an older index.
    pub spans: Vec<Span>,
    /// Number of activations.
    pub tokens: u64,
    /// Seed of the reservoirs.
    pub seed: u64,
    /// Version of Umbra that built it.
    pub version: String,
    /// Form of the file: 3, or 2 or 1 for an older one.
    pub form: u32,
    /// Form of the effects on logits.
    pub unembed: Unembed,
    /// Number of features.
    pub features: usize,
    /// Row length.
    pub context: usize,
    /// Which positions of the text count.
    pub positions: Positions,
    /// Whether documents packed in one row were kept apart.
    pub separate_documents: bool,
    /// Number of positions that do not count; none in an index built before they were counted.
    pub left_out: Option<u64>,
    /// Whether the strongest examples have their sources, which dictionaries of `hook_z` get on request.
    pub attribution: bool,
    /// Whether effects on the loss were measured at the strongest examples.
    pub loss_effects: bool,
    /// [`crate::sae::Sae::fingerprint`] of the dictionary; in an older index a checksum of its weights.
    pub sae_fingerprint: String,
    /// [`crate::models::Model::fingerprint`] of the model; empty in an older index.
    pub model_fingerprint: String,
    /// Facts of the dictionary about its training (seed, tokens seen, …), sorted by key.
    pub facts: Vec<(String, String)>,
}
