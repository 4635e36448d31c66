//! Readers that several families share: prefixes, projections stored `[out, in]`, norms, kinds of layers.

use std::sync::Arc;

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::kernels::linear::Rows;
use crate::models::blocks::{Activation, Linear, Norm, Table};
use crate::models::settings::Settings;
use crate::models::weights::Fetch;
use crate::models::{Config, NormKind};

/// Returns the first of `prefixes` under which the file has `name`; the first of all if it has none.
pub(super) fn prefix<'p>(fetch: &Fetch<'_>, prefixes: &[&'p str], name: &str) -> &'p str {
    let there = |prefix: &&&str| fetch.has(&format!("{prefix}{name}"));
    prefixes.iter().find(there).unwrap_or(&prefixes[0])
}

/// Fetches the norm `name` of `config.d_model` values, with its bias if it is a LayerNorm.
pub(super) fn norm(fetch: &Fetch<'_>, name: &str, config: &Config) -> Result<Norm> {
    let d = [config.d_model];
    let weight = fetch.get(&format!("{name}.weight"), &d)?;
    let bias = match config.norm {
        NormKind::LayerNorm => Some(fetch.get(&format!("{name}.bias"), &d)?),
        NormKind::RmsNorm => None,
    };
    Norm::new(config.norm, weight, bias, config.norm_eps)
}

/// Fetches the projection `name` stored `[out, in]`, with or without bias.
pub(super) fn linear(
    fetch: &Fetch<'_>,
    name: &str,
    (inputs, outputs): (usize, usize),
    biased: bool,
) -> Result<Linear> {
    stacked(fetch, &[(name.to_owned(), outputs)], inputs, biased)
}

/// Fetches projections `(name, out)` stored `[out, in]` as one, their outputs one behind the other.
pub(super) fn stacked(
    fetch: &Fetch<'_>,
    parts: &[(String, usize)],
    inputs: usize,
    biased: bool,
) -> Result<Linear> {
    let biases = parts
        .iter()
        .filter(|_| biased)
        .map(|(name, outputs)| fetch.get(&format!("{name}.bias"), &[*outputs]))
        .collect::<Result<Vec<_>>>()?;
    let bias = if biases.is_empty() {
        None
    } else {
        Some(Tensor::cat(&biases, 0)?)
    };
    let names = parts
        .iter()
        .map(|(name, outputs)| (format!("{name}.weight"), *outputs));
    let kept = names
        .clone()
        .map(|(name, outputs)| fetch.kept(&name, (outputs, inputs)))
        .collect::<Result<Option<Vec<_>>>>()?;
    if let Some(kept) = kept {
        return Linear::stored(Arc::new(Rows::stacked(kept)?), bias);
    }
    let weights = names
        .map(|(name, outputs)| fetch.get(&name, &[outputs, inputs]))
        .collect::<Result<Vec<_>>>()?;
    Linear::new(Tensor::cat(&weights, 0)?.t()?, bias)
}

/// Fetches the embedding `name`.
pub(super) fn embed(fetch: &Fetch<'_>, name: &str, config: &Config) -> Result<Table> {
    let dims = (config.vocab, config.d_model);
    Ok(match fetch.kept(name, dims)? {
        Some(rows) => Table::Stored(Arc::new(rows)),
        None => Table::Dense(fetch.get(name, &[dims.0, dims.1])?),
    })
}

/// Fetches the unembedding: the embedding `[v, d]` if they are tied, else the first of `names` in the file.
pub(super) fn unembed(
    fetch: &Fetch<'_>,
    config: &Config,
    tied: Option<&Table>,
    names: &[&str],
) -> Result<Linear> {
    match tied {
        Some(embed) => embed.unembedding(),
        None => embed(fetch, prefix(fetch, names, ""), config)?.unembedding(),
    }
}

/// Reads the activation function under `key`.
pub(super) fn activation(settings: &Settings, key: &str) -> Result<Activation> {
    let name = settings.text(key)?.unwrap_or_default();
    Activation::from_name(name).ok_or_else(|| settings.unsupported(&format!("`{key}` \"{name}\"")))
}

/// Checks that heads divide evenly.
pub(super) fn check_heads(settings: &Settings, config: &Config) -> Result<()> {
    let (heads, kv_heads) = (config.heads, config.kv_heads);
    if heads.is_multiple_of(kv_heads) && config.d_head > 0 {
        return Ok(());
    }
    let what = format!(
        "{heads} heads of width {} cannot share {kv_heads} key/value heads",
        config.d_head
    );
    Err(Error::input(what, settings.path()))
}

/// Computes the width of a head where heads share `d_model` evenly.
pub(super) fn shared_width(settings: &Settings, d_model: usize, heads: usize) -> Result<usize> {
    if d_model.is_multiple_of(heads) {
        return Ok(d_model / heads);
    }
    let what = format!("its width {d_model} is not a multiple of its {heads} heads");
    Err(Error::input(what, settings.path()))
}

/// Reads from `layer_types` which layers have a window; none if the file has no such list.
pub(super) fn layer_types(settings: &Settings, layers: usize) -> Result<Option<Vec<bool>>> {
    let key = "layer_types";
    let Some(found) = settings.get(key) else {
        return Ok(None);
    };
    let wrong = || settings.wrong(key, &format!("a list of {layers} kinds of layers"), found);
    let list = found.as_array().filter(|list| list.len() == layers);
    let kinds = list
        .ok_or_else(wrong)?
        .iter()
        .map(|kind| match kind.as_str() {
            Some("full_attention") => Ok(false),
            Some("sliding_attention") => Ok(true),
            Some(other) => Err(settings.unsupported(&format!("the layer type `{other}`"))),
            None => Err(wrong()),
        });
    kinds.collect::<Result<_>>().map(Some)
}

/// Reads the window of layers that have one.
pub(super) fn window(settings: &Settings) -> Result<usize> {
    let window = settings.count_or_off("sliding_window")?;
    window.ok_or_else(|| {
        let what = "has layers with a sliding window but no `sliding_window`";
        Error::input(what, settings.path())
    })
}
