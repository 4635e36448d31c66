//! A step in micro-batches, where the codes of a whole batch would not fit into memory: of rules whose active features no budget bounds, early in a run half of
//! all features are active on every token. The gradients of micro-batches are summed for all features and parameters move once, as for the whole batch; with a
//! budget a batch's codes are small, and no such rule is taken apart.

use super::optim::{ByFeature, Given, Gradients, Move, Term};
use super::report::{Report, at_step, check_loss};
use super::spec::Spec;
use super::step::{Batch, Beside, Forward, Sums, Trainer, dictionary, tables};
use crate::error::Result;
use crate::kernels::adam::Rates;
use crate::sae::rule::Whole;

/// Bytes of an active pair in a step: its feature, activation and gradient, and the same sorted by feature; gates have more.
pub(super) const PAIR: u64 = 44;
/// Share of the free memory that a step's codes may take.
const SHARE: u64 = 2;
/// The smallest micro-batch that is chosen.
pub(super) const LEAST: usize = 64;

/// Tokens to compute at a time in runs of `spec`, 0 for all at once, where `free` bytes of memory are left; and a sentence if that is less than a batch. On a GPU
/// a buffer of `bound` bytes decides instead.
pub(super) fn choose(
    spec: &Spec,
    free: Option<u64>,
    bound: Option<u64>,
) -> (usize, Option<String>) {
    if spec.budgeted() {
        return (0, None);
    }
    if let Some(given) = spec.micro_batch {
        return (given, None);
    }
    if let Some(bound) = bound {
        return on_gpu(spec, bound);
    }
    // Encoder biases begin at 0: half of the pre-activations are positive.
    let token = PAIR * spec.features as u64 / 2;
    let needed = token * spec.batch as u64;
    let Some(free) = free.filter(|free| needed > free / SHARE) else {
        return (0, None);
    };
    let mut tokens = spec.batch;
    while tokens > LEAST && token * tokens as u64 > free / SHARE {
        tokens = tokens.div_ceil(2);
    }
    let note = format!(
        "The codes of {} activations may take {} MB of {} MB that are free: steps are computed in micro-batches of {tokens}, which changes no result but in rounding",
        spec.batch,
        needed >> 20,
        free >> 20
    );
    (tokens, Some(note))
}

/// Chooses the micro-batch where one buffer holds `bound` bytes: four of every active pair, of which half of all pairs may be.
fn on_gpu(spec: &Spec, bound: u64) -> (usize, Option<String>) {
    let token = 4 * spec.features as u64 / 2;
    let mut tokens = spec.batch;
    while tokens > LEAST && token * tokens as u64 > bound {
        tokens = tokens.div_ceil(2);
    }
    if tokens == spec.batch {
        return (0, None);
    }
    let note = format!(
        "The codes of {} activations may exceed a buffer of the device: steps are computed in micro-batches of {tokens}, which changes no result but in rounding",
        spec.batch
    );
    (tokens, Some(note))
}

impl Trainer {
    /// One step, a micro-batch at a time.
    pub(super) fn step_in_parts(&mut self, batch: Batch<'_>, learning_rate: f64) -> Result<Report> {
        let step = self.steps + 1;
        let tokens = batch.rows.len();
        let features = self.features.w_enc.value.rows();
        let (reads, writes) = (
            self.features.w_enc.value.columns(),
            self.features.w_dec.value.columns(),
        );
        let mut sums = Gradients::zeros(features, reads, writes);
        let mut beside = Beside::default();
        let mut of_inputs = Sums::default();
        let mut report = Report::default();
        let l0 = self.l0_first(batch).map_err(|error| at_step(step, error))?;
        self.dead.begin(tokens);
        for rows in batch.rows.chunks(self.micro_batch) {
            let part = Batch {
                from: batch.from,
                rows,
            };
            let (forward, inputs) = self
                .forward_of(part, Whole { tokens, l0 })
                .map_err(|error| at_step(step, error))?;
            let Forward {
                latents,
                scale,
                d_bias,
                own,
                report: of_part,
                ..
            } = forward;
            of_inputs.add(&inputs);
            report.add(&of_part);
            let by_feature =
                ByFeature::new(&latents, &self.main.d_acts, d_bias.as_deref(), features);
            let tables = tables(&self.work, &self.main);
            let main = Term {
                by_feature: &by_feature,
                tables: &tables,
                scale,
            };
            sums.add_all(&[main], &self.centred);
            beside.add(Beside {
                direct: self.direct(scale),
                skipped: self.skipped(scale),
                own,
            });
        }
        self.dead.end();
        report.variance = of_inputs.about_mean(tokens);
        report.expected = self.variance * tokens as f64;
        check_loss(&report, step)?;
        self.steps = step;
        let given = Given::Sums(&sums);
        let by = Move {
            rates: Rates::new(learning_rate, step),
            factor: self.shortened(&beside, &mut report, || Ok(self.features.length2(given)))?,
        };
        let passed = self.features.step(given, by);
        self.finish(&passed, beside, by, &mut report);
        Ok(report)
    }

    /// The batch's mean L0, counted beforehand, where the rule charges it.
    fn l0_first(&mut self, batch: Batch<'_>) -> Result<Option<f64>> {
        if !self.rule.charges_l0() {
            return Ok(None);
        }
        if self.features.free {
            self.features.fold(&mut self.folded);
        }
        let selection = self.rule.inference();
        let mut active = 0;
        for rows in batch.rows.chunks(self.micro_batch) {
            self.gather(Batch {
                from: batch.from,
                rows,
            })?;
            let (w_enc, b_enc, _) = dictionary(&self.features, &self.folded);
            active += selection.encode(&self.centred, w_enc, b_enc)?.acts.len();
        }
        Ok(Some(active as f64 / batch.rows.len().max(1) as f64))
    }
}

impl Report {
    /// Adds what a micro-batch saw.
    pub(super) fn add(&mut self, part: &Self) {
        self.tokens += part.tokens;
        self.loss += part.loss;
        self.squared += part.squared;
        self.active += part.active;
        self.dead_fraction = part.dead_fraction;
        self.inference = match (self.inference, part.inference) {
            (Some((active, squared)), Some((more, left))) => Some((active + more, squared + left)),
            (None, part) => part,
            (whole, None) => whole,
        };
        self.phases.gather += part.phases.gather;
        self.phases.encode += part.phases.encode;
        self.phases.decode += part.phases.decode;
        self.phases.aux += part.phases.aux;
    }
}

impl Beside {
    /// Adds those of a micro-batch.
    pub(super) fn add(&mut self, part: Self) {
        self.direct.resize(part.direct.len(), 0.0);
        for (sum, more) in self.direct.iter_mut().zip(part.direct) {
            *sum += more;
        }
        if let Some(skipped) = part.skipped {
            match &mut self.skipped {
                Some(sum) => add(sum.values_mut(), skipped.values()),
                none => *none = Some(skipped),
            }
        }
        self.own.resize(part.own.len(), Vec::new());
        for (sum, more) in self.own.iter_mut().zip(part.own) {
            sum.resize(more.len(), 0.0);
            add(sum, &more);
        }
    }
}

fn add(sums: &mut [f32], more: &[f32]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
