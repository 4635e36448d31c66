//! Centring on wgpu against its definition, with what stands beside the activations, in every split.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::gpu::centre;
use super::reference;
use crate::device::{Gpu, Table, testing};
use crate::dims::Matrix;
use crate::kernels::encode::cases::uneven;
use crate::kernels::sums;

/// Values off by more than two roundings.
fn check(got: &[f32], x: &Matrix, (at, less, scale): (usize, &[f32], f32)) -> Result<(), String> {
    let want = reference::centre(x, at, less, scale);
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(&want).enumerate() {
        let less = f64::from(less[i % less.len()]);
        let size = (want + less).abs() + less.abs();
        let off = (f64::from(*got) - want).abs();
        if off.is_nan() || off > size / f64::from(1 << 23) {
            return Err(format!("value {i} is {got}, should be {want}"));
        }
    }
    Ok(())
}

#[test]
fn centring_on_wgpu_is_its_definition() {
    let Some(gpu) = testing::gpu() else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for (n, d, wide, at) in [
        (1, 5, 5, 0),
        (300, 70, 70, 0),
        (130, 30, 75, 45),
        (0, 4, 4, 0),
    ] {
        let x = uneven(&mut rng, n, wide);
        let less = uneven(&mut rng, 1, d).into_values();
        let by = |gpu: &Gpu| {
            let table = Table::upload(gpu, "x", &x).unwrap();
            let on_device = gpu.upload("less", &less).unwrap();
            let centred = centre(gpu, (&table, at), &on_device, 0.37).unwrap();
            let mut values = Matrix::zeros(n, d);
            centred.values.read(gpu, &mut values).unwrap();
            (values, centred.pending.sums(gpu).unwrap())
        };
        let (got, of_rows) = by(&gpu);
        check(got.values(), &x, (at, &less, 0.37)).unwrap();
        let (squared, columns, _) = sums::reference::sums(&got);
        assert!((of_rows.squared - squared).abs() <= 1e-5 * squared);
        for (got, want) in of_rows.columns.iter().zip(&columns) {
            assert!((got - want).abs() <= 1e-5 * squared.max(1.0));
        }
        // The table is wider than the result, so that their blocks differ.
        let split = gpu.with_binding_limit(4 * 128 * wide as u64);
        assert_eq!(by(&split), (got.clone(), of_rows), "{n} rows, split");
        let mut nudged = got.into_values();
        if let Some(value) = nudged.last_mut() {
            *value += 1e-4 * (1.0 + value.abs());
            assert!(check(&nudged, &x, (at, &less, 0.37)).is_err());
        }
    }
}
