//! How dictionaries select that are read from other libraries' files and not trained here: the largest of each group, the largest with their sign or by
//! weight, thresholds below 0, and matching pursuit.
//!
//! Each is a pass of an ordinary kernel and a choice among what it leaves, a few rows at a time, so that no table of tokens by features is held.

use rayon::prelude::*;

use super::Latents;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::kernels::encode::{Bar, encode_above, encode_topk};

/// Rows of which everything above a bar is held at once.
const ROWS: usize = 64;

/// How matching pursuit goes on and stops (SAELens `matching_pursuit`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pursuit {
    /// Length of the rest at which it stops.
    pub residual_threshold: f32,
    /// Rounds at most.
    pub max_iterations: usize,
    /// Whether it stops once a round brought no new feature.
    pub stop_on_duplicate_support: bool,
}

/// `x` a few rows at a time through `select`.
fn in_chunks(x: &Matrix, mut select: impl FnMut(&Matrix) -> Result<Latents>) -> Result<Latents> {
    let d = x.columns().max(1);
    let mut parts = Vec::new();
    for rows in x.values().chunks(ROWS * d) {
        parts.push(select(&Matrix::new(rows.len() / d, d, rows.to_vec())?)?);
    }
    Ok(Latents::joined(&parts))
}

/// Features in `k` groups of equal length, one after the other; of each the largest pre-activation, if it is positive (sparsify `groupmax`).
pub(super) fn group_max(
    centred: &Matrix,
    (w_enc, b_enc): (&Matrix, &[f32]),
    k: usize,
) -> Result<Latents> {
    let group = (w_enc.rows() / k.max(1)).max(1);
    in_chunks(centred, |rows| {
        let all = encode_above(rows, w_enc, b_enc, Bar::All(0.0))?;
        let mut kept = Latents::with_capacity(all.rows(), k);
        for row in 0..all.rows() {
            let (features, acts) = best_of_groups(all.row(row), group);
            kept.push_row(&features, &acts);
        }
        Ok(kept)
    })
}

/// Of each group the entry of largest activation, the first among equals; entries ascend by feature.
fn best_of_groups(
    entries: impl Iterator<Item = (FeatureId, f32)>,
    group: usize,
) -> (Vec<u32>, Vec<f32>) {
    let (mut features, mut acts): (Vec<u32>, Vec<f32>) = (Vec::new(), Vec::new());
    for (feature, act) in entries {
        let same = |last: &u32| *last as usize / group == feature.index() / group;
        match (features.last_mut(), acts.last_mut()) {
            (Some(last), Some(most)) if same(last) && act > *most => {
                (*last, *most) = (feature.0, act);
            }
            (Some(last), Some(_)) if same(last) => {}
            _ => {
                features.push(feature.0);
                acts.push(act);
            }
        }
    }
    (features, acts)
}

/// The `k` largest pre-activations of each token whatever their sign; of equal ones those of the lower features (circuit-tracer's TopK). Zeros are left out.
pub(super) fn raw_topk(
    centred: &Matrix,
    (w_enc, b_enc): (&Matrix, &[f32]),
    k: usize,
) -> Result<Latents> {
    in_chunks(centred, |rows| {
        let positive = encode_topk(rows, w_enc, b_enc, k)?;
        let whole = |row: usize| positive.range(row).len() >= k.min(w_enc.rows());
        if (0..positive.rows()).all(whole) {
            return Ok(positive);
        }
        // Some token has fewer positive ones: then all are looked at.
        let all = encode_above(rows, w_enc, b_enc, Bar::All(f32::NEG_INFINITY))?;
        Ok(all.largest(k).without_zeros())
    })
}

/// The `k` positive pre-activations of each token that are largest times their weight, kept as they are; of equal ones those of the lower features.
pub(super) fn weighted_topk(
    centred: &Matrix,
    (w_enc, b_enc): (&Matrix, &[f32]),
    k: usize,
    weights: &[f32],
) -> Result<Latents> {
    in_chunks(centred, |rows| {
        let all = encode_above(rows, w_enc, b_enc, Bar::All(0.0))?;
        let mut kept = Latents::with_capacity(all.rows(), k);
        for row in 0..all.rows() {
            let mut entries: Vec<(FeatureId, f32)> = all.row(row).collect();
            let rank = |(feature, act): (FeatureId, f32)| act * weights[feature.index()];
            // Stable, and entries ascend by feature.
            entries.sort_by(|a, b| rank(*b).total_cmp(&rank(*a)));
            entries.truncate(k);
            entries.sort_unstable_by_key(|(feature, _)| *feature);
            let (features, acts): (Vec<u32>, Vec<f32>) = entries
                .into_iter()
                .map(|(feature, act)| (feature.0, act))
                .unzip();
            kept.push_row(&features, &acts);
        }
        Ok(kept)
    })
}

/// Each round takes the feature whose decoder row has the largest positive product with what is left, adds that product to its activation and takes it from the
/// rest. Encoder rows are the decoder's.
pub(super) fn matching_pursuit(
    centred: &Matrix,
    (rows_of, b_enc): (&Matrix, &[f32]),
    pursuit: Pursuit,
) -> Result<Latents> {
    let tokens: Vec<Vec<(u32, f32)>> = centred
        .values()
        .par_chunks(centred.columns().max(1))
        .map(|x| pursue(x, (rows_of, b_enc), pursuit))
        .collect::<Result<_>>()?;
    let mut latents = Latents::with_capacity(tokens.len(), 0);
    for mut token in tokens {
        token.sort_unstable_by_key(|(feature, _)| *feature);
        let (features, acts): (Vec<u32>, Vec<f32>) = token.into_iter().unzip();
        latents.push_row(&features, &acts);
    }
    Ok(latents)
}

fn pursue(x: &[f32], (rows, bias): (&Matrix, &[f32]), pursuit: Pursuit) -> Result<Vec<(u32, f32)>> {
    let mut rest = x.to_vec();
    let mut code: Vec<(u32, f32)> = Vec::new();
    for _ in 0..pursuit.max_iterations {
        let products = rows
            .iter_rows()
            .zip(bias)
            .map(|(row, bias)| dot(row, &rest) + bias);
        let mut best = (0, 0.0_f32);
        for (feature, product) in products.enumerate() {
            if !product.is_finite() {
                let what = "a product of matching pursuit is not a finite number: look for NaN or infinity in the activations or the weights";
                return Err(Error::Numeric {
                    what: what.to_owned(),
                });
            }
            if product > best.1 {
                best = (feature, product);
            }
        }
        let (feature, product) = best;
        let known = code.iter_mut().find(|(of, _)| *of as usize == feature);
        let stays = known.is_some() || product <= 0.0;
        if product > 0.0 {
            match known {
                Some((_, act)) => *act += product,
                None => code.push((feature as u32, product)),
            }
            for (rest, w) in rest.iter_mut().zip(rows.row(feature)) {
                *rest -= product * w;
            }
        }
        let short = dot(&rest, &rest).sqrt() < pursuit.residual_threshold;
        if short || product <= 0.0 || (stays && pursuit.stop_on_duplicate_support) {
            break;
        }
    }
    Ok(code)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

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
        let got = group_max(&x, (&w, &b), 8).unwrap();
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
        let got = raw_topk(&x, (&w, &b), 5).unwrap();
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
        let got = weighted_topk(&x, (&w, &b), 5, &weights).unwrap();
        let plain = encode_topk(&x, &w, &b, 5).unwrap();
        for (row, x) in x.iter_rows().enumerate() {
            let pre = table(x, &w, &b);
            let positive = (0..F).filter(|f| pre[*f] > 0.0).collect();
            let rank = |f: usize| pre[f] * f64::from(weights[f]);
            check(&got, row, &largest(&pre, 5, positive, rank));
        }
        assert_ne!(got, plain);
        assert_eq!(weighted_topk(&x, (&w, &b), 5, &[2.0; F]).unwrap(), plain);
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
        let got = matching_pursuit(&x, (&w, &zeros), pursuit).unwrap();
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
        assert_eq!(
            matching_pursuit(&x, (&w, &zeros), once).unwrap().acts.len(),
            9
        );
    }
}
