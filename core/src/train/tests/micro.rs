//! Steps in micro-batches against the same steps of whole batches.

use super::runs::{Planted, go_on, short, train};
use super::variants::Peek;
use crate::dims::Matrix;
use crate::ids::{HookPoint, Site};
use crate::sae::{SparsityPenalty, Variant};
use crate::train::buffer::Source as _;
use crate::train::micro::choose;
use crate::train::report::Report;
use crate::train::step::{Batch, Trainer};
use crate::train::{Decoder, Spec};

const N: usize = 200;
const D: usize = 24;

fn cases() -> Vec<Spec> {
    let of = |variant, penalty, decoder| {
        let mut spec = short(variant);
        (spec.sparsity_penalty, spec.decoder) = (penalty, decoder);
        (spec.sparsity_warmup, spec.clip, spec.initial_threshold) = (0.0, 1e-3, 0.5);
        spec
    };
    let mut transcoder = of(Variant::Relu, SparsityPenalty::Step, Decoder::Free);
    transcoder.hook = HookPoint::block(0, Site::MlpIn);
    (transcoder.transcodes, transcoder.skip) = (true, true);
    vec![
        of(Variant::Relu, SparsityPenalty::Step, Decoder::Unit),
        of(Variant::Relu, SparsityPenalty::Step, Decoder::Free),
        of(Variant::Gated, SparsityPenalty::Step, Decoder::Unit),
        of(Variant::JumpRelu, SparsityPenalty::Step, Decoder::Unit),
        of(Variant::JumpRelu, SparsityPenalty::Tanh, Decoder::Free),
        of(Variant::JumpRelu, SparsityPenalty::Target, Decoder::Unit),
        transcoder,
    ]
}

/// Everything after a step on the first rows of `sample`, `micro_batch` at a time.
fn stepped(spec: &Spec, sample: &Matrix, micro_batch: usize) -> (Peek, Report) {
    let mut trainer = Trainer::new(spec, sample).unwrap();
    trainer.micro_batch = micro_batch;
    trainer.measure(true);
    let rows: Vec<u32> = (0..N as u32).collect();
    let batch = Batch {
        from: sample,
        rows: &rows,
    };
    let report = trainer.step(batch, 1e-3).unwrap();
    let mut peek = Peek::default();
    trainer.state(&mut peek).unwrap();
    (peek, report)
}

#[test]
fn a_step_in_micro_batches_has_the_gradients_of_the_whole_batch() {
    let mut source = Planted::new(60, D);
    let one = source.next(&mut |_| {}).unwrap();
    let other = source.next(&mut |_| {}).unwrap();
    let both = one.iter_rows().zip(other.iter_rows());
    let both: Vec<f32> = both.flat_map(|(a, b)| a.iter().chain(b).copied()).collect();
    let both = Matrix::new(one.rows(), 2 * D, both).unwrap();
    for spec in cases() {
        let sample = if spec.transcodes { &both } else { &one };
        let said = format!("{} {} {}", spec.kind(), spec.sparsity_penalty, spec.decoder);
        let (whole, whole_report) = stepped(&spec, sample, 0);
        // 200 = 5 · 37 + 15.
        let (parts, report) = stepped(&spec, sample, 37);
        for (name, whole) in &whole.read {
            let Some((_, "m")) = name.rsplit_once('.') else {
                continue;
            };
            let largest = whole.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            assert!(largest > 0.0 || name.contains("b_enc"), "{said} {name}");
            for (a, b) in whole.iter().zip(&parts.read[name]) {
                // Sums of up to 200 terms in another order.
                assert!((a - b).abs() <= 2e-5 * largest, "{said} {name} {a} {b}");
            }
        }
        for (a, b) in [
            (whole_report.loss, report.loss),
            (whole_report.squared, report.squared),
            (whole_report.variance, report.variance),
            (
                whole_report.gradient_norm.unwrap(),
                report.gradient_norm.unwrap(),
            ),
        ] {
            assert!((a / b - 1.0).abs() < 1e-5, "{said} {a} {b}");
        }
        assert_eq!(
            (whole_report.active, whole_report.tokens),
            (report.active, N)
        );
        assert!(report.clipped && whole_report.clipped, "{said}");
        assert_eq!(
            whole_report.inference.map(|(n, _)| n),
            report.inference.map(|(n, _)| n)
        );
    }
}

#[test]
fn a_run_in_micro_batches_learns_the_same() {
    for variant in [Variant::Relu, Variant::JumpRelu] {
        let mut spec = short(variant);
        let whole = train(&spec, &mut Planted::new(60, D), &mut go_on).unwrap();
        spec.micro_batch = Some(50);
        let parts = train(&spec, &mut Planted::new(60, D), &mut go_on).unwrap();
        assert!(whole.sae != parts.sae, "the order of sums differs");
        let (a, b) = (whole.last.fvu, parts.last.fvu);
        assert!((a / b - 1.0).abs() < 0.02, "{variant} {a} {b}");
    }
}

#[test]
fn codes_that_would_fill_the_memory_are_computed_in_parts_and_it_is_said() {
    let mut spec = short(Variant::Relu);
    (spec.features, spec.batch) = (1 << 17, 4_096);
    // 44 bytes of 65,536 pairs of 4,096 tokens are 11.8 GB.
    let (all, note) = choose(&spec, Some(64 << 30), None);
    assert_eq!((all, note), (0, None));
    let (tokens, note) = choose(&spec, Some(8 << 30), None);
    assert_eq!(tokens, 1_024);
    let note = note.unwrap();
    assert!(note.contains("may take 11264 MB of 8192 MB"), "{note}");
    assert!(note.contains("micro-batches of 1024"), "{note}");
    assert_eq!(choose(&spec, None, None).0, 0);
    spec.micro_batch = Some(300);
    assert_eq!(choose(&spec, Some(1), None).0, 300);
    spec.variant = Variant::TopK;
    assert_eq!(choose(&spec, Some(1), None).0, 0);
}
