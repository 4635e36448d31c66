//! Gradient SAEs (Olmo et al. 2024): the identities of the method, then a gradient SAE beside a TopK SAE of the same size, seed and activations.
//!
//! A gradient SAE is measured twice: *gradient mode* selects as in training, which lets it see the next tokens; *plain mode* is TopK, which is how a saved one
//! is used. What the paper says of reconstruction and steering is judged on this model and size alone, and does not fail the list.

use super::demo::{Demo, DemoOptions};
use super::gradient_checks::{self as checks, SMALL, Text};
use super::held::Held;
use super::measure::{Measured, Spread, correlation};
use super::steering::{self, STRENGTHS, Steering};
use super::{Event, Figure, Report, Watch};
use crate::capture;
use crate::dims::Matrix;
use crate::error::Result;
use crate::eval;
use crate::latents::Latents;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Sae, Variant, mean_size};
use crate::train::Spec;

/// Steps after which a run with β = 0 must be TopK's to the bit.
const STEPS: u64 = 100;
/// Largest relative error of autodiff's g against a finite difference.
const ERROR: f64 = 1e-3;
/// Least correlation of z · g with what deleting a feature costs.
const CORRELATION: f64 = 0.9;
/// Number of gradients in the mean of |g|, the unit of β.
const SAMPLE: u32 = 2_048;

/// Parts of the list besides two runs, three evaluations and two steering experiments a seed: two readings, two short runs, the checks.
const PARTS: u64 = 5;

/// Figures of one dictionary in one mode.
#[derive(Debug, Clone, Copy)]
struct Scores {
    measured: Measured,
    /// Cost of the reconstruction in nats per token.
    ce_increase: f64,
}

/// Figures of all seeds.
#[derive(Debug, Default)]
struct Found {
    topk: Vec<Scores>,
    /// Gradient SAE in gradient mode and in plain mode.
    by_gradient: Vec<Scores>,
    plain: Vec<Scores>,
    topk_steering: Vec<Steering>,
    gradient_steering: Vec<Steering>,
}

/// The list under way.
pub fn gradient(
    demo: &Demo,
    options: &DemoOptions,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    steering::layer_after(options.hook)?;
    let mut watch = Watch::new(observe, PARTS + 7 * options.seeds);
    let (model, hook) = (&demo.model, options.hook);
    let Ended::Done(held) = Held::read(model, &demo.train, hook, true, &mut watch)? else {
        return Ok(Ended::STOPPED);
    };
    let Ended::Done(held_out) = Held::read(model, &demo.held_out, hook, true, &mut watch)? else {
        return Ok(Ended::STOPPED);
    };
    let list = List {
        demo,
        options,
        held,
        held_out,
    };
    let mut report = Report::default();
    options.describe(demo, (&list.held, &list.held_out), &mut report);
    if list.identity(&mut report, &mut watch)?.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let mut found = Found::default();
    for seed in 0..options.seeds {
        let Ended::Done(pair) = list.pair(seed, &mut watch)? else {
            return Ok(Ended::STOPPED);
        };
        if seed == 0 {
            list.check(&pair[1], &mut report)?;
            watch.next();
        }
        if list
            .compare(&pair, seed, &mut found, &mut watch)?
            .is_stopped()
        {
            return Ok(Ended::STOPPED);
        }
    }
    judge(&mut report, &found);
    Ok(Ended::Done(report))
}

struct List<'a> {
    demo: &'a Demo,
    options: &'a DemoOptions,
    held: Held,
    held_out: Held,
}

impl List<'_> {
    fn spec(&self, variant: Variant, seed: u64) -> Spec {
        let mut spec = self.options.spec(seed);
        spec.variant = variant;
        spec
    }

    /// Checks that β = 0 trains TopK.
    fn identity(&self, report: &mut Report, watch: &mut Watch<'_>) -> Result<Ended<()>> {
        let mut both = Vec::new();
        for variant in [Variant::TopK, Variant::Gradient] {
            let mut spec = self.spec(variant, 0);
            spec.tokens = STEPS.min(spec.steps()) * spec.batch as u64;
            spec.beta = 0.0;
            let name = format!("{variant} with β = 0");
            let Ended::Done(sae) = self.train(&name, &spec, watch)? else {
                return Ok(Ended::STOPPED);
            };
            both.push(sae);
        }
        let bits = |sae: &Sae| -> Vec<u32> {
            let parts = [
                sae.w_enc.values(),
                sae.w_dec.values(),
                &sae.b_enc,
                &sae.b_dec,
            ];
            parts.into_iter().flatten().map(|x| x.to_bits()).collect()
        };
        let (a, b) = (bits(&both[0]), bits(&both[1]));
        let differing = a.iter().zip(&b).filter(|(a, b)| a != b).count();
        let text = format!("{differing} of {} weights differ in a bit", a.len());
        let figure = Figure::new(text, [differing as f64, a.len() as f64]);
        let claim = format!("β = 0 is TopK to the bit, after {STEPS} steps");
        report.hard(claim, figure, differing == 0 && a.len() == b.len());
        Ok(Ended::Done(()))
    }

    fn train(&self, name: &str, spec: &Spec, watch: &mut Watch<'_>) -> Result<Ended<Sae>> {
        let mut source = if spec.variant == Variant::Gradient {
            self.held.paired(spec.seed)
        } else {
            self.held.source(spec.seed)
        };
        let trained = watch.train(name, spec, &mut source)?;
        Ok(trained.map(|trained| trained.sae))
    }

    /// Trains TopK and the gradient SAE of one seed.
    fn pair(&self, seed: u64, watch: &mut Watch<'_>) -> Result<Ended<[Sae; 2]>> {
        let mut train = |variant: Variant| {
            let name = format!("{variant}, seed {seed}");
            self.train(&name, &self.spec(variant, seed), watch)
        };
        let Ended::Done(topk) = train(Variant::TopK)? else {
            return Ok(Ended::STOPPED);
        };
        Ok(train(Variant::Gradient)?.map(|gradient| [topk, gradient]))
    }

    /// Checks the identities of g that hold for any dictionary.
    fn check(&self, sae: &Sae, report: &mut Report) -> Result<()> {
        let (model, hook) = (&self.demo.model, self.options.hook);
        let texts = Text::some(model, &self.demo.held_out, hook)?;
        let slopes = checks::slopes(model, sae, hook, &texts)?;
        let errors: Vec<f64> = (slopes.iter())
            .map(|slope| (slope.measured - slope.by_autodiff).abs() / slope.measured.abs())
            .collect();
        let (worst, mean) = (
            Spread::new(errors.clone()).most(),
            Spread::new(errors).mean(),
        );
        let text = format!(
            "{worst:.1e} at worst, {mean:.1e} on average, {} directions",
            slopes.len()
        );
        let figure = Figure::new(text, [worst, mean, slopes.len() as f64]);
        let claim = "g is the finite difference of the loss along the feature, within 1e-3 of it";
        report.hard(claim, figure, worst < ERROR);

        let deletions = checks::deletions(model, sae, hook, &texts)?;
        let correlation = |some: &[checks::Deletion]| {
            let predicted: Vec<f64> = some.iter().map(|one| one.predicted).collect();
            let measured: Vec<f64> = some.iter().map(|one| one.measured).collect();
            correlation(&predicted, &measured)
        };
        let small = &deletions[..(deletions.len() as f64 * SMALL) as usize];
        let (of_small, of_all) = (correlation(small), correlation(&deletions));
        let text = format!(
            "{of_small:.3} of {}, {of_all:.3} of all {}",
            small.len(),
            deletions.len()
        );
        let figure = Figure::new(text, [of_small, of_all]);
        let claim = "z · g correlates above 0.9 with what deleting a feature costs, for the least quarter of z";
        report.hard(claim, figure, of_small > CORRELATION);
        Ok(())
    }

    /// Measures the two dictionaries of one seed.
    fn compare(
        &self,
        [topk, gradient]: &[Sae; 2],
        seed: u64,
        found: &mut Found,
        watch: &mut Watch<'_>,
    ) -> Result<Ended<()>> {
        let (model, hook) = (&self.demo.model, self.options.hook);
        let beta = self.beta(gradient, seed)?;
        let k = self.options.k;
        let by_gradient = |rows: &[usize], x: &Matrix| -> Result<Latents> {
            let gradients = capture::gradients_at(model, &self.demo.held_out, rows, &[hook])?;
            gradient.encode_by_gradient(x, &gradients[0], k, beta)
        };
        let x = &self.held_out.activations;
        let selected = match &self.held_out.gradients {
            Some(gradients) => gradient.encode_by_gradient(x, gradients, k, beta)?,
            None => gradient.encode(x)?,
        };
        let (of_topk, plain) = (topk.encode(x)?, gradient.encode(x)?);
        for (name, sae, latents, code, into) in [
            (
                "TopK",
                topk,
                of_topk,
                &(|_: &[usize], x: &_| topk.encode(x)) as eval::Code<'_>,
                &mut found.topk,
            ),
            (
                "gradient mode",
                gradient,
                selected,
                &by_gradient,
                &mut found.by_gradient,
            ),
            (
                "plain mode",
                gradient,
                plain,
                &|_, x| gradient.encode(x),
                &mut found.plain,
            ),
        ] {
            let figures = eval::run_coded(model, sae, &self.demo.held_out, code, &mut |pass| {
                watch.at(format!(
                    "{name}, seed {seed}: row {} of {}",
                    pass.done, pass.total
                ))
            })?;
            let Ended::Done(figures) = figures else {
                return Ok(Ended::STOPPED);
            };
            into.push(Scores {
                measured: Measured::new(sae, x, &latents)?,
                ce_increase: figures.ce_sae - figures.ce_clean,
            });
            watch.next();
        }
        for (name, sae, into) in [
            ("TopK", topk, &mut found.topk_steering),
            ("gradient", gradient, &mut found.gradient_steering),
        ] {
            let mut observe = |at: Progress| {
                watch.at(format!(
                    "steering with {name}, seed {seed}: feature {} of {}",
                    at.done, at.total
                ))
            };
            let rows = &self.demo.held_out;
            let steered = steering::measure(model, sae, (hook, rows, x), seed, &mut observe)?;
            let Ended::Done(steered) = steered else {
                return Ok(Ended::STOPPED);
            };
            into.push(steered);
            watch.next();
        }
        Ok(Ended::Done(()))
    }

    /// Returns β of gradient mode: the setting over the mean of |g| on training activations.
    fn beta(&self, sae: &Sae, seed: u64) -> Result<f32> {
        let Some(gradients) = &self.held.gradients else {
            return Ok(0.0);
        };
        let n = gradients.rows() as u32;
        let step = n.div_ceil(SAMPLE).max(1) as usize;
        let rows: Vec<u32> = (0..n).step_by(step).collect();
        let size = mean_size(&gradients.rows_of(&rows), &sae.w_dec)?;
        let beta = self.spec(Variant::Gradient, seed).beta;
        Ok((beta / size.max(f64::MIN_POSITIVE)) as f32)
    }
}

fn judge(report: &mut Report, found: &Found) {
    let spread = |all: &[Scores], of: fn(&Scores) -> f64| Spread::new(all.iter().map(of).collect());
    let against = |a: &Spread, b: &Spread, digits: usize| {
        let text = format!("{} against {}", a.show(digits), b.show(digits));
        Figure::new(text, [a.mean(), b.mean()])
    };
    let ce: fn(&Scores) -> f64 = |scores| scores.ce_increase;
    let nmse: fn(&Scores) -> f64 = |scores| scores.measured.nmse;
    let dead: fn(&Scores) -> f64 = |scores| scores.measured.dead;
    let of_topk = spread(&found.topk, ce);
    let by_gradient = spread(&found.by_gradient, ce);
    let plain = spread(&found.plain, ce);
    let figure = against(&by_gradient, &of_topk, 4);
    let less = by_gradient.mean() < of_topk.mean();
    report.soft("CE increase (nats): gradient mode below TopK", figure, less);
    let figure = against(&plain, &of_topk, 4);
    let less = plain.mean() < of_topk.mean();
    report.soft(
        "CE increase (nats): the advantage stays in plain mode",
        figure,
        less,
    );
    let (g, topk) = (spread(&found.by_gradient, nmse), spread(&found.topk, nmse));
    let figure = against(&g, &topk, 4);
    report.soft(
        "NMSE: gradient mode not below TopK",
        figure,
        g.mean() >= topk.mean(),
    );
    let plain = spread(&found.plain, nmse);
    report.reported("NMSE: plain mode against TopK", against(&plain, &topk, 4));
    let (g, topk) = (spread(&found.by_gradient, dead), spread(&found.topk, dead));
    let figure = against(&g, &topk, 4);
    report.soft(
        "dead share: gradient mode not above TopK",
        figure,
        g.mean() <= topk.mean(),
    );
    let plain = spread(&found.plain, dead);
    report.reported(
        "dead share: plain mode against TopK",
        against(&plain, &topk, 4),
    );
    steered(report, found);
}

/// Adds the steering experiment, strength by strength.
fn steered(report: &mut Report, found: &Found) {
    report.set("steering", steering::protocol());
    for (i, strength) in STRENGTHS.iter().enumerate() {
        let of = |all: &[Steering], part: fn(&steering::Effect) -> f64| {
            Spread::new(all.iter().map(|one| part(&one.0[i])).collect())
        };
        let both = |part: fn(&steering::Effect) -> f64| {
            let (g, topk) = (
                of(&found.gradient_steering, part),
                of(&found.topk_steering, part),
            );
            let text = format!("{} against {}", g.show(3), topk.show(3));
            (
                Figure::new(text, [g.mean(), topk.mean()]),
                g.mean() >= topk.mean(),
            )
        };
        let (figure, holds) = both(|effect| effect.logit);
        let claim = format!("steering at {strength}: median largest logit change not below TopK");
        report.soft(claim, figure, holds);
        for (name, part) in [
            (
                "median KL (nats)",
                (|effect| effect.kl) as fn(&steering::Effect) -> f64,
            ),
            ("median selectivity (logits)", |effect| effect.selectivity),
            ("share whose top token wins", |effect| effect.wins),
        ] {
            let (figure, _) = both(part);
            report.reported(format!("steering at {strength}: {name}"), figure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HookPoint, Site};

    #[test]
    fn a_hook_outside_the_residual_stream_is_refused() {
        let refused = steering::layer_after(HookPoint::block(1, Site::Z)).unwrap_err();
        assert!(refused.to_string().contains("hook_resid_post"), "{refused}");
    }
}
