//! A step's plan carried out on the CPU.

use super::super::{gated, gradient, matryoshka, topk};
use super::{Bars, Choose, Finding, Numbers, Plan, Rule, Terms};
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::{
    Bar, Product, Ranking, encode_above, encode_abs_topk, encode_budget, encode_by_feature,
    encode_scored, encode_topk, encode_topk_guessing,
};
use crate::kernels::residual::{Residual, residual};
use crate::latents::Latents;

/// Inputs of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) numbers: Numbers,
    /// Activations less `b_dec`, `[n, d]`; for a transcoder less their mean.
    pub(crate) centred: &'a Matrix,
    /// Target of the reconstruction, `[n, d]`; equals `centred` except for a transcoder.
    pub(crate) target: &'a Matrix,
    /// Lengths of the rows of `centred`, `[n]`.
    pub(crate) lengths: &'a [f32],
    /// Gradients of the model's loss with respect to the activations, `[n, d]`, if the source provides them.
    pub(crate) gradients: Option<&'a Matrix>,
    /// `[f, d]`.
    pub(crate) w_enc: &'a Matrix,
    /// `[f]`.
    pub(crate) b_enc: &'a [f32],
    /// `[f, d]`, with rows of length 1.
    pub(crate) w_dec: &'a Matrix,
    /// Product that finds the candidates of the selection.
    pub(crate) product: Product,
}

/// Additions of a rule to a step.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Terms of the loss.
    pub(crate) loss: f64,
    /// Gradient of the encoder's bias by entry, `[nnz]`, if it differs from that of the pre-activation.
    pub(crate) d_bias: Option<Vec<f32>>,
    /// Gradients of the rule's own parameters, `[f]` each.
    pub(crate) own: Vec<Vec<f32>>,
}

/// Several reconstructions, each by the first features, from which decoder rows and bias learn.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// For the features up to `end`, the sum of all residuals that they contribute to, `[n, d]`.
    pub(crate) tables: Vec<(usize, Matrix)>,
    /// Column sums of the first table, `[d]`.
    pub(crate) column_sums: Vec<f64>,
}

/// Second code of the same tokens whose reconstruction also counts.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub(crate) latents: Latents,
    /// Its residual, with gradients times `weight`.
    pub(crate) left: Residual,
    /// Weight of its squared error in the loss.
    pub(crate) weight: f32,
}

/// Values of a step between its parts; their memory is reused.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Of each entry, `[nnz]`: JumpReLU's pre-activation, or the score over the pre-activation.
    by_entry: Vec<f32>,
    /// Positive gates, and the residual of decoding them.
    gates: Latents,
    left: Residual,
    second: Option<Second>,
    levels: Option<Levels>,
}

impl Work {
    /// Several reconstructions that replace the single one.
    pub(crate) fn levels(&self) -> Option<&Levels> {
        self.levels.as_ref()
    }

    /// A second code that counts in addition to the first.
    pub(crate) fn second(&self) -> Option<&Second> {
        self.second.as_ref()
    }

    /// Selects the (token, feature) pairs that survive, with their activations, and tells `rule` what it learns from them.
    pub(crate) fn choose(
        &mut self,
        rule: &mut dyn Rule,
        plan: &Plan,
        step: &Step<'_>,
    ) -> Result<Latents> {
        let mut latents = match &plan.choose {
            Choose::PerToken { k, guess } => {
                let guesses: Vec<f32> = step.lengths.iter().map(|l| guess * l).collect();
                let (centred, w_enc, b_enc) = (step.centred, step.w_enc, step.b_enc);
                let selection = (*k, guesses.as_slice());
                let latents = encode_topk_guessing(centred, w_enc, b_enc, selection, step.product)?;
                let least = topk::least_kept(&latents, *k, step.lengths);
                rule.learn(Finding::LeastKept(least));
                latents
            }
            Choose::Signed { k } => encode_abs_topk(step.centred, step.w_enc, step.b_enc, *k)?,
            Choose::Scored { k } => self.scored(rule, *k, plan, step)?,
            Choose::Budget { budget, guess } => {
                let budget = (*budget, *guess);
                let (latents, cut) =
                    encode_budget(step.centred, step.w_enc, step.b_enc, budget, step.product)?;
                let least = latents.acts.iter().copied().reduce(f32::min);
                rule.learn(Finding::Cut { cut, least });
                latents
            }
            Choose::ByFeature(budgets) => {
                let (centred, w_enc, b_enc) = (step.centred, step.w_enc, step.b_enc);
                let latents = encode_by_feature(centred, w_enc, b_enc, budgets, step.product)?;
                rule.learn(least_by_feature(&latents, budgets.len()));
                latents
            }
            Choose::Above(bars) => {
                let bar = match bars {
                    Bars::One(bar) => Bar::All(*bar),
                    Bars::ByFeature(bars) => Bar::ByFeature(bars),
                };
                encode_above(step.centred, step.w_enc, step.b_enc, bar)?
            }
            Choose::Custom(custom) => custom.chosen(step)?,
        };
        match &plan.terms {
            Terms::Longer { k, weight } => {
                let second = self.second.get_or_insert_default();
                second.weight = *weight;
                second.latents = latents;
                return Ok(second.latents.largest(*k));
            }
            Terms::JumpRelu(jump) => {
                self.by_entry.clone_from(&latents.acts);
                jump.activate(&mut latents);
            }
            Terms::Gated(magnitudes) => {
                let acts = gated::magnitudes(&latents, step.b_enc, magnitudes.parts());
                self.gates = std::mem::replace(&mut latents, acts);
            }
            _ => {}
        }
        Ok(latents)
    }

    /// Selects by scores.
    fn scored(
        &mut self,
        rule: &mut dyn Rule,
        k: usize,
        plan: &Plan,
        step: &Step<'_>,
    ) -> Result<Latents> {
        let gradients = step.gradients.ok_or_else(gradient::missing)?;
        let sample: Vec<u32> = (0..gradient::sampled(step.numbers.tokens()) as u32).collect();
        let size = gradient::mean_size(&gradients.rows_of(&sample), step.w_dec)?;
        let ranking = Ranking {
            gradients,
            w_dec: step.w_dec,
            beta: rule.beta(size),
        };
        let (mut latents, scores) =
            encode_scored(step.centred, step.w_enc, step.b_enc, k, ranking)?;
        if matches!(plan.terms, Terms::Scores) {
            let pairs = scores.iter().zip(&latents.acts);
            self.by_entry = pairs.map(|(score, value)| score / value).collect();
            latents.acts = scores;
        }
        Ok(latents)
    }

    /// Computes the residual of a code, the gradient of the squared error for each entry, and the error's part of the loss.
    pub(crate) fn decode(
        &mut self,
        plan: &Plan,
        step: &Step<'_>,
        latents: &Latents,
        into: &mut Residual,
    ) -> Result<f64> {
        let scale = step.numbers.scale();
        if let Terms::Levels(ends) = &plan.terms {
            let (levels, loss) = matryoshka::decode(ends, step, latents, into)?;
            self.levels = Some(levels);
            return Ok(loss);
        }
        residual(into, step.target, latents, step.w_dec, scale)?;
        let mut squared = into.squared;
        if let Some(second) = &mut self.second {
            let (left, scale) = (&mut second.left, second.weight * scale);
            residual(left, step.target, &second.latents, step.w_dec, scale)?;
            squared += f64::from(second.weight) * left.squared;
        }
        Ok(squared / step.numbers.denominator())
    }

    /// Computes the rule's own terms of the loss and turns `d_acts [nnz]`, the gradients of activations, into gradients of pre-activations.
    pub(crate) fn charge(
        &mut self,
        plan: &Plan,
        step: &Step<'_>,
        latents: &Latents,
        d_acts: &mut [f32],
    ) -> Result<Added> {
        Ok(match &plan.terms {
            Terms::Plain | Terms::Longer { .. } | Terms::Levels(_) => Added::default(),
            Terms::Scores => {
                let pairs = d_acts.iter_mut().zip(&self.by_entry);
                pairs.for_each(|(d, factor)| *d *= factor);
                Added::default()
            }
            Terms::Relu { each } => {
                for d in d_acts.iter_mut() {
                    *d += *each as f32;
                }
                let sum: f64 = latents.acts.iter().map(|act| f64::from(*act)).sum();
                Added {
                    loss: each * sum,
                    ..Added::default()
                }
            }
            Terms::JumpRelu(jump) => jump.charge(&step.numbers, (latents, &self.by_entry), d_acts),
            Terms::Gated(magnitudes) => {
                let scale = step.numbers.scale();
                residual(&mut self.left, step.target, &self.gates, step.w_dec, scale)?;
                magnitudes.charge(step, (&self.gates, &self.left), latents, d_acts)
            }
            Terms::Custom(custom) => custom.charge(step, latents, d_acts),
        })
    }
}

/// Encodes with the features that AuxK trains: at most `k` per token.
pub(crate) fn help(
    choose: &Choose,
    centred: &Matrix,
    (w_enc, b_enc): (&Matrix, &[f32]),
    k: usize,
) -> Result<Latents> {
    match choose {
        Choose::Signed { .. } => encode_abs_topk(centred, w_enc, b_enc, k),
        _ => encode_topk(centred, w_enc, b_enc, k),
    }
}

/// Number of entries of each feature and the least of them.
fn least_by_feature(latents: &Latents, features: usize) -> Finding {
    let mut counts = vec![0; features];
    let mut least = vec![f32::INFINITY; features];
    for (feature, act) in latents.features.iter().zip(&latents.acts) {
        let f = *feature as usize;
        counts[f] += 1;
        least[f] = least[f].min(*act);
    }
    Finding::ByFeature { counts, least }
}
