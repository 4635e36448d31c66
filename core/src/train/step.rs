//! One training step of a TopK SAE with AuxK: encode, what is left, gradients, new parameters.
//!
//! `loss = Σ(x̂ − x)² / (n · variance) + weight · Σ(ê − e)² / Σ(e − mean e)²`, where `variance` is fixed from a sample, `e = x − x̂` is a constant, and
//! `ê` decodes, without bias, the `k_aux` largest positive pre-activations of dead features (Gao et al. 2024).

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::Spec;
use super::dead::{self, Dead};
use super::init::{Statistics, directions};
use super::optim::{ByFeature, DeadGradients, Features, Parameter, Spent, Term};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::kernels::adam::{Rates, adam};
use crate::kernels::encode_topk::{encode_topk, encode_topk_guessing};
use crate::kernels::residual::{Residual, residual};
use crate::sae::{Latents, Provenance, Sae, Selection};

/// Rows centred by one task.
const ROWS: usize = 64;
/// How far below the last batch's least kept pre-activation the next one's is looked for.
const CAUTION: f32 = 0.98;

/// Activations of one step: rows of a table.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[_, d]`.
    pub from: &'a Matrix,
    /// Which rows.
    pub rows: &'a [u32],
}

/// Time spent in each part of a step; the last three are summed over threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Phases {
    /// Gathering the batch, centring it.
    pub gather: Duration,
    /// Encoder product and selection.
    pub encode: Duration,
    /// Residual and its products with the decoder's rows.
    pub decode: Duration,
    /// AuxK: choosing, its residual and products, its gradients; meanwhile the main term's entries are sorted by feature.
    pub aux: Duration,
    /// Sums over tokens of the main term.
    pub gradients: Duration,
    /// Adam's pass.
    pub adam: Duration,
    /// Decoder rows back to length 1.
    pub unit_norm: Duration,
}

/// What one step saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Activations.
    pub tokens: usize,
    /// Normalised squared error plus AuxK's part.
    pub loss: f64,
    /// Σ‖x − x̂‖², of scaled activations.
    pub squared: f64,
    /// Σ‖x − batch mean‖², of scaled activations.
    pub variance: f64,
    /// Active (token, feature) pairs.
    pub active: usize,
    /// Pairs AuxK used.
    pub aux_active: usize,
    /// Share of features dead.
    pub dead_fraction: f64,
    /// Where the time went.
    pub phases: Phases,
}

/// A dictionary in training: parameters, moments, silent features.
///
/// Inside, activations are scaled so that the sample's mean of ‖x − mean‖² is `d`: the learning rate then means the same at every hook. TopK commutes
/// with a scale, so [`Trainer::sae`] takes it out of the biases again.
#[derive(Debug)]
pub struct Trainer {
    pub(super) features: Features,
    /// `[1, d]`.
    pub(super) b_dec: Parameter,
    pub(super) k: usize,
    pub(super) k_aux: usize,
    pub(super) aux_coefficient: f64,
    pub(super) scale: f32,
    pub(super) dead: Dead,
    steps: u64,
    centred: Matrix,
    /// `[n]`, lengths of the rows of `centred`.
    lengths: Vec<f32>,
    /// A little below the least of the last batch's `k`-th largest pre-activations over lengths; 0 where a row had fewer.
    least_kept: f32,
    main: Residual,
    aux: Residual,
}

/// AuxK's part of a step.
#[derive(Debug, Default)]
pub(super) struct Aux {
    /// Ascending.
    pub(super) dead: Vec<u32>,
    /// Over `dead`: feature 0 is the first of them.
    pub(super) latents: Latents,
    pub(super) loss: f64,
    pub(super) scale: f32,
}

/// Everything before the update, in one place for the optimiser and the gradient tests.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) latents: Latents,
    pub(super) scale: f32,
    pub(super) aux: Option<Aux>,
    pub(super) report: Report,
}

impl Trainer {
    /// Starts from a sample of activations `[n, d]`.
    pub fn new(spec: &Spec, sample: &Matrix) -> Result<Self> {
        spec.validate()?;
        let statistics = Statistics::of(sample, spec.geometric_median)?;
        let d = sample.columns();
        let scale = (d as f64 / statistics.variance).sqrt();
        let b_dec = statistics.centre.iter().map(|c| (c * scale) as f32);
        let w_dec = directions(spec, d);
        let sae = Sae {
            name: String::new(),
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; spec.features],
            w_dec,
            b_dec: b_dec.collect(),
            selection: Selection::TopK { k: spec.k },
            provenance: Provenance::default(),
        };
        let mut trainer = Self::from_sae(spec, sae)?;
        trainer.scale = scale as f32;
        Ok(trainer)
    }

    /// Starts from a dictionary with decoder rows of length 1, for activations whose mean of ‖x − mean‖² is `d`.
    pub fn from_sae(spec: &Spec, sae: Sae) -> Result<Self> {
        let d = sae.width();
        let features = sae.features();
        Ok(Self {
            features: Features {
                w_enc: Parameter::new(sae.w_enc),
                b_enc: Parameter::new(Matrix::new(features, 1, sae.b_enc)?),
                w_dec: Parameter::new(sae.w_dec),
            },
            b_dec: Parameter::new(Matrix::new(1, d, sae.b_dec)?),
            k: spec.k,
            k_aux: spec.k_aux.unwrap_or(d / 2).max(1),
            aux_coefficient: spec.aux_coefficient,
            scale: 1.0,
            dead: Dead::new(features, dead::limit(spec)),
            steps: 0,
            centred: Matrix::default(),
            lengths: Vec::new(),
            least_kept: 0.0,
            main: Residual::default(),
            aux: Residual::default(),
        })
    }

    /// The dictionary as it stands, for activations as they come.
    pub fn sae(&self) -> Sae {
        let unscaled = |values: &Matrix| values.values().iter().map(|v| v / self.scale).collect();
        Sae {
            name: String::new(),
            w_enc: self.features.w_enc.value.clone(),
            b_enc: unscaled(&self.features.b_enc.value),
            w_dec: self.features.w_dec.value.clone(),
            b_dec: unscaled(&self.b_dec.value),
            selection: Selection::TopK { k: self.k },
            provenance: Provenance::default(),
        }
    }

    /// Activations seen.
    pub fn tokens_seen(&self) -> u64 {
        self.dead.seen()
    }

    /// One step on `batch`.
    pub fn step(&mut self, batch: Batch<'_>, learning_rate: f64) -> Result<Report> {
        // On a thread of the pool: from outside, each of the step's parallel parts would wait for two threads to wake.
        rayon::scope(|_| self.step_in_pool(batch, learning_rate))
    }

    fn step_in_pool(&mut self, batch: Batch<'_>, learning_rate: f64) -> Result<Report> {
        let step = self.steps + 1;
        let Forward {
            latents,
            scale,
            aux,
            mut report,
        } = self.forward(batch).map_err(|error| at_step(step, error))?;
        if !report.loss.is_finite() {
            return Err(Error::Numeric {
                what: format!(
                    "the loss became {} in step {step}: lower the learning rate",
                    report.loss
                ),
            });
        }
        self.steps = step;
        let begun = Instant::now();
        let features = self.features.w_enc.value.rows();
        // The main term's sort is one thread's work.
        let (by_feature, dead) = rayon::join(
            || ByFeature::of(&latents, &self.main.d_acts, features),
            || self.dead_gradients(aux),
        );
        report.phases.aux += begun.elapsed();
        let main = Term {
            by_feature: &by_feature,
            residual: &self.main.residual,
            scale,
        };
        let rates = Rates::new(learning_rate, step);
        let passed = self.features.step(main, &dead, &self.centred, rates);
        let gradient = self.b_dec_gradient(scale, &passed.through_encoder);
        adam(&mut self.b_dec.row(), &gradient, rates);
        let Spent {
            gradients,
            adam,
            unit_norm,
        } = passed.spent;
        report.phases = Phases {
            gradients,
            adam,
            unit_norm,
            ..report.phases
        };
        Ok(report)
    }

    /// What AuxK's term gives to the dead features.
    pub(super) fn dead_gradients(&self, aux: Option<Aux>) -> DeadGradients {
        aux.map(|aux| DeadGradients::of(aux, &self.aux, &self.centred))
            .unwrap_or_default()
    }

    /// Codes, residuals, losses.
    pub(super) fn forward(&mut self, batch: Batch<'_>) -> Result<Forward> {
        let mut report = Report {
            tokens: batch.rows.len(),
            ..Report::default()
        };
        let begun = Instant::now();
        report.variance = self.centre(batch);
        report.phases.gather = begun.elapsed();

        let begun = Instant::now();
        let (w_enc, w_dec) = (&self.features.w_enc.value, &self.features.w_dec.value);
        let b_enc = self.features.b_enc.value.values();
        let guesses: Vec<f32> = self.lengths.iter().map(|l| self.least_kept * l).collect();
        let latents = encode_topk_guessing(&self.centred, w_enc, b_enc, self.k, &guesses)?;
        report.active = latents.acts.len();
        report.phases.encode = begun.elapsed();

        let begun = Instant::now();
        let denominator = batch.rows.len() as f64 * self.centred.columns() as f64;
        let scale = (-2.0 / denominator) as f32;
        let (main, dead) = (&mut self.main, &mut self.dead);
        let (centred, lengths) = (&self.centred, &self.lengths);
        let (least, left) = rayon::join(
            || {
                dead.count(batch.rows.len(), &latents.features);
                least_kept(&latents, self.k, lengths)
            },
            || residual(main, centred, &latents, w_dec, scale),
        );
        left?;
        self.least_kept = CAUTION * least;
        report.squared = self.main.squared;
        report.loss = self.main.squared / denominator;
        report.phases.decode = begun.elapsed();

        let begun = Instant::now();
        let dead = self.dead.features();
        report.dead_fraction = dead.len() as f64 / w_enc.rows() as f64;
        let aux = self.aux(dead)?;
        if let Some(aux) = &aux {
            report.loss += self.aux_coefficient * aux.loss;
            report.aux_active = aux.latents.acts.len();
        }
        report.phases.aux = begun.elapsed();
        Ok(Forward {
            latents,
            scale,
            aux,
            report,
        })
    }

    /// Gathers `scale · x − b_dec`; Σ‖scale · x − batch mean‖².
    fn centre(&mut self, batch: Batch<'_>) -> f64 {
        let d = batch.from.columns();
        let n = batch.rows.len();
        if self.centred.rows() != n || self.centred.columns() != d {
            self.centred = Matrix::zeros(n, d);
        }
        self.lengths.resize(n, 0.0);
        let (scale, b_dec) = (self.scale, self.b_dec.value.values());
        let sums: Vec<(f64, Vec<f64>)> = self
            .centred
            .values_mut()
            .par_chunks_mut(ROWS * d)
            .zip(self.lengths.par_chunks_mut(ROWS))
            .zip(batch.rows.par_chunks(ROWS))
            .map(|((into, lengths), rows)| {
                let mut columns = vec![0.0; d];
                let mut squared = 0.0;
                let into = into.chunks_exact_mut(d).zip(lengths);
                for ((into, length), row) in into.zip(rows) {
                    let x = batch.from.row(*row as usize);
                    for ((into, x), b) in into.iter_mut().zip(x).zip(b_dec) {
                        *into = scale * x - b;
                    }
                    let of_row = crate::kernels::residual::cpu::tally(into, &mut columns);
                    *length = of_row.sqrt() as f32;
                    squared += of_row;
                }
                (squared, columns)
            })
            .collect();
        let mut total = 0.0;
        let mut columns = vec![0.0; d];
        for (squared, part) in &sums {
            total += squared;
            columns
                .iter_mut()
                .zip(part)
                .for_each(|(sum, part)| *sum += part);
        }
        about_mean(total, &columns, n)
    }

    /// AuxK's code, residual and loss, if any feature is dead.
    fn aux(&mut self, dead: Vec<u32>) -> Result<Option<Aux>> {
        if dead.is_empty() || self.aux_coefficient == 0.0 {
            return Ok(None);
        }
        let denominator = about_mean(
            self.main.squared,
            &self.main.column_sums,
            self.centred.rows(),
        );
        if denominator <= 0.0 {
            return Ok(None);
        }
        let (w_enc, w_dec) = rayon::join(
            || self.features.w_enc.value.rows_of(&dead),
            || self.features.w_dec.value.rows_of(&dead),
        );
        let biases = self.features.b_enc.value.values();
        let b_enc: Vec<f32> = dead.iter().map(|f| biases[*f as usize]).collect();
        let latents = encode_topk(&self.centred, &w_enc, &b_enc, self.k_aux)?;
        let scale = (-2.0 * self.aux_coefficient / denominator) as f32;
        residual(&mut self.aux, &self.main.residual, &latents, &w_dec, scale)?;
        Ok(Some(Aux {
            dead,
            latents,
            loss: self.aux.squared / denominator,
            scale,
        }))
    }

    /// Directly from the residual, and through the encoder, which reads `x − b_dec`.
    pub(super) fn b_dec_gradient(&self, scale: f32, through_encoder: &[f64]) -> Vec<f32> {
        self.main
            .column_sums
            .iter()
            .zip(through_encoder)
            .map(|(sum, through)| (f64::from(scale) * sum - through) as f32)
            .collect()
    }

    /// The residuals of the last forward pass, AuxK's second.
    #[cfg(test)]
    pub(super) fn residuals(&self) -> [&Residual; 2] {
        [&self.main, &self.aux]
    }

    /// What the encoder read in the last forward pass.
    #[cfg(test)]
    pub(super) fn centred(&self) -> &Matrix {
        &self.centred
    }
}

/// The least of all kept activations over their rows' lengths; 0 if a row has fewer than `k`.
fn least_kept(latents: &Latents, k: usize, lengths: &[f32]) -> f32 {
    let ratio = |(row, length): (usize, &f32)| {
        let entries = latents.range(row);
        if entries.len() < k || *length <= 0.0 {
            return 0.0;
        }
        latents.acts[entries]
            .iter()
            .copied()
            .fold(f32::INFINITY, f32::min)
            / length
    };
    let least = lengths
        .iter()
        .enumerate()
        .map(ratio)
        .fold(f32::INFINITY, f32::min);
    if least.is_finite() { least } else { 0.0 }
}

/// Σ‖y − mean y‖² from Σ‖y‖² and Σy over `n` tokens.
fn about_mean(squared: f64, columns: &[f64], n: usize) -> f64 {
    let mean: f64 = columns.iter().map(|sum| sum * sum).sum::<f64>() / n.max(1) as f64;
    (squared - mean).max(0.0)
}

/// Names the step in a numeric error.
fn at_step(step: u64, error: Error) -> Error {
    match error {
        Error::Numeric { what } => Error::Numeric {
            what: format!("step {step}: {what}"),
        },
        other => other,
    }
}
