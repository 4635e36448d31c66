//! Mutual and Feature Choice (Ayonrinde 2024): constraints, spread of L0, thresholds, dead features; first in [world A](super::world), then on a model.
//!
//! Not asserted, because it depends on the world more than on the rule: which variant reconstructs best, and how many features of Mutual Choice die.

use super::demo::{Demo, DemoOptions};
use super::held::Held;
use super::masks::{Constraint, Kept};
use super::measure::{Measured, Spread};
use super::world::{self, World};
use super::{Event, Figure, FittedLaw, Report, Trained, Watch};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::progress::{Ended, Flow};
use crate::sae::{Variant, Zipf};
use crate::train::Spec;

/// Features and active features per token in the world.
const FEATURES: usize = 512;
const K: usize = 5;
/// Activations per step there: a budget of ten per feature and batch.
const BATCH: usize = 1_024;

/// Share of dead features that counts as none, and how many times as many TopK must have.
const DEAD: f64 = 0.005;
const TIMES: f64 = 5.0;
/// Tolerance of the mean L0 under thresholds, relative to the target.
const OFF_TARGET: f64 = 0.1;
/// Standard deviations of L0, in k, below which it is none and above which it is clear.
const STEADY: f64 = 0.02;
const SPREAD: f64 = 0.2;

/// Size of the list in the world.
#[derive(Debug, Clone, Copy)]
pub struct ChoiceOptions {
    /// Seeds, 0 up.
    pub seeds: u64,
    /// Adam steps of each run.
    pub steps: u64,
}

impl Default for ChoiceOptions {
    fn default() -> Self {
        Self {
            seeds: 3,
            steps: 5_000,
        }
    }
}

/// Way of training in the comparison.
#[derive(Debug, Clone, Copy)]
struct Contestant {
    name: &'static str,
    variant: Variant,
    aux: bool,
    /// Law for budgets and `aux_zipf`; none to fit it.
    law: Option<Zipf>,
}

const fn contestant(name: &'static str, variant: Variant, aux: bool) -> Contestant {
    Contestant {
        name,
        variant,
        aux,
        law: None,
    }
}

const fn by_law(name: &'static str, alpha: f64, beta: f64) -> Contestant {
    Contestant {
        law: Some(Zipf { alpha, beta }),
        ..contestant(name, Variant::FeatureChoice, true)
    }
}

const TOPK: Contestant = contestant("TopK + AuxK", Variant::TopK, true);
const MUTUAL: Contestant = contestant("MC + aux_zipf", Variant::MutualChoice, true);
const FEATURE: Contestant = contestant("FC, fitted budgets", Variant::FeatureChoice, true);

/// Contestants; the three that hard claims concern come first.
const ALL: &[Contestant] = &[
    TOPK,
    MUTUAL,
    FEATURE,
    contestant("TopK", Variant::TopK, false),
    contestant("MC", Variant::MutualChoice, false),
    by_law("FC, wrong budgets (α 1.2, β 2)", 1.2, 2.0),
    by_law("FC, uniform budgets", 0.0, 0.0),
];

/// Figures of one contestant, by seed.
#[derive(Debug, Clone)]
struct Entry {
    name: &'static str,
    variant: Variant,
    /// Figures of the dictionary in use.
    in_use: Vec<Measured>,
    /// Figures by the training rule, batch by batch.
    by_batch: Vec<Measured>,
    kept: Kept,
    law: Vec<FittedLaw>,
    recovered: Vec<f64>,
}

impl Entry {
    fn new(contestant: Contestant) -> Self {
        Self {
            name: contestant.name,
            variant: contestant.variant,
            in_use: Vec::new(),
            by_batch: Vec::new(),
            kept: Kept::default(),
            law: Vec::new(),
            recovered: Vec::new(),
        }
    }

    /// Measures a trained dictionary on `x [n, d]`.
    fn take(&mut self, trained: &Trained, x: &Matrix, (k, batch): (usize, usize)) -> Result<()> {
        let sae = &trained.sae;
        let latents = sae.encode(x)?;
        self.in_use.push(Measured::new(sae, x, &latents)?);
        let constraint = match (self.variant, trained.law) {
            (Variant::FeatureChoice, Some(FittedLaw { alpha, beta, .. })) => {
                Constraint::by_law(Zipf { alpha, beta }, k, batch, sae, &latents)
            }
            (Variant::TopK, _) => Constraint::Token(k),
            _ => Constraint::Batch(k),
        };
        let (latents, kept) = constraint.over(sae, x, batch)?;
        let rows: Vec<u32> = (0..latents.rows() as u32).collect();
        let measured = Measured::new(sae, &x.rows_of(&rows), &latents)?;
        self.by_batch.push(measured);
        self.kept.units += kept.units;
        self.kept.full += kept.full;
        self.kept.broken += kept.broken;
        self.law.extend(trained.law);
        Ok(())
    }

    fn spread(&self, of: impl Fn(&Measured) -> f64) -> Spread {
        Spread::new(self.in_use.iter().map(of).collect())
    }
}

/// Runs the list in world A.
pub fn choice_in_the_world(
    options: &ChoiceOptions,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    judged(options, ALL, observe)
}

/// Runs the asserted part of the list, with its three contestants.
#[cfg(test)]
pub(super) fn hard_claims(
    options: &ChoiceOptions,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    judged(options, &ALL[..3], observe)
}

fn judged(
    options: &ChoiceOptions,
    contestants: &[Contestant],
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    let Ended::Done(found) = compete(options, contestants, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let mut report = Report::default();
    describe(&mut report, options);
    let [topk, mutual, feature, rest @ ..] = found.as_slice() else {
        return Ok(Ended::Done(report));
    };
    judge(&mut report, [topk, mutual, feature], K);
    dead(&mut report, topk, feature);
    let rest: Vec<&Entry> = [topk, mutual, feature].into_iter().chain(rest).collect();
    tell(&mut report, &rest);
    for one in &rest {
        let recovered = Spread::new(one.recovered.clone());
        let figure = Figure::new(recovered.show_percent(), recovered.values);
        report.reported(format!("{}: true directions recovered", one.name), figure);
    }
    Ok(Ended::Done(report))
}

/// Trains and measures `contestants` in the world.
fn compete(
    options: &ChoiceOptions,
    contestants: &[Contestant],
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Vec<Entry>>> {
    let world = World::new();
    let held_out = world.held_out();
    let mut found: Vec<Entry> = contestants.iter().copied().map(Entry::new).collect();
    let runs = options.seeds * contestants.len() as u64;
    let mut watch = Watch::new(observe, runs);
    for seed in 0..options.seeds {
        for (contestant, found) in contestants.iter().zip(&mut found) {
            let spec = spec(*contestant, seed, options.steps);
            let name = format!("World A, {}, seed {seed}", contestant.name);
            let mut source = world.source(seed);
            let Ended::Done(trained) = watch.train(&name, &spec, &mut source)? else {
                return Ok(Ended::STOPPED);
            };
            found.take(&trained, &held_out, (K, BATCH))?;
            found.recovered.push(world.recovered(&trained.sae.w_dec));
        }
    }
    Ok(Ended::Done(found))
}

fn spec(contestant: Contestant, seed: u64, steps: u64) -> Spec {
    // The world has no hook; a run wants the name of one.
    let mut spec = Spec::default_for(HookPoint::block(0, Site::ResidPost));
    set(&mut spec, contestant);
    (spec.features, spec.k, spec.batch) = (FEATURES, K, BATCH);
    (spec.seed, spec.tokens) = (seed, steps * BATCH as u64);
    // Tokens are independent: nothing to shuffle.
    spec.buffer = 8 * BATCH;
    spec
}

fn set(spec: &mut Spec, contestant: Contestant) {
    spec.variant = contestant.variant;
    if !contestant.aux {
        spec.aux_coefficient = 0.0;
    }
    if let Some(law) = contestant.law {
        (spec.zipf_alpha, spec.zipf_beta) = (Some(law.alpha), Some(law.beta));
    }
}

fn describe(report: &mut Report, options: &ChoiceOptions) {
    let spec = spec(TOPK, 0, options.steps);
    report.set(
        "world A",
        format!(
            "{} unit directions in {} dimensions, frequency proportional to (rank + {})^−{}, {} active on average",
            world::DIRECTIONS, world::WIDTH, world::OFFSET, world::ALPHA, world::ACTIVE
        ),
    );
    report.set(
        "chosen here",
        format!(
            "rate of a token log-normal with s = {}, coefficients uniform from {} to {}, noise {} a coordinate",
            world::SPREAD, world::COEFFICIENTS[0], world::COEFFICIENTS[1], world::NOISE
        ),
    );
    report.set(
        "dictionaries",
        format!(
            "{FEATURES} features, mean L0 {K}, {} steps of {BATCH}, Adam at {:.4} (warm-up {} %, decay {} %), b_dec at the geometric median, decoder rows uniform on the sphere, encoder its transpose",
            options.steps,
            spec.peak_learning_rate(),
            100.0 * spec.warmup,
            100.0 * spec.decay
        ),
    );
    report.set(
        "measured",
        format!(
            "on {} held-out tokens, {} seeds, mean ± standard deviation",
            world::HELD_OUT,
            options.seeds
        ),
    );
}

/// Adds the hard claims that hold for any activations.
fn judge(report: &mut Report, [topk, mutual, feature]: [&Entry; 3], k: usize) {
    for (one, unit, sums) in [
        (topk, "tokens", "row sums ≤ k"),
        (mutual, "batches", "total ≤ M"),
        (feature, "features of a batch", "column sums ≤ m_i"),
    ] {
        let Kept {
            units,
            full,
            broken,
        } = one.kept;
        let text = format!("{broken} of {units} {unit} break it, {full} have enough and are full");
        let figure = Figure::new(text, [broken as f64, units as f64, full as f64]);
        report.hard(
            format!(
                "{}: {sums}, equal where enough are positive, the largest kept",
                one.name
            ),
            figure,
            broken == 0 && units > 0,
        );
    }
    for one in [topk, mutual, feature] {
        let sd = one.spread(|m| m.l0_sd);
        let figure = Figure::new(sd.show(2), sd.values.clone());
        if one.variant == Variant::TopK {
            let claim = format!(
                "{}: L0 is the same for all tokens (sd ≤ {STEADY} k)",
                one.name
            );
            report.hard(claim, figure, sd.most() <= STEADY * k as f64);
        } else {
            let claim = format!("{}: L0 differs by token (sd ≥ {SPREAD} k)", one.name);
            report.hard(claim, figure, sd.least() >= SPREAD * k as f64);
        }
    }
    for one in [mutual, feature] {
        let l0 = one.spread(|m| m.l0);
        let off = |l0: &f64| (l0 / k as f64 - 1.0).abs() <= OFF_TARGET;
        let holds = l0.values.iter().all(off);
        let claim = format!("{}: mean L0 under thresholds within 10 % of {k}", one.name);
        report.hard(claim, Figure::new(l0.show(2), l0.values), holds);
    }
}

fn dead(report: &mut Report, topk: &Entry, feature: &Entry) {
    let (few, many) = (feature.spread(|m| m.dead), topk.spread(|m| m.dead));
    let figure = Figure::new(few.show_percent(), few.values.clone());
    let claim = format!("{}: under 0.5 % of the features dead", feature.name);
    report.hard(claim, figure, few.most() < DEAD);
    let text = format!("{} against {}", many.show_percent(), few.show_percent());
    let figure = Figure::new(text, [many.mean(), few.mean()]);
    let claim = format!(
        "{}: more than {TIMES} times as many dead at equal L0",
        topk.name
    );
    let more = many.least() > TIMES * few.most() && many.least() > 0.0;
    report.hard(claim, figure, more);
}

/// Adds the figures without a claim.
fn tell(report: &mut Report, all: &[&Entry]) {
    for one in all {
        let [use_fvu, use_l0] = [one.spread(|m| m.fvu), one.spread(|m| m.l0)];
        let batch = Spread::new(one.by_batch.iter().map(|m| m.fvu).collect());
        let by_batch = if one.variant == Variant::TopK {
            String::new()
        } else {
            format!(", {} batch by batch", batch.show(3))
        };
        let text = format!("{} at L0 {}{by_batch}", use_fvu.show(3), use_l0.show(2));
        let figure = Figure::new(text, [use_fvu.mean(), use_l0.mean(), batch.mean()]);
        report.reported(format!("{}: FVU in use", one.name), figure);
    }
    for one in all {
        let dead = one.spread(|m| m.dead);
        let figure = Figure::new(dead.show_percent(), dead.values);
        report.reported(format!("{}: dead", one.name), figure);
    }
    for one in all.iter().filter(|one| !one.law.is_empty()) {
        let of = |part: fn(&FittedLaw) -> f64| Spread::new(one.law.iter().map(part).collect());
        let (alpha, beta, r2) = (of(|law| law.alpha), of(|law| law.beta), of(|law| law.r2));
        let text = format!("α {}, β {}, R² {}", alpha.show(2), beta.show(1), r2.show(3));
        let figure = Figure::new(text, [alpha.mean(), beta.mean(), r2.mean()]);
        report.reported(format!("{}: Zipf law", one.name), figure);
    }
    let feature = all
        .iter()
        .filter(|one| one.variant == Variant::FeatureChoice);
    let mut feature = feature.map(|one| (one.name, one.spread(|m| m.fvu).mean()));
    if let Some((_, fitted)) = feature.next() {
        for (name, fvu) in feature {
            let figure = Figure::new(format!("{:+.3} FVU", fvu - fitted), [fvu - fitted]);
            report.reported(format!("{name}: cost against fitted ones"), figure);
        }
    }
}

/// Runs the claims about masks, L0 and thresholds on a model's activations.
pub fn choice_on_a_model(
    demo: &Demo,
    options: &DemoOptions,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Ended<Report>> {
    let contestants = [TOPK, MUTUAL, FEATURE];
    let mut found = contestants.map(Entry::new);
    let runs = options.seeds * contestants.len() as u64;
    let mut watch = Watch::new(observe, runs + 2);
    let Ended::Done(held) = Held::read(&demo.model, &demo.train, options.hook, false, &mut watch)?
    else {
        return Ok(Ended::STOPPED);
    };
    let held_out = Held::read(&demo.model, &demo.held_out, options.hook, false, &mut watch)?;
    let Ended::Done(held_out) = held_out else {
        return Ok(Ended::STOPPED);
    };
    for seed in 0..options.seeds {
        for (contestant, found) in contestants.iter().zip(&mut found) {
            let mut spec = options.spec(seed);
            set(&mut spec, *contestant);
            let name = format!("{}, {}, seed {seed}", demo.model.name(), contestant.name);
            let mut source = held.source(seed);
            let Ended::Done(trained) = watch.train(&name, &spec, &mut source)? else {
                return Ok(Ended::STOPPED);
            };
            found.take(&trained, &held_out.activations, (options.k, spec.batch))?;
        }
    }
    let mut report = Report::default();
    options.describe(demo, (&held, &held_out), &mut report);
    let [topk, mutual, feature] = &found;
    judge(&mut report, [topk, mutual, feature], options.k);
    tell(&mut report, &[topk, mutual, feature]);
    Ok(Ended::Done(report))
}
