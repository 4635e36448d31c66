//! One training step: encode, what is left, gradients, new parameters. What the variants differ in is their [`Rule`].
//!
//! `loss = Σ(x̂ − x)² / (n · variance) + the rule's terms + weight · Σ(ê − e)² / Σ(e − mean e)²`, where `variance` is fixed from a sample, `e = x − x̂` is a
//! constant, and `ê` decodes, without bias, the `k_aux` largest positive pre-activations of dead features (AuxK; Gao et al. 2024) or of those that the rule
//! names instead.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::Spec;
use super::dead::{self, Dead};
use super::init::{Statistics, directions};
use super::optim::{ByFeature, DeadGradients, Features, Folded, Parameter, Spent, Term};
use super::rules;
use super::spec::{Adam, Decoder, Normalise};
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::kernels::adam::{Rates, adam};
use crate::kernels::encode::Product;
use crate::kernels::residual::{Residual, residual};
use crate::sae::rule::{Added, Rule, Step};
use crate::sae::state::{Keep, Within};
use crate::sae::{Latents, Provenance, Sae, Selection, Variant, Zipf};

/// Rows centred by one task.
const ROWS: usize = 64;

/// Activations of one step: rows of a table.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[_, d]`, or `[_, 2·d]` where each activation is followed by the gradient of the model's loss.
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
    /// All terms.
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
    /// Active pairs and Σ‖x − x̂‖² of the same batch under the rule for later use, where that was asked for and differs.
    pub inference: Option<(usize, f64)>,
    /// What a person should know.
    pub note: Option<String>,
    /// Where the time went.
    pub phases: Phases,
}

/// A dictionary in training: parameters, moments, silent features.
///
/// Inside, activations are scaled so that the sample's mean of ‖x − mean‖² is `d` (unless they are taken as they come): the learning rate then means the same
/// at every hook. Every rule commutes with a scale, so [`Trainer::sae`] takes it out of biases and thresholds again.
#[derive(Debug)]
pub struct Trainer {
    pub(super) features: Features,
    /// `[1, d]`.
    pub(super) b_dec: Parameter,
    pub(super) rule: Box<dyn Rule>,
    aux: AuxSettings,
    product: Product,
    pub(super) scale: f32,
    variance: f64,
    pub(super) dead: Dead,
    steps: u64,
    steps_in_all: u64,
    paired: bool,
    measuring: bool,
    centred: Matrix,
    /// `[n, d]` where activations come with gradients.
    gradients: Matrix,
    /// `[n]`, lengths of the rows of `centred`.
    lengths: Vec<f32>,
    folded: Folded,
    main: Residual,
    aux_left: Residual,
}

/// AuxK's numbers.
#[derive(Debug, Clone, Copy)]
struct AuxSettings {
    k: usize,
    coefficient: f64,
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
    pub(super) d_bias: Option<Vec<f32>>,
    pub(super) aux: Option<Aux>,
    pub(super) report: Report,
}

impl Trainer {
    /// Starts from a sample of activations `[n, d]` (with gradients: `[n, 2·d]`).
    pub fn new(spec: &Spec, sample: &Matrix) -> Result<Self> {
        spec.validate()?;
        let sample = &activations(spec, sample);
        let statistics = Statistics::of(sample, spec.geometric_median)?;
        let d = sample.columns();
        let scale = match spec.normalise {
            Normalise::Dataset => (d as f64 / statistics.variance).sqrt(),
            Normalise::None => 1.0,
        };
        let b_dec = statistics.centre.iter().map(|c| (c * scale) as f32);
        let w_dec = directions(spec, d);
        let sae = Sae {
            name: String::new(),
            w_enc: w_dec.clone(),
            b_enc: vec![0.0; spec.features],
            w_dec,
            b_dec: b_dec.collect(),
            selection: Selection::Relu,
            provenance: Provenance::default(),
        };
        let variance = statistics.variance * scale * scale;
        let mut trainer = Self::with_variance(spec, sae, variance)?;
        trainer.scale = scale as f32;
        Ok(trainer)
    }

    /// One for rows of a source, `columns` wide, whose state is to be put back.
    pub(super) fn blank(spec: &Spec, columns: usize) -> Result<Self> {
        let paired = spec.variant == Variant::Gradient;
        let d = if paired { columns / 2 } else { columns };
        let f = spec.features;
        let sae = Sae {
            name: String::new(),
            w_enc: Matrix::zeros(f, d),
            b_enc: vec![0.0; f],
            w_dec: Matrix::zeros(f, d),
            b_dec: vec![0.0; d],
            selection: Selection::Relu,
            provenance: Provenance::default(),
        };
        Self::from_sae(spec, sae)
    }

    /// Starts from a dictionary's encoder and decoder, rows of the latter of length 1, for activations whose mean of ‖x − mean‖² is `d`.
    pub fn from_sae(spec: &Spec, sae: Sae) -> Result<Self> {
        let variance = sae.width() as f64;
        Self::with_variance(spec, sae, variance)
    }

    fn with_variance(spec: &Spec, sae: Sae, variance: f64) -> Result<Self> {
        let d = sae.width();
        let features = sae.features();
        let unit = (variance / d.max(1) as f64).sqrt();
        Ok(Self {
            features: Features {
                w_enc: Parameter::new(sae.w_enc),
                b_enc: Parameter::new(Matrix::new(features, 1, sae.b_enc)?),
                w_dec: Parameter::new(sae.w_dec),
                free: spec.decoder == Decoder::Free,
                lazy: spec.adam == Adam::Lazy,
            },
            b_dec: Parameter::new(Matrix::new(1, d, sae.b_dec)?),
            rule: rules::rule(spec, features, unit),
            aux: AuxSettings {
                k: spec.k_aux.unwrap_or(d / 2).max(1),
                coefficient: if Variant::BUDGETED.contains(&spec.variant) {
                    spec.aux_coefficient
                } else {
                    0.0
                },
            },
            product: if spec.screened {
                Product::Screened
            } else {
                Product::Exact
            },
            scale: 1.0,
            variance,
            dead: Dead::new(features, dead::limit(spec)),
            steps: 0,
            steps_in_all: spec.steps(),
            paired: spec.variant == Variant::Gradient,
            measuring: false,
            centred: Matrix::default(),
            gradients: Matrix::default(),
            lengths: Vec::new(),
            folded: Folded::default(),
            main: Residual::default(),
            aux_left: Residual::default(),
        })
    }

    /// The dictionary as it stands, for activations as they come, decoder rows of length 1.
    pub fn sae(&self) -> Sae {
        let mut folded = Folded::default();
        if self.features.free {
            self.features.fold(&mut folded);
        } else {
            folded.w_enc.clone_from(&self.features.w_enc.value);
            folded.w_dec.clone_from(&self.features.w_dec.value);
            folded.b_enc = self.features.b_enc.value.values().to_vec();
        }
        let unscaled = |values: &[f32]| values.iter().map(|v| v / self.scale).collect();
        Sae {
            name: String::new(),
            w_enc: folded.w_enc,
            b_enc: unscaled(&folded.b_enc),
            w_dec: folded.w_dec,
            b_dec: unscaled(self.b_dec.value.values()),
            selection: self.rule.inference().scaled(1.0 / self.scale),
            provenance: Provenance::default(),
        }
    }

    /// Everything that later steps depend on; see [`Keep`].
    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.features.state(keep)?;
        self.b_dec.state("b_dec", keep)?;
        let mut scale = vec![self.scale];
        keep.floats("scale", &mut scale)?;
        self.scale = scale.first().copied().unwrap_or(1.0);
        keep.real("variance", &mut self.variance)?;
        keep.number("steps", &mut self.steps)?;
        self.dead.state(keep)?;
        self.rule.state(&mut Within::new("rule", keep))
    }

    /// Whether the next step also measures the rule for later use.
    pub(super) fn measure(&mut self, measuring: bool) {
        self.measuring = measuring;
    }

    /// The encoder as it stands, `[f, d]`.
    pub fn encoder(&self) -> &Matrix {
        &self.features.w_enc.value
    }

    /// The Zipf law that its rule goes by, and the share of variance the law's fit explains.
    pub(super) fn law(&self) -> Option<(Zipf, f64)> {
        self.rule.law()
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
            d_bias,
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
            || ByFeature::of(&latents, &self.main.d_acts, d_bias.as_deref(), features),
            || self.dead_gradients(aux),
        );
        report.phases.aux += begun.elapsed();
        let tables = tables(self.rule.as_ref(), &self.main);
        let main = Term {
            by_feature: &by_feature,
            tables: &tables,
            scale,
        };
        let rates = Rates::new(learning_rate, step);
        let passed = self.features.step(main, &dead, &self.centred, rates);
        let gradient = self.b_dec_gradient(scale, &passed.through_encoder);
        adam(&mut self.b_dec.row(), &gradient, rates);
        self.rule.after_step(&latents, rates);
        report.note = self.rule.note();
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
        aux.map(|aux| DeadGradients::of(aux, &self.aux_left, &self.centred))
            .unwrap_or_default()
    }

    /// Codes, residuals, losses.
    pub(super) fn forward(&mut self, batch: Batch<'_>) -> Result<Forward> {
        let mut report = Report {
            tokens: batch.rows.len(),
            ..Report::default()
        };
        let begun = Instant::now();
        report.variance = self.gather(batch)?;
        report.phases.gather = begun.elapsed();

        let begun = Instant::now();
        if self.features.free {
            self.features.fold(&mut self.folded);
        }
        let dictionary = dictionary(&self.features, &self.folded);
        let step = Step {
            centred: &self.centred,
            lengths: &self.lengths,
            gradients: self.paired.then_some(&self.gradients),
            w_enc: dictionary.0,
            b_enc: dictionary.1,
            w_dec: dictionary.2,
            product: self.product,
            done: self.steps as f64 / self.steps_in_all.max(1) as f64,
            variance: self.variance,
        };
        let latents = self.rule.select(&step)?;
        report.active = latents.acts.iter().filter(|act| **act != 0.0).count();
        report.phases.encode = begun.elapsed();

        let begun = Instant::now();
        let (rule, main, dead) = (&mut self.rule, &mut self.main, &mut self.dead);
        let ((), loss) = rayon::join(
            || dead.count(&latents),
            || rule.decode(&step, &latents, main),
        );
        report.loss = loss?;
        let Added { loss, d_bias } = rule.losses(&step, &latents, &mut main.d_acts);
        report.loss += loss;
        report.squared = self.main.squared;
        if self.measuring && self.rule.differs() {
            report.inference = Some(measured(self.rule.as_ref(), &step)?);
        }
        let scale = step.scale();
        report.phases.decode = begun.elapsed();

        let begun = Instant::now();
        let dead = self.dead.features();
        report.dead_fraction = dead.len() as f64 / self.features.w_enc.value.rows() as f64;
        let helped = self.rule.helped(dead);
        let aux = self.aux(helped)?;
        if let Some(aux) = &aux {
            report.loss += self.aux.coefficient * aux.loss;
            report.aux_active = aux.latents.acts.len();
        }
        report.phases.aux = begun.elapsed();
        Ok(Forward {
            latents,
            scale,
            d_bias,
            aux,
            report,
        })
    }

    /// Gathers activations, and the gradients that stand beside them; Σ‖scale · x − batch mean‖².
    fn gather(&mut self, batch: Batch<'_>) -> Result<f64> {
        let d = self.b_dec.value.columns();
        let columns = if self.paired { 2 * d } else { d };
        Dims::of("train")
            .bind("b_dec", &self.b_dec.value, "1 d")?
            .bind_len("an activation", batch.from.columns() + d - columns, "d")?;
        if self.paired {
            let n = batch.rows.len();
            if self.gradients.rows() != n || self.gradients.columns() != d {
                self.gradients = Matrix::zeros(n, d);
            }
            for (i, row) in batch.rows.iter().enumerate() {
                let gradient = &batch.from.row(*row as usize)[d..];
                self.gradients.row_mut(i).copy_from_slice(gradient);
            }
        }
        Ok(self.centre(batch))
    }

    /// Gathers `scale · x − b_dec`; Σ‖scale · x − batch mean‖².
    fn centre(&mut self, batch: Batch<'_>) -> f64 {
        let d = self.b_dec.value.columns();
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

    /// AuxK's code, residual and loss, if any feature is to be helped.
    fn aux(&mut self, helped: Vec<u32>) -> Result<Option<Aux>> {
        if helped.is_empty() || self.aux.coefficient == 0.0 {
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
        let all = dictionary(&self.features, &self.folded);
        let (w_enc, w_dec) = rayon::join(|| all.0.rows_of(&helped), || all.2.rows_of(&helped));
        let b_enc: Vec<f32> = helped.iter().map(|f| all.1[*f as usize]).collect();
        let latents = self.rule.help(&self.centred, &w_enc, &b_enc, self.aux.k)?;
        let scale = (-2.0 * self.aux.coefficient / denominator) as f32;
        let target = &self.main.residual;
        residual(&mut self.aux_left, target, &latents, &w_dec, scale)?;
        Ok(Some(Aux {
            dead: helped,
            latents,
            loss: self.aux_left.squared / denominator,
            scale,
        }))
    }

    /// Directly from the residual, and through the encoder, which reads `x − b_dec`.
    pub(super) fn b_dec_gradient(&self, scale: f32, through_encoder: &[f64]) -> Vec<f32> {
        let levels = self.rule.levels();
        let sums = levels.map_or(&self.main.column_sums, |levels| &levels.column_sums);
        sums.iter()
            .zip(through_encoder)
            .map(|(sum, through)| (f64::from(scale) * sum - through) as f32)
            .collect()
    }

    /// The residuals of the last forward pass, AuxK's second.
    #[cfg(test)]
    pub(super) fn residuals(&self) -> [&Residual; 2] {
        [&self.main, &self.aux_left]
    }

    /// What the encoder read in the last forward pass.
    #[cfg(test)]
    pub(super) fn centred(&self) -> &Matrix {
        &self.centred
    }
}

/// The tables that decoder rows are moved by.
pub(super) fn tables<'a>(rule: &'a dyn Rule, main: &'a Residual) -> Vec<(usize, &'a Matrix)> {
    match rule.levels() {
        Some(levels) => (levels.tables.iter())
            .map(|(end, table)| (*end, table))
            .collect(),
        None => vec![(usize::MAX, &main.residual)],
    }
}

/// Encoder rows, biases and decoder rows of length 1.
fn dictionary<'a>(
    features: &'a Features,
    folded: &'a Folded,
) -> (&'a Matrix, &'a [f32], &'a Matrix) {
    if features.free {
        (&folded.w_enc, &folded.b_enc, &folded.w_dec)
    } else {
        let b_enc = features.b_enc.value.values();
        (&features.w_enc.value, b_enc, &features.w_dec.value)
    }
}

/// Active pairs and squared error of the batch under the rule for later use.
fn measured(rule: &dyn Rule, step: &Step<'_>) -> Result<(usize, f64)> {
    let latents = rule
        .inference()
        .encode(step.centred, step.w_enc, step.b_enc)?;
    let mut left = Residual::default();
    residual(&mut left, step.centred, &latents, step.w_dec, 0.0)?;
    Ok((latents.acts.len(), left.squared))
}

/// The sample without the gradients that stand beside it.
fn activations(spec: &Spec, sample: &Matrix) -> Matrix {
    if spec.variant != Variant::Gradient {
        return sample.clone();
    }
    let d = sample.columns() / 2;
    let mut alone = Matrix::zeros(sample.rows(), d);
    for (i, row) in sample.iter_rows().enumerate() {
        alone.row_mut(i).copy_from_slice(&row[..d]);
    }
    alone
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
