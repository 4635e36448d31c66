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

use super::decision::Limit;
use super::parts::{Learnt, Penalty};
use super::rule::{Added, After, Bars, Card, Choose, Numbers, Plan, Rule, Terms, Uses};
use super::selection::{Selection, Selects};
use super::state::Keep;
use super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
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
pub(crate) enum Charge {
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

    fn cut_off(&self, _: &[f32], feature: usize) -> Option<Limit> {
        let threshold = self.thresholds[feature].max(0.0);
        Some(Limit::new(threshold, "the feature's threshold"))
    }

    fn alone(&self, pre: f32, feature: usize) -> Option<f32> {
        let bar = self.thresholds[feature].max(0.0);
        Some(if pre > bar { pre } else { 0.0 })
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
}

impl JumpReluRule {
    /// Creates the rule; `unit` is the root mean square of one coordinate of the activations.
    fn new(features: usize, settings: Settings, unit: f64) -> Self {
        let initial = (settings.initial * unit) as f32;
        Self {
            thresholds: Learnt::new(vec![initial; features]),
            initial,
            settings,
        }
    }
}

/// Terms of a JumpReLU step.
#[derive(Debug, Clone)]
pub(crate) struct Jump {
    /// θ, `[f]`.
    pub(crate) thresholds: Vec<f32>,
    /// Width of the rectangle in the trainer's scale.
    pub(crate) width: f64,
    /// Weight of the penalty in this step.
    pub(crate) weight: f64,
    pub(crate) charge: Charge,
}

impl Jump {
    /// Sets entries that are not above their threshold to 0.
    pub(super) fn activate(&self, latents: &mut Latents) {
        for (feature, act) in latents.features.iter().zip(&mut latents.acts) {
            if *act <= self.thresholds[*feature as usize] {
                *act = 0.0;
            }
        }
    }

    /// Returns the gradient of the penalty with respect to one token's L0, and its value, at the mean `l0`.
    pub(crate) fn charged(&self, l0: f64) -> (f64, f64) {
        let weight = self.weight;
        match self.charge {
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

    /// Returns `(factor, target)` of a gradient `factor · (l0 − target)` of the penalty with respect to one token's L0, where it depends on L0.
    #[cfg(feature = "gpu")]
    pub(crate) fn by_l0(&self) -> Option<(f64, f64)> {
        match self.charge {
            Charge::Target(target) => Some((4.0 * self.weight / target, target)),
            Charge::Step | Charge::Tanh => None,
        }
    }

    /// Returns the slope of the tanh penalty and its weight on one entry; none if another penalty is charged.
    pub(crate) fn tanh(&self, numbers: &Numbers) -> Option<(f64, f64)> {
        let each = self.weight / numbers.tokens() as f64;
        (self.charge == Charge::Tanh).then(|| (SLOPE / numbers.unit(), each))
    }

    /// Computes the penalty and the gradients of thresholds, where entries had the pre-activations `pre`; see [`super::rule::Work::charge`].
    pub(super) fn charge(
        &self,
        numbers: &Numbers,
        (latents, pre): (&Latents, &[f32]),
        d_acts: &mut [f32],
    ) -> Added {
        let width = self.width;
        let active = latents.acts.iter().filter(|act| **act > 0.0).count();
        let n = numbers.tokens() as f64;
        let l0 = active as f64 / n;
        let (slope, mut loss) = self.charged(numbers.whole.l0.unwrap_or(l0));
        if numbers.whole.l0.is_some() {
            // Each micro-batch adds its tokens' share.
            loss *= latents.rows() as f64 / n;
        }
        let tanh = self.tanh(numbers);
        let mut d_thresholds = vec![0.0_f64; self.thresholds.len()];
        for (entry, d_act) in d_acts.iter_mut().enumerate() {
            let feature = latents.features[entry] as usize;
            let (act, theta) = (latents.acts[entry], self.thresholds[feature]);
            let (charge, d_charge) = tanh.map_or((0.0, 0.0), |(slope, each)| {
                let value = (slope * f64::from(act)).tanh();
                (each * value, each * slope * (1.0 - value * value))
            });
            loss += charge;
            let d = f64::from(*d_act) + d_charge;
            if (f64::from(pre[entry]) - f64::from(theta)).abs() < 0.5 * width {
                d_thresholds[feature] -= (f64::from(theta) * d + slope / n) / width;
            }
            *d_act = if act > 0.0 { d as f32 } else { 0.0 };
        }
        Added {
            loss,
            own: vec![d_thresholds.into_iter().map(|d| d as f32).collect()],
            ..Added::default()
        }
    }
}

impl Rule for JumpReluRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        let width = self.settings.bandwidth * numbers.unit();
        let half = (0.5 * self.settings.bandwidth * numbers.unit()) as f32;
        let below = |threshold: &f32| threshold - half;
        let thresholds = self.thresholds.value.clone();
        Ok(Plan {
            choose: Choose::Above(Bars::ByFeature(thresholds.iter().map(below).collect())),
            terms: Terms::JumpRelu(Jump {
                thresholds,
                width,
                weight: self.settings.penalty.at(numbers.done),
                charge: self.settings.charge,
            }),
        })
    }

    fn charges_l0(&self) -> bool {
        matches!(self.settings.charge, Charge::Target(_))
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

    fn after_step(&mut self, after: &After<'_>) {
        if let [d_thresholds] = after.own {
            self.thresholds.step(d_thresholds, after.rates);
        }
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
