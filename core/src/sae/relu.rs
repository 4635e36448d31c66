//! ReLU with an L1 penalty.
//!
//! | | |
//! |---|---|
//! | paper | Bricken et al. 2023, "Towards Monosemanticity"; Kissane et al. 2024 (arXiv 2406.17759) on attention outputs |
//! | rule in training | every positive pre-activation |
//! | rule at inference | the same |
//! | extra parameters | none |
//! | losses | normalised squared error; weight · mean over tokens of Σ act · ‖w_dec‖ / √variance, rising over a warm-up |
//! | other names | SAELens `standard`; dictionary_learning `AutoEncoder`; "vanilla" |
//!
//! Decoder rows have length 1 in the trainer's space, so the L1 term is the one weighted by ‖w_dec‖ whichever way the norm is kept.

use super::parts::Penalty;
use super::rule::{Added, Rule, Step};
use super::{Latents, Selection};
use crate::error::Result;
use crate::kernels::encode::{Bar, encode_above};

/// See the module.
#[derive(Debug)]
pub(crate) struct Relu {
    penalty: Penalty,
}

impl Relu {
    pub(crate) fn new(penalty: Penalty) -> Self {
        Self { penalty }
    }
}

impl Rule for Relu {
    fn select(&mut self, step: &Step<'_>) -> Result<Latents> {
        encode_above(step.centred, step.w_enc, step.b_enc, Bar::All(0.0))
    }

    fn losses(&mut self, step: &Step<'_>, latents: &Latents, d_acts: &mut [f32]) -> Added {
        let each = self.penalty.at(step.done) / step.act_unit();
        for d in d_acts.iter_mut() {
            *d += each as f32;
        }
        let sum: f64 = latents.acts.iter().map(|act| f64::from(*act)).sum();
        Added {
            loss: each * sum,
            ..Added::default()
        }
    }

    fn inference(&self) -> Selection {
        Selection::Relu
    }
}
