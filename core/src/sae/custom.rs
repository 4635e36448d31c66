//! Selection rules of a program's own, for training without changing this crate.
//!
//! A rule sees each batch in the trainer's space: activations minus `b_dec`, scaled so that their mean square distance from the mean is their width. Everything
//! else of a run (reconstruction error, AuxK, Adam, checkpoints) stays as it is for the variant that the settings name.

use std::fmt::Debug;
use std::sync::Arc;

use super::Selection;
use super::rule::{Added, Choose, Numbers, Plan, Rule, Step, Terms};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::kernels::pre_activations::pre_activations;
use crate::latents::Latents;

/// Decides which features are active in training. Implement it outside the crate and give it to [`crate::train::Spec::select_by`].
///
/// A rule must not depend on the number of threads. It keeps no state between steps, so that a resumed run equals an uninterrupted one.
pub trait SelectionRule: Debug + Send + Sync {
    /// Returns the name that records and metadata give to the rule.
    fn name(&self) -> &'static str;

    /// Chooses the active features of every token and their activations.
    fn select(&self, batch: &RuleInput<'_>) -> Result<Latents>;

    /// Returns the rule's own term of the loss. `d_acts [nnz]` holds the gradient of the reconstruction error by each activation of `latents`; a rule adds the
    /// gradient of its term. The trainer then uses `d_acts` as the gradient by the pre-activations, so a rule whose activations are not pre-activations multiplies
    /// each entry by the derivative.
    fn penalty(&self, _batch: &RuleInput<'_>, _latents: &Latents, _d_acts: &mut [f32]) -> f64 {
        0.0
    }

    /// Returns the rule by which the trained dictionary selects when it is used and saved.
    fn inference(&self) -> Selection;
}

/// One batch as a [`SelectionRule`] sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RuleInput<'a> {
    /// Activations minus `b_dec`, `[n, d]`.
    pub x: &'a Matrix,
    /// Encoder, `[f, d]`.
    pub w_enc: &'a Matrix,
    /// Encoder bias, `[f]`.
    pub b_enc: &'a [f32],
    /// Decoder, `[f, d]`, rows of length 1.
    pub w_dec: &'a Matrix,
    /// Share of the run's steps already taken, from 0 to 1.
    pub done: f64,
    /// Divisor of sums of activations over the batch; a penalty's weight then means the same at every scale and batch size.
    pub act_unit: f64,
}

impl<'a> RuleInput<'a> {
    fn new(step: &Step<'a>) -> Self {
        Self {
            x: step.centred,
            w_enc: step.w_enc,
            b_enc: step.b_enc,
            w_dec: step.w_dec,
            done: step.numbers.done,
            act_unit: step.numbers.act_unit(),
        }
    }

    /// Computes all pre-activations, `[n, f]`. The table is dense; the kernels in [`crate::kernels::encode`] select without one.
    pub fn pre_activations(&self) -> Result<Matrix> {
        let all: Vec<u32> = (0..self.w_enc.rows() as u32).collect();
        pre_activations(self.x, self.w_enc, self.b_enc, &all)
    }

    /// Keeps of each token the `k` entries of `scores [n, f]` that are largest, if positive, with their pre-activations `pre [n, f]` as activations. Equal scores
    /// go to the lower feature.
    pub fn largest(&self, scores: &Matrix, pre: &Matrix, k: usize) -> Result<Latents> {
        let rows: Vec<Vec<(FeatureId, f32)>> = scores
            .iter_rows()
            .zip(pre.iter_rows())
            .map(|(scores, pre)| {
                let mut order: Vec<usize> = (0..scores.len())
                    .filter(|f| scores[*f] > 0.0 && pre[*f] > 0.0)
                    .collect();
                order.sort_by(|f, g| scores[*g].total_cmp(&scores[*f]).then(f.cmp(g)));
                order.truncate(k);
                let kept = order.into_iter();
                kept.map(|f| (FeatureId::from(f), pre[f])).collect()
            })
            .collect();
        Latents::from_unsorted(&rows)
    }
}

/// A [`SelectionRule`] in the settings of a run. Two are equal if they have the same name.
#[derive(Debug, Clone)]
pub struct Custom(Arc<dyn SelectionRule>);

impl Custom {
    /// Wraps `rule`.
    pub(crate) fn new(rule: impl SelectionRule + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// Returns the rule's name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Selects the pairs of a step.
    pub(super) fn chosen(&self, step: &Step<'_>) -> Result<Latents> {
        let latents = self.0.select(&RuleInput::new(step))?;
        latents.check(step.w_enc.rows())?;
        if latents.rows() == step.centred.rows() {
            return Ok(latents);
        }
        Err(Error::Shape {
            op: "custom rule",
            what: format!(
                "{} returns {} rows for {} tokens, one row per token is needed",
                self.name(),
                latents.rows(),
                step.centred.rows()
            ),
        })
    }

    /// Computes the rule's own term of the loss.
    pub(super) fn charge(&self, step: &Step<'_>, latents: &Latents, d_acts: &mut [f32]) -> Added {
        Added {
            loss: self.0.penalty(&RuleInput::new(step), latents, d_acts),
            ..Added::default()
        }
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Rule for Custom {
    fn plan(&mut self, _: &Numbers) -> Result<Plan> {
        Ok(Plan {
            choose: Choose::Custom(self.clone()),
            terms: Terms::Custom(self.clone()),
        })
    }

    fn inference(&self) -> Selection {
        self.0.inference()
    }

    fn differs(&self) -> bool {
        true
    }
}
