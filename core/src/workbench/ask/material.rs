//! Examples and silent texts of features, parted into those that the model is shown and those held out.

use super::Settings;
use crate::error::{Error, Result};
use crate::features::{self, Detail, Example, Index, SilentAsked, fold};
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};
use crate::workbench::pair::Pair;

/// Everything that a model may be shown of one feature.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Material {
    /// Feature.
    pub feature: FeatureId,
    /// Examples that are shown with activations, strongest first.
    pub shown: Vec<Example>,
    /// Held-out examples in which the feature is active.
    pub active: Vec<Example>,
    /// Texts in which the feature is silent.
    pub silent: Vec<Example>,
    /// Tokens that the feature promotes, strongest first.
    pub promoted: Vec<String>,
}

/// Collects the material of `features` from the index and reads silent texts through the model. Near-duplicates among the examples count once, so that no held-out
/// text is a copy of a shown one.
pub fn materials(
    pair: &Pair,
    index: &Index,
    features: &[FeatureId],
    settings: Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Material>>> {
    let mut materials = Vec::with_capacity(features.len());
    for feature in features {
        let detail = index.detail(*feature)?;
        if detail.top.is_empty() {
            let what = format!(
                "feature {feature} is never active on the index's text, so there is nothing to show: choose another"
            );
            return Err(Error::input(what, index.path()));
        }
        materials.push(Material::new(&detail, settings));
    }
    if settings.held_out == 0 {
        return Ok(Ended::Done(materials));
    }
    let asked = SilentAsked {
        features,
        count: settings.held_out,
        seed: settings.seed,
        allow_mismatch: settings.allow_mismatch,
    };
    let subject = (&*pair.model, pair.sae.by_token()?);
    let silent = features::silent(subject, index, asked, observe)?;
    Ok(silent.map(|silent| {
        for (material, silent) in materials.iter_mut().zip(silent) {
            material.silent = silent;
        }
        materials
    }))
}

impl Material {
    /// Parts the distinct examples: one for the model, one held out, in turn from the strongest on.
    fn new(detail: &Detail, settings: Settings) -> Self {
        let all: Vec<Example> = detail.examples().cloned().collect();
        let distinct = fold(&all).into_iter().map(|fold| fold.shown);
        let distinct: Vec<usize> = distinct.collect();
        let part = |first: usize| -> Vec<usize> {
            distinct.iter().copied().skip(first).step_by(2).collect()
        };
        let of = |places: Vec<usize>, most: usize| {
            let count = places.len().min(most);
            let spread = (0..count).map(|i| places[i * places.len() / count.max(1)]);
            spread.map(|at| all[at].clone()).collect()
        };
        Self {
            feature: detail.summary.feature,
            shown: if settings.held_out == 0 {
                of(distinct.clone(), settings.shown)
            } else {
                of(part(0), settings.shown)
            },
            active: of(part(1), settings.held_out),
            silent: Vec::new(),
            promoted: (detail.promoted.iter())
                .map(|effect| effect.text.clone())
                .collect(),
        }
    }
}
