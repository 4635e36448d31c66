//! Training on wgpu against the CPU from one seed, and what becomes of a run whose device fails.

mod faults;
mod resumed;

use std::collections::BTreeSet;
use std::time::Instant;

use super::copy::HostCopy;
use crate::device::{Compute, Gpu, testing};
use crate::dims::Matrix;
use crate::ids::{HookPoint, Site};
use crate::latents::Latents;
use crate::sae::rule::Whole;
use crate::sae::{Selection, Variant};
use crate::train::buffer::Source as _;
use crate::train::report::Report;
use crate::train::step::{Batch, Trainer};
use crate::train::tests::runs::Planted;
use crate::train::{Adam, Decoder, Spec};

const D: usize = 64;
const F: usize = 512;
const N: usize = 256;

/// Losses may differ by this share, and pre-activations at a cut by this share of the magnitudes of their terms: sums are rounded in another order, and Adam
/// turns the sign of a gradient that is all but 0 into a step.
const BOUND: f64 = 1e-4;

fn spec(variant: Variant) -> Spec {
    let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
    (spec.variant, spec.features, spec.k) = (variant, F, 8);
    (spec.batch, spec.tokens) = (N, 200 * N as u64);
    // Some features are dead from the fourth step on, so that AuxK has work.
    (spec.dead_after, spec.k_aux) = (Some(3 * N as u64), Some(16));
    if variant == Variant::FeatureChoice {
        // Features choose from the first step on.
        (spec.phase, spec.zipf_alpha, spec.zipf_beta) = (0.0, Some(0.8), Some(5.0));
    }
    spec
}

/// Activations with what stands beside them, for `batches` batches.
fn activations(spec: &Spec, batches: usize) -> Matrix {
    let mut source = Planted::new(128, D);
    source.paired = spec.variant == Variant::Gradient;
    let mut values = Vec::new();
    // A transcoder writes what the source has next.
    let columns = if spec.transcodes {
        2 * D
    } else {
        source.width()
    };
    while values.len() < batches * N * columns {
        values.extend_from_slice(source.next(&mut |_| {}).unwrap().values());
    }
    values.truncate(batches * N * columns);
    Matrix::new(batches * N, columns, values).unwrap()
}

fn begin(spec: &Spec, all: &Matrix, compute: &Compute) -> Trainer {
    let sample: Vec<u32> = (0..(4 * N).min(all.rows()) as u32).collect();
    let mut trainer = Trainer::new(spec, &all.rows_of(&sample)).unwrap();
    trainer.move_to(compute).unwrap();
    trainer
}

fn rows(step: usize) -> Vec<u32> {
    (step as u32 * N as u32..(step as u32 + 1) * N as u32).collect()
}

fn step(trainer: &mut Trainer, all: &Matrix, at: usize) -> Report {
    let batch = Batch {
        from: all,
        rows: &rows(at),
    };
    trainer.step(batch, 1e-3).unwrap()
}

/// The code of a batch, where the trainer stands; nothing moves.
fn code(trainer: &mut Trainer, all: &Matrix, at: usize) -> Latents {
    let copy = HostCopy::new(trainer, Instant::now()).unwrap();
    let rows = rows(at);
    let latents = if let Some(device) = trainer.device.take() {
        trainer.dead.begin(N);
        device.fold().unwrap();
        let whole = Whole {
            tokens: N,
            l0: None,
        };
        let forward = device.forward(trainer, &all.rows_of(&rows), whole).unwrap();
        let latents = forward.main.codes.read(&device.gpu).unwrap();
        trainer.device = Some(device);
        latents
    } else {
        let batch = Batch {
            from: all,
            rows: &rows,
        };
        trainer.forward(batch).unwrap().latents
    };
    copy.restore(trainer).unwrap();
    latents
}

fn active(latents: &Latents) -> BTreeSet<(usize, usize)> {
    let row = |i| {
        let row = latents.row(i).filter(|(_, act)| *act != 0.0);
        row.map(move |(f, _)| (i, f.index()))
    };
    (0..latents.rows()).flat_map(row).collect()
}

/// Whether pairs that one of two codes lacks are at a cut: those of a row, of a feature or of the batch between which the selection chose have pre-activations within
/// the bound, or are as close to the bar.
fn at_the_cut(variant: Variant, trainer: &Trainer, pairs: &[(usize, usize)]) -> bool {
    let bars = match trainer.rule.inference() {
        Selection::JumpRelu(rule) => rule.thresholds,
        _ => vec![0.0; F],
    };
    let value = |(row, f): (usize, usize)| {
        let x = trainer.centred.row(row);
        let w = trainer.features.w_enc.value.row(f);
        let b = f64::from(trainer.features.b_enc.value.values()[f]);
        let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
        let (sum, size) = terms.fold((b, b.abs()), |(sum, size), t| (sum + t, size + t.abs()));
        (sum, size)
    };
    let near = |group: &[(usize, usize)]| {
        let values: Vec<(f64, f64)> = group.iter().map(|pair| value(*pair)).collect();
        let key = |sum: f64| match variant {
            Variant::SignedTopK => sum.abs(),
            _ => sum,
        };
        let size = values.iter().map(|(_, size)| *size).fold(0.0, f64::max);
        let (least, most) = (values.iter().map(|(sum, _)| key(*sum))).fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(least, most), value| (least.min(value), most.max(value)),
        );
        most - least <= BOUND * size
    };
    let grouped = |by: &dyn Fn(&(usize, usize)) -> usize| {
        let keys: BTreeSet<usize> = pairs.iter().map(by).collect();
        keys.iter().all(|key| {
            let group: Vec<_> = pairs
                .iter()
                .copied()
                .filter(|pair| by(pair) == *key)
                .collect();
            near(&group)
        })
    };
    match variant {
        Variant::TopK | Variant::SignedTopK => grouped(&|pair| pair.0),
        Variant::BatchTopK | Variant::MutualChoice | Variant::Matryoshka => near(pairs),
        Variant::FeatureChoice => grouped(&|pair| pair.1),
        // Scores of a row stand for two pairs.
        Variant::Gradient => pairs.len() <= 2,
        Variant::JumpRelu | Variant::Relu | Variant::Gated => pairs.iter().all(|pair| {
            let (sum, size) = value(*pair);
            (sum - f64::from(bars[pair.1])).abs() <= BOUND * size
        }),
    }
}

/// Takes so many steps on both; returns what differs first, else the pairs that AuxK used.
fn steps(
    (spec, steps): (&Spec, usize),
    gpu: &Gpu,
    spoil: impl Fn(&mut Trainer),
) -> Result<usize, String> {
    let all = activations(spec, steps);
    let mut here = begin(spec, &all, &Compute::Cpu);
    let mut there = begin(spec, &all, &Compute::Gpu(gpu.clone()));
    spoil(&mut there);
    let mut helped = 0;
    for at in 0..steps {
        let codes = [code(&mut here, &all, at), code(&mut there, &all, at)];
        let [ours, theirs] = [active(&codes[0]), active(&codes[1])];
        let other: Vec<_> = ours.symmetric_difference(&theirs).copied().collect();
        if !at_the_cut(spec.variant, &here, &other) {
            return Err(format!(
                "step {at}: {} pairs differ: {other:?}",
                other.len()
            ));
        }
        let (ours, theirs) = (step(&mut here, &all, at), step(&mut there, &all, at));
        if let Some(fault) = there.take_fault() {
            return Err(fault);
        }
        let pairs = [
            (ours.loss, theirs.loss),
            (ours.squared, theirs.squared),
            (ours.variance, theirs.variance),
        ];
        for (ours, theirs) in pairs {
            if (ours - theirs).abs() > BOUND * ours.abs() {
                return Err(format!("step {at}: {ours} and {theirs}"));
            }
        }
        if ours.active.abs_diff(theirs.active) > other.len()
            || ours.aux_active.abs_diff(theirs.aux_active) > 8
            || (ours.dead_fraction - theirs.dead_fraction).abs() > 0.01
        {
            return Err(format!("step {at}: {ours:?} and {theirs:?}"));
        }
        helped += theirs.aux_active;
    }
    Ok(helped)
}

#[test]
fn ten_steps_of_every_variant_on_wgpu_equal_those_on_the_cpu() {
    let Some(gpu) = testing::gpu() else { return };
    for variant in Variant::ALL {
        let spec = spec(*variant);
        let begun = Instant::now();
        let helped = steps((&spec, 10), &gpu, |_| {});
        let helped = helped.unwrap_or_else(|why| panic!("{variant}: {why}"));
        let helps = matches!(variant, Variant::TopK | Variant::MutualChoice);
        assert!(!helps || helped > 0, "{variant}: AuxK had nothing to do");
        println!(
            "{variant}: ten steps equal, {:.1} s",
            begun.elapsed().as_secs_f64()
        );
    }
    // A bias that differs is noticed.
    let spoil = |trainer: &mut Trainer| trainer.b_dec.value.values_mut()[0] += 0.05;
    assert!(steps((&spec(Variant::TopK), 1), &gpu, spoil).is_err());
}

#[test]
fn settings_of_a_step_on_wgpu_equal_those_on_the_cpu() {
    let Some(gpu) = testing::gpu() else { return };
    let of = |variant, change: &dyn Fn(&mut Spec)| {
        let mut spec = spec(variant);
        change(&mut spec);
        spec
    };
    let cases = [
        ("clip", of(Variant::TopK, &|spec| spec.clip = 1e-3)),
        ("lazy", of(Variant::TopK, &|spec| spec.adam = Adam::Lazy)),
        (
            "free rows",
            of(Variant::BatchTopK, &|spec| spec.decoder = Decoder::Free),
        ),
        ("average", of(Variant::TopK, &|spec| spec.ema = 0.9)),
        ("multi", of(Variant::TopK, &|spec| spec.multi_topk = true)),
        (
            "warm-up",
            of(Variant::TopK, &|spec| {
                (spec.k_warmup, spec.k_start) = (0.5, Some(40));
            }),
        ),
        (
            "scores",
            of(Variant::Gradient, &|spec| {
                spec.gradient_values = crate::sae::GradientValues::Scores;
            }),
        ),
        (
            "micro-batches",
            of(Variant::Relu, &|spec| spec.micro_batch = Some(96)),
        ),
        (
            "target",
            of(Variant::JumpRelu, &|spec| {
                spec.sparsity_penalty = crate::sae::SparsityPenalty::Target;
            }),
        ),
        (
            "target in parts",
            of(Variant::JumpRelu, &|spec| {
                spec.sparsity_penalty = crate::sae::SparsityPenalty::Target;
                spec.micro_batch = Some(100);
            }),
        ),
        (
            "tanh",
            of(Variant::JumpRelu, &|spec| {
                spec.sparsity_penalty = crate::sae::SparsityPenalty::Tanh;
            }),
        ),
        (
            "many helped",
            of(Variant::TopK, &|spec| {
                (spec.dead_after, spec.k_aux) = (Some(1), Some(520));
            }),
        ),
        (
            "transcoder",
            of(Variant::BatchTopK, &|spec| spec.transcodes = true),
        ),
        (
            "skip",
            of(Variant::BatchTopK, &|spec| {
                (spec.transcodes, spec.skip) = (true, true);
            }),
        ),
    ];
    for (name, spec) in cases {
        let taken = steps((&spec, 3), &gpu, |_| {});
        taken.unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// Values of the whole state.
fn state(trainer: &mut Trainer) -> Vec<(String, Vec<f32>)> {
    trainer.pull().unwrap();
    let mut all = crate::train::tests::variants::Peek::default();
    trainer.state(&mut all).unwrap();
    all.read.into_iter().collect()
}

#[test]
fn two_runs_on_wgpu_give_the_same_bytes_whatever_the_buffers() {
    let Some(gpu) = testing::gpu() else { return };
    let small = gpu.with_binding_limit(256 * D as u64 * 4);
    for variant in [Variant::TopK, Variant::JumpRelu] {
        let spec = spec(variant);
        let all = activations(&spec, 3);
        let run = |gpu: &Gpu| {
            let mut trainer = begin(&spec, &all, &Compute::Gpu(gpu.clone()));
            for at in 0..3 {
                step(&mut trainer, &all, at);
            }
            assert_eq!(trainer.take_fault(), None);
            state(&mut trainer)
        };
        let first = run(&gpu);
        assert_eq!(first, run(&gpu), "{variant}");
        if variant == Variant::TopK {
            assert_eq!(first, run(&small), "{variant} in small buffers");
        }
    }
}

/// Fraction of variance unexplained of activations that were not trained on.
fn held_out(trainer: &mut Trainer, held: &Matrix) -> f64 {
    trainer.pull().unwrap();
    let sae = trainer.sae();
    let x = Matrix::new(
        held.rows(),
        D,
        held.iter_rows().flat_map(|row| row[..D].to_vec()).collect(),
    )
    .unwrap();
    let written = sae.decode(&sae.encode(&x).unwrap(), &x).unwrap();
    let mut means = vec![0.0; D];
    for row in x.iter_rows() {
        for (mean, value) in means.iter_mut().zip(row) {
            *mean += f64::from(*value) / x.rows() as f64;
        }
    }
    let (mut left, mut spread) = (0.0, 0.0);
    for (x, y) in x.iter_rows().zip(written.iter_rows()) {
        for ((x, y), mean) in x.iter().zip(y).zip(&means) {
            left += (f64::from(*x) - f64::from(*y)).powi(2);
            spread += (f64::from(*x) - mean).powi(2);
        }
    }
    left / spread
}

/// The variants and steps of the comparison over a whole run: a short one, since a software adapter is slow, and with `LONG_TESTS=1` all of 200 steps.
fn runs() -> (&'static [Variant], usize) {
    if std::env::var_os("LONG_TESTS").is_none_or(|value| value != "1") {
        return (&[Variant::TopK], 20);
    }
    let all = &[
        Variant::TopK,
        Variant::MutualChoice,
        Variant::FeatureChoice,
        Variant::JumpRelu,
        Variant::Gradient,
    ];
    (all, 200)
}

#[test]
fn held_out_error_of_a_run_on_wgpu_is_that_of_the_cpu() {
    let Some(gpu) = testing::gpu() else { return };
    let (variants, steps) = runs();
    for variant in variants {
        let spec = spec(*variant);
        let all = activations(&spec, steps + 4);
        let first = (steps * N) as u32;
        let held: Vec<u32> = (first..first + 4 * N as u32).collect();
        let held = all.rows_of(&held);
        let mut nudged = all.clone();
        for (i, x) in nudged.values_mut().iter_mut().enumerate() {
            *x *= 1.0 + if i % 2 == 0 { 1e-7 } else { -1e-7 };
        }
        let run = |all: &Matrix, compute: &Compute| {
            let mut trainer = begin(&spec, all, compute);
            for at in 0..steps {
                step(&mut trainer, all, at);
            }
            assert_eq!(trainer.take_fault(), None);
            held_out(&mut trainer, &held)
        };
        let ours = run(&all, &Compute::Cpu);
        let spread = (run(&nudged, &Compute::Cpu) - ours).abs();
        let begun = Instant::now();
        let theirs = run(&all, &Compute::Gpu(gpu.clone()));
        let off = (theirs - ours).abs();
        println!(
            "{variant}, {steps} steps: held-out FVU {ours:.6} on the CPU, {theirs:.6} on {}, off by {:.1e}, the CPU's own spread {:.1e}; {:.1} s",
            gpu.label(),
            off / ours,
            spread / ours,
            begun.elapsed().as_secs_f64()
        );
        assert!(off <= 1e-3 * ours || off <= 2.0 * spread, "{variant}");
        assert!(ours < 0.95, "{variant} learnt nothing: {ours}");
    }
}
