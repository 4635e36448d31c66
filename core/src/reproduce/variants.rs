//! Every variant on the same activations at one mean L0.
//!
//! Where L0 is set by a penalty and not by a count, the penalty's weight is searched for with the first seed: weights and L0 are nearly straight in their
//! logarithms, so a few secant steps do. JumpReLU's penalty names its target, and only grows heavier until the target is met; its thresholds start where those
//! of a long run end, since an Adam step moves one by the learning rate at most and a short run has too few steps for the way.

use super::demo::{Demo, DemoOptions};
use super::held::Held;
use super::measure::{Measured, Spread};
use super::{Event, Report, Watch};
use crate::error::Result;
use crate::eval;
use crate::progress::{Ended, Flow};
use crate::sae::{Sae, Variant};

/// How near the target L0 must come for a search to end, and after how many runs it ends anyway.
const NEAR: f64 = 0.05;
const TRIES: usize = 6;
/// By what JumpReLU's weight grows, where its thresholds start, and the width of its rectangle, which must be hit often enough from there (root mean squares of
/// a coordinate).
const HEAVIER: f64 = 4.0;
const THRESHOLD: f64 = 1.0;
const BANDWIDTH: f64 = 0.2;

/// Figures of one variant by seed, with the selection at inference.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Variant.
    pub variant: Variant,
    /// Weight of the penalty, if one was searched for.
    pub weight: Option<f64>,
    /// Mean active features per token.
    pub l0: Spread,
    /// Fraction of variance unexplained.
    pub fvu: Spread,
    /// Cost of the reconstruction in nats per token.
    pub ce_increase: Spread,
    /// (zero − spliced) / (zero − clean).
    pub ce_recovered_zero: Spread,
    /// (mean − spliced) / (mean − clean).
    pub ce_recovered_mean: Spread,
    /// Share of features never active.
    pub dead: Spread,
}

/// Measures the variants `wanted` and returns their rows, with the fixed settings.
pub fn variants(
    demo: &Demo,
    options: &DemoOptions,
    wanted: &[Variant],
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<(Report, Vec<Row>)>> {
    let runs = 2 * options.seeds * wanted.len() as u64;
    let mut watch = Watch::new(observe, runs + 2);
    let (model, hook) = (&demo.model, options.hook);
    let gradients = wanted.contains(&Variant::Gradient);
    let Ended::Done(held) = Held::read(model, &demo.train, hook, gradients, &mut watch)? else {
        return Ok(Ended::STOPPED);
    };
    let Ended::Done(held_out) = Held::read(model, &demo.held_out, hook, false, &mut watch)? else {
        return Ok(Ended::STOPPED);
    };
    let table = Table {
        demo,
        options,
        held,
        held_out,
    };
    let mut rows = Vec::new();
    for variant in wanted {
        let Ended::Done(row) = table.row(*variant, &mut watch)? else {
            return Ok(Ended::STOPPED);
        };
        rows.push(row);
    }
    let mut report = Report::default();
    options.describe(demo, (&table.held, &table.held_out), &mut report);
    if wanted.contains(&Variant::JumpRelu) {
        let text = format!("first threshold {THRESHOLD}, bandwidth {BANDWIDTH}");
        report.set("jump-relu", text);
    }
    Ok(Ended::Done((report, rows)))
}

struct Table<'a> {
    demo: &'a Demo,
    options: &'a DemoOptions,
    held: Held,
    held_out: Held,
}

impl Table<'_> {
    fn row(&self, variant: Variant, watch: &mut Watch<'_>) -> Result<Ended<Row>> {
        let mut saes = Vec::new();
        let mut weight = None;
        if matches!(variant, Variant::Relu | Variant::Gated | Variant::JumpRelu) {
            let Ended::Done((found, sae)) = self.search(variant, watch)? else {
                return Ok(Ended::STOPPED);
            };
            weight = Some(found);
            saes.push(sae);
        }
        for seed in saes.len() as u64..self.options.seeds {
            let Ended::Done(sae) = self.train(variant, seed, weight, watch)? else {
                return Ok(Ended::STOPPED);
            };
            saes.push(sae);
        }
        let mut all = Vec::new();
        for (seed, sae) in saes.iter().enumerate() {
            let rows = &self.demo.held_out;
            let figures = eval::run(&self.demo.model, sae, rows, &mut |pass| {
                watch.at(format!(
                    "{variant}, seed {seed}: row {} of {}",
                    pass.done, pass.total
                ))
            })?;
            let Ended::Done(figures) = figures else {
                return Ok(Ended::STOPPED);
            };
            watch.next();
            all.push(figures);
        }
        let spread =
            |of: fn(&eval::Figures) -> f64| Spread::new(all.iter().map(of).collect::<Vec<_>>());
        Ok(Ended::Done(Row {
            variant,
            weight,
            l0: spread(|f| f.l0),
            fvu: spread(|f| f.fvu),
            ce_increase: spread(|f| f.ce_sae - f.ce_clean),
            ce_recovered_zero: spread(|f| f.ce_recovered_zero),
            ce_recovered_mean: spread(|f| f.ce_recovered_mean),
            dead: spread(|f| f.dead_fraction),
        }))
    }

    fn train(
        &self,
        variant: Variant,
        seed: u64,
        weight: Option<f64>,
        watch: &mut Watch<'_>,
    ) -> Result<Ended<Sae>> {
        let mut spec = self.options.spec(seed);
        (spec.variant, spec.sparsity_coefficient) = (variant, weight);
        if variant == Variant::JumpRelu {
            (spec.initial_threshold, spec.bandwidth) = (THRESHOLD, BANDWIDTH);
        }
        let name = match weight {
            Some(weight) => format!("{variant}, weight {weight:.4}, seed {seed}"),
            None => format!("{variant}, seed {seed}"),
        };
        let mut source = if variant == Variant::Gradient {
            self.held.paired(seed)
        } else {
            self.held.source(seed)
        };
        let trained = watch.train(&name, &spec, &mut source)?;
        Ok(trained.map(|trained| trained.sae))
    }

    /// Searches the weight whose L0 with the first seed is nearest to the target, and returns it with its dictionary.
    fn search(&self, variant: Variant, watch: &mut Watch<'_>) -> Result<Ended<(f64, Sae)>> {
        let mut spec = self.options.spec(0);
        spec.variant = variant;
        let target = self.options.k as f64;
        let mut weight = match variant {
            Variant::JumpRelu => spec.sparsity() * HEAVIER,
            _ => spec.sparsity(),
        };
        let mut tried: Vec<(f64, f64)> = Vec::new();
        let mut best: Option<(f64, f64, Sae)> = None;
        let (_, weight, sae) = loop {
            let Ended::Done(sae) = self.train(variant, 0, Some(weight), watch)? else {
                return Ok(Ended::STOPPED);
            };
            // A run that is tried and dropped was not foreseen in the number of parts.
            watch.total += u64::from(!tried.is_empty());
            let x = &self.held_out.activations;
            let l0 = Measured::new(&sae, x, &sae.encode(x)?)?.l0;
            tried.push((weight, l0));
            let off = (l0 / target - 1.0).abs();
            let nearest = match best.take() {
                Some(before) if off < before.0 => (off, weight, sae),
                Some(before) => before,
                None => (off, weight, sae),
            };
            if off <= NEAR || tried.len() == TRIES {
                break nearest;
            }
            best = Some(nearest);
            weight = match variant {
                Variant::JumpRelu => weight * HEAVIER,
                _ => next(&tried, target),
            };
        };
        Ok(Ended::Done((weight, sae)))
    }
}

/// The weight to try next for `target`, from weights and the L0 they gave: along the straight line through the last two in logarithms; before there are two, and
/// where they say that more weight gives more features, as if L0 fell in proportion to the weight.
fn next(tried: &[(f64, f64)], target: f64) -> f64 {
    let logs = |(weight, l0): (f64, f64)| (weight.ln(), l0.max(0.01).ln());
    let slope = match tried {
        [.., a, b] => {
            let ((w0, l0), (w1, l1)) = (logs(*a), logs(*b));
            (l1 - l0) / (w1 - w0)
        }
        _ => -1.0,
    };
    let slope = if slope < -0.2 { slope } else { -1.0 };
    let Some(last) = tried.last() else {
        return 1.0;
    };
    let (weight, l0) = logs(*last);
    (weight + (target.ln() - l0) / slope).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_found_in_a_few_steps() {
        // L0 falls with a power of the weight that itself changes.
        let l0 = |weight: f64| 20.0 * weight.powf(-0.6) / (1.0 + weight);
        let mut tried = vec![(0.1, l0(0.1))];
        while tried.len() < TRIES {
            let weight = next(&tried, 16.0);
            tried.push((weight, l0(weight)));
        }
        let (_, last) = tried[TRIES - 1];
        assert!((last / 16.0 - 1.0).abs() < NEAR, "{tried:?}");
        // A pair that points the wrong way does not send the search away.
        assert!((next(&[(1.0, 30.0), (2.0, 32.0)], 16.0) - 4.0).abs() < 1e-9);
    }
}
