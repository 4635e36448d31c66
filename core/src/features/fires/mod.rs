//! Search by text: the features of several dictionaries that fire on a text, ranked by maximum, mean, share of the reconstruction or TF-IDF.
//!
//! The model reads the text once; every dictionary encodes what its hook holds. The first position, which is BOS for most models, never counts: models keep
//! values there that are unlike all others.

#[cfg(test)]
mod fires_tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use super::Rarity;
use crate::error::{Error, Key, Result};
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow};
use crate::prompt::{Input, Part, Reading, read_by_all};
use crate::sae::{ByToken, Sae};

/// Definitions of the figures of [`Fired`], for people.
pub const DEFINITIONS: [(&str, &str); 5] = [
    (
        "max",
        "activation of largest size on the text, with its sign; the first position never counts",
    ),
    (
        "mean",
        "mean activation over all positions but the first, counting 0 where the feature is inactive",
    ),
    (
        "positions",
        "positions on which the feature is active, counted from 0, which is BOS where the model has it",
    ),
    (
        "share",
        "share of the reconstruction: the sum over positions of ⟨a·d, r⟩ over that of ‖r‖², where a is the activation, d the decoder row and r the sum of a·d over \
         the features active there; the shares of a dictionary sum to 1",
    ),
    (
        "tf_idf",
        "bits per position: the mean size of the activation over the index's largest, times log2(1 / density); none without an index",
    ),
];

/// Order of the features that fire on a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Rank {
    /// Largest activation in size.
    #[default]
    Max,
    /// Largest mean activation in size.
    Mean,
    /// Largest share of the reconstruction.
    Share,
    /// Largest TF-IDF; features without an index last.
    TfIdf,
}

impl Rank {
    /// All, the default first.
    pub const ALL: [Self; 4] = [Self::Max, Self::Mean, Self::Share, Self::TfIdf];

    /// Returns its name on the command line.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Share => "share",
            Self::TfIdf => "tf-idf",
        }
    }

    /// Returns its figure of `fired`; none where it is not known.
    pub fn figure(self, fired: &Fired) -> Option<f64> {
        match self {
            Self::Max => Some(f64::from(fired.max)),
            Self::Mean => Some(fired.mean),
            Self::Share => Some(fired.share),
            Self::TfIdf => fired.tf_idf,
        }
    }

    /// Compares two features: the one that stands first is less.
    pub fn compare(self, a: &Fired, b: &Fired) -> Ordering {
        let key = |fired: &Fired| match self {
            Self::Max | Self::Mean => self.figure(fired).map(f64::abs),
            Self::Share | Self::TfIdf => self.figure(fired),
        };
        let of = |fired| key(fired).unwrap_or(f64::NEG_INFINITY);
        let size = |fired: &Fired| fired.max.abs();
        (of(b).total_cmp(&of(a)))
            .then_with(|| size(b).total_cmp(&size(a)))
            .then_with(|| (a.dictionary, a.feature).cmp(&(b.dictionary, b.feature)))
    }
}

/// A dictionary to search, and the figures of its index.
#[derive(Debug, Clone, Copy)]
pub struct Searched<'a> {
    /// Dictionary.
    pub sae: &'a Sae,
    /// Densities and maxima of its features; none without an index.
    pub rarity: Option<&'a Rarity>,
}

/// A feature that fires on a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// Its dictionary, by place among those that were searched.
    pub dictionary: usize,
    /// Feature.
    pub feature: FeatureId,
    /// Activation of largest size, with its sign.
    pub max: f32,
    /// Position of that activation.
    pub at: usize,
    /// Mean activation over all positions but the first.
    pub mean: f64,
    /// Positions on which it is active, with the activations there.
    pub active: Vec<(usize, f32)>,
    /// Share of its dictionary's reconstruction; see [`crate::prompt::Shares`].
    pub share: f64,
    /// Mean size of the activation over the index's largest, times log₂(1 / density), in bits; none where the index does not know it.
    pub tf_idf: Option<f64>,
}

/// The features that fire on a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fires {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Tokens as shown.
    pub texts: Vec<String>,
    /// The whole text.
    pub text: String,
    /// Bytes of `text` that each token stands for; none for a BOS that was put before it.
    pub spans: Vec<Range<usize>>,
    /// Number of tokens cut because they exceed the model's context.
    pub cut: usize,
    /// Notes on how the text was read.
    pub notes: Vec<String>,
    /// Features, largest maximum in size first.
    pub found: Vec<Fired>,
}

impl Fires {
    /// Returns the features in the order of `rank`.
    pub fn ranked(&self, rank: Rank) -> Vec<&Fired> {
        let mut ranked: Vec<&Fired> = self.found.iter().collect();
        ranked.sort_by(|a, b| rank.compare(a, b));
        ranked
    }

    /// Returns the activations of a feature at all positions `[t]`, 0 where it is inactive.
    pub fn acts(&self, fired: &Fired) -> Vec<f32> {
        let mut acts = vec![0.0; self.tokens.len()];
        for (at, act) in &fired.active {
            acts[*at] = *act;
        }
        acts
    }
}

/// Reads `input` once through `model` and finds the features of all `searched` dictionaries that fire on it. `observe` is asked before every block of the model
/// and before every dictionary whether to go on. Errors: a text of one token, a dictionary that does not fit the model, no dictionary.
pub fn fires(
    model: &Model,
    input: &Input,
    searched: &[Searched<'_>],
    observe: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Fires>> {
    if searched.is_empty() {
        return Err(Error::setting(Key::Sae, "there is none, name one"));
    }
    let saes = searched.iter().map(|one| one.sae.by_token());
    let saes: Vec<ByToken<'_>> = saes.collect::<Result<_>>()?;
    let readings = match read_by_all(model, &saes, input, 0, observe)? {
        Ended::Done(readings) => readings,
        Ended::Stopped(()) => return Ok(Ended::STOPPED),
    };
    let mut fires = Fires::default();
    for (dictionary, (mut reading, one)) in readings.into_iter().zip(searched).enumerate() {
        if reading.tokens.len() < 2 {
            let what =
                "it is one token, and the first position of a text never counts: type more words";
            return Err(Error::setting("text", what));
        }
        reading.counts = (0..reading.tokens.len()).map(|t| t > 0).collect();
        fires.found.extend(of_reading(&reading, (dictionary, *one)));
        if dictionary == 0 {
            fires.tokens = reading.tokens;
            fires.texts = reading.texts;
            fires.text = reading.text;
            fires.spans = reading.spans;
            fires.cut = reading.cut;
            fires.notes = reading.notes;
        }
    }
    fires.found.sort_by(|a, b| Rank::Max.compare(a, b));
    Ok(Ended::Done(fires))
}

/// Returns the features that are active in a reading on tokens that count, with their figures over these.
fn of_reading(reading: &Reading, (dictionary, one): (usize, Searched<'_>)) -> Vec<Fired> {
    let mut active: BTreeMap<FeatureId, Vec<(usize, f32)>> = BTreeMap::new();
    let counted = (0..reading.latents.rows()).filter(|t| reading.counts[*t]);
    for at in counted.clone() {
        for (feature, act) in reading.latents.row(at).filter(|(_, act)| *act != 0.0) {
            active.entry(feature).or_default().push((at, act));
        }
    }
    let counted = counted.count() as f64;
    let fired = |part: Part| {
        let active = active.remove(&part.feature).unwrap_or_default();
        let sum: f64 = active.iter().map(|(_, act)| f64::from(*act)).sum();
        let size: f64 = active.iter().map(|(_, act)| f64::from(*act).abs()).sum();
        let bits = one.rarity.and_then(|rarity| rarity.bits(part.feature));
        Fired {
            dictionary,
            feature: part.feature,
            max: part.act,
            at: part.at,
            mean: sum / counted,
            active,
            share: part.share,
            tf_idf: bits.map(|bits| bits * size / counted),
        }
    };
    reading.parts().into_iter().map(fired).collect()
}
