//! Compares matching and counting with their definitions in f64.

use super::cosines::{Directions, matched};
use super::together::together_on;
use super::*;
use crate::dims::Matrix;
use crate::sae::TopK;

/// Generates numbers in −0.5..0.5.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn sae(name: &str, w: Matrix) -> Sae {
    let (f, d) = (w.rows(), w.columns());
    Sae::new(
        name.to_owned(),
        (w.clone(), vec![0.0; f]),
        (w, vec![0.0; d]),
        TopK { k: 3 },
    )
}

fn random(f: usize, d: usize, seed: u64) -> Matrix {
    Matrix::new(f, d, numbers(f * d, seed)).unwrap()
}

fn cosine(x: &[f32], y: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| -> f64 {
        let both = x.iter().zip(y);
        both.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    let lengths = (dot(x, x) * dot(y, y)).sqrt();
    if lengths > 0.0 {
        dot(x, y) / lengths
    } else {
        0.0
    }
}

/// Matches by definition: sorts all positive cosines and pairs features that are both free.
fn by_definition(a: &Matrix, b: &Matrix) -> Vec<(u32, u32)> {
    let mut all: Vec<(f64, u32, u32)> = vec![];
    for (i, x) in a.iter_rows().enumerate() {
        for (j, y) in b.iter_rows().enumerate() {
            all.push((cosine(x, y), i as u32, j as u32));
        }
    }
    all.retain(|(cosine, ..)| *cosine > 0.0);
    all.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let mut pairs: Vec<(u32, u32)> = vec![];
    for (_, i, j) in all {
        if pairs.iter().all(|(a, b)| *a != i && *b != j) {
            pairs.push((i, j));
        }
    }
    pairs
}

fn go_on(_: Progress) -> Flow {
    Flow::Continue(())
}

#[test]
fn pairs_and_bests_are_those_of_the_definition_however_few_candidates_are_held() {
    let (a, b) = (random(60, 5, 7), random(45, 5, 11));
    let want = by_definition(&a, &b);
    for most in [1, 2, 7, 100] {
        let (of_a, of_b) = (Directions::new(&a), Directions::new(&b));
        let Ended::Done(found) = matched(&of_a, &of_b, most, &mut go_on).unwrap() else {
            panic!("nobody stopped it");
        };
        let pairs: Vec<(u32, u32)> = found.pairs.iter().map(|p| (p.a.0, p.b.0)).collect();
        assert_eq!(pairs, want, "{most} candidates");
        assert!(found.pairs.is_sorted_by(|x, y| x.cosine >= y.cosine));
        for best in &found.best_of_a {
            let row = a.row(best.a.index());
            let largest = b
                .iter_rows()
                .map(|other| cosine(row, other))
                .fold(-1.0, f64::max);
            assert!((f64::from(best.cosine) - largest).abs() < 1e-6);
        }
        for best in &found.best_of_b {
            let row = b.row(best.b.index());
            let largest = a
                .iter_rows()
                .map(|other| cosine(row, other))
                .fold(-1.0, f64::max);
            assert!((f64::from(best.cosine) - largest).abs() < 1e-6);
        }
    }
}

#[test]
fn more_features_than_a_block_holds_are_matched_too() {
    let b = random(2_300, 8, 3);
    let mut rows: Vec<u32> = (0..2_300).rev().collect();
    rows.truncate(1_500);
    let a = sae("a", b.rows_of(&rows));
    let found = compare(&a, &sae("b", b), &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(found.pairs.len(), 1_500);
    for pair in &found.pairs {
        assert_eq!(rows[pair.a.index()], pair.b.0);
        assert!(pair.cosine > 0.999_99);
    }
}

#[test]
fn what_is_shared_and_what_is_one_s_own() {
    // Two directions in common, one turned by 60°, one opposite, one zero.
    let half = 3.0_f32.sqrt() / 2.0;
    let a = vec![1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    let b = vec![0.0, 5.0, 0.0, 1.0, 0.0, 0.0, half, 0.0, 0.5, 0.0, 0.0, -1.0];
    let of = |name: &str, values: Vec<f32>| sae(name, Matrix::new(4, 3, values).unwrap());
    let found = compare(&of("a", a), &of("b", b), &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    let shared: Vec<_> = found
        .shared(SHARED)
        .iter()
        .map(|p| (p.a.0, p.b.0))
        .collect();
    assert_eq!(shared, [(0, 1), (1, 0)]);
    assert_eq!(found.pairs.len(), 3);
    let own = |pairs: Vec<Pair>, of_a: bool| -> Vec<u32> {
        pairs
            .iter()
            .map(|p| if of_a { p.a.0 } else { p.b.0 })
            .collect()
    };
    assert_eq!(own(found.unique_to_a(SHARED), true), [3, 2]);
    // The best of the third of b is the first of a, at 30°; the fourth is opposite to a's third.
    assert_eq!(own(found.unique_to_b(SHARED), false), [3]);
    assert_eq!(found.best_of_b[3].cosine, 0.0);
    let wider = sae("wide", random(4, 5, 1));
    let what = compare(&of("a", vec![0.0; 12]), &wider, &mut go_on).unwrap_err();
    assert!(what.to_string().contains("5 wide"), "{what}");
    let stopped = compare(&wider, &wider, &mut |_| Flow::Break(())).unwrap();
    assert_eq!(stopped, Ended::STOPPED);
}

#[test]
fn activity_on_the_same_tokens_is_that_of_the_definition() {
    let (a, b) = (sae("a", random(12, 6, 5)), sae("b", random(9, 6, 9)));
    let (n, x) = (300, random(300, 6, 21));
    let mut pairs = compare(&a, &b, &mut go_on)
        .unwrap()
        .done()
        .unwrap()
        .best_of_a;
    pairs.truncate(12);
    let found = together_on((&a, &b), &pairs, (&x, &x)).unwrap();
    let column = |sae: &Sae, feature: FeatureId| -> Vec<f64> {
        let latents = sae.encode(&x).unwrap();
        (0..n).map(|i| f64::from(latents.get(i, feature))).collect()
    };
    for (pair, found) in pairs.iter().zip(&found) {
        let (p, q) = (column(&a, pair.a), column(&b, pair.b));
        let mean = |x: &[f64]| x.iter().sum::<f64>() / n as f64;
        let (mean_p, mean_q) = (mean(&p), mean(&q));
        let sum = |x: &[f64], y: &[f64], (mx, my): (f64, f64)| -> f64 {
            x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
        };
        let spread = sum(&p, &p, (mean_p, mean_p)) * sum(&q, &q, (mean_q, mean_q));
        let want = sum(&p, &q, (mean_p, mean_q)) / spread.sqrt();
        let want = if spread > 0.0 { want } else { 0.0 };
        assert!((found.correlation - want).abs() < 1e-9, "{found:?} {want}");
        let both = p
            .iter()
            .zip(&q)
            .filter(|(p, q)| **p > 0.0 && **q > 0.0)
            .count();
        let either = p
            .iter()
            .zip(&q)
            .filter(|(p, q)| **p > 0.0 || **q > 0.0)
            .count();
        assert_eq!(found.both as usize, both);
        assert!((found.jaccard - both as f64 / either.max(1) as f64).abs() < 1e-12);
    }
    assert!(found.iter().any(|found| found.both > 0));
}

#[test]
fn the_most_comparable_two_read_one_hook_or_else_one_place() {
    use crate::ids::Site;

    let made = |f: usize, d: usize, hook: HookPoint| {
        let mut one = sae("z", random(f, d, 7));
        one.provenance.hook = Some(hook);
        one
    };
    let z = |layer| HookPoint::block(layer, Site::Z);
    let resid = HookPoint::block(1, Site::ResidPost);
    let all = [
        made(8, 4, resid),
        made(8, 4, z(0)),
        made(16, 4, z(1)),
        made(9, 4, z(2)),
        made(64, 4, z(1)),
        made(8, 5, z(1)),
    ];
    let all: Vec<&Sae> = all.iter().collect();
    assert_eq!(most_comparable(&all, None), Some((2, 4)));
    assert_eq!(most_comparable(&all[..4], None), Some((1, 3)));
    assert_eq!(most_comparable(&all, Some(4)), Some((4, 2)));
    assert_eq!(most_comparable(&all, Some(0)), Some((0, 1)));
    assert_eq!(most_comparable(&all, Some(5)), None);
    assert_eq!(most_comparable(&all[..1], None), None);
}
