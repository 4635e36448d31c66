//! Compares the fit with an L1 penalty with the conditions of its minimum.

use super::{Columns, Examples, strongest};
use crate::ids::FeatureId;
use crate::latents::Latents;

const FEATURES: usize = 12;

/// Codes of 60 rows, of which the first feature tells the class, the second half as well.
fn codes() -> (Latents, Vec<bool>) {
    let is_of: Vec<bool> = (0..60).map(|i| (i * 7) % 5 < 2).collect();
    let row = |i: usize| {
        let act = |f: usize| {
            let noise = ((i * 31 + f * 17 + i * f) % 23) as f32 / 23.0;
            match f {
                0 if is_of[i] => 5.0 + 3.0 * noise,
                1 if is_of[i] && i.is_multiple_of(2) => 2.0 + noise,
                2 if !is_of[i] => 20.0 * noise,
                11 => 0.0,
                _ => (noise - 0.4).max(0.0),
            }
        };
        let all = (0..FEATURES).map(|f| (FeatureId::from(f), act(f)));
        all.filter(|(_, act)| *act != 0.0).collect()
    };
    let rows: Vec<Vec<(FeatureId, f32)>> = (0..60).map(row).collect();
    (Latents::from_unsorted(&rows).unwrap(), is_of)
}

#[test]
fn a_sparse_fit_meets_the_conditions_of_its_minimum() {
    let (codes, is_of) = codes();
    let rows: Vec<usize> = (0..60).collect();
    let columns = Columns::new(&codes, &rows, FEATURES);
    for penalty in [0.3, 0.02, 0.002] {
        let weights = columns
            .fitted(Examples {
                x: &[],
                width: 0,
                is_of: &is_of,
                weights: [1.5, 1.0],
                penalty,
            })
            .unwrap();
        let score = |i: usize, bias: f64| {
            let products = codes
                .row(i)
                .map(|(f, act)| weights[f.index()] * f64::from(act));
            bias + products.sum::<f64>()
        };
        let residual = |i: usize, bias: f64| {
            let p = 1.0 / (1.0 + (-score(i, bias)).exp());
            let weight = if is_of[i] { 1.5 } else { 1.0 };
            weight * (p - f64::from(u8::from(is_of[i]))) / 60.0
        };
        // The bias is free: find it by bisection.
        let (mut low, mut high) = (-50.0, 50.0);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if (0..60).map(|i| residual(i, middle)).sum::<f64>() > 0.0 {
                high = middle;
            } else {
                low = middle;
            }
        }
        for (f, w) in weights.iter().enumerate() {
            let slope: f64 = (0..60)
                .map(|i| residual(i, low) * f64::from(codes.get(i, FeatureId::from(f))))
                .sum();
            // The fit stops at violations of 1e-3 of the penalty; the bias found here differs a little from its own.
            let near = 5e-3 * penalty;
            if *w == 0.0 {
                assert!(slope.abs() <= penalty + near, "{penalty} {f}: {slope}");
            } else {
                assert!(
                    (slope + penalty * w.signum()).abs() <= near,
                    "{penalty} {f}: {slope} at {w}"
                );
            }
        }
        assert!(weights[0] > 0.0 && weights[11] == 0.0);
    }
}

#[test]
fn the_strongest_are_positive_and_in_order() {
    let weights = [0.5, -2.0, 0.0, 1.0, 0.5];
    assert_eq!(strongest(&weights, 10), [3, 0, 4]);
    assert_eq!(strongest(&weights, 2), [3, 0]);
}
