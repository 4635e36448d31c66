//! Compares a separation with its definitions in plain loops.

use super::*;
use crate::latents::Latents;

/// Pooled rows from dense numbers.
fn rows(dense: &[Vec<f32>]) -> Latents {
    let row = |row: &Vec<f32>| {
        let active = row.iter().enumerate().filter(|(_, act)| **act != 0.0);
        active.map(|(f, act)| (FeatureId::from(f), *act)).collect()
    };
    Latents::from_unsorted(&dense.iter().map(row).collect::<Vec<_>>()).unwrap()
}

/// Two sets of 9 and 14 texts on 6 features: feature 2 tells them apart, feature 4 is signed, feature 5 is never active.
fn sets() -> [Vec<Vec<f32>>; 2] {
    let value = |set: usize, i: usize, f: usize| {
        let noise = ((i * 31 + f * 17 + set * 5) % 23) as f32 / 23.0;
        match f {
            2 => noise + if set == 0 { 2.0 } else { 0.0 },
            4 => noise - 0.5,
            5 => 0.0,
            _ if noise < 0.5 => 0.0,
            _ => noise,
        }
    };
    let texts = |set: usize, count: usize| {
        let row = |i: usize| (0..6).map(|f| value(set, i, f)).collect();
        (0..count).map(row).collect()
    };
    [texts(0, 9), texts(1, 14)]
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
    let (a, b) = (mean(x), mean(y));
    let sum = |f: &dyn Fn(usize) -> f64| (0..x.len()).map(f).sum::<f64>();
    let (xy, xx, yy) = (
        sum(&|i| (x[i] - a) * (y[i] - b)),
        sum(&|i| (x[i] - a).powi(2)),
        sum(&|i| (y[i] - b).powi(2)),
    );
    xy / (xx * yy).sqrt()
}

#[test]
fn every_figure_of_a_feature_is_its_definition() {
    let [one, other] = sets();
    let found = separate([&rows(&one), &rows(&other)], 6, &Spec::default()).unwrap();
    assert_eq!(found.texts, [9, 14]);
    assert_eq!(found.features.len(), 5);
    assert!(
        found
            .features
            .is_sorted_by(|a, b| a.difference().abs() >= b.difference().abs())
    );
    assert_eq!(found.features[0].feature, FeatureId(2));
    for separator in &found.features {
        let f = separator.feature.index();
        let values = |set: &[Vec<f32>]| set.iter().map(|row| f64::from(row[f])).collect::<Vec<_>>();
        let (a, b) = (values(&one), values(&other));
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
        let wins = pairs.map(|(x, y)| match x.total_cmp(y) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        });
        let auc = wins.sum::<f64>() / (a.len() * b.len()) as f64;
        let all = [a.clone(), b.clone()].concat();
        let is_first: Vec<f64> = (0..all.len())
            .map(|i| f64::from(u8::from(i < a.len())))
            .collect();
        // Sums of at most 23 terms in f64.
        let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-12, "{f}: {got} {want}");
        near(separator.means[0], mean(&a));
        near(separator.means[1], mean(&b));
        near(separator.auc, auc);
        near(separator.correlation, correlation(&all, &is_first));
        let active = |x: &[f64]| x.iter().filter(|x| **x != 0.0).count();
        assert_eq!(separator.active, [active(&a), active(&b)]);
    }
}

#[test]
fn a_probe_of_one_feature_finds_the_one_that_tells_the_sets_apart() {
    let [one, other] = sets();
    let found = separate([&rows(&one), &rows(&other)], 6, &Spec::default()).unwrap();
    let probe = &found.probes[0];
    assert_eq!((probe.size, probe.weights[0].feature), (1, FeatureId(2)));
    assert!(probe.weights[0].weight > 0.0);
    assert_eq!((probe.held_out.accuracy, probe.accuracy), (1.0, 1.0));
    assert_eq!(found.folds, 5);
    // Its log-odds change sign between the sets, in units of the pooled activation.
    let odds = |act: f64| probe.bias + probe.weights[0].weight * act;
    assert!(odds(2.0) > 0.0 && odds(1.0) < 0.0);
}

#[test]
fn sets_without_a_difference_are_told_apart_by_chance_alone() {
    // 300 features of noise on 60 texts: a choice of features on all texts would seem to tell them apart.
    let noise = |i: usize, f: usize| {
        let place = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut x = place ^ (f as u64 + 7).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 31;
        x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x >> 40) as f32) / (1 << 24) as f32
    };
    let texts = |from: usize| -> Vec<Vec<f32>> {
        let row = |i: usize| (0..300).map(|f| noise(from + i, f)).collect();
        (0..30).map(row).collect()
    };
    let spec = Spec {
        sizes: vec![10],
        ..Spec::default()
    };
    let found = separate([&rows(&texts(0)), &rows(&texts(30))], 300, &spec).unwrap();
    let probe = &found.probes[0];
    assert!(probe.accuracy > 0.8, "{}", probe.accuracy);
    // Chance is 0.5 with a standard error of 0.065.
    assert!(probe.held_out.accuracy < 0.7, "{}", probe.held_out.accuracy);
}

#[test]
fn folds_hold_the_sets_in_equal_shares_and_the_seed_decides_them() {
    let folds = probe::folds([10, 15], 5, 3);
    for fold in 0..5 {
        let count = |texts: std::ops::Range<usize>| texts.filter(|t| folds[*t] == fold).count();
        assert_eq!((count(0..10), count(10..25)), (2, 3));
    }
    assert_eq!(folds, probe::folds([10, 15], 5, 3));
    assert_ne!(folds, probe::folds([10, 15], 5, 4));
}

#[test]
fn sets_that_are_too_small_and_settings_out_of_range_are_refused() {
    let [one, other] = sets();
    let refused = |sets: [&[Vec<f32>]; 2], spec: &Spec| {
        separate([&rows(sets[0]), &rows(sets[1])], 6, spec)
            .unwrap_err()
            .to_string()
    };
    let said = refused([&one[..1], &other], &Spec::default());
    assert!(said.contains("first set has 1 text"), "{said}");
    let none = Spec {
        sizes: vec![0],
        ..Spec::default()
    };
    let said = refused([&one, &other], &none);
    assert!(said.contains("0 features"), "{said}");
    let one_fold = Spec {
        folds: 1,
        ..Spec::default()
    };
    assert!(refused([&one, &other], &one_fold).contains("folds"));
}

/// Values of SciPy in `tests/golden/separate.json`.
#[derive(serde::Deserialize)]
struct Golden {
    a: Vec<Vec<f32>>,
    b: Vec<Vec<f32>>,
    features: Vec<GoldenFeature>,
    probes: Vec<GoldenProbe>,
}

#[derive(serde::Deserialize)]
struct GoldenFeature {
    means: [f64; 2],
    auc: f64,
    correlation: f64,
}

#[derive(serde::Deserialize)]
struct GoldenProbe {
    size: usize,
    penalty: f64,
    features: Vec<u32>,
    standardised: Vec<f64>,
    accuracy: f64,
}

#[test]
fn figures_and_probes_are_those_of_scipy() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/separate.json");
    let golden: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let sets = [&rows(&golden.a), &rows(&golden.b)];
    let count = golden.features.len();
    let figures = |separators: &[Separator], nudge: f64| {
        let all = golden.features.iter().enumerate();
        let far = all.map(|(f, want)| {
            let got = separators.iter().find(|s| s.feature.index() == f).unwrap();
            let parts = [
                got.means[0] - want.means[0] + nudge,
                got.means[1] - want.means[1],
                got.auc - want.auc,
                got.correlation - want.correlation,
            ];
            parts
                .into_iter()
                .fold(0.0_f64, |most, part| most.max(part.abs()))
        });
        far.fold(0.0, f64::max)
    };
    // Activations are read as f32: 2 places are off by up to 2^-24 of them.
    let found = separate(sets, count, &Spec::default()).unwrap();
    assert!(figures(&found.features, 0.0) < 1e-6);
    assert!(figures(&found.features, 1e-4) > 1e-6);
    for want in &golden.probes {
        let spec = Spec {
            sizes: vec![want.size],
            penalty: want.penalty,
            ..Spec::default()
        };
        let probe = &separate(sets, count, &spec).unwrap().probes[0];
        let mut weights = probe.weights.clone();
        weights.sort_by_key(|weight| weight.feature);
        let features: Vec<u32> = weights.iter().map(|weight| weight.feature.0).collect();
        assert_eq!(features, want.features);
        for (got, want) in weights.iter().zip(&want.standardised) {
            // BFGS ends where the gradient is below 1e-10, or where rounding of the loss stops it.
            assert!(
                (got.standardised - want).abs() < 1e-5,
                "{} {want}",
                got.standardised
            );
        }
        assert!((probe.accuracy - want.accuracy).abs() < 1e-12);
    }
}
