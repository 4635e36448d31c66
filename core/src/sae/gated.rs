//! Gated SAE: a gate selects features, a second affine map sets their magnitude.
//!
//! | | |
//! |---|---|
//! | paper | Rajamanoharan et al. 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders" (arXiv 2404.16014) |
//! | rule in training | features whose gate `s + b_enc` is positive, `s = (x − b_dec) · w_enc`; they write `ReLU(exp(r_mag) · s + b_mag)` |
//! | rule at inference | the same |
//! | extra parameters | `b_mag`, `r_mag`, one of each for each feature; `b_enc` is the gate's bias |
//! | losses | normalised squared error; weight · mean over tokens of Σ ReLU(gate) / √variance; the squared error of decoding ReLU(gate) with decoder and bias held fixed |
//! | other names | SAELens `gated`; dictionary_learning `GatedAutoEncoder`, whose detached decoder this follows |

use super::decision::Limit;
use super::parts::{Learnt, Penalty};
use super::rule::{Added, After, Bars, Card, Choose, Numbers, Plan, Rule, Step, Terms, Uses};
use super::selection::{Selection, Selects};
use super::state::Keep;
use super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::{Bar, encode_above};
use crate::kernels::residual::Residual;
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "gated",
    uses: &[Uses::Penalty],
    rule: |wanted| Box::new(GatedRule::new(wanted.features, wanted.penalty)),
    suits: Card::SUITS,
};

/// Keeps features whose pre-activation (the gate) is positive, with `ReLU(exp(r_mag) · (gate − b_enc) + b_mag)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gated {
    /// Bias of the magnitude, `[f]`.
    pub b_mag: Vec<f32>,
    /// Logarithm of the factor from gate to magnitude, `[f]`.
    pub r_mag: Vec<f32>,
}

impl Selects for Gated {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        let gates = encode_above(centred, w_enc, b_enc, Bar::All(0.0))?;
        Ok(magnitudes(&gates, b_enc, (&self.b_mag, &self.r_mag)).without_zeros())
    }

    fn cut_off(&self, _: &[f32], _: usize) -> Option<Limit> {
        Some(Limit::new(0.0, "a gate is open above it"))
    }

    fn magnitude(&self, gate: f64, b_enc: f64, feature: usize) -> Option<f64> {
        let grown = f64::from(self.r_mag[feature]).exp();
        Some(grown * (gate - b_enc) + f64::from(self.b_mag[feature]))
    }

    fn describe(&self) -> String {
        "gated".to_owned()
    }

    fn definition(&self) -> &'static str {
        "Keeps features whose gate is positive; a second affine map along the same direction sets their activation"
    }

    fn canonical(&self) -> String {
        "gated".to_owned()
    }

    fn trained_as(&self) -> Variant {
        Variant::Gated
    }

    fn held(&self) -> Vec<(&'static str, &[f32])> {
        vec![("b_mag", &self.b_mag), ("r_mag", &self.r_mag)]
    }

    fn learnt(&mut self) -> Vec<&mut Vec<f32>> {
        vec![&mut self.b_mag, &mut self.r_mag]
    }

    fn scale(&mut self, factor: f32) {
        self.b_mag.iter_mut().for_each(|value| *value *= factor);
    }

    fn shift(&mut self, moved: &[f64]) {
        for ((bias, grown), moved) in self.b_mag.iter_mut().zip(&self.r_mag).zip(moved) {
            *bias = (f64::from(*bias) + f64::from(grown.exp()) * moved) as f32;
        }
    }

    fn ranks(&self) -> bool {
        false
    }
}

/// Training rule of the gated variant.
#[derive(Debug)]
struct GatedRule {
    penalty: Penalty,
    b_mag: Learnt,
    r_mag: Learnt,
}

impl GatedRule {
    fn new(features: usize, penalty: Penalty) -> Self {
        let zeros = vec![0.0; features];
        Self {
            penalty,
            b_mag: Learnt::new(zeros.clone()),
            r_mag: Learnt::new(zeros),
        }
    }
}

/// Terms of a gated step.
#[derive(Debug, Clone)]
pub(crate) struct Magnitudes {
    /// `[f]`.
    pub(crate) b_mag: Vec<f32>,
    /// `[f]`.
    pub(crate) r_mag: Vec<f32>,
    /// Charge on each positive gate.
    pub(crate) each: f64,
}

/// Computes activations from positive gates; some may be 0.
pub(super) fn magnitudes(
    gates: &Latents,
    b_enc: &[f32],
    (b_mag, r_mag): (&[f32], &[f32]),
) -> Latents {
    let mut latents = gates.clone();
    for (feature, act) in latents.features.iter().zip(&mut latents.acts) {
        let f = *feature as usize;
        *act = (r_mag[f].exp() * (*act - b_enc[f]) + b_mag[f]).max(0.0);
    }
    latents
}

impl Magnitudes {
    pub(super) fn parts(&self) -> (&[f32], &[f32]) {
        (&self.b_mag, &self.r_mag)
    }

    /// Computes the penalty, the error of the decoded `gates`, which leave `left`, and all gradients; see [`super::rule::Work::charge`].
    pub(super) fn charge(
        &self,
        step: &Step<'_>,
        (gates, left): (&Latents, &Residual),
        latents: &Latents,
        d_acts: &mut [f32],
    ) -> Added {
        let each = self.each;
        let sum: f64 = gates.acts.iter().map(|gate| f64::from(*gate)).sum();
        let features = self.b_mag.len();
        let (mut d_b, mut d_r) = (vec![0.0_f64; features], vec![0.0_f64; features]);
        let mut d_bias = Vec::with_capacity(d_acts.len());
        for (entry, d_act) in d_acts.iter_mut().enumerate() {
            let f = latents.features[entry] as usize;
            let d_gate = left.d_acts[entry] + each as f32;
            let d_mag = if latents.acts[entry] > 0.0 {
                *d_act
            } else {
                0.0
            };
            let grown = self.r_mag[f].exp();
            let read = gates.acts[entry] - step.b_enc[f];
            d_b[f] += f64::from(d_mag);
            d_r[f] += f64::from(d_mag) * f64::from(grown) * f64::from(read);
            d_bias.push(d_gate);
            *d_act = d_gate + d_mag * grown;
        }
        let narrow = |wide: Vec<f64>| wide.into_iter().map(|d| d as f32).collect();
        Added {
            loss: left.squared / step.numbers.denominator() + each * sum,
            d_bias: Some(d_bias),
            own: vec![narrow(d_b), narrow(d_r)],
        }
    }
}

impl Rule for GatedRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        Ok(Plan {
            choose: Choose::Above(Bars::One(0.0)),
            terms: Terms::Gated(Magnitudes {
                b_mag: self.b_mag.value.clone(),
                r_mag: self.r_mag.value.clone(),
                each: self.penalty.at(numbers.done) / numbers.act_unit(),
            }),
        })
    }

    fn restart(&mut self, features: &[u32]) {
        self.b_mag.restart(features, 0.0);
        self.r_mag.restart(features, 0.0);
    }

    fn take_over(&mut self, selection: &Selection) {
        if let Selection::Gated(Gated { b_mag, r_mag }) = selection {
            self.b_mag = Learnt::new(b_mag.clone());
            self.r_mag = Learnt::new(r_mag.clone());
        }
    }

    fn after_step(&mut self, after: &After<'_>) {
        if let [d_b_mag, d_r_mag] = after.own {
            self.b_mag.step(d_b_mag, after.rates);
            self.r_mag.step(d_r_mag, after.rates);
        }
    }

    fn inference(&self) -> Selection {
        Selection::Gated(Gated {
            b_mag: self.b_mag.value.clone(),
            r_mag: self.r_mag.value.clone(),
        })
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.b_mag.state("b_mag", keep)?;
        self.r_mag.state("r_mag", keep)
    }
}
