//! JumpReLU: a learnt threshold per feature.
//!
//! | | |
//! |---|---|
//! | paper | Rajamanoharan et al. 2024, "Jumping Ahead" (arXiv 2407.14435); rectangle kernel and penalties as SAELens has them |
//! | rule in training | every pre-activation above its feature's threshold θ |
//! | rule at inference | the same |
//! | extra parameters | θ, one for each feature, ≥ 0 |
//! | losses | normalised squared error and a penalty on L0: the step itself, tanh(4 · act / √(variance/d)), or (2/T)(L0 − T)² |
//! | other names | SAELens `jumprelu`; Gemma Scope |
//!
//! The step has no derivative; with the rectangle of width ε about θ, `∂act/∂θ = −(θ/ε)·1[|z − θ| < ε/2]` and `∂L0/∂θ = −(1/ε)·1[|z − θ| < ε/2]`, the latter
//! not to z. So entries just below θ contribute to gradients without being active. ε, the first θ and the tanh's slope are in units of √(variance/d), the root mean
//! square of one coordinate of the activations.

use super::parts::{Learnt, Penalty};
use super::rule::{Added, Card, Rule, Step, Uses};
use super::selection::{Selection, Selects};
use super::state::Keep;
use super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::adam::Rates;
use crate::kernels::encode::{Bar, encode_above};
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "jump-relu",
    uses: &[Uses::K, Uses::Penalty],
    suits: |charged| match charged {
        SparsityPenalty::Target => 1e-2,
        SparsityPenalty::Step | SparsityPenalty::Tanh => 1e-3,
    },
    rule: |wanted| {
        let settings = Settings {
            penalty: wanted.penalty,
            charge: match wanted.sparsity_penalty {
                SparsityPenalty::Step => Charge::Step,
                SparsityPenalty::Tanh => Charge::Tanh,
                SparsityPenalty::Target => Charge::Target(wanted.k as f64),
            },
            bandwidth: wanted.bandwidth,
            initial: wanted.initial_threshold,
        };
        Box::new(JumpReluRule::new(wanted.features, settings, wanted.unit))
    },
};

/// Slope of the tanh penalty.
const SLOPE: f64 = 4.0;

/// Sparsity penalty of JumpReLU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SparsityPenalty {
    /// Number of active features.
    Step,
    /// Sum of the tanh of activations.
    Tanh,
    /// Squared distance of the number of active features from `k`.
    Target,
}

/// Sparsity penalty with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Charge {
    /// weight · mean L0.
    Step,
    /// weight · mean over tokens of Σ tanh(4 · act).
    Tanh,
    /// weight · (2/T)(mean L0 − T)².
    Target(f64),
}

/// Settings of a JumpReLU run.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Settings {
    penalty: Penalty,
    charge: Charge,
    /// Width of the rectangle, ε.
    bandwidth: f64,
    /// Initial value of every θ.
    initial: f64,
}

/// Keeps every positive pre-activation above its feature's threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct JumpRelu {
    /// Threshold of each feature, `[f]`; whole-batch rules leave one value for all.
    pub thresholds: Vec<f32>,
}

impl Selects for JumpRelu {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        let bars: Vec<f32> = self.thresholds.iter().map(|bar| bar.max(0.0)).collect();
        encode_above(centred, w_enc, b_enc, Bar::ByFeature(&bars))
    }

    fn describe(&self) -> String {
        let thresholds = self.thresholds.iter().copied();
        let least = thresholds.clone().fold(f32::INFINITY, f32::min);
        let most = thresholds.fold(0.0, f32::max);
        if least >= most {
            format!("JumpReLU, threshold {most:.4}")
        } else {
            format!("JumpReLU, thresholds {least:.4} to {most:.4}")
        }
    }

    fn definition(&self) -> &'static str {
        "Keeps every pre-activation above its feature's threshold"
    }

    fn canonical(&self) -> String {
        "jumprelu".to_owned()
    }

    fn trained_as(&self) -> Variant {
        Variant::JumpRelu
    }

    fn held(&self) -> Vec<(&'static str, &[f32])> {
        vec![("thresholds", &self.thresholds)]
    }

    fn learnt(&mut self) -> Vec<&mut Vec<f32>> {
        vec![&mut self.thresholds]
    }

    fn scale(&mut self, factor: f32) {
        self.thresholds
            .iter_mut()
            .for_each(|value| *value *= factor);
    }

    fn ranks(&self) -> bool {
        false
    }
}

/// Training rule of JumpReLU.
#[derive(Debug)]
struct JumpReluRule {
    settings: Settings,
    thresholds: Learnt,
    /// Initial value of every θ in the trainer's scale.
    initial: f32,
    /// Pre-activations of the last code, `[nnz]`, including entries that are not active.
    pre: Vec<f32>,
    d_thresholds: Vec<f32>,
}

/// Root mean square of one coordinate.
fn unit(step: &Step<'_>) -> f64 {
    (step.variance / step.w_dec.columns() as f64).sqrt()
}

impl JumpReluRule {
    /// Creates the rule; `unit` is the root mean square of one coordinate of the activations.
    fn new(features: usize, settings: Settings, unit: f64) -> Self {
        let initial = (settings.initial * unit) as f32;
        Self {
            thresholds: Learnt::new(vec![initial; features]),
            initial,
            settings,
            pre: Vec::new(),
            d_thresholds: vec![0.0; features],
        }
    }

    /// Returns the gradient of the penalty with respect to one token's L0, and its value, at the mean `l0`.
    fn charged(&self, step: &Step<'_>, l0: f64) -> (f64, f64) {
        let weight = self.settings.penalty.at(step.done);
        match self.settings.charge {
            Charge::Step => (weight, weight * l0),
            Charge::Tanh => (0.0, 0.0),
            Charge::Target(target) => {
                let off = l0 - target;
                (
                    weight * 4.0 * off / target,
                    weight * 2.0 * off * off / target,
                )
            }
        }
    }

    /// Returns the tanh penalty of one entry and its derivative.
    fn tanh(&self, step: &Step<'_>, act: f32) -> (f64, f64) {
        if self.settings.charge != Charge::Tanh {
            return (0.0, 0.0);
        }
        let slope = SLOPE / unit(step);
        let each = self.settings.penalty.at(step.done) / step.tokens() as f64;
        let value = (slope * f64::from(act)).tanh();
        (each * value, each * slope * (1.0 - value * value))
    }
}

impl Rule for JumpReluRule {
    fn select(&mut self, step: &Step<'_>) -> Result<Latents> {
        let half = (0.5 * self.settings.bandwidth * unit(step)) as f32;
        let below = |threshold: &f32| threshold - half;
        let bars: Vec<f32> = self.thresholds.value.iter().map(below).collect();
        let bar = Bar::ByFeature(&bars);
        let mut latents = encode_above(step.centred, step.w_enc, step.b_enc, bar)?;
        self.pre.clone_from(&latents.acts);
        for (feature, act) in latents.features.iter().zip(&mut latents.acts) {
            if *act <= self.thresholds.value[*feature as usize] {
                *act = 0.0;
            }
        }
        Ok(latents)
    }

    fn losses(&mut self, step: &Step<'_>, latents: &Latents, d_acts: &mut [f32]) -> Added {
        let width = self.settings.bandwidth * unit(step);
        let active = latents.acts.iter().filter(|act| **act > 0.0).count();
        let n = step.tokens() as f64;
        let l0 = active as f64 / n;
        let (slope, mut loss) = self.charged(step, step.whole.l0.unwrap_or(l0));
        if step.whole.l0.is_some() {
            // Each micro-batch adds its tokens' share.
            loss *= latents.rows() as f64 / n;
        }
        let mut d_thresholds = vec![0.0_f64; self.thresholds.value.len()];
        for (entry, d_act) in d_acts.iter_mut().enumerate() {
            let feature = latents.features[entry] as usize;
            let (act, theta) = (latents.acts[entry], self.thresholds.value[feature]);
            let (charge, d_charge) = self.tanh(step, act);
            loss += charge;
            let d = f64::from(*d_act) + d_charge;
            if (f64::from(self.pre[entry]) - f64::from(theta)).abs() < 0.5 * width {
                d_thresholds[feature] -= (f64::from(theta) * d + slope / n) / width;
            }
            *d_act = if act > 0.0 { d as f32 } else { 0.0 };
        }
        self.d_thresholds = d_thresholds.into_iter().map(|d| d as f32).collect();
        Added {
            loss,
            ..Added::default()
        }
    }

    fn charges_l0(&self) -> bool {
        matches!(self.settings.charge, Charge::Target(_))
    }

    fn own_gradients(&mut self) -> Vec<&mut Vec<f32>> {
        vec![&mut self.d_thresholds]
    }

    fn restart(&mut self, features: &[u32]) {
        self.thresholds.restart(features, self.initial);
    }

    fn take_over(&mut self, selection: &Selection) {
        if let Selection::JumpRelu(JumpRelu { thresholds }) = selection {
            let positive = thresholds.iter().map(|threshold| threshold.max(0.0));
            self.thresholds = Learnt::new(positive.collect());
        }
    }

    fn after_step(&mut self, _: &Latents, rates: Rates) {
        self.thresholds.step(&self.d_thresholds, rates);
        let least = |threshold: &mut f32| *threshold = threshold.max(0.0);
        self.thresholds.value.iter_mut().for_each(least);
    }

    fn inference(&self) -> Selection {
        Selection::JumpRelu(JumpRelu {
            thresholds: self.thresholds.value.clone(),
        })
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.thresholds.state("thresholds", keep)
    }
}
