//! Devices that fail in the middle of a run: it goes on on the CPU from the host's copy, to the bytes of a run on the CPU.

use super::{activations, begin, spec, state, step};
use crate::device::{Adapter, Compute, Gpu, testing};
use crate::sae::Variant;
use crate::train::step::Trainer;

/// A device of its own, which may be ruined.
fn own(shared: &Gpu) -> Gpu {
    let all = Adapter::all();
    let same = all.iter().find(|adapter| adapter.id == shared.id());
    same.unwrap().open().unwrap()
}

/// Takes six steps, with `ruin` after the third; returns the state and the sentence.
fn run(
    variant: Variant,
    compute: &Compute,
    ruin: impl Fn(&mut Trainer),
) -> (State, Option<String>) {
    let spec = spec(variant);
    let all = activations(&spec, 6);
    let mut trainer = begin(&spec, &all, compute);
    for at in 0..6 {
        if at == 3 {
            ruin(&mut trainer);
        }
        step(&mut trainer, &all, at);
    }
    let state = state(&mut trainer);
    (state, trainer.take_fault())
}

type State = Vec<(String, Vec<f32>)>;

#[test]
fn a_device_that_is_lost_on_wgpu_leaves_the_run_to_the_cpu() {
    let Some(shared) = testing::gpu() else { return };
    let (want, none) = run(Variant::MutualChoice, &Compute::Cpu, |_| {});
    assert_eq!(none, None);
    let gpu = own(&shared);
    let (got, fault) = run(Variant::MutualChoice, &Compute::Gpu(gpu.clone()), |_| {
        gpu.give_up("was unplugged");
    });
    let said = fault.unwrap();
    assert!(
        said.contains("was unplugged") && said.contains("after step 0") && said.contains("4 steps"),
        "{said}"
    );
    assert_eq!(got, want);
    // The comparison can fail.
    let (whole, _) = run(Variant::MutualChoice, &Compute::Gpu(shared), |_| {});
    assert_ne!(whole, want);
}

#[test]
fn a_device_that_is_lost_on_wgpu_before_a_checkpoint_leaves_the_run_to_the_cpu() {
    let Some(shared) = testing::gpu() else { return };
    let (want, _) = run(Variant::TopK, &Compute::Cpu, |_| {});
    let gpu = own(&shared);
    let (got, fault) = run(Variant::TopK, &Compute::Gpu(gpu.clone()), |trainer| {
        gpu.give_up("was unplugged");
        trainer.pull().unwrap();
        assert!(trainer.device.is_none());
    });
    assert!(fault.unwrap().contains("3 steps"));
    assert_eq!(got, want);
}

#[test]
fn a_number_that_is_not_one_on_wgpu_is_found_within_a_step() {
    let Some(gpu) = testing::gpu() else { return };
    let (want, _) = run(Variant::TopK, &Compute::Cpu, |_| {});
    let nan = [f32::NAN; super::D];
    let good = [0.1; super::D];
    // In the encoder it is found in the step itself; a decoder row that is not used, after it.
    for (rows, steps) in [((&nan, &good), "4 steps"), ((&good, &nan), "steps")] {
        let (got, fault) = run(Variant::TopK, &Compute::Gpu(gpu.clone()), |trainer| {
            let device = trainer.device.as_ref().unwrap();
            device.features.restart(7, rows.0, rows.1);
        });
        let said = fault.unwrap();
        assert!(said.contains("finite") && said.contains(steps), "{said}");
        assert!(
            said.contains("4 steps") || said.contains("5 steps"),
            "{said}"
        );
        assert_eq!(got, want);
    }
}
