//! The flag on a device, for every kind of value that is not finite, wherever it stands.

use super::gpu::not_finite;
use super::reference::finite;
use crate::device::testing::gpu;
use crate::device::{Gpu, Table};
use crate::dims::Matrix;

fn flag(gpu: &Gpu, matrix: &Matrix) -> bool {
    let table = Table::upload(gpu, "values", matrix).unwrap();
    let flag = gpu.zeros("a flag", 1).unwrap();
    let mut recorder = gpu.record();
    not_finite(&mut recorder, &table, &flag).unwrap();
    recorder.submit().unwrap();
    gpu.read::<u32>(&flag, 0..1).unwrap() != [0]
}

#[test]
fn one_value_that_is_not_finite_is_found_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let small = gpu.with_binding_limit(256 * 5 * 4);
    let (rows, columns) = (1_000, 5);
    let extreme = [f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-42, -0.0];
    let all: Vec<f32> = extreme
        .iter()
        .copied()
        .cycle()
        .take(rows * columns)
        .collect();
    let whole = Matrix::new(rows, columns, all).unwrap();
    let empty = Matrix::zeros(0, columns);
    for gpu in [&gpu, &small] {
        assert!(finite(whole.values()) && !flag(gpu, &whole));
        assert!(!flag(gpu, &empty));
        for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in [0, 4_095, 4_096, rows * columns - 1] {
                let mut broken = whole.clone();
                broken.values_mut()[at] = value;
                assert!(
                    !finite(broken.values()) && flag(gpu, &broken),
                    "{value} at {at}"
                );
            }
        }
    }
}
