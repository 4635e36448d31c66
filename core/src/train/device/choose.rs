//! Selections of a plan on a device.

use super::OnDevice;
use super::inputs::Inputs;
use crate::device::{Buffer, Gpu, Table};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::kernels::charges::gpu::{self as charges, Gates, largest};
use crate::kernels::codes::Codes;
use crate::kernels::encode::MOST_ON_DEVICE;
use crate::kernels::encode::gpu::{
    DeviceRanking, Encoder, Kind, Least, above, budget, by_feature, scored, topk,
};
use crate::kernels::pending::{self, Floats, Words};
use crate::kernels::product::{Tile, product};
use crate::sae::rule::{Bars, Choose, Finding, Plan, Rule, Terms};
use crate::sae::{Selection, no_gradients};

/// Code of a step, and what its terms of the loss need beside it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) codes: Codes,
    pub(super) kept: Kept,
}

/// Values of a selection that terms of the loss need.
#[derive(Debug)]
pub(super) enum Kept {
    Nothing,
    /// Scores over pre-activations, `[nnz]`.
    Factors(Buffer),
    /// The longer code.
    Longer(Codes),
    /// Pre-activations, `[nnz]`, and thresholds, `[f]`.
    Thresholds {
        pre: Buffer,
        thresholds: Buffer,
    },
    /// Positive gates, and the magnitudes' numbers, `[f]`.
    Gates {
        gates: Codes,
        b_mag: Buffer,
        r_mag: Buffer,
    },
}

/// The `k` largest positive pre-activations of each row of `centred`.
pub(super) fn positive(gpu: &Gpu, centred: &Table, enc: Encoder<'_>, k: usize) -> Result<Codes> {
    if k.min(enc.features()) <= MOST_ON_DEVICE {
        return topk(gpu, centred, enc, k, Kind::Positive);
    }
    let all = over(gpu, centred, enc, &vec![0.0; enc.features()])?;
    largest(gpu, &all, k)
}

/// Those above `bars [f]`.
fn over(gpu: &Gpu, centred: &Table, enc: Encoder<'_>, bars: &[f32]) -> Result<Codes> {
    above(gpu, centred, enc, &gpu.upload("thresholds", bars)?)
}

/// Codes of `centred` by a selection for later use, of those that differ from the rule of training.
pub(super) fn by_selection(
    gpu: &Gpu,
    selection: &Selection,
    centred: &Table,
    enc: Encoder<'_>,
) -> Result<Codes> {
    match selection {
        Selection::TopK(rule) => positive(gpu, centred, enc, rule.k),
        Selection::JumpRelu(rule) => {
            let bars: Vec<f32> = rule.thresholds.iter().map(|bar| bar.max(0.0)).collect();
            over(gpu, centred, enc, &bars)
        }
        other => Err(Error::Device {
            device: gpu.info().name.clone(),
            what: format!(
                "cannot select by {} in training; choose the CPU",
                other.describe()
            ),
        }),
    }
}

impl OnDevice {
    /// Selects the pairs of a step and tells `rule` what it learns from them; `sample` has the gradients of the batch's first rows.
    pub(super) fn choose(
        &self,
        rule: &mut dyn Rule,
        plan: &Plan,
        inputs: &Inputs,
        sample: Option<&Matrix>,
    ) -> Result<Chosen> {
        let gpu = &self.gpu;
        let enc = self.encoder();
        let centred = &inputs.centred;
        let codes = match &plan.choose {
            Choose::PerToken { k, .. } => positive(gpu, centred, enc, *k)?,
            Choose::Signed { k } => topk(gpu, centred, enc, *k, Kind::Signed)?,
            Choose::Scored { k } => return self.scored(rule, *k, plan, (inputs, sample)),
            Choose::Budget {
                budget: most,
                guess,
            } => {
                let (codes, Least { cut, least }) = budget(gpu, centred, enc, (*most, *guess))?;
                rule.learn(Finding::Cut { cut, least });
                codes
            }
            Choose::ByFeature(budgets) => {
                let (codes, of_features) = by_feature(gpu, centred, enc, budgets)?;
                let both = (Words(of_features.counts), Floats(of_features.least));
                let (counts, least) = pending::read(gpu, &both)?;
                rule.learn(Finding::ByFeature { counts, least });
                codes
            }
            Choose::Above(Bars::One(bar)) => over(gpu, centred, enc, &vec![*bar; enc.features()])?,
            Choose::Above(Bars::ByFeature(bars)) => over(gpu, centred, enc, bars)?,
            Choose::Custom(custom) => {
                return Err(Error::Device {
                    device: gpu.info().name.clone(),
                    what: format!("cannot run the rule {}; choose the CPU", custom.name()),
                });
            }
        };
        self.activate(&plan.terms, codes)
    }

    /// Turns selected pre-activations into activations.
    fn activate(&self, terms: &Terms, codes: Codes) -> Result<Chosen> {
        let gpu = &self.gpu;
        Ok(match terms {
            Terms::Longer { k, .. } => Chosen {
                codes: largest(gpu, &codes, *k)?,
                kept: Kept::Longer(codes),
            },
            Terms::JumpRelu(jump) => {
                let thresholds = gpu.upload("thresholds", &jump.thresholds)?;
                Chosen {
                    codes: charges::closed(gpu, &codes, &thresholds)?,
                    kept: Kept::Thresholds {
                        pre: codes.acts,
                        thresholds,
                    },
                }
            }
            Terms::Gated(magnitudes) => {
                let b_mag = gpu.upload("biases of magnitudes", &magnitudes.b_mag)?;
                let r_mag = gpu.upload("factors of magnitudes", &magnitudes.r_mag)?;
                let with = Gates {
                    b_enc: self.encoder().b_enc,
                    b_mag: &b_mag,
                    r_mag: &r_mag,
                };
                Chosen {
                    codes: charges::magnitudes(gpu, &codes, with)?,
                    kept: Kept::Gates {
                        gates: codes,
                        b_mag,
                        r_mag,
                    },
                }
            }
            _ => Chosen {
                codes,
                kept: Kept::Nothing,
            },
        })
    }

    /// Selects by scores.
    fn scored(
        &self,
        rule: &mut dyn Rule,
        k: usize,
        plan: &Plan,
        (inputs, sample): (&Inputs, Option<&Matrix>),
    ) -> Result<Chosen> {
        let gpu = &self.gpu;
        let (Some(gradients), Some(sample)) = (&inputs.gradients, sample) else {
            return Err(no_gradients());
        };
        let [_, _, w_dec] = self.features.dictionary();
        let ranking = DeviceRanking {
            gradients,
            w_dec,
            beta: rule.beta(self.mean_size(sample)?),
        };
        let (codes, scores) = scored(gpu, &inputs.centred, self.encoder(), k, ranking)?;
        if !matches!(plan.terms, Terms::Scores) {
            return Ok(Chosen {
                codes,
                kept: Kept::Nothing,
            });
        }
        let factors = charges::ratios(gpu, &scores, &codes)?;
        Ok(Chosen {
            codes: Codes {
                acts: scores,
                ..codes
            },
            kept: Kept::Factors(factors),
        })
    }

    /// Mean |g| of `g = sample · w_decᵀ`.
    fn mean_size(&self, sample: &Matrix) -> Result<f64> {
        let gpu = &self.gpu;
        let [_, _, w_dec] = self.features.dictionary();
        let sample = Table::upload(gpu, "gradients", sample)?;
        let along = product(gpu, &sample, w_dec, Tile::suiting(gpu, sample.rows()))?;
        let mut sizes = Matrix::zeros(along.rows(), along.columns());
        along.read(gpu, &mut sizes)?;
        let sum: f64 = sizes.values().iter().map(|g| f64::from(g.abs())).sum();
        Ok(sum / sizes.values().len().max(1) as f64)
    }

    /// The encoder, with decoder rows of length 1.
    pub(super) fn encoder(&self) -> Encoder<'_> {
        let [w_enc, b_enc, _] = self.features.dictionary();
        Encoder {
            w_enc,
            b_enc: b_enc.whole(),
        }
    }
}
