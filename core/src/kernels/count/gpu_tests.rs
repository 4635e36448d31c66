//! Counting on wgpu: exactly the definition.

use super::gpu::Counts;
use super::reference;
use crate::device::{Gpu, testing};
use crate::kernels::codes::Codes;
use crate::kernels::pending::read;
use crate::kernels::sparse_decode::cases;
use crate::latents::Latents;

fn counted(gpu: &Gpu, latents: &Latents, features: usize) -> (Vec<u32>, u32) {
    let counts = Counts::zeros(gpu, features).unwrap();
    let codes = Codes::upload(gpu, latents).unwrap();
    counts.add(gpu, &codes).unwrap();
    read(gpu, &counts).unwrap()
}

#[test]
fn counts_on_wgpu_are_their_definition() {
    let Some(gpu) = testing::gpu() else { return };
    for mut case in cases::all() {
        // Zeros of both signs are not active, denormals are.
        for (act, value) in case
            .latents
            .acts
            .iter_mut()
            .step_by(3)
            .zip([0.0, -0.0, 1e-40])
        {
            *act = value;
        }
        let want = reference::count(&case.latents, case.w_dec.rows());
        let (got, active) = counted(&gpu, &case.latents, want.len());
        assert_eq!(got, want, "{}", case.name);
        assert_eq!(active, want.iter().sum::<u32>(), "{}", case.name);
        if let Some(act) = case.latents.acts.last_mut() {
            *act = if *act == 0.0 { 1.0 } else { 0.0 };
            assert_ne!(counted(&gpu, &case.latents, want.len()).0, want);
        }
    }
}

#[test]
fn counts_on_wgpu_add_up_over_parts_and_one_hot_feature() {
    let Some(gpu) = testing::gpu() else { return };
    let mut latents = Latents::default();
    for _ in 0..3_000 {
        latents.push_row(&[5], &[1.0]);
    }
    let codes = Codes::upload(&gpu, &latents).unwrap();
    let counts = Counts::zeros(&gpu, 9).unwrap();
    counts.add(&gpu, &codes).unwrap();
    counts.add(&gpu, &codes).unwrap();
    let (got, active) = read(&gpu, &counts).unwrap();
    assert_eq!(got, [0, 0, 0, 0, 0, 6_000, 0, 0, 0]);
    assert_eq!(active, 6_000);
}
