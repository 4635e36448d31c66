//! Sparse coding: codes by matching pursuit and directions by least squares, in turn (method of optimal directions; Engan, Aase and Husøy 1999).

use rayon::prelude::*;

use super::dense::{solve_positive, squared, to_unit_rows};
use super::pursue::{Codes, pursued, rule};
use super::{Made, Spec, draws, sums};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};

/// Share of the variance by which a round must better the best one.
const GAIN: f64 = 1e-4;
/// Rounds without such a gain after which it comes to rest.
const PATIENCE: usize = 3;
/// Ridge, as a share of a feature's own sum of squares.
const RIDGE: f64 = 1e-6;

/// Fits a dictionary to `x [n, d]`, which has mean 0. Begins with tokens drawn by the seed; features that no token takes become what is left of the tokens that are
/// worst off. The best dictionary of all rounds stays.
pub(super) fn fit(
    spec: &Spec,
    x: &Matrix,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Made>> {
    let variance = sums::total(x);
    let (most, k) = (spec.rounds(), spec.active());
    let mut rng = draws::source(spec.seed);
    let mut rows = x.rows_of(&draws::different(spec.features, x.rows(), &mut rng));
    fill(&mut rows, &mut rng);
    let mut best = (f64::INFINITY, rows.clone());
    let (mut waited, mut done) = (0, 0);
    for round in 1..=most {
        let codes = pursued(x, &rows, k);
        let left = codes.iter().map(|(_, left)| left).sum::<f64>() / variance;
        done = round;
        waited = if left < best.0 - GAIN { 0 } else { waited + 1 };
        if left < best.0 {
            best = (left, rows.clone());
        }
        if waited == PATIENCE {
            break;
        }
        if observe(Progress::new(round, most, "rounds")).is_break() {
            return Ok(Ended::STOPPED);
        }
        rows = updated(x, &rows, &codes)?;
    }
    let (left, rows) = best;
    Ok(Ended::Done(Made {
        w_enc: rows.clone(),
        b_enc: vec![0.0; spec.features],
        w_dec: rows,
        selection: rule(k).into(),
        rounds: done,
        converged: waited == PATIENCE,
        left: Some(left),
    }))
}

/// Puts random directions in place of rows of zeros, and gives every row length 1.
fn fill(rows: &mut Matrix, rng: &mut rand_chacha::ChaCha8Rng) {
    for i in 0..rows.rows() {
        if squared(rows.row(i)) == 0.0 {
            let row = rows.row_mut(i).iter_mut();
            row.for_each(|value| *value = draws::one_normal(rng) as f32);
        }
    }
    to_unit_rows(rows);
}

/// Solves for the directions that leave least with these codes, and gives them length 1.
fn updated(x: &Matrix, rows: &Matrix, codes: &Codes) -> Result<Matrix> {
    let (f, d) = (rows.rows(), rows.columns());
    let mut takers: Vec<Vec<(usize, f32)>> = vec![Vec::new(); f];
    for (token, (code, _)) in codes.iter().enumerate() {
        for (feature, act) in code {
            takers[*feature as usize].push((token, *act));
        }
    }
    let mut squares = vec![0.0; f * f];
    let each = squares.par_chunks_mut(f).zip(&takers).enumerate();
    each.for_each(|(feature, (sums, takers))| {
        for (token, act) in takers {
            for (other, with) in &codes[*token].0 {
                sums[*other as usize] += f64::from(*act) * f64::from(*with);
            }
        }
        // A feature that no token takes must not make the equations unsolvable.
        sums[feature] = match sums[feature] {
            own if own > 0.0 => own * (1.0 + RIDGE),
            _ => 1.0,
        };
    });
    let by_feature: Vec<Vec<f64>> = takers
        .par_iter()
        .map(|takers| {
            let mut sum = vec![0.0; d];
            for (token, act) in takers {
                for (sum, x) in sum.iter_mut().zip(x.row(*token)) {
                    *sum += f64::from(*act) * f64::from(*x);
                }
            }
            sum
        })
        .collect();
    let mut targets: Vec<f64> = (0..d)
        .flat_map(|i| by_feature.iter().map(move |sum| sum[i]))
        .collect(); // [f, d], column-major
    if !solve_positive(&mut squares, &mut targets, f) {
        let what = "the least squares of sparse coding has no finite solution: look for NaN or infinity in the activations, or give more text";
        return Err(Error::Numeric {
            what: what.to_owned(),
        });
    }
    let mut next = super::dense::matrix(f, d, |j, i| targets[i * f + j])?;
    replace_unused(&mut next, (x, rows), codes, &takers);
    to_unit_rows(&mut next);
    Ok(next)
}

/// Gives each feature that no token takes what is left of one of the tokens that are worst off.
fn replace_unused(
    next: &mut Matrix,
    (x, rows): (&Matrix, &Matrix),
    codes: &Codes,
    takers: &[Vec<(usize, f32)>],
) {
    let unused: Vec<usize> = (0..takers.len())
        .filter(|feature| takers[*feature].is_empty())
        .collect();
    let mut worst: Vec<usize> = (0..codes.len()).collect();
    worst.sort_by(|a, b| codes[*b].1.total_cmp(&codes[*a].1));
    for (feature, token) in unused.into_iter().zip(worst) {
        let mut rest = x.row(token).to_vec();
        for (taken, act) in &codes[token].0 {
            for (rest, w) in rest.iter_mut().zip(rows.row(*taken as usize)) {
                *rest -= act * w;
            }
        }
        let own = if squared(&rest) > 0.0 {
            rest
        } else {
            rows.row(feature).to_vec()
        };
        next.row_mut(feature).copy_from_slice(&own);
    }
}
