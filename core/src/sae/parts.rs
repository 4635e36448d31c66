//! Mathematics shared by several variants.

use super::rule::{Choose, Finding, Numbers};
use super::state::Keep;
use super::{JumpRelu, Selection};
use crate::error::Result;
use crate::kernels::adam::{Rates, Row, adam};

/// Rate of a moving average of a cut-off (SAELens).
const RATE: f64 = 0.01;
/// Factor on the last batch's cut-off that gives the guess for the next.
const CAUTION: f32 = 0.98;

/// Moving average that starts at its first value; one that starts at 0 is 13 % low after 200 steps.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Average(Option<f64>);

impl Average {
    /// Creates an average at `value`.
    pub(super) fn at(value: f64) -> Self {
        Self(Some(value))
    }

    pub(super) fn add(&mut self, value: f64) {
        let before = self.0.unwrap_or(value);
        self.0 = Some(before + RATE * (value - before));
    }

    /// Returns the average; 0 before the first value.
    pub(super) fn get(self) -> f64 {
        self.0.unwrap_or(0.0)
    }

    pub(super) fn state(&mut self, name: &str, keep: &mut dyn Keep) -> Result<()> {
        let mut values: Vec<f64> = self.0.into_iter().collect();
        keep.reals(name, &mut values)?;
        self.0 = values.first().copied();
        Ok(())
    }
}

/// Cut-off of a whole-batch budget: a guess for the next batch, and the average as the threshold at inference.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CutOff {
    last: Option<f32>,
    average: Average,
}

impl CutOff {
    /// Returns the selection of the `k · n` largest positive pre-activations of a batch of `n` tokens, where `k` is the final number. The guess is a little below
    /// the last cut-off.
    pub(super) fn choice(&self, numbers: &Numbers, k: usize) -> Choose {
        Choose::Budget {
            budget: numbers.k(k) * numbers.tokens(),
            guess: self.last.map_or(0.0, |cut| CAUTION * cut),
        }
    }

    /// Records the cut-off, or the least activation if the budget was not filled.
    pub(super) fn learn(&mut self, finding: &Finding) {
        if let Finding::Cut { cut, least } = finding {
            self.last = *cut;
            if let Some(least) = cut.or(*least) {
                self.average.add(f64::from(least));
            }
        }
    }

    /// Starts the average at the mean threshold of a dictionary.
    pub(super) fn take_over(&mut self, selection: &Selection) {
        if let Selection::JumpRelu(JumpRelu { thresholds }) = selection {
            let sum: f64 = thresholds.iter().map(|t| f64::from(t.max(0.0))).sum();
            self.average = Average::at(sum / thresholds.len().max(1) as f64);
        }
    }

    /// Returns the average.
    pub(super) fn threshold(&self) -> f32 {
        self.average.get() as f32
    }

    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        let mut last = self.last.into_iter().collect();
        keep.floats("last_cut", &mut last)?;
        self.last = last.first().copied();
        self.average.state("average_cut", keep)
    }
}

/// One number per feature, learnt by Adam in addition to encoder and decoder.
#[derive(Debug, Clone)]
pub(super) struct Learnt {
    pub(super) value: Vec<f32>,
    m: Vec<f32>,
    v: Vec<f32>,
}

impl Learnt {
    pub(super) fn new(value: Vec<f32>) -> Self {
        Self {
            m: vec![0.0; value.len()],
            v: vec![0.0; value.len()],
            value,
        }
    }

    /// Resets these features to `value`.
    pub(super) fn restart(&mut self, features: &[u32], value: f32) {
        for feature in features {
            let at = *feature as usize;
            (self.value[at], self.m[at], self.v[at]) = (value, 0.0, 0.0);
        }
    }

    pub(super) fn step(&mut self, gradient: &[f32], rates: Rates) {
        let mut row = Row {
            value: &mut self.value,
            m: &mut self.m,
            v: &mut self.v,
        };
        adam(&mut row, gradient, rates);
    }

    pub(super) fn state(&mut self, name: &str, keep: &mut dyn Keep) -> Result<()> {
        keep.floats(name, &mut self.value)?;
        keep.floats(&format!("{name}.m"), &mut self.m)?;
        keep.floats(&format!("{name}.v"), &mut self.v)
    }
}

/// Weight of a penalty, which rises linearly over the share `warmup` of the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Penalty {
    /// Weight after the warm-up.
    pub(crate) weight: f64,
    /// Share of the run over which it rises.
    pub(crate) warmup: f64,
}

impl Penalty {
    pub(super) fn at(self, done: f64) -> f64 {
        if self.warmup <= 0.0 {
            return self.weight;
        }
        self.weight * (done / self.warmup).min(1.0)
    }
}

/// Density of each feature: a moving average, from 0, of the share of tokens on which it fires.
#[derive(Debug, Clone, Default)]
pub(crate) struct Densities(pub(crate) Vec<f64>);

impl Densities {
    pub(crate) fn new(features: usize) -> Self {
        Self(vec![0.0; features])
    }

    /// Adds a batch of `tokens`, given the number of tokens on which each feature fired.
    pub(crate) fn add(&mut self, counts: &[u32], tokens: usize) {
        let tokens = tokens.max(1) as f64;
        for (density, count) in self.0.iter_mut().zip(counts) {
            *density += RATE * (f64::from(*count) / tokens - *density);
        }
    }

    /// Returns the densities after `batches`, corrected for the start at 0, which lowers all by the same factor.
    pub(crate) fn corrected(&self, batches: u64) -> Vec<f64> {
        let counted = 1.0 - (1.0 - RATE).powf(batches as f64);
        let factor = if batches > 0 { 1.0 / counted } else { 0.0 };
        self.0.iter().map(|density| density * factor).collect()
    }

    /// Returns the features by falling density; ties by feature.
    pub(super) fn ranking(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.0.len() as u32).collect();
        let density = |f: &u32| self.0[*f as usize];
        order.sort_by(|a, b| density(b).total_cmp(&density(a)).then(a.cmp(b)));
        order
    }
}
