//! Direct feature attribution: writes the pre-activation of a feature as a sum over heads and source tokens.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Site, TokenId};
use crate::models::{Config, Model, token_tensor};
use crate::prompt::Input;
use crate::sae::Autoencoder;

use super::{Attribution, layer_of};

/// Computes the attribution for [`super::attribute`].
pub(super) fn attribute(
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
    let [pattern, v, z] =
        [Site::Pattern, Site::V, Site::Z].map(|site| HookPoint::Block(layer, site));
    let captured = model.capture(&token_tensor(&[&tokens])?, &[pattern, v, z])?;
    let z = Matrix::from_tensor(&captured[&z], sae.width())?;
    let z = Matrix::new(1, sae.width(), z.row(at).to_vec())?;
    // Where tokens are normalised, the weight of each part of z depends on the whole token.
    let along = sae
        .input_norm
        .direction(z.row(0), sae.w_enc.row(feature.index()));
    let (decoder_bias, encoder_bias) = sae.bias_terms(feature);
    Ok(Attribution {
        by_head_and_source: contributions(model.config(), &captured, (pattern, v), at, &along)?,
        pre_activation: f64::from(sae.pre_activations(&z, &[feature])?.row(0)[0]),
        decoder_bias,
        encoder_bias,
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

/// Computes `[h, t]`: A_h[at, s] · (v_h[s] · w_h) in f64. Head `h` reads the values of key/value head `h / (heads / kv_heads)`.
fn contributions(
    config: &Config,
    captured: &BTreeMap<HookPoint, Tensor>,
    (pattern, v): (HookPoint, HookPoint),
    at: usize,
    w: &[f32],
) -> Result<Matrix> {
    let (heads, e) = (config.heads, config.d_head);
    let group = heads / config.kv_heads;
    let pattern = captured[&pattern].narrow(2, at, 1)?; // [1, h, 1, t]
    let pattern = Matrix::from_tensor(&pattern, pattern.dims4()?.3)?; // [h, t]
    let v = Matrix::from_tensor(&captured[&v], config.kv_heads * e)?; // [t, h_kv·e]
    let mut contributions = Matrix::zeros(heads, pattern.columns());
    for head in 0..heads {
        let w = &w[head * e..(head + 1) * e];
        let slice = (head / group) * e..(head / group + 1) * e;
        for (source, out) in contributions.row_mut(head).iter_mut().enumerate() {
            let values = &v.row(source)[slice.clone()];
            let read: f64 = values
                .iter()
                .zip(w)
                .map(|(v, w)| f64::from(*v) * f64::from(*w))
                .sum();
            *out = (f64::from(pattern.row(head)[source]) * read) as f32;
        }
    }
    Ok(contributions)
}
