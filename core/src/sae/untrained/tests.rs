//! Each rule against its definition in f64.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::selection::Selects as _;
use super::matching_pursuit::dot;
use super::*;
use crate::kernels::encode::encode_topk;

const D: usize = 6;
const F: usize = 24;

fn drawn(seed: u64, rows: usize, columns: usize) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

/// Pre-activations `[f]` of one token, in f64.
fn table(x: &[f32], w: &Matrix, b: &[f32]) -> Vec<f64> {
    let product = |row: &[f32]| -> f64 {
        row.iter()
            .zip(x)
            .map(|(w, x)| f64::from(*w) * f64::from(*x))
            .sum()
    };
    w.iter_rows()
        .zip(b)
        .map(|(row, b)| product(row) + f64::from(*b))
        .collect()
}

#[track_caller]
fn check(got: &Latents, row: usize, want: &[(usize, f64)]) {
    let got: Vec<(usize, f32)> = got.row(row).map(|(f, act)| (f.index(), act)).collect();
    let features: Vec<usize> = got.iter().map(|(f, _)| *f).collect();
    assert_eq!(
        features,
        want.iter().map(|(f, _)| *f).collect::<Vec<_>>(),
        "token {row}"
    );
    for ((_, got), (_, want)) in got.iter().zip(want) {
        assert!((f64::from(*got) - want).abs() < 1e-5, "{got} {want}");
    }
}

#[test]
fn the_largest_of_each_group_is_kept_if_positive() {
    // More tokens than one chunk, and a bias that leaves some groups without a positive entry.
    let (x, w) = (drawn(1, ROWS + 7, D), drawn(2, F, D));
    let b = vec![-0.6; F];
    let got = GroupMax { k: 8 }.encode(&x, &w, &b).unwrap();
    let mut silent = 0;
    for (row, x) in x.iter_rows().enumerate() {
        let pre = table(x, &w, &b);
        let mut want = Vec::new();
        for group in 0..8 {
            let of = (group * 3..group * 3 + 3)
                .max_by(|a, b| pre[*a].total_cmp(&pre[*b]))
                .unwrap();
            if pre[of] > 0.0 {
                want.push((of, pre[of]));
            } else {
                silent += 1;
            }
        }
        check(&got, row, &want);
    }
    assert!(silent > 50, "{silent}");
}

/// The `k` of `features` that are first by `rank`, in their order, with their entries of `pre`.
fn largest(
    pre: &[f64],
    k: usize,
    mut features: Vec<usize>,
    rank: impl Fn(usize) -> f64,
) -> Vec<(usize, f64)> {
    features.sort_by(|a, b| rank(*b).total_cmp(&rank(*a)));
    features.truncate(k);
    features.sort_unstable();
    features.into_iter().map(|f| (f, pre[f])).collect()
}

#[test]
fn the_largest_keep_their_sign() {
    let (x, w) = (drawn(3, ROWS + 7, D), drawn(4, F, D));
    let b = vec![-0.9; F];
    let got = RawTopK { k: 5 }.encode(&x, &w, &b).unwrap();
    for (row, x) in x.iter_rows().enumerate() {
        let pre = table(x, &w, &b);
        check(&got, row, &largest(&pre, 5, (0..F).collect(), |f| pre[f]));
    }
    assert!(got.acts.iter().any(|act| *act < 0.0) && got.acts.iter().any(|act| *act > 0.0));
}

#[test]
fn the_largest_by_weight_keep_their_value() {
    let (x, w) = (drawn(7, ROWS + 7, D), drawn(8, F, D));
    let (b, weights) = (vec![-0.4; F], drawn(9, 1, F));
    let weights: Vec<f32> = weights.values().iter().map(|w| w.abs() + 0.1).collect();
    let by_weight = |weights| WeightedTopK { k: 5, weights };
    let got = by_weight(weights.clone()).encode(&x, &w, &b).unwrap();
    let plain = encode_topk(&x, &w, &b, 5).unwrap();
    for (row, x) in x.iter_rows().enumerate() {
        let pre = table(x, &w, &b);
        let positive = (0..F).filter(|f| pre[*f] > 0.0).collect();
        let rank = |f: usize| pre[f] * f64::from(weights[f]);
        check(&got, row, &largest(&pre, 5, positive, rank));
    }
    assert_ne!(got, plain);
    assert_eq!(by_weight(vec![2.0; F]).encode(&x, &w, &b).unwrap(), plain);
}

#[test]
fn matching_pursuit_is_its_definition_in_f64() {
    let (x, mut w) = (drawn(5, 9, D), drawn(6, F, D));
    for i in 0..F {
        let length = dot(w.row(i), w.row(i)).sqrt();
        w.row_mut(i).iter_mut().for_each(|w| *w /= length);
    }
    let pursuit = Pursuit {
        residual_threshold: 0.05,
        max_iterations: D,
        stop_on_duplicate_support: false,
    };
    let zeros = vec![0.0; F];
    let got = pursuit.encode(&x, &w, &zeros).unwrap();
    for (row, x) in x.iter_rows().enumerate() {
        let mut rest: Vec<f32> = x.to_vec();
        let mut acts = [0.0_f64; F];
        for _ in 0..D {
            let pre = table(&rest, &w, &zeros);
            let best = (0..F).max_by(|a, b| pre[*a].total_cmp(&pre[*b])).unwrap();
            acts[best] += pre[best].max(0.0);
            for (rest, w) in rest.iter_mut().zip(w.row(best)) {
                *rest = (f64::from(*rest) - pre[best].max(0.0) * f64::from(*w)) as f32;
            }
            if dot(&rest, &rest).sqrt() < 0.05 {
                break;
            }
        }
        let want: Vec<_> = acts
            .into_iter()
            .enumerate()
            .filter(|(_, act)| *act > 0.0)
            .collect();
        check(&got, row, &want);
    }
    let once = Pursuit {
        max_iterations: 1,
        ..pursuit
    };
    assert_eq!(once.encode(&x, &w, &zeros).unwrap().acts.len(), 9);
}
