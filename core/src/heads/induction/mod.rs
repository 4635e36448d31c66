//! Induction of every head: attention to the token that followed an earlier copy of the text's end, by the length of the copy (Kissane et al. 2024,
//! arXiv 2406.17759, `long_prefix_induction.py`).
//!
//! [`synthetic`] measures on random tokens in which `p` tokens are repeated, [`on_text`] on real text. Both read all heads of all layers in one pass.

mod direct;
mod fold;
mod protocol;
mod synthetic;
#[cfg(test)]
mod tests;
mod text;

pub use fold::Folded;
pub use protocol::{Protocol, Sequence};
pub use text::{OnText, Replaced, TextHead, TextOptions};

use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::ids::{Head, Layer};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};

/// Longest prefix measured; prefixes are of 1 to this many tokens.
pub const PREFIXES: usize = 9;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "by_prefix",
        "mean attention to the token that followed the first copy, from the last token of the second copy, where the copy is 1, 2, … 9 tokens long: random distinct tokens, BOS first",
    ),
    (
        "error_by_prefix",
        "standard error of by_prefix, from the spread over sequences",
    ),
    (
        "dla_by_prefix",
        "mean direct effect on the logit of that token: the head's output at the last token of the second copy, through the final norm with its scale frozen, times its column of W_U (centred over the vocabulary unless logits are capped)",
    ),
    (
        "strong",
        "pairs of a token and a source on real text with attention above the threshold, the source not special and not the first token",
    ),
    (
        "prefix_counts",
        "how many of these pairs have 0, 1, 2, … matching tokens before source and token, walking back from the token and from the source's predecessor; case and a leading space do not count; the last number is of longer ones",
    ),
    (
        "before",
        "mean attention of pairs with a prefix of 2 or more tokens",
    ),
    (
        "after",
        "mean attention of these pairs after the token two before the source is replaced by a random one, which leaves a prefix of 1",
    ),
];

/// Settings of [`synthetic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Sequences of each prefix length.
    pub sequences: usize,
    /// Seed of tokens and places.
    pub seed: u64,
}

impl Default for Options {
    /// Returns the paper's size.
    fn default() -> Self {
        Self {
            sequences: 400,
            seed: 0,
        }
    }
}

impl Options {
    /// Checks that there is something to measure.
    pub fn check(&self) -> Result<()> {
        if self.sequences == 0 {
            let what = "the mean of no sequences has no value, give 1 or more";
            return Err(Error::setting("sequences", what));
        }
        Ok(())
    }
}

/// Amount that [`synthetic`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Sequences, each read in one pass.
    pub sequences: usize,
    /// Tokens of all sequences, at most.
    pub tokens: u64,
}

impl Options {
    /// Returns what is read of a model of `context` positions.
    pub fn cost(&self, context: usize) -> Cost {
        let sequences = self.sequences * PREFIXES;
        let length = protocol::LENGTH.min(context);
        Cost {
            sequences,
            tokens: (sequences * length) as u64,
        }
    }
}

/// Attention and direct effect of one head by length of the prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Layer.
    pub layer: Layer,
    /// Head within the layer.
    pub head: Head,
    /// Mean attention to the right source for prefixes of 1 to 9 tokens.
    pub by_prefix: [f64; PREFIXES],
    /// Standard error of these means, from the spread over sequences.
    pub error_by_prefix: [f64; PREFIXES],
    /// Mean direct effect on the logit of the right token, for prefixes of 1 to 9 tokens.
    pub dla_by_prefix: [f64; PREFIXES],
}

impl Curve {
    /// Returns attention for the shortest prefix.
    pub fn short(&self) -> f64 {
        self.by_prefix[0]
    }

    /// Returns attention for the longest prefix.
    pub fn long(&self) -> f64 {
        self.by_prefix[PREFIXES - 1]
    }

    /// Returns the mean over all prefix lengths.
    pub fn mean(&self) -> f64 {
        self.by_prefix.iter().sum::<f64>() / PREFIXES as f64
    }

    /// Whether no step to a longer prefix lowers attention.
    pub fn rises_strictly(&self) -> bool {
        self.by_prefix.is_sorted()
    }

    /// Whether attention rises from the shortest to the longest prefix, and no longer prefix has less than a shorter one by more than twice the standard error
    /// of their difference.
    pub fn rises(&self) -> bool {
        let allowed =
            |a: usize, b: usize| 2.0 * self.error_by_prefix[a].hypot(self.error_by_prefix[b]);
        let pairs = (0..PREFIXES).flat_map(|a| (a + 1..PREFIXES).map(move |b| (a, b)));
        let falls = pairs
            .filter(|(a, b)| self.by_prefix[*a] - self.by_prefix[*b] > allowed(*a, *b))
            .count();
        falls == 0 && self.long() - self.short() > allowed(0, PREFIXES - 1)
    }
}

/// Result of [`synthetic`].
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    /// Curves of all heads, layer by layer.
    pub curves: Vec<Curve>,
    /// Settings.
    pub options: Options,
    /// Tokens of a sequence, BOS included.
    pub length: usize,
    /// Sentence on the sequences.
    pub protocol: String,
}

impl Synthetic {
    /// Returns the heads in order of falling mean attention, the first of equals first.
    pub fn strongest(&self) -> Vec<&Curve> {
        let mut all: Vec<&Curve> = self.curves.iter().collect();
        all.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
        all
    }

    /// Returns the curve of a head; none if the model has no such head.
    pub fn of(&self, layer: Layer, head: Head) -> Option<&Curve> {
        let mut all = self.curves.iter();
        all.find(|curve| (curve.layer, curve.head) == (layer, head))
    }
}

/// Measures all heads on random sequences with a repeated prefix of 1 to 9 tokens. Memory does not grow with the number of sequences but for their places;
/// `observe` gets the sequences done and may stop.
pub fn synthetic(
    model: &Model,
    options: &Options,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Synthetic>> {
    synthetic::synthetic(model, options, observe)
}

/// Finds on real text what each head attends to strongly, how much of it continues an earlier copy, and what is left of the attention once the copy is cut to
/// one token. `observe` gets the rows read, then the changed rows read, and may stop.
pub fn on_text(
    model: &Model,
    rows: &Rows,
    options: &TextOptions,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<OnText>> {
    text::on_text(model, rows, options, observe)
}
