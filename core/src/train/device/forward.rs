//! Codes, residuals and losses of a batch on a device.

use std::time::Instant;

use super::OnDevice;
use super::choose::{Chosen, Kept, by_selection, positive};
use super::inputs::Inputs;
use crate::device::{Buffer, Table};
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::charges::gpu::{self as charges, Gates, JumpRelu, JumpReluInputs};
use crate::kernels::codes::{ByFeature, Codes, by_feature};
use crate::kernels::count::gpu::Counts;
use crate::kernels::encode::gpu::{Encoder, Kind, topk};
use crate::kernels::pending::{self, Floats, Words};
use crate::kernels::residual::gpu::{Left, residual, residual_by_level};
use crate::kernels::sums::gpu::{RowSums, Sums, Total};
use crate::sae::rule::{Choose, Numbers, Plan, Terms, Whole};
use crate::sae::{JumpTerms, gradients_sampled};
use crate::train::report::Report;
use crate::train::step::{Batch, Beside, Sums as OfInputs, Trainer, about_mean};

/// Everything before the update.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) inputs: Inputs,
    pub(super) main: Code,
    /// Gradient of the encoder's bias by entry, `[nnz]`, where it differs.
    pub(super) d_bias: Option<Buffer>,
    /// Tables that decoder rows are moved by, for the features below each end.
    pub(super) tables: Vec<(usize, Table)>,
    /// Multi-TopK's longer code, and its weight.
    pub(super) second: Option<(Code, f32)>,
    pub(super) aux: Option<Aux>,
    pub(super) scale: f32,
    pub(super) beside: Beside,
    pub(super) of_inputs: OfInputs,
    pub(super) report: Report,
}

/// Code with what it leaves, and its entries by feature.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) codes: Codes,
    pub(super) by_feature: ByFeature,
    pub(super) left: Left,
}

/// AuxK's part of a step.
#[derive(Debug)]
pub(super) struct Aux {
    /// Ascending; here, and on the device.
    pub(super) helped: Vec<u32>,
    pub(super) list: Buffer,
    /// Its features number those that are helped.
    pub(super) code: Code,
    pub(super) scale: f32,
    loss: f64,
}

/// Results of a step's terms that are not yet read.
#[derive(Debug, Default)]
struct Terminal {
    sums: Vec<RowSums>,
    totals: Vec<Total>,
    own: Vec<Floats>,
    d_bias: Option<Buffer>,
    second: Option<(Code, f32)>,
}

/// Figures of a batch.
struct Found {
    inputs: OfInputs,
    left: Sums,
    /// `[f]`.
    counts: Vec<u32>,
    sums: Vec<Sums>,
    totals: Vec<f64>,
    own: Vec<Vec<f32>>,
    active: usize,
}

impl OnDevice {
    /// Runs the forward pass of a batch or of one of its micro-batches, `rows` as the source has them.
    pub(super) fn forward(
        &self,
        trainer: &mut Trainer,
        rows: &Matrix,
        whole: Whole,
    ) -> Result<Forward> {
        let gpu = &self.gpu;
        let mut report = Report {
            tokens: rows.rows(),
            ..Report::default()
        };
        let begun = Instant::now();
        let inputs = self.gather(trainer, rows)?;
        report.phases.gather = begun.elapsed();

        let begun = Instant::now();
        let numbers = trainer.numbers(whole);
        let plan = trainer.rule.plan(&numbers)?;
        let sample = trainer.paired.then(|| first_gradients(rows));
        let chosen = self.choose(trainer.rule.as_mut(), &plan, &inputs, sample.as_ref())?;
        let counts = Counts::zeros(gpu, numbers.features)?;
        counts.add(gpu, &chosen.codes)?;
        report.phases.encode = begun.elapsed();

        let begun = Instant::now();
        let Chosen { codes, kept } = chosen;
        let (left, tables, of_levels) = self.decode(&plan, &inputs, &codes, &numbers)?;
        let main = Code {
            by_feature: by_feature(gpu, &codes, numbers.features)?,
            codes,
            left,
        };
        let mut terms = self.charge((&plan, &numbers), (&main, &kept), &inputs, &counts)?;
        terms.sums.extend(of_levels);
        let found = self.found(&inputs, &main, &terms, &counts)?;
        trainer.dead.add(&found.counts);
        report.active = found.active;
        report.squared = found.left.squared;
        report.loss = loss(&plan, &numbers, rows.rows(), &found);
        report.inference = self.measured(trainer, rows, &inputs)?;
        let scale = numbers.scale();
        report.phases.decode = begun.elapsed();

        let begun = Instant::now();
        let dead = trainer.dead.features();
        report.dead_fraction = dead.len() as f64 / numbers.features as f64;
        let helped = trainer.rule.helped(dead);
        let left = (&main.left, &found.left);
        let aux = self.aux(trainer, helped, &plan.choose, &inputs, left)?;
        if let Some(aux) = &aux {
            report.loss += trainer.aux.coefficient * aux.loss;
            report.aux_active = aux.code.codes.entries;
        }
        report.phases.aux = begun.elapsed();
        Ok(Forward {
            beside: Beside {
                direct: direct(&plan, &found, scale),
                skipped: self.skipped(trainer, &inputs, &main.left, scale)?,
                own: found.own,
            },
            of_inputs: found.inputs,
            tables: tables.unwrap_or_else(|| vec![(usize::MAX, main.left.residual.clone())]),
            d_bias: terms.d_bias,
            second: terms.second,
            inputs,
            main,
            aux,
            scale,
            report,
        })
    }

    /// Residual of a code; with levels also the tables that decoder rows are moved by, and the sums of each level.
    #[expect(clippy::type_complexity, reason = "one use")]
    fn decode(
        &self,
        plan: &Plan,
        inputs: &Inputs,
        codes: &Codes,
        numbers: &Numbers,
    ) -> Result<(Left, Option<Vec<(usize, Table)>>, Vec<RowSums>)> {
        let (gpu, scale) = (&self.gpu, numbers.scale());
        let [_, _, w_dec] = self.features.dictionary();
        if let Terms::Levels(ends) = &plan.terms {
            let left = residual_by_level(gpu, &inputs.target, codes, (w_dec, ends), scale)?;
            return Ok((left.last, Some(left.tables), left.pending));
        }
        let left = residual(gpu, &inputs.target, codes, w_dec, scale)?;
        Ok((left, None, Vec::new()))
    }

    /// Begins the terms of the loss and turns the gradients of activations into those of pre-activations.
    fn charge(
        &self,
        (plan, numbers): (&Plan, &Numbers),
        (main, kept): (&Code, &Kept),
        inputs: &Inputs,
        counts: &Counts,
    ) -> Result<Terminal> {
        let gpu = &self.gpu;
        let [_, _, w_dec] = self.features.dictionary();
        let (d_acts, entries) = (&main.left.d_acts, main.codes.entries);
        let sorted = &main.by_feature;
        let mut terms = Terminal::default();
        match (&plan.terms, kept) {
            (Terms::Longer { weight, .. }, Kept::Longer(codes)) => {
                let scale = weight * numbers.scale();
                let left = residual(gpu, &inputs.target, codes, w_dec, scale)?;
                terms.sums.push(left.pending.clone());
                let code = Code {
                    by_feature: by_feature(gpu, codes, numbers.features)?,
                    codes: codes.clone(),
                    left,
                };
                terms.second = Some((code, *weight));
            }
            (Terms::Scores, Kept::Factors(factors)) => {
                charges::multiply(gpu, d_acts, factors, entries)?;
            }
            (Terms::Relu { each }, _) => {
                charges::add_to_each(gpu, d_acts, entries, *each as f32)?;
                terms.totals.push(charges::total_acts(gpu, &main.codes)?);
            }
            (Terms::JumpRelu(jump), Kept::Thresholds { pre, thresholds }) => {
                let of = JumpReluInputs {
                    codes: &main.codes,
                    pre,
                    thresholds,
                    by_feature: sorted,
                    active: &counts.active,
                };
                let charged = charges::jump_relu(gpu, of, penalty(jump, numbers), d_acts)?;
                terms.totals.push(charged.tanh);
                terms.own.push(Floats(charged.d_thresholds));
            }
            (
                Terms::Gated(magnitudes),
                Kept::Gates {
                    gates,
                    b_mag,
                    r_mag,
                },
            ) => {
                let left = residual(gpu, &inputs.target, gates, w_dec, numbers.scale())?;
                charges::add_to_each(gpu, &left.d_acts, entries, magnitudes.each as f32)?;
                let with = Gates {
                    b_enc: self.encoder().b_enc,
                    b_mag,
                    r_mag,
                };
                let d = (&left.d_acts, d_acts);
                let own = charges::gated(gpu, (gates, &main.codes), with, sorted, d)?;
                terms.own = vec![Floats(own.d_b_mag), Floats(own.d_r_mag)];
                terms.totals.push(charges::total_acts(gpu, gates)?);
                terms.sums.push(left.pending);
                terms.d_bias = Some(left.d_acts);
            }
            _ => {}
        }
        Ok(terms)
    }

    /// Reads the figures of a batch, with one wait.
    fn found(
        &self,
        inputs: &Inputs,
        main: &Code,
        terms: &Terminal,
        counts: &Counts,
    ) -> Result<Found> {
        let flag = Words(self.broken.clone());
        let ours = ((&terms.sums[..], &terms.totals[..]), &terms.own[..]);
        let first = (&inputs.sums, &main.left.pending);
        let all = (first, ((counts, &flag), ours));
        let ((of_inputs, left), (((counts, active), flag), ((sums, totals), own))) =
            pending::read(&self.gpu, &all)?;
        self.check_flag(&flag)?;
        Ok(Found {
            inputs: OfInputs {
                squared: of_inputs.squared,
                columns: of_inputs.columns,
            },
            left,
            counts,
            sums,
            totals,
            own,
            active: active as usize,
        })
    }

    /// AuxK's code, residual and loss, if any feature is to be helped.
    fn aux(
        &self,
        trainer: &Trainer,
        helped: Vec<u32>,
        choose: &Choose,
        inputs: &Inputs,
        (left, sums): (&Left, &Sums),
    ) -> Result<Option<Aux>> {
        if helped.is_empty() || trainer.aux.coefficient == 0.0 {
            return Ok(None);
        }
        // Of one activation the error is its own mean: about that, nothing but rounding is left to divide by.
        let denominator = match inputs.centred.rows() {
            1 => sums.squared,
            n => about_mean(sums.squared, &sums.columns, n),
        };
        if denominator <= 0.0 {
            return Ok(None);
        }
        let gpu = &self.gpu;
        let list = gpu.upload("helped features", &helped)?;
        let mut recorder = gpu.record();
        let dictionary = self.features.rows_of(&mut recorder, &list, helped.len())?;
        recorder.submit()?;
        let enc = Encoder {
            w_enc: &dictionary.w_enc,
            b_enc: dictionary.b_enc.whole(),
        };
        let codes = match choose {
            Choose::Signed { .. } => topk(gpu, &inputs.centred, enc, trainer.aux.k, Kind::Signed)?,
            _ => positive(gpu, &inputs.centred, enc, trainer.aux.k)?,
        };
        let scale = (-2.0 * trainer.aux.coefficient / denominator) as f32;
        let left = residual(gpu, &left.residual, &codes, &dictionary.w_dec, scale)?;
        let loss = left.sums(gpu)?.squared / denominator;
        Ok(Some(Aux {
            code: Code {
                by_feature: by_feature(gpu, &codes, helped.len())?,
                codes,
                left,
            },
            helped,
            list,
            scale,
            loss,
        }))
    }

    /// Active pairs and squared error by the rule for later use, or by the average, where that is to be measured.
    fn measured(
        &self,
        trainer: &mut Trainer,
        rows: &Matrix,
        inputs: &Inputs,
    ) -> Result<Option<(usize, f64)>> {
        if !trainer.measuring {
            return Ok(None);
        }
        let average = trainer.average.as_ref().filter(|of| of.is_there());
        if average.is_some() {
            // The average lies on the host.
            let all: Vec<u32> = (0..rows.rows() as u32).collect();
            trainer.gather(Batch {
                from: rows,
                rows: &all,
            })?;
            return trainer.measure_average().map(Some);
        }
        if !trainer.rule.differs() {
            return Ok(None);
        }
        let gpu = &self.gpu;
        let [_, _, w_dec] = self.features.dictionary();
        let selection = trainer.rule.inference();
        let codes = by_selection(gpu, &selection, &inputs.centred, self.encoder())?;
        let left = residual(gpu, &inputs.target, &codes, w_dec, 0.0)?;
        Ok(Some((codes.entries, left.sums(gpu)?.squared)))
    }

    /// Gradient of the skip connection, if there is one.
    fn skipped(
        &self,
        trainer: &Trainer,
        inputs: &Inputs,
        left: &Left,
        scale: f32,
    ) -> Result<Option<Matrix>> {
        let Some(mapping) = trainer.mapping.as_ref().filter(|to| to.skip.is_some()) else {
            return Ok(None);
        };
        let read = |table: &Table| {
            let mut values = Matrix::zeros(table.rows(), table.columns());
            table.read(&self.gpu, &mut values).map(|()| values)
        };
        let (left, centred) = (read(&left.residual)?, read(&inputs.centred)?);
        Ok(mapping.gradient(&left, &centred, scale))
    }
}

/// Gradients that stand behind the first activations of a batch.
fn first_gradients(rows: &Matrix) -> Matrix {
    let (n, d) = (gradients_sampled(rows.rows()), rows.columns() / 2);
    let mut some = Matrix::zeros(n, d);
    for (i, row) in rows.iter_rows().take(n).enumerate() {
        some.row_mut(i).copy_from_slice(&row[d..]);
    }
    some
}

/// Numbers of JumpReLU's penalty.
fn penalty(jump: &JumpTerms, numbers: &Numbers) -> JumpRelu {
    let known = numbers.whole.l0;
    let by_l0 = jump.by_l0().filter(|_| known.is_none());
    JumpRelu {
        width: jump.width,
        tokens: numbers.tokens(),
        slope: match by_l0 {
            Some(_) => 0.0,
            None => jump.charged(known.unwrap_or_default()).0,
        },
        by_l0,
        tanh: jump.tanh(numbers).map(|(slope, each)| (each, slope)),
    }
}

/// The loss of `rows` tokens but for AuxK's term.
fn loss(plan: &Plan, numbers: &Numbers, rows: usize, found: &Found) -> f64 {
    let denominator = numbers.denominator();
    let error = found.left.squared / denominator;
    let others = || found.sums.iter().map(|sums| sums.squared / denominator);
    let totals: f64 = found.totals.iter().sum();
    match &plan.terms {
        Terms::Levels(_) => others().sum(),
        Terms::Longer { weight, .. } => error + f64::from(*weight) * others().sum::<f64>(),
        Terms::Relu { each } => error + each * totals,
        Terms::Gated(magnitudes) => error + others().sum::<f64>() + magnitudes.each * totals,
        Terms::JumpRelu(jump) => {
            let n = numbers.tokens() as f64;
            let l0 = numbers.whole.l0.unwrap_or(found.active as f64 / n);
            let mut charged = jump.charged(l0).1;
            if numbers.whole.l0.is_some() {
                charged *= rows as f64 / n;
            }
            error + charged + totals
        }
        Terms::Plain | Terms::Scores | Terms::Custom(_) => error,
    }
}

/// b_dec's gradient directly from the residual.
fn direct(plan: &Plan, found: &Found, scale: f32) -> Vec<f64> {
    let scaled = |sums: &Sums, factor: f32| -> Vec<f64> {
        let columns = sums.columns.iter();
        columns.map(|sum| f64::from(factor) * sum).collect()
    };
    let (mut all, others) = match &plan.terms {
        Terms::Levels(_) => (vec![0.0; found.left.columns.len()], scale),
        Terms::Longer { weight, .. } => (scaled(&found.left, scale), scale * weight),
        _ => return scaled(&found.left, scale),
    };
    for sums in &found.sums {
        for (sum, more) in all.iter_mut().zip(scaled(sums, others)) {
            *sum += more;
        }
    }
    all
}
