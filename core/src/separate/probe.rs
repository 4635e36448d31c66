//! Sparse probes: logistic regressions on the few features that correlate most with the sets, cross-validated.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Spec;
use super::columns::{Column, Columns};
use super::logistic::Logistic;
use crate::error::Result;
use crate::ids::FeatureId;

/// Weight of a feature in a probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weight {
    /// Feature.
    pub feature: FeatureId,
    /// Log-odds of the first set for one unit of pooled activation.
    pub weight: f64,
    /// Log-odds for one standard deviation of it.
    pub standardised: f64,
}

/// Figures of a probe on held-out texts: each text is held out once.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Share of texts that are assigned to their set.
    pub accuracy: f64,
    /// Standard error of that share, √(p (1 − p) / texts).
    pub standard_error: f64,
    /// Accuracy of each fold.
    pub folds: Vec<f64>,
}

/// A logistic regression on a few features.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Number of features asked for.
    pub size: usize,
    /// Features of the fit on all texts, largest weight of a standard deviation in size first; fewer than asked for where fewer vary.
    pub weights: Vec<Weight>,
    /// Log-odds of the first set where none of them is active.
    pub bias: f64,
    /// Share of texts that the fit on all texts assigns to their set.
    pub accuracy: f64,
    /// Figures on held-out texts.
    pub held_out: Held,
}

/// Returns the fold of every text: each set is shuffled and dealt out, so that folds hold the sets in equal shares.
pub(super) fn folds(texts: [usize; 2], folds: usize, seed: u64) -> Vec<usize> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::with_capacity(texts[0] + texts[1]);
    for count in texts {
        let mut fold: Vec<usize> = (0..count).map(|i| i % folds).collect();
        fold.shuffle(&mut chance);
        all.extend(fold);
    }
    all
}

/// Fits a probe on some features and tells how it scores texts.
#[derive(Debug)]
struct Fitted<'c> {
    columns: Vec<&'c Column>,
    /// Mean and standard deviation of each feature on the training texts.
    scales: Vec<(f64, f64)>,
    logistic: Logistic,
}

impl<'c> Fitted<'c> {
    fn new(
        columns: &'c Columns,
        size: usize,
        penalty: f64,
        takes: &dyn Fn(usize) -> bool,
    ) -> Result<Self> {
        let chosen = columns.strongest(size, takes);
        let taken: Vec<usize> = (0..columns.texts()).filter(|text| takes(*text)).collect();
        let dense: Vec<Vec<f64>> = chosen.iter().map(|c| c.dense(columns.texts())).collect();
        let scale = |column: &Vec<f64>| {
            let values = || taken.iter().map(|text| column[*text]);
            let mean = values().sum::<f64>() / taken.len() as f64;
            let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / taken.len() as f64;
            (mean, variance.sqrt())
        };
        let scales: Vec<(f64, f64)> = dense.iter().map(scale).collect();
        let row = |text: &usize| {
            let values = dense.iter().zip(&scales);
            values
                .map(|(column, (mean, sd))| (column[*text] - mean) / sd)
                .collect()
        };
        let x: Vec<Vec<f64>> = taken.iter().map(row).collect();
        let first: Vec<bool> = taken.iter().map(|text| columns.is_first(*text)).collect();
        Ok(Self {
            logistic: Logistic::fitted(&x, &first, penalty)?,
            columns: chosen,
            scales,
        })
    }

    /// Whether each of `texts` is assigned to its set.
    fn right(&self, columns: &Columns, texts: &[usize]) -> Vec<bool> {
        let dense: Vec<Vec<f64>> = self
            .columns
            .iter()
            .map(|c| c.dense(columns.texts()))
            .collect();
        let right = |text: &usize| {
            let values = dense.iter().zip(&self.scales);
            let x: Vec<f64> = values
                .map(|(column, (mean, sd))| (column[*text] - mean) / sd)
                .collect();
            (self.logistic.score(&x) > 0.0) == columns.is_first(*text)
        };
        texts.iter().map(right).collect()
    }
}

/// Fits a probe of `size` features on all texts, and on all but each fold in turn.
pub(super) fn measured(
    columns: &Columns,
    size: usize,
    fold_of: &[usize],
    spec: &Spec,
) -> Result<Probe> {
    let folds = fold_of.iter().max().map_or(0, |last| last + 1);
    let held: Vec<Vec<bool>> = (0..folds)
        .into_par_iter()
        .map(|fold| {
            let fitted = Fitted::new(columns, size, spec.penalty, &|text| fold_of[text] != fold)?;
            let texts: Vec<usize> = (0..fold_of.len())
                .filter(|text| fold_of[*text] == fold)
                .collect();
            Ok(fitted.right(columns, &texts))
        })
        .collect::<Result<_>>()?;
    let share = |right: &[bool]| {
        right.iter().filter(|right| **right).count() as f64 / right.len().max(1) as f64
    };
    let accuracy = share(&held.concat());
    let whole = Fitted::new(columns, size, spec.penalty, &|_| true)?;
    let all: Vec<usize> = (0..columns.texts()).collect();
    let pairs = whole
        .columns
        .iter()
        .zip(&whole.scales)
        .zip(&whole.logistic.weights);
    let mut weights: Vec<Weight> = pairs
        .map(|((column, (_, sd)), weight)| Weight {
            feature: column.feature,
            weight: weight / sd,
            standardised: *weight,
        })
        .collect();
    let shift = whole
        .scales
        .iter()
        .zip(&weights)
        .map(|((mean, _), weight)| mean * weight.weight);
    let bias = whole.logistic.bias - shift.sum::<f64>();
    weights.sort_by(|a, b| b.standardised.abs().total_cmp(&a.standardised.abs()));
    Ok(Probe {
        size,
        weights,
        bias,
        accuracy: share(&whole.right(columns, &all)),
        held_out: Held {
            accuracy,
            standard_error: (accuracy * (1.0 - accuracy) / columns.texts() as f64).sqrt(),
            folds: held.iter().map(|right| share(right)).collect(),
        },
    })
}
