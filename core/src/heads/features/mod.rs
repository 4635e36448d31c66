//! Features of a head in three rankings side by side: by decoder share, by direct attribution over a text, by causal effect.
//!
//! | ranking | figure of feature i at head h |
//! |---|---|
//! | decoder share | ‖W_dec[i, slice h]‖ over the sum of these norms for all heads |
//! | direct attribution | Σ |z_h · w_{i,h}| over the tokens where the feature is active (w the encoder row) |
//! | causal effect | mean rise of cross-entropy over the tokens where it is active, in sampled rows, when a_i · W_dec[i, slice h] is taken out of z |
//!
//! A pass over the text measures every feature of the layer; the causal effect takes passes of its own, for the features that the other two rankings name.

mod causal;
mod correlation;
mod on_text;
mod rank;
#[cfg(test)]
pub(super) mod tests;

pub use causal::{Effect, Sample, effects};
pub use correlation::{Correlation, pearson, spearman};
pub use on_text::{OnText, Peak, Written, on_text};
pub use rank::{FeatureRow, HeadFeatures, Ranking, rank, with_effects};

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "attribution",
        "Σ |z_h · w_h| over the tokens of the text where the feature is active: w_h is the head's part of its encoder row",
    ),
    (
        "attribution_share",
        "attribution in this head, over the sum of attributions in all heads",
    ),
    (
        "causal",
        "mean rise of cross-entropy in nats over the tokens where the feature is active, in sampled rows, when activation times decoder row is taken out of this head's z; measured for the ten first features of the other two rankings",
    ),
    (
        "correlation",
        "Pearson and Spearman correlation of decoder share and attribution share: of a head over its live features that are active on the text, of a feature over the heads",
    ),
];
