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
//! Decoder rows have length 1 in the trainer's space, so the L1 term is weighted by ‖w_dec‖ whether or not the rows are kept at length 1.

use super::decision::Limit;
use super::parts::Penalty;
use super::rule::{Bars, Card, Choose, Numbers, Plan, Rule, Terms, Uses};
use super::selection::{Selection, Selects};
use super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::{Bar, encode_above};
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "relu",
    uses: &[Uses::Penalty],
    rule: |wanted| Box::new(ReluRule::new(wanted.penalty)),
    suits: Card::SUITS,
};

/// Keeps every positive pre-activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Relu;

impl Selects for Relu {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        encode_above(centred, w_enc, b_enc, Bar::All(0.0))
    }

    fn cut_off(&self, _: &[f32], _: usize) -> Option<Limit> {
        Some(Limit::new(0.0, "every positive pre-activation fires"))
    }

    fn alone(&self, pre: f32, _: usize) -> Option<f32> {
        Some(pre.max(0.0))
    }

    fn describe(&self) -> String {
        "ReLU".to_owned()
    }

    fn definition(&self) -> &'static str {
        "Keeps every positive pre-activation"
    }

    fn canonical(&self) -> String {
        "relu".to_owned()
    }

    fn trained_as(&self) -> Variant {
        Variant::Relu
    }

    fn ranks(&self) -> bool {
        false
    }
}

/// Training rule of ReLU.
#[derive(Debug)]
struct ReluRule {
    penalty: Penalty,
}

impl ReluRule {
    fn new(penalty: Penalty) -> Self {
        Self { penalty }
    }
}

impl Rule for ReluRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        Ok(Plan {
            choose: Choose::Above(Bars::One(0.0)),
            terms: Terms::Relu {
                each: self.penalty.at(numbers.done) / numbers.act_unit(),
            },
        })
    }

    fn inference(&self) -> Selection {
        Selection::Relu(Relu)
    }
}
