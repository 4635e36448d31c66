//! Every variant's gradients against finite differences of its loss in f64, for every parameter that it learns: selections, masks, and what is meant to be
//! constant held fixed. JumpReLU's thresholds, which have no derivative, against their formula.
//!
//! A gradient is read off Adam's first moment after one step, `m = (1 − β₁)·g`, so that all of the way to the optimiser is covered.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::kernels::encode::cases::uneven;
use crate::latents::Latents;
use crate::sae::state::Keep;
use crate::sae::{GradientValues, Relu, Sae, SparsityPenalty, Uses, Variant};
use crate::train::init::directions;
use crate::train::step::{Batch, Trainer};
use crate::train::{Decoder, Spec};

const N: usize = 260;
const D: usize = 6;
const F: usize = 40;
/// The last features read so faintly that they are never among the largest.
const FAINT: usize = 6;
const B_ENC: usize = F * D;
const W_DEC: usize = B_ENC + F;
const B_DEC: usize = W_DEC + F * D;
const OWN: usize = B_DEC + D;
/// The activations are taken to have variance `d`, as the trainer scales them.
const DENOMINATOR: f64 = (N * D) as f64;

fn spec(variant: Variant) -> Spec {
    let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
    (spec.variant, spec.features, spec.k) = (variant, F, 4);
    (spec.batch, spec.tokens) = (N, 10 * N as u64);
    spec.k_aux = Some(3);
    // Whatever does not fire in the batch is dead at once.
    spec.dead_after = Some(1);
    // As heavy as the main term, so that an error in one of the others shows.
    (spec.aux_coefficient, spec.sparsity_coefficient) = (0.7, Some(0.6));
    spec.sparsity_warmup = 0.0;
    // Features choose from the first step on.
    (spec.phase, spec.zipf_alpha, spec.zipf_beta) = (0.0, Some(0.8), Some(5.0));
    (spec.bandwidth, spec.initial_threshold) = (0.8, 1.0);
    spec
}

fn dictionary(spec: &Spec) -> Sae {
    drawn(&mut ChaCha8Rng::seed_from_u64(1), spec, [D, D])
}

/// One that reads and writes such widths, decoder rows of length 1, or of lengths between a half and two.
pub(super) fn drawn(rng: &mut ChaCha8Rng, spec: &Spec, [read, written]: [usize; 2]) -> Sae {
    let features = spec.features;
    let mut w_enc = uneven(rng, features, read);
    let mut b_enc = uneven(rng, 1, features).into_values();
    for (f, bias) in b_enc.iter_mut().enumerate().skip(features - FAINT) {
        w_enc.row_mut(f).iter_mut().for_each(|w| *w *= 0.01);
        *bias *= 0.01;
    }
    let mut w_dec = directions(spec, written);
    if spec.decoder == Decoder::Free {
        for row in w_dec.values_mut().chunks_exact_mut(written) {
            let length = rng.random_range(0.5..2.0);
            for w in row.iter_mut() {
                *w *= length;
            }
        }
    }
    Sae::new(
        "",
        (w_enc, b_enc),
        (w_dec, uneven(rng, 1, written).into_values()),
        Relu,
    )
}

/// Activations, with gradients beside them where the variant reads them.
fn activations(variant: Variant) -> Matrix {
    let columns = if variant == Variant::Gradient {
        2 * D
    } else {
        D
    };
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let values = (0..N * columns).map(|_| rng.random_range(-2.0..2.0));
    Matrix::new(N, columns, values.collect()).unwrap()
}

/// Reads some of the state by name, and writes some.
#[derive(Default)]
pub(in crate::train) struct Peek {
    write: Vec<(&'static str, Vec<f32>)>,
    pub(in crate::train) read: std::collections::BTreeMap<String, Vec<f32>>,
}

impl Keep for Peek {
    fn matrix(&mut self, name: &str, matrix: &mut Matrix) -> Result<()> {
        if let Some((_, values)) = self.write.iter().find(|(to, _)| *to == name) {
            matrix.values_mut().copy_from_slice(values);
        }
        self.read.insert(name.to_owned(), matrix.values().to_vec());
        Ok(())
    }

    fn numbers(&mut self, _: &str, _: &mut Vec<u64>) -> Result<()> {
        Ok(())
    }
}

/// A trainer whose own parameters are uneven.
fn trainer(spec: &Spec) -> Trainer {
    let mut trainer = Trainer::from_sae(spec, dictionary(spec)).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut uneven =
        |least: f32, most: f32| (0..F).map(|_| rng.random_range(least..most)).collect();
    let mut own = Peek {
        write: vec![
            ("rule.b_mag", uneven(-0.5, 0.5)),
            ("rule.r_mag", uneven(-0.5, 0.5)),
            ("rule.thresholds", uneven(0.0, 2.0)),
        ],
        ..Peek::default()
    };
    trainer.state(&mut own).unwrap();
    trainer
}

/// Names of what a variant learns beside the dictionary.
fn own(variant: Variant) -> &'static [&'static str] {
    match variant {
        Variant::Gated => &["b_mag", "r_mag"],
        Variant::JumpRelu => &["thresholds"],
        _ => &[],
    }
}

/// Values that a step holds fixed.
struct Fixed {
    spec: Spec,
    x: Matrix,
    /// Active pairs.
    main: Vec<Vec<usize>>,
    /// Pairs with a positive gate.
    gates: Vec<Vec<usize>>,
    /// Multi-TopK's pairs.
    second: Vec<Vec<usize>>,
    /// Activations over pre-activations, pair by pair of `main`.
    factors: Vec<Vec<f64>>,
    aux: Vec<Vec<usize>>,
    error: Vec<f64>,
    aux_denominator: f64,
    start: Vec<f64>,
}

/// A dictionary in f64, decoder rows of length 1.
struct Dictionary {
    p: Vec<f64>,
}

impl Dictionary {
    fn new(p: &[f64], free: bool) -> Self {
        let mut p = p.to_vec();
        if free {
            for f in 0..F {
                let row = W_DEC + f * D..W_DEC + (f + 1) * D;
                let length = p[row.clone()].iter().map(|w| w * w).sum::<f64>().sqrt();
                p[row].iter_mut().for_each(|w| *w /= length);
                p[f * D..(f + 1) * D].iter_mut().for_each(|w| *w *= length);
                p[B_ENC + f] *= length;
            }
        }
        Self { p }
    }

    fn pre(&self, x: &[f32], f: usize) -> f64 {
        (0..D).fold(self.p[B_ENC + f], |sum, c| {
            sum + (f64::from(x[c]) - self.p[B_DEC + c]) * self.p[f * D + c]
        })
    }

    /// The magnitude that a gated feature writes.
    fn magnitude(&self, x: &[f32], f: usize) -> f64 {
        let read = self.pre(x, f) - self.p[B_ENC + f];
        self.p[OWN + F + f].exp() * read + self.p[OWN + f]
    }

    /// Σ act · w_dec − target, `[d]`.
    fn miss(&self, acts: &[(usize, f64)], target: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..D)
            .map(|c| {
                let sum: f64 = (acts.iter())
                    .map(|(f, act)| act * self.p[W_DEC + f * D + c])
                    .sum();
                sum - target(c)
            })
            .collect()
    }
}

fn squared(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

impl Fixed {
    fn variant(&self) -> Variant {
        self.spec.variant
    }

    fn acts(&self, at: &Dictionary, i: usize) -> Vec<(usize, f64)> {
        let x = self.x.row(i);
        let act = |(f, factor): (&usize, &f64)| {
            let act = match self.variant() {
                Variant::Gated => at.magnitude(x, *f),
                _ => at.pre(x, *f) * factor,
            };
            (*f, act)
        };
        self.main[i].iter().zip(&self.factors[i]).map(act).collect()
    }

    fn ends(&self) -> Vec<usize> {
        match self.variant() {
            Variant::Matryoshka => vec![F / 8, F / 4, F / 2, F],
            _ => vec![F],
        }
    }

    fn loss(&self, p: &[f64]) -> f64 {
        let at = Dictionary::new(p, self.spec.decoder == Decoder::Free);
        let start = Dictionary::new(&self.start, self.spec.decoder == Decoder::Free);
        let weight = self.spec.sparsity();
        let act_unit = N as f64 * (D as f64).sqrt();
        let mut loss = 0.0;
        for i in 0..N {
            let x = self.x.row(i);
            let acts = self.acts(&at, i);
            let target = |c: usize| f64::from(x[c]) - at.p[B_DEC + c];
            for end in self.ends() {
                let some: Vec<_> = acts.iter().copied().filter(|(f, _)| *f < end).collect();
                loss += squared(&at.miss(&some, target)) / DENOMINATOR;
            }
            loss += match self.variant() {
                Variant::Relu => weight / act_unit * acts.iter().map(|(_, a)| a).sum::<f64>(),
                Variant::JumpRelu if self.spec.sparsity_penalty == SparsityPenalty::Tanh => {
                    weight / N as f64 * acts.iter().map(|(_, a)| (4.0 * a).tanh()).sum::<f64>()
                }
                _ => 0.0,
            };
            let gates: Vec<_> = (self.gates[i].iter())
                .map(|f| (*f, at.pre(x, *f)))
                .collect();
            if self.variant() == Variant::Gated {
                loss += weight / act_unit * gates.iter().map(|(_, g)| g).sum::<f64>();
                let held = |c: usize| f64::from(x[c]) - start.p[B_DEC + c];
                loss += squared(&start.miss(&gates, held)) / DENOMINATOR;
            }
            if !self.second.is_empty() {
                let more: Vec<_> = self.second[i].iter().map(|f| (*f, at.pre(x, *f))).collect();
                loss += 0.125 * squared(&at.miss(&more, target)) / DENOMINATOR;
            }
            let help: Vec<_> = self.aux[i].iter().map(|f| (*f, at.pre(x, *f))).collect();
            if self.aux_denominator > 0.0 {
                let miss = at.miss(&help, |c| self.error[i * D + c]);
                loss += self.spec.aux_coefficient * squared(&miss) / self.aux_denominator;
            }
        }
        let active = self.main.iter().map(Vec::len).sum::<usize>() as f64 / N as f64;
        let target = self.spec.k as f64;
        loss + match (self.variant(), self.spec.sparsity_penalty) {
            (Variant::JumpRelu, SparsityPenalty::Step) => weight * active,
            (Variant::JumpRelu, SparsityPenalty::Target) => {
                weight * 2.0 / target * (active - target).powi(2)
            }
            _ => 0.0,
        }
    }

    /// AuxK's target and denominator.
    fn hold_error(&mut self, at: &Dictionary) {
        for i in 0..N {
            let x = self.x.row(i);
            let miss = at.miss(&self.acts(at, i), |c| f64::from(x[c]) - at.p[B_DEC + c]);
            self.error.extend(miss.iter().map(|miss| -miss));
        }
        for c in 0..D {
            let column: Vec<f64> = self.error.iter().skip(c).step_by(D).copied().collect();
            let mean = column.iter().sum::<f64>() / N as f64;
            let about: Vec<f64> = column.iter().map(|e| e - mean).collect();
            self.aux_denominator += squared(&about);
        }
    }

    /// The gradient of JumpReLU's thresholds (formats of SAELens, its `JumpReLU` and `Step`), from the gradients of activations.
    fn thresholds(&self, theta: &[f64]) -> Vec<f64> {
        let at = Dictionary::new(&self.start, self.spec.decoder == Decoder::Free);
        let (weight, width) = (self.spec.sparsity(), self.spec.bandwidth);
        let active = self.main.iter().map(Vec::len).sum::<usize>() as f64 / N as f64;
        let target = self.spec.k as f64;
        let mut gradient = vec![0.0; F];
        for i in 0..N {
            let x = self.x.row(i);
            let acts = self.acts(&at, i);
            let miss = at.miss(&acts, |c| f64::from(x[c]) - at.p[B_DEC + c]);
            for f in 0..F {
                let pre = at.pre(x, f);
                if (pre - theta[f]).abs() >= 0.5 * width {
                    continue;
                }
                let act = if pre > theta[f] { pre } else { 0.0 };
                let along: f64 = (0..D).map(|c| miss[c] * at.p[W_DEC + f * D + c]).sum();
                let mut d_act = 2.0 / DENOMINATOR * along;
                let mut d_l0 = 0.0;
                match self.spec.sparsity_penalty {
                    SparsityPenalty::Step => d_l0 = weight / N as f64,
                    SparsityPenalty::Target => {
                        d_l0 = weight * 4.0 / target * (active - target) / N as f64;
                    }
                    SparsityPenalty::Tanh => {
                        let tanh = (4.0 * act).tanh();
                        d_act += weight / N as f64 * 4.0 * (1.0 - tanh * tanh);
                    }
                }
                gradient[f] += -theta[f] / width * d_act - d_l0 / width;
            }
        }
        gradient
    }
}

/// Gradients as the optimiser gets them, the parameters they are of, and the loss.
fn stepped(spec: &Spec, batch: Batch<'_>) -> (Vec<f64>, Vec<f64>, f64) {
    let (mut before, mut after) = (Peek::default(), Peek::default());
    let mut trainer = trainer(spec);
    trainer.state(&mut before).unwrap();
    let report = trainer.step(batch, 1e-4).unwrap();
    trainer.state(&mut after).unwrap();
    let dictionary = ["w_enc", "b_enc", "w_dec", "b_dec"].map(str::to_owned);
    let own = own(spec.variant).iter().map(|name| format!("rule.{name}"));
    let names: Vec<String> = dictionary.into_iter().chain(own).collect();
    let wide = |values: &Vec<f32>| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let start = names.iter().flat_map(|name| wide(&before.read[name]));
    let moments = names
        .iter()
        .flat_map(|name| wide(&after.read[&format!("{name}.m")]));
    let got = moments.map(|m| m / 0.1).collect();
    (got, start.collect(), report.loss)
}

/// Pairs of `latents`, those of activation 0 left out where only active ones are wanted.
fn pairs(latents: &Latents, only_active: bool) -> Vec<Vec<usize>> {
    (0..latents.rows())
        .map(|i| {
            let row = latents.row(i);
            row.filter(|(_, act)| !only_active || *act != 0.0)
                .map(|(f, _)| f.index())
                .collect()
        })
        .collect()
}

/// Gradients as the optimiser gets them and what was held fixed.
fn ours(spec: &Spec) -> (Vec<f64>, Fixed, f64) {
    let from = activations(spec.variant);
    let rows: Vec<u32> = (0..N as u32).collect();
    let batch = Batch {
        from: &from,
        rows: &rows,
    };
    let x = alone(&from);
    let mut begun = trainer(spec);
    let forward = begun.forward(batch).unwrap();
    let second = begun
        .work
        .second()
        .map(|second| pairs(&second.latents, true));
    let (got, start, loss) = stepped(spec, batch);
    let at = Dictionary::new(&start, spec.decoder == Decoder::Free);
    let latents = &forward.latents;
    let literal = spec.gradient_values == GradientValues::Scores;
    let factors = (0..N)
        .map(|i| {
            let active = latents.row(i).filter(|(_, act)| *act != 0.0);
            let factor = |(f, act): (crate::ids::FeatureId, f32)| match spec.variant {
                Variant::Gradient if literal => f64::from(act) / at.pre(x.row(i), f.index()),
                _ => 1.0,
            };
            active.map(factor).collect()
        })
        .collect();
    let mut aux = vec![vec![]; N];
    if let Some(part) = &forward.aux {
        aux = pairs(&part.latents, false);
        for feature in aux.iter_mut().flatten() {
            *feature = part.dead[*feature] as usize;
        }
    }
    let mut fixed = Fixed {
        spec: spec.clone(),
        x,
        main: pairs(latents, true),
        gates: pairs(latents, false),
        second: second.unwrap_or_default(),
        factors,
        aux,
        error: vec![],
        aux_denominator: 0.0,
        start,
    };
    if forward.aux.is_some() {
        fixed.hold_error(&at);
    }
    (got, fixed, loss)
}

/// The activations without what stands beside them.
fn alone(from: &Matrix) -> Matrix {
    let mut x = Matrix::zeros(N, D);
    for i in 0..N {
        x.row_mut(i).copy_from_slice(&from.row(i)[..D]);
    }
    x
}

/// Expected gradients: finite differences, thresholds by formula, decoder rows without their part along themselves if they keep their length.
fn want(fixed: &Fixed) -> Vec<f64> {
    let step = 1e-5;
    let p = &fixed.start;
    let mut all: Vec<f64> = (0..p.len())
        .map(|i| {
            let at = |by: f64| {
                let mut moved = p.clone();
                moved[i] += by;
                fixed.loss(&moved)
            };
            (at(step) - at(-step)) / (2.0 * step)
        })
        .collect();
    if fixed.variant() == Variant::JumpRelu {
        let thresholds = fixed.thresholds(&p[OWN..]);
        all[OWN..].copy_from_slice(&thresholds);
    }
    if fixed.spec.decoder == Decoder::Unit {
        for f in 0..F {
            let row = W_DEC + f * D..W_DEC + (f + 1) * D;
            let along: f64 = all[row.clone()]
                .iter()
                .zip(&p[row.clone()])
                .map(|(g, w)| g * w)
                .sum();
            for at in row {
                all[at] -= along * p[at];
            }
        }
    }
    all
}

/// The first parameter whose gradient is off by more than `tolerance` of the largest of its kind.
fn first_off(got: &[f64], want: &[f64], tolerance: f64) -> Option<usize> {
    assert_eq!(got.len(), want.len());
    let mut kinds = vec![0..B_ENC, B_ENC..W_DEC, W_DEC..B_DEC, B_DEC..OWN];
    kinds.extend((OWN..got.len()).step_by(F).map(|start| start..start + F));
    kinds.into_iter().find_map(|kind| {
        let most = want[kind.clone()]
            .iter()
            .fold(0.0_f64, |most, g| most.max(g.abs()));
        assert!(most > 0.0, "nothing to compare in {kind:?}");
        kind.into_iter()
            .find(|i| (got[*i] - want[*i]).abs() > tolerance * most)
    })
}

/// f32 sums of a few hundred terms against f64, and differences with a step of 1e-5.
const TOLERANCE: f64 = 3e-5;

#[track_caller]
fn check(spec: &Spec) {
    let (got, fixed, loss) = ours(spec);
    let context = format!(
        "{} {:?} {:?} {:?}",
        spec.variant, spec.decoder, spec.sparsity_penalty, spec.gradient_values
    );
    let defined = fixed.loss(&fixed.start);
    assert!(
        (loss - defined).abs() < 1e-5 * defined,
        "{context}: loss {loss}, should be {defined}"
    );
    let helped = fixed.aux.iter().flatten().count();
    // Where features choose, none is dead.
    let helps = spec.variant.uses(Uses::Budget) && spec.variant != Variant::FeatureChoice;
    assert_eq!(helped > N, helps, "{context}: {helped} helped");
    let want = want(&fixed);
    assert_eq!(first_off(&got, &want, TOLERANCE), None, "{context}");
    for i in [0, B_ENC, W_DEC, B_DEC]
        .into_iter()
        .chain((OWN..got.len()).step_by(F))
    {
        let mut nudged = got.clone();
        nudged[i] += 1e-2 * got.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        assert!(
            first_off(&nudged, &want, TOLERANCE).is_some(),
            "{context}: nudged {i}"
        );
    }
}

#[test]
fn every_variants_gradients_are_those_of_its_loss() {
    for variant in Variant::ALL {
        for decoder in [Decoder::Unit, Decoder::Free] {
            let mut spec = spec(*variant);
            spec.decoder = decoder;
            check(&spec);
        }
    }
}

#[test]
fn every_penalty_of_jump_relu_and_both_readings_of_the_gradient_sae_are_covered() {
    for penalty in [
        SparsityPenalty::Step,
        SparsityPenalty::Tanh,
        SparsityPenalty::Target,
    ] {
        let mut spec = spec(Variant::JumpRelu);
        spec.sparsity_penalty = penalty;
        check(&spec);
    }
    let mut spec = spec(Variant::Gradient);
    spec.gradient_values = GradientValues::Scores;
    check(&spec);
}

#[test]
fn multi_topk_learns_from_both_codes() {
    for decoder in [Decoder::Unit, Decoder::Free] {
        let mut spec = spec(Variant::TopK);
        (spec.multi_topk, spec.decoder) = (true, decoder);
        check(&spec);
        let fixed = ours(&spec).1;
        let sizes = fixed.second.iter().zip(&fixed.main);
        for (more, main) in sizes {
            assert_eq!((main.len(), more.len() > 10), (4, true));
            assert!(main.iter().all(|f| more.contains(f)));
        }
        // The code is that of TopK alone.
        spec.multi_topk = false;
        assert_eq!(ours(&spec).1.main, fixed.main);
    }
}

/// A step's changes of Adam's first moments, from zero, are gradients over ten.
fn moments(spec: &Spec, from: &Matrix) -> (Vec<f64>, crate::train::Report) {
    let rows: Vec<u32> = (0..N as u32).collect();
    let (mut trainer, mut after) = (trainer(spec), Peek::default());
    let report = trainer.step(Batch { from, rows: &rows }, 1e-4).unwrap();
    trainer.state(&mut after).unwrap();
    let names = after.read.keys().filter_map(|name| name.strip_suffix(".m"));
    let moments = names.map(|name| &after.read[&format!("{name}.m")]);
    let all = moments.flat_map(|m| m.iter().map(|m| f64::from(*m) / 0.1));
    (all.collect(), report)
}

#[test]
fn the_gradient_of_all_parameters_is_cut_down_to_a_length() {
    for variant in [
        Variant::TopK,
        Variant::JumpRelu,
        Variant::Gated,
        Variant::Matryoshka,
    ] {
        for decoder in [Decoder::Unit, Decoder::Free] {
            let mut spec = spec(variant);
            spec.decoder = decoder;
            let from = activations(variant);
            let (whole, report) = moments(&spec, &from);
            assert_eq!(report.gradient_norm, None);
            let length = squared(&whole).sqrt();
            spec.clip = 0.5 * length;
            let (cut, report) = moments(&spec, &from);
            let said = report.gradient_norm.unwrap();
            assert!(
                (said / length - 1.0).abs() < 1e-4,
                "{variant} {said} {length}"
            );
            assert!(report.clipped);
            for (cut, whole) in cut.iter().zip(&whole) {
                assert!((cut - 0.5 * whole).abs() < 1e-5 * length, "{variant}");
            }
            // A longer limit changes no bit.
            spec.clip = 2.0 * length;
            let (uncut, report) = moments(&spec, &from);
            assert!(uncut == whole && !report.clipped);
        }
    }
}

/// The pairs that a step of `spec` keeps.
fn kept(spec: &Spec) -> Vec<Vec<usize>> {
    ours(spec).1.main
}

#[test]
fn the_three_allocations_keep_to_their_sums_exactly() {
    let rows = |pairs: &[Vec<usize>]| pairs.iter().map(Vec::len).collect::<Vec<_>>();
    let topk = kept(&spec(Variant::TopK));
    assert!(rows(&topk).iter().all(|active| *active == 4));
    let mutual = kept(&spec(Variant::MutualChoice));
    assert_eq!(rows(&mutual).iter().sum::<usize>(), 4 * N);
    let (least, most) = (
        rows(&mutual).into_iter().min(),
        rows(&mutual).into_iter().max(),
    );
    assert!(least < most, "tokens differ in what they get");
    assert_eq!(mutual, kept(&spec(Variant::BatchTopK)));

    let features = kept(&spec(Variant::FeatureChoice));
    let law = spec(Variant::FeatureChoice).zipf().unwrap();
    let mut budgets = law.budgets(F, 4 * N, N);
    assert_eq!(budgets.iter().sum::<u32>() as usize, 4 * N);
    let fixed = ours(&spec(Variant::FeatureChoice)).1;
    let at = Dictionary::new(&fixed.start, false);
    let mut columns = [0_u32; F];
    features.iter().flatten().for_each(|f| columns[*f] += 1);
    // Nothing has fired yet when features choose in the first step: ranks are those of their numbers.
    for (f, (column, budget)) in columns.iter().zip(&mut budgets).enumerate() {
        let positive = (0..N).filter(|i| at.pre(fixed.x.row(*i), f) > 0.0).count();
        assert_eq!(*column, (*budget).min(positive as u32), "feature {f}");
    }
}

#[test]
fn without_a_gradients_weight_the_gradient_sae_trains_as_topk_bit_for_bit() {
    let dictionary = |variant: Variant| {
        let mut spec = spec(variant);
        spec.beta = 0.0;
        let mut trainer = trainer(&spec);
        // The same activations, without what stands beside them for TopK.
        let both = activations(Variant::Gradient);
        let from = if variant == Variant::Gradient {
            both
        } else {
            alone(&both)
        };
        let rows: Vec<u32> = (0..N as u32).collect();
        for _ in 0..5 {
            let batch = Batch {
                from: &from,
                rows: &rows,
            };
            trainer.step(batch, 1e-3).unwrap();
        }
        trainer.sae()
    };
    assert_eq!(dictionary(Variant::Gradient), dictionary(Variant::TopK));
}

#[test]
fn helping_by_a_zipf_law_is_auxk_on_the_same_features() {
    // The dead are what both help as long as no law is known.
    let stepped = |variant: Variant| {
        let spec = spec(variant);
        let mut trainer = trainer(&spec);
        let from = activations(variant);
        let rows: Vec<u32> = (0..N as u32).collect();
        let batch = Batch {
            from: &from,
            rows: &rows,
        };
        let report = trainer.step(batch, 1e-3).unwrap();
        assert!(report.aux_active > 0);
        (report.loss, trainer.sae())
    };
    let (with_law, law) = stepped(Variant::MutualChoice);
    let (with_dead, dead) = stepped(Variant::BatchTopK);
    assert_eq!(with_law, with_dead);
    assert_eq!(law, dead);
}
