//! What is added up over the rows, in f64, and the figures it gives.

use super::Figures;
use crate::error::{Error, Result};

/// A feature active on a smaller share of the tokens is rare.
const RARE: f64 = 1e-5;

/// Sums over rows.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    tokens: u64,
    /// `[f]`: tokens on which each feature is active.
    active: Vec<u64>,
    error: f64,
    variance: f64,
    /// Positions that `ce_*` are over.
    pub(super) charged: u64,
    pub(super) ce_clean: f64,
    pub(super) ce_sae: f64,
    pub(super) ce_zero: f64,
    pub(super) ce_mean: f64,
}

impl Sums {
    pub(super) fn new(features: usize) -> Self {
        Self {
            tokens: 0,
            active: vec![0; features],
            error: 0.0,
            variance: 0.0,
            charged: 0,
            ce_clean: 0.0,
            ce_sae: 0.0,
            ce_zero: 0.0,
            ce_mean: 0.0,
        }
    }

    /// One token's activation, reconstruction and the mean.
    pub(super) fn fit(&mut self, x: &[f32], recon: &[f32], mean: &[f32]) {
        self.tokens += 1;
        self.error += squared_distance(x, recon);
        self.variance += squared_distance(x, mean);
    }

    /// One token's active features.
    pub(super) fn active(&mut self, features: &[u32]) {
        for feature in features {
            self.active[*feature as usize] += 1;
        }
    }

    pub(super) fn add(&mut self, part: &Self) {
        self.tokens += part.tokens;
        for (sum, part) in self.active.iter_mut().zip(&part.active) {
            *sum += part;
        }
        self.error += part.error;
        self.variance += part.variance;
        self.charged += part.charged;
        self.ce_clean += part.ce_clean;
        self.ce_sae += part.ce_sae;
        self.ce_zero += part.ce_zero;
        self.ce_mean += part.ce_mean;
    }

    /// Activations added.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(super) fn l0(&self) -> f64 {
        self.active.iter().sum::<u64>() as f64 / self.tokens as f64
    }

    pub(super) fn fvu(&self) -> f64 {
        self.error / self.variance
    }

    pub(super) fn dead_fraction(&self) -> f64 {
        self.share(|count| count == 0)
    }

    /// Share of features of which `counts` says yes.
    fn share(&self, counts: impl Fn(u64) -> bool) -> f64 {
        let counted = self.active.iter().filter(|count| counts(**count)).count();
        counted as f64 / self.active.len() as f64
    }

    pub(super) fn figures(&self) -> Result<Figures> {
        let tokens = self.tokens as f64;
        let charged = self.charged as f64;
        let [clean, sae, zero, mean] =
            [self.ce_clean, self.ce_sae, self.ce_zero, self.ce_mean].map(|sum| sum / charged);
        let figures = Figures {
            l0: self.l0(),
            fvu: self.fvu(),
            dead_fraction: self.dead_fraction(),
            rare_fraction: self.share(|count| count as f64 / tokens < RARE),
            ce_clean: clean,
            ce_sae: sae,
            ce_zero: zero,
            ce_mean: mean,
            ce_recovered_zero: (zero - sae) / (zero - clean),
            ce_recovered_mean: (mean - sae) / (mean - clean),
            tokens: self.tokens,
        };
        check(&figures)?;
        Ok(figures)
    }
}

/// Every figure is a number, or a sentence says which is not and why.
fn check(figures: &Figures) -> Result<()> {
    for (name, figure, cause) in [
        (
            "fvu",
            figures.fvu,
            "the activation does not vary on this text",
        ),
        (
            "ce_clean",
            figures.ce_clean,
            "the model's logits are not finite",
        ),
        (
            "ce_sae",
            figures.ce_sae,
            "the reconstruction breaks the model",
        ),
        (
            "ce_zero",
            figures.ce_zero,
            "zeros at this hook break the model",
        ),
        (
            "ce_mean",
            figures.ce_mean,
            "the mean at this hook breaks the model",
        ),
        (
            "ce_recovered_zero",
            figures.ce_recovered_zero,
            "zeros at this hook change nothing",
        ),
        (
            "ce_recovered_mean",
            figures.ce_recovered_mean,
            "the mean at this hook changes nothing",
        ),
    ] {
        if !figure.is_finite() {
            let what = format!("{name} is {figure}: {cause}, choose another text or hook");
            return Err(Error::Numeric { what });
        }
    }
    Ok(())
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    differences.map(|d| d * d).sum()
}
