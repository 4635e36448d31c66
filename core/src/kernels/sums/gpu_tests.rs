//! Sums on wgpu within the bounds that the header states.

use super::cases;
use super::gpu::{ROWS, Sums, rows, total};
use super::reference::sums;
use crate::device::{Gpu, Table, testing};
use crate::dims::Matrix;
use crate::kernels::pending::read;

/// Unit roundoff of f32.
const U: f64 = 1.0 / (1_u64 << 24) as f64;

fn by_device(gpu: &Gpu, x: &Matrix) -> Sums {
    let table = Table::upload(gpu, "x", x).unwrap();
    let mut recorder = gpu.record();
    let pending = rows(&mut recorder, &table).unwrap();
    recorder.submit().unwrap();
    pending.sums(gpu).unwrap()
}

/// Σ‖x − mean‖², as training takes it from sums.
fn about_mean(sums: &Sums, n: usize) -> f64 {
    let mean: f64 = sums.columns.iter().map(|sum| sum * sum).sum();
    (sums.squared - mean / n.max(1) as f64).max(0.0)
}

/// Compares sums with their definition by the bounds of the header.
fn check(x: &Matrix, got: &Sums) -> Result<(), String> {
    let (squared, columns, spread) = sums(x);
    let n = x.rows().max(1) as f64;
    let mut bound = (28.0 * U * squared, 28.0 * U * spread);
    for (c, want) in columns.iter().enumerate() {
        let values = || (0..x.rows()).map(|r| f64::from(x.row(r)[c]));
        let size: f64 = values().map(f64::abs).sum();
        let off = (got.columns[c] - want).abs();
        if off.is_nan() || off > 19.0 * U * size + 1e-13 * size {
            return Err(format!(
                "column {c} is {}, should be {want}",
                got.columns[c]
            ));
        }
        for first in (0..x.rows()).step_by(ROWS) {
            let block: Vec<f64> = values().skip(first).take(ROWS).collect();
            let mean = block.iter().sum::<f64>() / block.len() as f64;
            let size: f64 = block.iter().map(|v| v.abs()).sum();
            bound.0 += 38.0 * U * size * mean.abs();
            bound.1 += 38.0 * U * size * (mean - want / n).abs();
            bound.1 += block.len() as f64 * (20.0 * U * size / block.len() as f64).powi(2);
        }
    }
    let pairs = [
        ("squared", got.squared, squared, bound.0),
        ("spread", about_mean(got, x.rows()), spread, bound.1),
    ];
    for (name, got, want, bound) in pairs {
        let off = (got - want).abs();
        if off.is_nan() || off > bound + 1e-12 * squared {
            return Err(format!("{name} is {got}, should be {want} ± {bound}"));
        }
    }
    Ok(())
}

#[test]
fn sums_on_wgpu_stay_within_their_bounds() {
    let Some(gpu) = testing::gpu() else { return };
    for (name, x) in cases::all() {
        let got = by_device(&gpu, &x);
        check(&x, &got).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(got, by_device(&gpu, &x), "{name}: a second run differs");
        let split = gpu.with_binding_limit((4 * ROWS * x.columns()) as u64);
        if x.rows() > ROWS {
            assert!(Table::upload(&split, "x", &x).unwrap().blocks().count() > 1);
        }
        assert_eq!(got, by_device(&split, &x), "{name}: split, they differ");
        if x.rows() == 0 {
            continue;
        }
        let mut nudged = got.clone();
        nudged.columns[0] += 1e-4 * x.rows() as f64 * (1.0 + nudged.columns[0].abs());
        assert!(check(&x, &nudged).is_err(), "{name}: a nudged sum passed");
        let mut nudged = got;
        nudged.squared *= 1.0 + 1e-2;
        assert!(
            check(&x, &nudged).is_err(),
            "{name}: a nudged square passed"
        );
    }
}

#[test]
fn plain_sums_in_f32_would_lose_the_spread() {
    let (_, x) = cases::all().swap_remove(5);
    let mut plain = (0.0_f32, vec![0.0_f32; x.columns()]);
    for row in x.iter_rows() {
        for (sum, value) in plain.1.iter_mut().zip(row) {
            *sum += value;
            plain.0 += value * value;
        }
    }
    let plain = Sums {
        squared: f64::from(plain.0),
        columns: plain.1.into_iter().map(f64::from).collect(),
    };
    assert!(check(&x, &plain).is_err());
    let (_, _, spread) = sums(&x);
    assert!((about_mean(&plain, x.rows()) - spread).abs() > 0.1 * spread);
}

#[test]
fn totals_on_wgpu_stay_within_their_bound() {
    let Some(gpu) = testing::gpu() else { return };
    for len in [0, 1, 255, 4_096, 9_001] {
        let values: Vec<f32> = (0..len)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.37)
            .collect();
        let want: f64 = values.iter().map(|v| f64::from(*v)).sum();
        let size: f64 = values.iter().map(|v| f64::from(v.abs())).sum();
        // The buffer is longer than what is summed.
        let longer: Vec<f32> = values.iter().copied().chain([1e6; 300]).collect();
        let buffer = gpu.upload("values", &longer).unwrap();
        let by_device = || {
            let mut recorder = gpu.record();
            let total = total(&mut recorder, &buffer, len).unwrap();
            recorder.submit().unwrap();
            read(&gpu, &total).unwrap()
        };
        let got = by_device();
        let passes = |got: f64| (got - want).abs() <= 24.0 * U * size;
        assert!(passes(got), "{len}: {got}, should be {want}");
        assert!(
            !passes(got + 1e-3 * (1.0 + size)),
            "{len}: a nudged total passed"
        );
        assert_eq!(got, by_device());
    }
}
