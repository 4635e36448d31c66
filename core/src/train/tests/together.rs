//! Several dictionaries out of one pass beside each alone.

use super::stores::{captured_at, model_and_rows};
use crate::Flow;
use crate::device::Compute;
use crate::ids::{HookPoint, Site};
use crate::progress::Ended;
use crate::sae::Variant;
use crate::store::Dtype;
use crate::train::buffer::Source as _;
use crate::train::stream::{Origin, Shared, Stream};
use crate::train::{Event, Keeping, Outcome, Spec, run, run_several, run_several_from_store};

fn spec(hook: HookPoint, variant: Variant, k: usize) -> Spec {
    let mut spec = Spec::default_for(hook);
    (spec.features, spec.k, spec.tokens) = (64, k, 2_000);
    (spec.batch, spec.buffer, spec.variant) = (128, 500, variant);
    spec
}

/// Hooks, variants and widths that have little in common.
fn specs() -> Vec<Spec> {
    let z = HookPoint::block(1, Site::Z);
    let residual = HookPoint::block(2, Site::ResidPost);
    let mut wide = spec(z, Variant::BatchTopK, 6);
    wide.features = 96;
    let mut transcoder = spec(HookPoint::block(1, Site::ResidMid), Variant::Relu, 4);
    transcoder.transcodes = true;
    vec![
        spec(z, Variant::TopK, 4),
        wide,
        spec(residual, Variant::Gradient, 4),
        transcoder,
    ]
}

fn go_on(_: usize, _: Event) -> Flow {
    Flow::Continue(())
}

#[test]
fn each_becomes_what_it_would_alone() {
    let (model, rows) = model_and_rows();
    let specs = specs();
    let runs: Vec<_> = (specs.iter())
        .map(|spec| (spec.clone(), Keeping::default()))
        .collect();
    let together = run_several(&runs, &model, &rows, &Compute::Cpu, &mut go_on).unwrap();
    assert_eq!(together.len(), specs.len());
    for (spec, outcome) in specs.iter().zip(together) {
        let mut observe = |_| Flow::Continue(());
        let alone = run(spec, &model, &rows, &Keeping::default(), &mut observe).unwrap();
        assert_eq!(
            outcome.unwrap().value().sae,
            alone.value().sae,
            "{}",
            spec.variant
        );
    }
}

#[test]
fn a_store_gives_the_same() {
    let both = model_and_rows();
    let runs: Vec<_> = (specs().into_iter().take(3))
        .map(|spec| (spec, Keeping::default()))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let hooks = [runs[0].0.hook, runs[2].0.hook];
    let store = captured_at(folder.path(), &both, &hooks, (Dtype::F32, true));
    let saes = |outcomes: Vec<crate::error::Result<Ended<Outcome, Outcome>>>| -> Vec<_> {
        outcomes
            .into_iter()
            .map(|one| one.unwrap().into_value().sae)
            .collect()
    };
    let stored = run_several_from_store(&runs, &store, &Compute::Cpu, &mut go_on).unwrap();
    let streamed = run_several(&runs, &both.0, &both.1, &Compute::Cpu, &mut go_on).unwrap();
    assert_eq!(saes(stored), saes(streamed));
}

#[test]
fn what_one_stream_reads_the_others_are_given() {
    let (model, rows) = model_and_rows();
    let from = Origin::Model(&model, &rows);
    let z = HookPoint::block(1, Site::Z);
    let stream = |seed: u64| Stream::new(from, z, seed).unwrap();
    let wants = vec![stream(0).wants(); 3];
    let shared = Shared::new(from, &wants, 500);
    let mut streams = [0, 0, 0].map(|seed| stream(seed).together(Some(&shared)));
    let mut alone = stream(0);
    for _ in 0..3 {
        let own = alone.next(&mut |_| {}).unwrap();
        for (i, stream) in streams.iter_mut().enumerate() {
            assert_eq!(stream.next(&mut |_| {}).unwrap(), own);
            // Had it been read again, two pieces would wait.
            assert_eq!(shared.waiting(), usize::from(i < 2));
        }
    }
}

#[test]
fn a_stopped_run_goes_on_beside_the_others_and_one_that_fails_ends_alone() {
    let (model, rows) = model_and_rows();
    let folder = tempfile::tempdir().unwrap();
    let mut specs = specs();
    specs.truncate(2);
    let runs = |resume: bool| -> Vec<_> {
        let keeping = |i: usize| Keeping {
            folder: Some(folder.path().join(i.to_string())),
            resume,
            ..Keeping::default()
        };
        let numbered = specs.iter().cloned().enumerate();
        numbered.map(|(i, spec)| (spec, keeping(i))).collect()
    };
    let mut stop = |_: usize, event: Event| match event {
        Event::Progress(at) if at.step >= 5 => Flow::Break(()),
        _ => Flow::Continue(()),
    };
    let stopped = run_several(&runs(false), &model, &rows, &Compute::Cpu, &mut stop).unwrap();
    assert!(stopped.iter().all(|one| one.as_ref().unwrap().is_stopped()));
    let ended = run_several(&runs(true), &model, &rows, &Compute::Cpu, &mut go_on).unwrap();
    for (spec, outcome) in specs.iter().zip(ended) {
        let mut observe = |_| Flow::Continue(());
        let alone = run(spec, &model, &rows, &Keeping::default(), &mut observe).unwrap();
        assert_eq!(
            outcome.unwrap().value().sae,
            alone.value().sae,
            "{}",
            spec.variant
        );
    }
    // No checkpoint is left for the first, and the second trains all the same.
    let mut runs = runs(true);
    runs[0].1.discard().unwrap();
    runs[1].1.resume = false;
    let outcomes = run_several(&runs, &model, &rows, &Compute::Cpu, &mut go_on).unwrap();
    assert!(outcomes[0].is_err() && outcomes[1].is_ok());
}

#[test]
fn what_cannot_be_read_together_is_refused_by_name() {
    let (model, rows) = model_and_rows();
    for (key, value) in [
        ("seed", "1"),
        ("batch", "64"),
        ("tokens", "1000"),
        ("buffer", "600"),
    ] {
        let mut other = specs().swap_remove(1);
        other.set(key, value).unwrap();
        let runs = [specs().swap_remove(0), other].map(|spec| (spec, Keeping::default()));
        let said = run_several(&runs, &model, &rows, &Compute::Cpu, &mut go_on).unwrap_err();
        let said = said.to_string();
        assert!(said.starts_with(key) && said.contains(value), "{said}");
    }
}
