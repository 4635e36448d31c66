//! One training step: encode, what is left, gradients, new parameters. What the variants differ in is their [`Rule`].
//!
//! `loss = Σ(x̂ − x)² / (n · variance) + the rule's terms + weight · Σ(ê − e)² / Σ(e − mean e)²`, where `variance` is fixed from a sample, `e = x − x̂` is a
//! constant, and `ê` decodes, without bias, the `k_aux` largest positive pre-activations of dead features (AuxK; Gao et al. 2024) or of those that the rule
//! names instead.

use std::time::Instant;

use super::average::Average;
use super::dead::Dead;
use super::device::OnDevice;
use super::optim::{
    ByFeature, DeadGradients, Features, Folded, Given, Move, Parameter, Passed, Spent, Term,
    squared,
};
use super::report::{Report, at_step, check_loss};
use super::transcode::Mapping;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::adam::{Rates, adam};
use crate::kernels::encode::Product;
use crate::kernels::residual::{Residual, residual};
use crate::latents::Latents;
use crate::sae::Zipf;
use crate::sae::rule::{Added, After, Choose, Numbers, Rule, Step, Whole, Work, help};
use crate::sae::state::{Keep, Within};

/// Activations of one step: rows of a table.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// `[_, d]`, or `[_, 2·d]` where each activation is followed by the gradient of the model's loss, or `[_, d + d_out]` where one of another hook follows.
    pub from: &'a Matrix,
    /// Which rows.
    pub rows: &'a [u32],
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
    pub(super) work: Work,
    pub(super) aux: AuxSettings,
    pub(super) product: Product,
    /// Factor on the activations that are reconstructed.
    pub(super) scale: f32,
    pub(super) variance: f64,
    pub(super) dead: Dead,
    pub(super) steps: u64,
    pub(super) steps_in_all: u64,
    /// Where the number of active features begins, and the share of the steps over which it falls.
    pub(super) k_warmup: (usize, f64),
    /// Tokens whose codes are there at a time; 0: all of a batch. It stays what it was chosen to be where a run goes on: sums depend on it in their last bits.
    pub(super) micro_batch: usize,
    pub(super) paired: bool,
    pub(super) measuring: bool,
    /// Length that the gradient of all parameters is cut down to.
    pub(super) clip: Option<f64>,
    pub(super) average: Option<Average>,
    /// Parts of a transcoder.
    pub(super) mapping: Option<Mapping>,
    /// State on a GPU, where steps are computed there; encoder and decoder here are then those of the last [`Trainer::pull`].
    pub(super) device: Option<Box<OnDevice>>,
    /// Sentence on a device that failed, to be told.
    pub(super) fault: Option<String>,
    pub(super) centred: Matrix,
    /// `[n, d]` where activations come with gradients.
    pub(super) gradients: Matrix,
    /// `[n]`, lengths of the rows of `centred`.
    pub(super) lengths: Vec<f32>,
    pub(super) folded: Folded,
    pub(super) main: Residual,
    pub(super) aux_left: Residual,
}

/// AuxK's numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct AuxSettings {
    pub(super) k: usize,
    pub(super) coefficient: f64,
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
    /// Gradients of the rule's own parameters.
    pub(super) own: Vec<Vec<f32>>,
    pub(super) aux: Option<Aux>,
    pub(super) report: Report,
}

/// Gradients of what is no feature's own.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// `[d]`: b_dec's, directly from the residual.
    pub(super) direct: Vec<f64>,
    /// `[d_out, d]`.
    pub(super) skipped: Option<Matrix>,
    /// `[f]` each: those of the rule's own parameters.
    pub(super) own: Vec<Vec<f32>>,
}

impl Trainer {
    /// Everything that later steps depend on; see [`Keep`].
    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.features.state(keep)?;
        self.state_beside(keep)
    }

    /// Part of the state that is no feature's own row; see [`Keep`].
    pub(super) fn state_beside(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.b_dec.state("b_dec", keep)?;
        let mut scale = vec![self.scale];
        keep.floats("scale", &mut scale)?;
        self.scale = scale.first().copied().unwrap_or(1.0);
        keep.real("variance", &mut self.variance)?;
        keep.number("steps", &mut self.steps)?;
        let mut micro_batch = self.micro_batch as u64;
        keep.number("micro_batch", &mut micro_batch)?;
        self.micro_batch = usize::try_from(micro_batch).unwrap_or(usize::MAX);
        self.dead.state(keep)?;
        self.rule.state(&mut Within::new("rule", keep))?;
        if let Some(mapping) = &mut self.mapping {
            mapping.state(&mut Within::new("transcoder", keep))?;
        }
        let skips = (self.mapping.as_ref()).is_some_and(|mapping| mapping.skip.is_some());
        let own = self.rule.inference().by_feature().len();
        match &mut self.average {
            Some(average) => {
                let parts = if skips { 5 } else { 4 };
                average.state((parts, own), &mut Within::new("average", keep))
            }
            None => Ok(()),
        }
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
        if let Some(device) = self.device.take() {
            return self.step_on_device(device, batch, learning_rate);
        }
        // On a thread of the pool: from outside, each of the step's parallel parts would wait for two threads to wake.
        rayon::scope(|_| self.step_in_pool(batch, learning_rate))
    }

    /// Takes a sentence on a device that failed, once.
    pub(super) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    fn step_in_pool(&mut self, batch: Batch<'_>, learning_rate: f64) -> Result<Report> {
        let step = self.steps + 1;
        if self.micro_batch > 0 && batch.rows.len() > self.micro_batch {
            return self.step_in_parts(batch, learning_rate);
        }
        let Forward {
            latents,
            scale,
            d_bias,
            own,
            aux,
            mut report,
        } = self.forward(batch).map_err(|error| at_step(step, error))?;
        check_loss(&report, step)?;
        self.steps = step;
        let begun = Instant::now();
        let features = self.features.w_enc.value.rows();
        // The main term's sort is one thread's work.
        let (by_feature, dead) = rayon::join(
            || ByFeature::new(&latents, &self.main.d_acts, d_bias.as_deref(), features),
            || self.dead_gradients(aux),
        );
        report.phases.aux += begun.elapsed();
        let tables = tables(&self.work, &self.main);
        let main = Term {
            by_feature: &by_feature,
            tables: &tables,
            scale,
        };
        let second = self.work.second().map(|second| {
            let sorted = ByFeature::new(&second.latents, &second.left.d_acts, None, features);
            let table = [(usize::MAX, &second.left.residual)];
            (sorted, table, scale * second.weight)
        });
        let second = second.as_ref().map(|(by_feature, tables, scale)| Term {
            by_feature,
            tables,
            scale: *scale,
        });
        let terms: Vec<Term<'_>> = [main].into_iter().chain(second).collect();
        let beside = Beside {
            direct: self.direct(scale),
            skipped: self.skipped(scale),
            own,
        };
        let given = Given::Batch {
            terms: &terms,
            dead: &dead,
            centred: &self.centred,
        };
        let by = Move {
            rates: Rates::new(learning_rate, step),
            factor: self.shortened(&beside, &mut report, || Ok(self.features.length2(given)))?,
        };
        let passed = self.features.step(given, by);
        self.finish(&passed, beside, by, &mut report);
        Ok(report)
    }

    /// Factor that cuts the gradient of all parameters down to the allowed length; `length2` computes what [`Features::length2`] says.
    pub(super) fn shortened(
        &self,
        beside: &Beside,
        report: &mut Report,
        length2: impl FnOnce() -> Result<(f64, Vec<f64>)>,
    ) -> Result<f32> {
        let Some(clip) = self.clip else {
            return Ok(1.0);
        };
        let (of_features, through) = length2()?;
        let of_b_dec = squared(&self.b_dec_gradient(&beside.direct, &through));
        let of_skip = beside
            .skipped
            .as_ref()
            .map_or(0.0, |skip| squared(skip.values()));
        let own2: f64 = beside.own.iter().map(|own| squared(own)).sum();
        let length = (of_features + of_b_dec + of_skip + own2).sqrt();
        report.gradient_norm = Some(length);
        report.clipped = length > clip;
        Ok((clip / length).min(1.0) as f32)
    }

    /// Moves what is no feature's own, after the features have moved.
    pub(super) fn finish(
        &mut self,
        passed: &Passed,
        mut beside: Beside,
        by: Move,
        report: &mut Report,
    ) {
        for sum in &mut beside.direct {
            *sum *= f64::from(by.factor);
        }
        let gradient = self.b_dec_gradient(&beside.direct, &passed.through_encoder);
        adam(&mut self.b_dec.row(), &gradient, by.rates);
        self.step_beside(beside, by);
        self.count_average();
        report.note = self.rule.note();
        let Spent {
            gradients,
            adam,
            unit_norm,
        } = passed.spent;
        report.phases.gradients += gradients;
        report.phases.adam = adam;
        report.phases.unit_norm = unit_norm;
    }

    /// Moves the skip connection and what the rule learns, whose gradients are cut down like all others.
    pub(super) fn step_beside(&mut self, mut beside: Beside, by: Move) {
        let skip = self.mapping.as_mut().and_then(|to| to.skip.as_mut());
        if let (Some(skip), Some(mut gradient)) = (skip, beside.skipped) {
            for g in gradient.values_mut() {
                *g *= by.factor;
            }
            adam(&mut skip.row(), gradient.values(), by.rates);
        }
        if by.factor < 1.0 {
            for g in beside.own.iter_mut().flatten() {
                *g *= by.factor;
            }
        }
        let (counts, tokens) = self.dead.counted();
        self.rule.after_step(&After {
            counts,
            tokens,
            own: &beside.own,
            rates: by.rates,
        });
    }

    /// Computes the gradients of AuxK's term for the dead features.
    pub(super) fn dead_gradients(&self, aux: Option<Aux>) -> DeadGradients {
        aux.map(|aux| DeadGradients::new(aux, &self.aux_left, &self.centred))
            .unwrap_or_default()
    }

    /// Codes, residuals, losses.
    pub(super) fn forward(&mut self, batch: Batch<'_>) -> Result<Forward> {
        let tokens = batch.rows.len();
        self.dead.begin(tokens);
        let (mut forward, of_inputs) = self.forward_of(batch, Whole { tokens, l0: None })?;
        self.dead.end();
        forward.report.variance = self.variance_of(&of_inputs, tokens);
        forward.report.expected = self.variance * tokens as f64;
        Ok(forward)
    }

    /// Σ‖y − mean y‖² of a batch; of one activation, which has no variance of its own, what the sample has for one.
    pub(super) fn variance_of(&self, inputs: &Sums, tokens: usize) -> f64 {
        if tokens > 1 {
            inputs.about_mean(tokens)
        } else {
            self.variance
        }
    }

    /// Runs the forward pass of a batch or of one of its micro-batches, and returns the sums of the target.
    pub(super) fn forward_of(&mut self, batch: Batch<'_>, whole: Whole) -> Result<(Forward, Sums)> {
        let mut report = Report {
            tokens: batch.rows.len(),
            ..Report::default()
        };
        let begun = Instant::now();
        let of_inputs = self.gather(batch)?;
        report.phases.gather = begun.elapsed();

        let begun = Instant::now();
        if self.features.free {
            self.features.fold(&mut self.folded);
        }
        let dictionary = dictionary(&self.features, &self.folded);
        let target = match &self.mapping {
            Some(mapping) => &mapping.target,
            None => &self.centred,
        };
        let numbers = self.numbers(whole);
        let step = Step {
            numbers,
            centred: &self.centred,
            target,
            lengths: &self.lengths,
            gradients: self.paired.then_some(&self.gradients),
            w_enc: dictionary.0,
            b_enc: dictionary.1,
            w_dec: dictionary.2,
            product: self.product,
        };
        let plan = self.rule.plan(&numbers)?;
        let latents = self.work.choose(self.rule.as_mut(), &plan, &step)?;
        report.active = latents.acts.iter().filter(|act| **act != 0.0).count();
        report.phases.encode = begun.elapsed();

        let begun = Instant::now();
        let (work, main, dead) = (&mut self.work, &mut self.main, &mut self.dead);
        let ((), loss) = rayon::join(
            || dead.count(&latents),
            || work.decode(&plan, &step, &latents, main),
        );
        report.loss = loss?;
        let Added { loss, d_bias, own } = work.charge(&plan, &step, &latents, &mut main.d_acts)?;
        report.loss += loss;
        report.squared = self.main.squared;
        if self.measuring {
            let average = self.average.as_ref().filter(|average| average.is_there());
            report.inference = match average {
                Some(_) => Some(self.measure_average()?),
                None if self.rule.differs() => Some(measured(self.rule.as_ref(), &step)?),
                None => None,
            };
        }
        let scale = numbers.scale();
        report.phases.decode = begun.elapsed();

        let begun = Instant::now();
        let dead = self.dead.features();
        report.dead_fraction = dead.len() as f64 / numbers.features as f64;
        let helped = self.rule.helped(dead);
        let aux = self.aux(helped, &plan.choose)?;
        if let Some(aux) = &aux {
            report.loss += self.aux.coefficient * aux.loss;
            report.aux_active = aux.latents.acts.len();
        }
        report.phases.aux = begun.elapsed();
        let forward = Forward {
            latents,
            scale,
            d_bias,
            own,
            aux,
            report,
        };
        Ok((forward, of_inputs))
    }

    /// Numbers of the next step, by which its rule plans it.
    pub(super) fn numbers(&self, whole: Whole) -> Numbers {
        Numbers {
            features: self.features.w_enc.value.rows(),
            width: self.features.w_dec.value.columns(),
            done: self.steps as f64 / self.steps_in_all.max(1) as f64,
            k_warmup: self.k_warmup,
            variance: self.variance,
            whole,
        }
    }

    /// AuxK's code, residual and loss, if any feature is to be helped.
    fn aux(&mut self, helped: Vec<u32>, choose: &Choose) -> Result<Option<Aux>> {
        if helped.is_empty() || self.aux.coefficient == 0.0 {
            return Ok(None);
        }
        // Of one activation the error is its own mean: about that, nothing but rounding is left to divide by.
        let denominator = match self.centred.rows() {
            1 => self.main.squared,
            n => about_mean(self.main.squared, &self.main.column_sums, n),
        };
        if denominator <= 0.0 {
            return Ok(None);
        }
        let all = dictionary(&self.features, &self.folded);
        let (w_enc, w_dec) = rayon::join(|| all.0.rows_of(&helped), || all.2.rows_of(&helped));
        let b_enc: Vec<f32> = helped.iter().map(|f| all.1[*f as usize]).collect();
        let latents = help(choose, &self.centred, (&w_enc, &b_enc), self.aux.k)?;
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

    /// b_dec's gradient directly from the residual.
    pub(super) fn direct(&self, scale: f32) -> Vec<f64> {
        let levels = self.work.levels();
        let sums = levels.map_or(&self.main.column_sums, |levels| &levels.column_sums);
        let mut sums: Vec<f64> = sums.iter().map(|sum| f64::from(scale) * sum).collect();
        if let Some(second) = self.work.second() {
            for (sum, more) in sums.iter_mut().zip(&second.left.column_sums) {
                *sum += f64::from(scale * second.weight) * more;
            }
        }
        sums
    }

    /// The skip connection's gradient, if there is one.
    pub(super) fn skipped(&self, scale: f32) -> Option<Matrix> {
        let mapping = self.mapping.as_ref()?;
        mapping.gradient(&self.main.residual, &self.centred, scale)
    }

    /// Directly from the residual, and through the encoder, which reads `x − b_dec`.
    pub(super) fn b_dec_gradient(&self, direct: &[f64], through_encoder: &[f64]) -> Vec<f32> {
        if self.mapping.is_some() {
            // A transcoder's encoder does not see it.
            return direct.iter().map(|sum| *sum as f32).collect();
        }
        let pairs = direct.iter().zip(through_encoder);
        pairs.map(|(sum, through)| (sum - through) as f32).collect()
    }

    /// The residuals of the last forward pass, AuxK's second.
    #[cfg(test)]
    pub(super) fn residuals(&self) -> [&Residual; 2] {
        [&self.main, &self.aux_left]
    }

    /// Returns the input of the encoder in the last forward pass.
    #[cfg(test)]
    pub(super) fn centred(&self) -> &Matrix {
        &self.centred
    }
}

/// The tables that decoder rows are moved by.
pub(super) fn tables<'a>(work: &'a Work, main: &'a Residual) -> Vec<(usize, &'a Matrix)> {
    match work.levels() {
        Some(levels) => (levels.tables.iter())
            .map(|(end, table)| (*end, table))
            .collect(),
        None => vec![(usize::MAX, &main.residual)],
    }
}

/// Encoder rows, biases and decoder rows of length 1.
pub(super) fn dictionary<'a>(
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
    residual(&mut left, step.target, &latents, step.w_dec, 0.0)?;
    Ok((latents.acts.len(), left.squared))
}

/// Σ‖y‖² and Σy over tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    pub(super) squared: f64,
    pub(super) columns: Vec<f64>,
}

impl Sums {
    /// Adds those of other tokens.
    pub(super) fn add(&mut self, more: &Self) {
        self.squared += more.squared;
        self.columns.resize(more.columns.len(), 0.0);
        for (sum, more) in self.columns.iter_mut().zip(&more.columns) {
            *sum += more;
        }
    }

    /// Σ‖y − mean y‖² over `n` tokens.
    pub(super) fn about_mean(&self, n: usize) -> f64 {
        about_mean(self.squared, &self.columns, n)
    }
}

/// Σ‖y − mean y‖² from Σ‖y‖² and Σy over `n` tokens.
pub(super) fn about_mean(squared: f64, columns: &[f64], n: usize) -> f64 {
    let mean: f64 = columns.iter().map(|sum| sum * sum).sum::<f64>() / n.max(1) as f64;
    (squared - mean).max(0.0)
}
