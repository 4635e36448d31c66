//! Edits of one activation by a dictionary: exchanges of features that bring it closest to the counterfactual's (Makelov et al. 2024, section 4.2), exchanges by
//! what features stand for, and the share of a reconstruction that they remove.

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::sae::Sae;

use super::site::Place;

/// Activation that is edited and what a dictionary makes of it, at one place.
#[derive(Debug, Clone)]
pub struct Side {
    /// Values of the edited columns.
    pub part: Vec<f64>,
    /// Active features, in rising order.
    pub features: Vec<FeatureId>,
    /// Activation of each.
    pub acts: Vec<f32>,
    /// Part that each adds to the edited columns, `[features][columns]`.
    pub written: Vec<Vec<f64>>,
}

impl Side {
    /// Encodes one row of the whole hook, `whole [1, w]`. `latents` holds its codes in row `row`.
    pub fn new(
        sae: &Sae,
        place: &Place,
        whole: &Matrix,
        (latents, row): (&Latents, usize),
    ) -> Result<Self> {
        let (features, acts): (Vec<FeatureId>, Vec<f32>) = latents.row(row).unzip();
        let own = sae.own_part(whole)?;
        let many = features.len() + 1;
        // Each feature alone, and none: their difference is what the feature adds, after the dictionary's own normalisation.
        let mut alone = Latents::with_capacity(many, 1);
        for (feature, act) in features.iter().zip(&acts) {
            alone.push_row(&[feature.0], &[*act]);
        }
        alone.push_row(&[], &[]);
        let repeated = own.row(0).repeat(many);
        let repeated = Matrix::new(many, own.columns(), repeated)?;
        let decoded = sae.decode(&alone, &repeated)?;
        let zeros = Matrix::zeros(many, place.width);
        let decoded = sae.put_back(&zeros, decoded)?;
        let none = place.part(decoded.row(many - 1));
        let added = |row: usize| {
            let part = place.part(decoded.row(row)).into_iter().zip(&none);
            part.map(|(with, without)| f64::from(with) - f64::from(*without))
                .collect()
        };
        Ok(Self {
            part: place
                .part(whole.row(0))
                .into_iter()
                .map(f64::from)
                .collect(),
            written: (0..features.len()).map(added).collect(),
            features,
            acts,
        })
    }

    fn find(&self, feature: FeatureId) -> Option<usize> {
        self.features.binary_search(&feature).ok()
    }

    /// Returns the share of the reconstruction, bias aside, that each active feature writes: (f u)·(â − b) / ‖â − b‖². They sum to 1. All are 0 where nothing is written.
    pub fn weights(&self) -> Vec<f64> {
        let mut whole = vec![0.0; self.part.len()];
        for written in &self.written {
            whole.iter_mut().zip(written).for_each(|(sum, u)| *sum += u);
        }
        let squares: f64 = whole.iter().map(|value| value * value).sum();
        let dot =
            |written: &Vec<f64>| -> f64 { written.iter().zip(&whole).map(|(a, b)| a * b).sum() };
        let share = |written| {
            if squares > 0.0 {
                dot(written) / squares
            } else {
                0.0
            }
        };
        self.written.iter().map(share).collect()
    }
}

/// One feature exchanged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Feature.
    pub feature: FeatureId,
    /// Activation that was removed; 0 for a feature that was silent.
    pub removed: f32,
    /// Activation that was put in; 0 for a feature that is silent on the counterfactual.
    pub added: f32,
    /// Share of the reconstruction that was removed, see [`Side::weights`].
    pub weight: f64,
    /// Distance from the counterfactual's activation behind it.
    pub distance: f64,
}

/// Exchanges at one place, step by step.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchanges {
    /// Distance of the activation from the counterfactual's before the first.
    pub start: f64,
    /// Steps.
    pub steps: Vec<Step>,
    /// Edited columns behind each step.
    parts: Vec<Vec<f32>>,
    untouched: Vec<f32>,
}

impl Exchanges {
    /// Returns the edited columns behind `k` steps, or behind the last if there are fewer.
    pub fn part(&self, k: usize) -> &[f32] {
        let done = k.min(self.parts.len());
        done.checked_sub(1)
            .map_or(&self.untouched, |last| &self.parts[last])
    }

    /// Returns the share of the reconstruction that `k` steps remove.
    pub fn magnitude(&self, k: usize) -> f64 {
        self.steps.iter().take(k).map(|step| step.weight).sum()
    }
}

/// Sum so far, and what it was made of.
struct Running<'a> {
    from: &'a Side,
    to: &'a Side,
    weights: Vec<f64>,
    whole: Vec<f64>,
    exchanges: Exchanges,
}

impl<'a> Running<'a> {
    fn new(from: &'a Side, to: &'a Side) -> Self {
        let untouched = from.part.iter().map(|value| *value as f32).collect();
        let exchanges = Exchanges {
            start: distance(&from.part, &to.part),
            steps: Vec::new(),
            parts: Vec::new(),
            untouched,
        };
        Self {
            from,
            to,
            weights: from.weights(),
            whole: from.part.clone(),
            exchanges,
        }
    }

    /// Adds `change` and records it: a feature with the activation removed and the one put in.
    fn step(&mut self, feature: FeatureId, change: &[f64], (removes, adds): (bool, bool)) {
        self.whole
            .iter_mut()
            .zip(change)
            .for_each(|(sum, c)| *sum += c);
        let active = self.from.find(feature).filter(|_| removes);
        let put = self.to.find(feature).filter(|_| adds);
        self.exchanges.steps.push(Step {
            feature,
            removed: active.map_or(0.0, |at| self.from.acts[at]),
            added: put.map_or(0.0, |at| self.to.acts[at]),
            weight: active.map_or(0.0, |at| self.weights[at]),
            distance: distance(&self.whole, &self.to.part),
        });
        let part = self.whole.iter().map(|value| *value as f32);
        self.exchanges.parts.push(part.collect());
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

/// Exchanges up to `k` features greedily: each step takes the feature whose change of activation, (f(a_t) − f(a_s)) u, brings the edited activation closest to a_t, and
/// ends where none brings it closer. An exchange may remove and add the same feature. It starts from the activation, not from its reconstruction.
pub fn agnostic(from: &Side, to: &Side, k: usize) -> Exchanges {
    let mut features: Vec<FeatureId> = from.features.iter().chain(&to.features).copied().collect();
    features.sort_unstable();
    features.dedup();
    let change = |feature: &FeatureId| {
        let mut change = vec![0.0; from.part.len()];
        if let Some(at) = to.find(*feature) {
            change
                .iter_mut()
                .zip(&to.written[at])
                .for_each(|(c, u)| *c += u);
        }
        if let Some(at) = from.find(*feature) {
            change
                .iter_mut()
                .zip(&from.written[at])
                .for_each(|(c, u)| *c -= u);
        }
        change
    };
    let mut changes: Vec<(FeatureId, Vec<f64>)> = features
        .iter()
        .map(|feature| (*feature, change(feature)))
        .collect();
    let mut running = Running::new(from, to);
    for _ in 0..k {
        let rest: Vec<f64> = to
            .part
            .iter()
            .zip(&running.whole)
            .map(|(t, a)| t - a)
            .collect();
        // ‖r − c‖² − ‖r‖² = ‖c‖² − 2 r·c
        let gain = |change: &[f64]| -> f64 {
            change
                .iter()
                .zip(&rest)
                .map(|(c, r)| c * (c - 2.0 * r))
                .sum()
        };
        let best = changes
            .iter()
            .enumerate()
            .map(|(at, (_, change))| (gain(change), at))
            .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let Some((gain, at)) = best else { break };
        if gain >= 0.0 {
            break;
        }
        let (feature, change) = changes.remove(at);
        running.step(feature, &change, (true, true));
    }
    running.exchanges
}

/// Removes the `k` active features whose F1 score for the old value is best, and adds the `k` features of the counterfactual whose score for the new value is best. `scores`
/// returns both scores of a feature, old and new. A feature that scores 0 is left out.
pub fn by_interpretation(
    (from, to): (&Side, &Side),
    k: usize,
    scores: &dyn Fn(FeatureId) -> [f64; 2],
) -> Exchanges {
    let best = |side: &Side, which: usize| {
        let scored = side.features.iter().enumerate();
        let mut scored: Vec<(f64, usize)> = scored
            .map(|(at, feature)| (scores(*feature)[which], at))
            .filter(|(score, _)| *score > 0.0)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.truncate(k);
        scored
    };
    let mut running = Running::new(from, to);
    for (_, at) in best(from, 0) {
        let change: Vec<f64> = from.written[at].iter().map(|u| -u).collect();
        running.step(from.features[at], &change, (true, false));
    }
    for (_, at) in best(to, 1) {
        running.step(to.features[at], &to.written[at], (false, true));
    }
    running.exchanges
}

/// Checks that a dictionary can be edited at `place`: one that reconstructs the activation of this hook.
pub fn check(sae: &Sae, place: &Place) -> Result<()> {
    sae.autoencoder()?;
    if sae.error_of.is_some() {
        let what = format!(
            "{} reads the error of another dictionary; choose one that reads the activation",
            sae.name
        );
        return Err(Error::hook(place.site.hook, what));
    }
    let hook = sae.hook()?;
    if hook != place.site.hook {
        let what = format!("{} reads {hook}, not this hook", sae.name);
        return Err(Error::hook(place.site.hook, what));
    }
    Ok(())
}
