//! Sets each feature that is active at S2 to 0 there and measures the change of LD, prompt by prompt.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::pass::{Change, Changes, differences};
use super::{Effect, Order, Prompt};
use crate::dims::Matrix;
use crate::error::Result;
use crate::heads::growing;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow};
use crate::sae::Autoencoder;

/// Prompts between two reports, at most.
const WAVE: usize = 8;

/// Figures over all prompts.
pub(super) struct Found {
    pub(super) ld: f64,
    pub(super) positive: f64,
    pub(super) features: Vec<Effect>,
    pub(super) error_term: f64,
}

/// Figures of one prompt.
struct One {
    ld: f64,
    /// Change of LD with each active feature set to 0.
    features: Vec<(FeatureId, f64)>,
    error_term: f64,
}

pub(super) fn effects(
    model: &Model,
    sae: Autoencoder<'_>,
    prompts: &[Prompt],
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Result<Ended<Found>> {
    let mut all = Vec::with_capacity(prompts.len());
    for wave in growing(prompts, (2, WAVE)) {
        let ones: Vec<One> = wave
            .par_iter()
            .map(|prompt| one(model, sae, prompt))
            .collect::<Result<_>>()?;
        all.extend(ones);
        if observe(all.len()).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    let n = prompts.len() as f64;
    Ok(Ended::Done(Found {
        ld: all.iter().map(|one| one.ld).sum::<f64>() / n,
        positive: all.iter().filter(|one| one.ld > 0.0).count() as f64 / n,
        features: ranked(prompts, &all),
        error_term: all.iter().map(|one| one.error_term).sum::<f64>() / n,
    }))
}

/// Reads one prompt: unchanged, with each active feature at 0, and without the dictionary's error.
fn one(model: &Model, sae: Autoencoder<'_>, prompt: &Prompt) -> Result<One> {
    let hook = sae.hook()?;
    let captured = model.capture(&token_tensor(&[&prompt.tokens])?, &[hook])?;
    let whole = Matrix::from_tensor(&captured[&hook], model.width(hook)?)?;
    let whole = Matrix::new(1, whole.columns(), whole.row(prompt.s2).to_vec())?;
    let x = sae.own_part(&whole)?.into_owned();
    let latents = sae.encode(&x)?;
    let (features, values) = without_each(sae, &x, &latents)?;
    let mut changes = vec![Change::Keep];
    for value in values {
        let value = sae.put_back(&whole, value)?;
        changes.push(Change::Put(prompt.s2, value.into_values()));
    }
    let rows = changes.len();
    let lds = differences(model, prompt, (rows, &Changes::from([(hook, changes)])))?;
    let ld = lds[0];
    Ok(One {
        ld,
        features: features
            .iter()
            .copied()
            .zip(lds[1..].iter().map(|other| other - ld))
            .collect(),
        error_term: lds[rows - 1] - ld,
    })
}

/// Returns the active features, and x without each of them, x + (decode(edited) − decode(clean)); at the end the reconstruction alone.
fn without_each(
    sae: Autoencoder<'_>,
    x: &Matrix,
    latents: &Latents,
) -> Result<(Vec<FeatureId>, Vec<Matrix>)> {
    let active: Vec<(FeatureId, f32)> = latents.row(0).collect();
    let mut values = Vec::with_capacity(active.len() + 1);
    for (left_out, _) in &active {
        values.push(spliced(sae, x, latents, |feature| feature != *left_out)?);
    }
    values.push(sae.decode(latents, x)?);
    Ok((
        active.into_iter().map(|(feature, _)| feature).collect(),
        values,
    ))
}

/// Computes x + (decode(edited) − decode(clean)) for one token, where `keeps` says which features stay. The error stays too, and where all features stay
/// the difference is 0 and x keeps its bits.
pub(super) fn spliced(
    sae: Autoencoder<'_>,
    x: &Matrix,
    latents: &Latents,
    keeps: impl Fn(FeatureId) -> bool,
) -> Result<Matrix> {
    let (features, acts): (Vec<u32>, Vec<f32>) = latents
        .row(0)
        .filter(|(feature, _)| keeps(*feature))
        .map(|(feature, act)| (feature.0, act))
        .unzip();
    let mut edited = Latents::with_capacity(1, features.len());
    edited.push_row(&features, &acts);
    let (before, after) = (sae.decode(latents, x)?, sae.decode(&edited, x)?);
    let mut value = x.clone();
    let differences = after.values().iter().zip(before.values());
    for (value, (after, before)) in value.values_mut().iter_mut().zip(differences) {
        *value += after - before;
    }
    Ok(value)
}

/// Puts the prompts together by feature: means over all prompts of an order, where a silent feature changes nothing; the largest fall first.
fn ranked(prompts: &[Prompt], all: &[One]) -> Vec<Effect> {
    let index = |order: Order| usize::from(order == Order::Baba);
    let mut of_order = [0_usize; 2];
    let mut sums: BTreeMap<FeatureId, [(usize, f64); 2]> = BTreeMap::new();
    for (prompt, one) in prompts.iter().zip(all) {
        of_order[index(prompt.order)] += 1;
        for (feature, change) in &one.features {
            let sum = &mut sums.entry(*feature).or_default()[index(prompt.order)];
            *sum = (sum.0 + 1, sum.1 + change);
        }
    }
    let effect = |(feature, sums): (FeatureId, [(usize, f64); 2])| Effect {
        feature,
        change: (sums[0].1 + sums[1].1) / prompts.len() as f64,
        by_order: [0, 1].map(|i| (of_order[i] > 0).then(|| sums[i].1 / of_order[i] as f64)),
        alive: sums.map(|(count, _)| count),
    };
    let mut effects: Vec<Effect> = sums.into_iter().map(effect).collect();
    effects.sort_by(|a, b| a.change.total_cmp(&b.change));
    effects
}
