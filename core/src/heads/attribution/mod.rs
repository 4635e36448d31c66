//! Direct feature attribution: writes the pre-activation of a feature at one token as a sum over heads and source tokens (papers: Kissane et al. 2024).
//!
//! `pre-activation + w · b_dec − b_enc = Σ_h Σ_s A_h[t, s] · (v_h[s] · w_h)`. Where the dictionary normalises tokens, `w` is scaled by this token's own norm or
//! deviation, which is taken as given, as the pattern is. For a gated dictionary the pre-activation is the gate.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::attention::Mixing;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head, TokenId};
use crate::latents::Latents;
use crate::models::Model;
use crate::prompt::Input;
use crate::sae::{Autoencoder, Decision};

use super::layer_of;

/// Name and definition of each figure of an attribution.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "by_head_and_source",
        "weight of the head's attention to the source token times the product of its value there and the feature's encoder row within the head's slice",
    ),
    ("by_head", "sum of the head's parts over source tokens"),
    ("by_source", "sum of the source token's parts over heads"),
    (
        "pre_activation",
        "what the parts sum to, less the decoder bias term and plus the encoder bias: the encoder's product with the token, before selection; for a gated dictionary the gate",
    ),
    (
        "decoder_bias",
        "encoder row times b_dec, if the dictionary subtracts b_dec; 0 otherwise",
    ),
    ("encoder_bias", "b_enc of the feature"),
    (
        "cut_off",
        "least pre-activation with which the feature fires at this token: its threshold, or the least that the rule kept",
    ),
    (
        "residue",
        "sum of the parts less pre-activation, decoder bias and plus encoder bias: 0 up to rounding",
    ),
];

/// Attribution of one feature's pre-activation at one token.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// Feature.
    pub feature: FeatureId,
    /// Position of the token whose feature is explained.
    pub at: usize,
    /// Tokens of the prompt.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// Attribution `[h, t]`: `A_h[t, s] · (v_h[s] · w_{i,h})`.
    pub by_head_and_source: Matrix,
    /// Pre-activation as the dictionary computes it; for a gated dictionary the gate.
    pub pre_activation: f64,
    /// Decoder bias `w · b_dec`, which is subtracted.
    pub decoder_bias: f64,
    /// Encoder bias `b_enc`, which is added.
    pub encoder_bias: f64,
    /// Whether the feature fires at the token.
    pub active: bool,
    /// Activation; 0 where the feature is silent.
    pub activation: f64,
    /// Least pre-activation with which the feature fires at the token; none where the rule has no such value ([`Decision::cut_off`]).
    pub cut_off: Option<f64>,
    /// Sentence that says what is explained and how it stands to the cut-off.
    pub explained: String,
}

impl Attribution {
    /// Whether the feature is silent because its pre-activation does not exceed the cut-off; a feature with an open gate may be silent for another reason.
    pub fn is_below_cut_off(&self) -> bool {
        let cut_off = self.cut_off.unwrap_or(f64::NEG_INFINITY);
        !self.active && self.pre_activation <= cut_off
    }

    /// Sums over heads, `[t]`.
    pub fn by_source(&self) -> Vec<f64> {
        by_source(&self.by_head_and_source)
    }

    /// Sums over sources, `[h]`.
    pub fn by_head(&self) -> Vec<f64> {
        by_head(&self.by_head_and_source)
    }

    /// Computes the sum of all parts.
    pub fn sum(&self) -> f64 {
        self.by_head().iter().sum()
    }

    /// Returns the part of one head at one source token.
    pub fn part(&self, head: Head, source: usize) -> f32 {
        self.by_head_and_source.row(head.index())[source]
    }

    /// Returns the source token with the largest part in the direction of the activation (of the pre-activation where the feature is silent), and its part.
    pub fn strongest_source(&self) -> Option<(usize, f64)> {
        let of = if self.active {
            self.activation
        } else {
            self.pre_activation
        };
        let sign = if of < 0.0 { -1.0 } else { 1.0 };
        let parts = self.by_source().into_iter().enumerate().take(self.at + 1);
        parts.reduce(|best, next| {
            if sign * next.1 > sign * best.1 {
                next
            } else {
                best
            }
        })
    }

    /// Computes Σ attributions − (pre-activation + decoder bias − encoder bias): 0 up to rounding.
    pub fn residue(&self) -> f64 {
        self.sum() - (self.pre_activation + self.decoder_bias - self.encoder_bias)
    }

    /// Bound on [`Attribution::residue`] by rounding: model and dictionary compute in f32, with sums of up to a few thousand terms, hence 1e-5 of the sum of
    /// absolute values.
    pub fn tolerance(&self) -> f64 {
        let terms = self.by_head_and_source.values().iter();
        let terms: f64 = terms.map(|v| f64::from(v.abs())).sum();
        1e-5 * (terms
            + self.pre_activation.abs()
            + self.decoder_bias.abs()
            + self.encoder_bias.abs())
    }

    /// Whether the attributions sum to the pre-activation.
    pub fn sums_up(&self) -> bool {
        self.residue().abs() <= self.tolerance()
    }
}

/// Sums `[h, t]` over heads, in f64.
fn by_source(parts: &Matrix) -> Vec<f64> {
    let mut sums = vec![0.0; parts.columns()];
    for row in parts.iter_rows() {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    sums
}

/// Sums `[h, t]` over sources, in f64.
fn by_head(parts: &Matrix) -> Vec<f64> {
    let rows = parts.iter_rows();
    rows.map(|row| row.iter().map(|v| f64::from(*v)).sum())
        .collect()
}

/// Attributes `feature` at position `at` of a text (BOS first, if the model has one) or of tokens, cut to the model's context. An error for a dictionary of
/// another hook than `hook_z`, for a feature that it lacks, and for a position outside the text.
pub fn attribute(
    model: &Model,
    sae: Autoencoder<'_>,
    input: &Input,
    feature: FeatureId,
    at: usize,
) -> Result<Attribution> {
    let layer = layer_of(model, sae)?;
    let model = &*input.reader(model)?;
    let (tokens, _) = input.tokens(model)?;
    check(sae, &tokens, feature, at)?;
    // No part depends on later tokens, but positions of the answer are those of the text.
    let mixing = Mixing::new(model, &tokens, layer)?;
    let z = Matrix::new(1, sae.width(), mixing.z(at).to_vec())?;
    // Where tokens are normalised, the weight of each part of z depends on the whole token.
    let along = sae
        .input_norm
        .direction(z.row(0), sae.w_enc.row(feature.index()));
    let (decoder_bias, encoder_bias) = sae.bias_terms(feature);
    let Decision {
        pre_activation,
        activation,
        active,
        cut_off,
        explained,
    } = sae.decide(&z, feature)?;
    Ok(Attribution {
        feature,
        at,
        by_head_and_source: mixing.split(&along, at)?,
        pre_activation,
        decoder_bias,
        encoder_bias,
        active,
        activation,
        cut_off,
        explained,
        texts: tokens.iter().map(|id| model.codec().display(*id)).collect(),
        tokens,
    })
}

fn check(sae: Autoencoder<'_>, tokens: &[TokenId], feature: FeatureId, at: usize) -> Result<()> {
    if feature.index() >= sae.features() {
        return Err(Error::setting(
            "feature",
            format!(
                "{feature} is not in dictionary {}, which has features 0 to {}",
                sae.name,
                sae.features().saturating_sub(1)
            ),
        ));
    }
    if at >= tokens.len() {
        return Err(Error::setting(
            "position",
            format!(
                "{at} is outside the text, which has {} tokens counted from 0",
                tokens.len()
            ),
        ));
    }
    Ok(())
}

/// Feature that fires on a text, at the token where it is strongest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Firing {
    /// Feature.
    pub feature: FeatureId,
    /// Position of its strongest token, the first of equals.
    pub at: usize,
    /// Activation there, with its sign.
    pub act: f32,
}

/// Returns the features that fire on a text, each at its strongest token, strongest first, ties by token and feature; over the positions that count, or at token
/// `at` alone if it is given; of `features` alone if they are given.
pub fn firing(
    (latents, counts): (&Latents, &[bool]),
    features: Option<&[FeatureId]>,
    at: Option<usize>,
) -> Vec<Firing> {
    let mut best: BTreeMap<FeatureId, Firing> = BTreeMap::new();
    let tokens = match at {
        Some(at) => at.min(latents.rows())..(at + 1).min(latents.rows()),
        None => 0..latents.rows(),
    };
    for token in tokens {
        let is_read = at.is_some() || counts.get(token).copied().unwrap_or(true);
        if !is_read {
            continue;
        }
        for (feature, act) in latents.row(token).filter(|(_, act)| *act != 0.0) {
            if features.is_some_and(|features| !features.contains(&feature)) {
                continue;
            }
            let found = Firing {
                feature,
                at: token,
                act,
            };
            let kept = best.entry(feature).or_insert(found);
            if act.abs() > kept.act.abs() {
                *kept = found;
            }
        }
    }
    let mut all: Vec<Firing> = best.into_values().collect();
    all.sort_by(|a, b| {
        let size = b.act.abs().total_cmp(&a.act.abs());
        size.then(a.at.cmp(&b.at)).then(a.feature.cmp(&b.feature))
    });
    all
}

/// Returns the feature of `features` and the token of a text at which an activation of theirs is the largest in magnitude, the first of equals; over the
/// positions that count, or at token `at` alone if it is given. None where all of them are silent.
pub fn strongest(
    reading: (&Latents, &[bool]),
    features: &[FeatureId],
    at: Option<usize>,
) -> Option<(FeatureId, usize)> {
    let first = firing(reading, Some(features), at).into_iter().next()?;
    Some((first.feature, first.at))
}
