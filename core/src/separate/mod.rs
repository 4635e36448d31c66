//! Features that tell two sets of texts apart: differences of means, ranks, and sparse probes measured on texts that they were not fitted on.
//!
//! Each text becomes one row: for every feature its largest, mean or last activation over the tokens that count ([`Pool`]). On these rows each feature is measured
//! alone ([`Separator`]), and logistic regressions on a few features are cross-validated ([`Probe`]; after Gurnee et al. 2023, arXiv 2305.01610). Features of a probe
//! are chosen within each fold, on its training texts alone, so that no held-out text has a say.

mod columns;
mod logistic;
mod pool;
mod probe;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::latents::Latents;

use self::columns::Columns;

pub use self::pool::{Pool, pooled};
pub use self::probe::{Held, Probe, Weight};

/// Numbers of features of the probes, by default.
pub const SIZES: [usize; 4] = [1, 2, 5, 10];

/// Greatest number of features of a probe.
pub const MOST_FEATURES: usize = 128;

/// Settings of a separation.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Numbers of features of the probes.
    pub sizes: Vec<usize>,
    /// Number of folds; fewer where a set has fewer texts.
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// Factor of half the squared weights in the loss of a probe, which is summed over texts; features are standardised.
    pub penalty: f64,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            sizes: SIZES.to_vec(),
            folds: 5,
            seed: 0,
            penalty: 1.0,
        }
    }
}

impl Spec {
    fn check(&self) -> Result<()> {
        let wrong = |size: &&usize| **size == 0 || **size > MOST_FEATURES;
        if let Some(size) = self.sizes.iter().find(wrong) {
            let what = format!("a probe of {size} features: give 1 to {MOST_FEATURES}");
            return Err(Error::setting("sizes", what));
        }
        if self.folds < 2 {
            let what = format!(
                "{} folds leave no text to hold out: give 2 or more",
                self.folds
            );
            return Err(Error::setting("folds", what));
        }
        if !(self.penalty.is_finite() && self.penalty > 0.0) {
            let what = format!("{} is not a positive number", self.penalty);
            return Err(Error::setting("penalty", what));
        }
        Ok(())
    }
}

/// A feature on two sets of texts. Pooled activations of texts on which it is not active count as 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Separator {
    /// Feature.
    pub feature: FeatureId,
    /// Mean pooled activation of each set.
    pub means: [f64; 2],
    /// Number of texts of each set on which it is active.
    pub active: [usize; 2],
    /// Correlation of the pooled activation with being in the first set, −1 to 1.
    pub correlation: f64,
    /// Probability that a text of the first set has the larger pooled activation than one of the second, ties counted by half: the area under the ROC curve.
    pub auc: f64,
}

impl Separator {
    /// Mean of the first set less that of the second.
    pub fn difference(&self) -> f64 {
        self.means[0] - self.means[1]
    }
}

/// Two sets of texts, told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Separation {
    /// Every feature that is active on a text, largest difference of means in size first.
    pub features: Vec<Separator>,
    /// Probes, smallest first.
    pub probes: Vec<Probe>,
    /// Number of texts of each set.
    pub texts: [usize; 2],
    /// Number of folds.
    pub folds: usize,
}

impl Separation {
    /// Share of texts in the larger set: the accuracy of always answering it.
    pub fn baseline(&self) -> f64 {
        let [one, other] = self.texts;
        one.max(other) as f64 / (one + other) as f64
    }
}

/// Tells two sets of texts apart by their pooled activations, one row a text; `features` is the number of features of the dictionary.
///
/// # Errors
/// A set with fewer than two texts, and settings out of range.
pub fn separate([one, other]: [&Latents; 2], features: usize, spec: &Spec) -> Result<Separation> {
    spec.check()?;
    for (set, name) in [(one, "first"), (other, "second")] {
        set.check(features)?;
        if set.rows() < 2 {
            let what = format!(
                "the {name} set has {}; give at least 2, so that one can be held out",
                match set.rows() {
                    0 => "no text".to_owned(),
                    _ => "1 text".to_owned(),
                }
            );
            return Err(Error::setting("texts", what));
        }
    }
    let columns = Columns::new(one, other);
    let mut separators = columns.separators();
    separators.sort_by(|a, b| {
        let order = b.difference().abs().total_cmp(&a.difference().abs());
        order.then(a.feature.cmp(&b.feature))
    });
    let folds = spec.folds.min(one.rows()).min(other.rows());
    let mut sizes = spec.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let held = probe::folds([one.rows(), other.rows()], folds, spec.seed);
    let probes = sizes
        .iter()
        .map(|size| probe::measured(&columns, *size, &held, spec));
    Ok(Separation {
        features: separators,
        probes: probes.collect::<Result<_>>()?,
        texts: [one.rows(), other.rows()],
        folds,
    })
}
