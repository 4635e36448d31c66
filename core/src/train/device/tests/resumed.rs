//! Runs that go on on another device: checkpoints are the same file on every device.

use crate::Flow;
use crate::device::{Compute, testing};
use crate::sae::{Provenance, Variant};
use crate::train::buffer::Source as _;
use crate::train::run::Run;
use crate::train::tests::runs::Planted;
use crate::train::{Event, Keeping, Outcome};

const STEPS: u64 = 12;

/// Trains on a planted dictionary until `stop` steps are taken.
fn train(variant: Variant, keeping: &Keeping, compute: &Compute, stop: u64) -> Outcome {
    let mut spec = super::spec(variant);
    spec.tokens = STEPS * super::N as u64;
    spec.buffer = 2_000;
    // So few that not all of them start anew at once, which would count as divergence.
    spec.features = 96;
    // After the fourth step some features start anew.
    spec.resample_every = Some(4);
    let mut source = Planted::new(128, super::D);
    source.paired = variant == Variant::Gradient;
    let mut observe = |event| match event {
        Event::Progress(at) if at.step >= stop => Flow::Break(()),
        Event::Fault(fault) => panic!("{fault}"),
        _ => Flow::Continue(()),
    };
    Run::new(&spec, usize::MAX, source.width(), Provenance::default())
        .keeping(keeping.clone())
        .on(compute)
        .finish(&mut source, &mut observe)
        .unwrap()
        .into_value()
}

/// Names and shapes of a checkpoint's tensors.
fn listed(folder: &std::path::Path) -> Vec<(String, Vec<usize>)> {
    let bytes = std::fs::read(folder.join("checkpoint/state.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<_> = (file.tensors().into_iter())
        .map(|(name, view)| (name, view.shape().to_vec()))
        .collect();
    all.sort();
    all
}

#[test]
fn a_run_goes_on_on_another_device_than_wgpu_and_the_other_way() {
    let Some(gpu) = testing::gpu() else { return };
    let [cpu, gpu] = [Compute::Cpu, Compute::Gpu(gpu)];
    for variant in [Variant::TopK, Variant::JumpRelu] {
        let whole = train(variant, &Keeping::default(), &cpu, u64::MAX).last;
        let mut lists = Vec::new();
        for (first, second) in [(&cpu, &gpu), (&gpu, &cpu)] {
            let folder = tempfile::tempdir().unwrap();
            let mut keeping = Keeping {
                folder: Some(folder.path().to_owned()),
                ..Keeping::default()
            };
            train(variant, &keeping, first, STEPS / 2);
            lists.push(listed(folder.path()));
            keeping.resume = true;
            let ended = train(variant, &keeping, second, u64::MAX).last;
            assert_eq!((ended.step, ended.tokens_seen), (STEPS, whole.tokens_seen));
            let off = (ended.fvu - whole.fvu).abs() / whole.fvu;
            assert!(
                off < 1e-3,
                "{variant} from {} to {}: {} and {}",
                first.id(),
                second.id(),
                ended.fvu,
                whole.fvu
            );
        }
        assert!(
            lists
                .iter()
                .all(|list| *list == lists[0] && !list.is_empty())
        );
        // A run that stopped earlier is not as good.
        let short = train(variant, &Keeping::default(), &cpu, STEPS / 2).last;
        assert!((short.fvu - whole.fvu).abs() / whole.fvu > 1e-3);
    }
}
