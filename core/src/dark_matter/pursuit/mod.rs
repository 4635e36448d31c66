//! Pursuit: codes that are searched for token by token in place of the encoder's, with the dictionary's own decoder (Engels et al. 2024, arXiv 2410.14670, on
//! what a better encoder would win).
//!
//! | rule | a step |
//! |---|---|
//! | gradient | `r = s − w·D`; take the feature of the largest `D·r` (signed) among all; `g = D·r` on it and on those with `w ≠ 0`; `c = g·D`; `w ← max(0, w + ⟨c, r⟩/⟨c, c⟩ · g)` (Blumensath and Davies 2008; the paper's `encoder_pursuit.py`) |
//! | orthogonal | add the feature never selected that has the largest `D·r`, and fit the weights `≥ 0` of all selected by least squares; stop where `D·r ≤ 0` |
//!
//! `D [f, d]` are the decoder's rows as they are, of any length; `s` is the activation, normalised if the dictionary does, less `b_dec`, whether or not the encoder
//! subtracts it. A token gets as many steps as the encoder has active features there, or a number for all. Weights are never negative: dictionaries that keep
//! signed activations are compared with a code that cannot have them. Transcoders and temporal dictionaries are refused, since they do not write what they read
//! token by token.
//!
//! **Cost.** `k` products with the whole dictionary per token would cost `k` times the encoder. Instead each token holds an estimate of `D·r` in f32 that one product
//! begins and columns of the Gram matrix `D Dᵀ` correct, in 16-bit integers. A bound on its error says which few features may have the largest correlation, and
//! these are computed from `r` in f64. Every choice is thus that of f64 arithmetic, whatever the estimate. Columns are made for all tokens of a block at
//! once and kept for later blocks.

mod batch;
mod columns;
mod compare;
mod examples;
mod least_squares;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::latents::Latents;
use crate::sae::Sae;

pub use compare::{
    Comparison, DEFINITIONS, FeatureRow, STUDY, TokenCodes, by_token, compare, steps,
};
pub use examples::{FEATURES_WITH_EXAMPLES, Missed, MissedExamples, PER_FEATURE};

/// Rule of a pursuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Gradient pursuit, the paper's.
    #[default]
    Gradient,
    /// Orthogonal matching pursuit with weights that are not negative.
    Orthogonal,
}

impl Method {
    /// All rules, the paper's first.
    pub const ALL: [Self; 2] = [Self::Gradient, Self::Orthogonal];

    /// Name as written: `gradient`, `orthogonal`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gradient => "gradient",
            Self::Orthogonal => "orthogonal",
        }
    }

    /// Title for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Gradient => "Gradient pursuit",
            Self::Orthogonal => "Orthogonal matching pursuit",
        }
    }

    /// Sentence on how it works.
    pub const fn explained(self) -> &'static str {
        match self {
            Self::Gradient => {
                "Each step adds the feature that agrees most with what is left, and moves all weights one step downhill"
            }
            Self::Orthogonal => {
                "Each step adds the feature that agrees most with what is left, and fits all weights anew"
            }
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|method| method.name() == text);
        named.ok_or_else(|| {
            let what = format!("`{text}` is no rule of pursuit; give gradient or orthogonal");
            Error::setting("method", what)
        })
    }
}

/// Settings of a pursuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Rule.
    pub method: Method,
    /// Steps of every token; none: as many as the encoder has active features at the token.
    pub k: Option<usize>,
    /// Number of features that a token's pursuit may choose from, those with the encoder's largest pre-activations; none: the whole dictionary.
    pub shortlist: Option<usize>,
}

impl Settings {
    /// Checks the numbers against a dictionary.
    fn check(self, sae: &Sae) -> Result<()> {
        let f = sae.features();
        for (name, count) in [("k", self.k), ("shortlist", self.shortlist)] {
            if count.is_some_and(|count| count == 0 || count > f) {
                let what = format!(
                    "it must lie between 1 and {f}, the features of {}",
                    sae.name
                );
                return Err(Error::setting(name, what));
            }
        }
        Ok(())
    }
}

/// Pursues a code of each of the activations `x [n, d]` (the part that the dictionary reads) with `steps [n]` steps. Results do not depend on the number of
/// threads. An error for a transcoder or a temporal dictionary.
pub fn pursue(sae: &Sae, x: &Matrix, steps: &[usize], settings: Settings) -> Result<Latents> {
    batch::Pursuer::new(sae, settings)?.pursue(x, steps)
}

/// Returns the signal `[n, d]` that decoder rows add up to: `x`, normalised if the dictionary does, less `b_dec`.
fn signal(sae: &Sae, x: &Matrix) -> Result<Matrix> {
    Dims::new("pursuit")
        .bind("w_dec", &sae.w_dec, "f d")?
        .bind("b_dec", &sae.b_dec, "d")?
        .bind("x", x, "n d")?;
    let mut signal = sae.input_norm.apply(x).into_owned();
    for row in signal.values_mut().chunks_mut(sae.b_dec.len().max(1)) {
        for (value, b) in row.iter_mut().zip(&sae.b_dec) {
            *value -= b;
        }
    }
    Ok(signal)
}
