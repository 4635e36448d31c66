//! k-means: Lloyd's rounds from centroids by k-means++ (Arthur and Vassilvitskii 2007).
//!
//! As a dictionary, with `c` the centroids less the mean and `x` the activation less the mean: the nearest centroid has the largest `x·c − ‖c‖²/2`, so TopK with
//! k = 1 over pre-activations `1 + (x·c − ‖c‖²/2) / B` takes it. `B` is [`FLATNESS`] times the mean of `‖x‖²`: every activation is about 1, and a decoder row
//! `c / (1 + ‖c‖²/2B)`, the centroid over the mean activation of its tokens, reconstructs the centroid up to about a hundredth of its length. On average over the
//! tokens of a centroid the reconstruction is that centroid exactly. A token whose squared distance to every centroid exceeds `2B` by more than its squared
//! distance to the mean has no active feature; it is reconstructed by the mean.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::dense::{BLOCK, products, squared};
use super::{Made, Spec, draws, sums};
use crate::dims::Matrix;
use crate::error::Result;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::TopK;

/// Mean squared distances from the mean that make one unit of activation: large, so that activations are alike; not so large that f32 cannot tell two centroids apart.
const FLATNESS: f64 = 256.0;
/// Squared movement of all centroids, as a share of the variance, below which they count as found.
const STILL: f64 = 1e-4;

/// Centroids and how they were found.
#[derive(Debug)]
pub(super) struct Centroids {
    /// `[f, d]`.
    pub(super) rows: Matrix,
    /// Σ‖x − nearest centroid‖².
    pub(super) left: f64,
    pub(super) rounds: usize,
    pub(super) converged: bool,
}

/// Fits centroids to `x [n, d]`, which has mean 0.
pub(super) fn fit(
    spec: &Spec,
    x: &Matrix,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Made>> {
    let begin = seeds(x, spec.features, &mut draws::source(spec.seed));
    let Ended::Done(found) = lloyd(x, begin, spec.rounds(), observe) else {
        return Ok(Ended::STOPPED);
    };
    let variance = sums::total(x);
    let unit = FLATNESS * variance / x.rows() as f64;
    let halves: Vec<f64> = found.rows.iter_rows().map(|c| squared(c) / 2.0).collect();
    let (f, d) = (spec.features, x.columns());
    let at = |j: usize, i: usize| f64::from(found.rows.row(j)[i]);
    Ok(Ended::Done(Made {
        w_enc: super::dense::matrix(f, d, |j, i| at(j, i) / unit)?,
        b_enc: halves
            .iter()
            .map(|half| (1.0 - half / unit) as f32)
            .collect(),
        w_dec: super::dense::matrix(f, d, |j, i| at(j, i) / (1.0 + halves[j] / unit))?,
        selection: TopK { k: 1 }.into(),
        rounds: found.rounds,
        converged: found.converged,
        left: Some(found.left / variance),
    }))
}

/// Draws the first centroids: each next one is a token, with a chance that grows with its squared distance from those before.
fn seeds(x: &Matrix, f: usize, rng: &mut ChaCha8Rng) -> Matrix {
    let n = x.rows();
    let mut chosen = vec![rng.random_range(0..n) as u32];
    let mut nearest = vec![f64::INFINITY; n];
    while chosen.len() < f {
        let last = x.row(chosen[chosen.len() - 1] as usize);
        nearest
            .par_iter_mut()
            .enumerate()
            .for_each(|(i, nearest)| *nearest = nearest.min(distance(x.row(i), last)));
        let total: f64 = nearest.iter().sum();
        let mut left = rng.random::<f64>() * total;
        let at = nearest.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        // Where all tokens are taken already, any does.
        let next = at.unwrap_or_else(|| rng.random_range(0..n));
        chosen.push(next as u32);
    }
    x.rows_of(&chosen)
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f32; 8];
    let (eights, others) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest = eights.remainder().iter().zip(others.remainder());
    let rest: f32 = rest.map(|(a, b)| (a - b).powi(2)).sum();
    for (a, b) in eights.zip(others) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += (a - b) * (a - b);
        }
    }
    f64::from(lanes.iter().sum::<f32>() + rest)
}

/// Returns the nearest row of `centroids` to each row of `x`, the first among equals.
pub(super) fn assigned(x: &Matrix, centroids: &Matrix) -> Vec<u32> {
    let (f, d) = (centroids.rows(), x.columns());
    let halves: Vec<f32> = centroids
        .iter_rows()
        .map(|c| (squared(c) / 2.0) as f32)
        .collect();
    let blocks = x.values().par_chunks((BLOCK * d).max(1));
    let nearest = blocks.flat_map_iter(|block| {
        let mut all = vec![0.0; block.len() / d * f];
        products(block, centroids, &mut all);
        let best = |products: &[f32]| {
            let scores = products.iter().zip(&halves).map(|(p, half)| p - half);
            let larger = |best: (usize, f32), (j, score): (usize, f32)| {
                if score > best.1 { (j, score) } else { best }
            };
            let first = (0, f32::NEG_INFINITY);
            scores.enumerate().fold(first, larger).0 as u32
        };
        all.chunks_exact(f).map(best).collect::<Vec<_>>()
    });
    nearest.collect()
}

/// Moves centroids to the means of their tokens until nothing changes. A centroid without tokens goes to the token that is farthest from its own.
pub(super) fn lloyd(
    x: &Matrix,
    mut centroids: Matrix,
    most: usize,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Ended<Centroids> {
    let still = STILL * sums::total(x) / (x.rows() * x.columns()).max(1) as f64;
    let mut nearest: Vec<u32> = Vec::new();
    let (mut converged, mut rounds) = (false, 0);
    while rounds < most && !converged {
        rounds += 1;
        let found = assigned(x, &centroids);
        if found == nearest {
            converged = true;
            break;
        }
        nearest = found;
        let moved = moved(x, &centroids, &nearest);
        let shift: f64 = moved
            .iter_rows()
            .zip(centroids.iter_rows())
            .map(|(a, b)| distance(a, b))
            .sum();
        centroids = moved;
        converged = shift <= still;
        if observe(Progress::new(rounds, most, "rounds")).is_break() {
            return Ended::STOPPED;
        }
    }
    let nearest = assigned(x, &centroids);
    let each = x.iter_rows().zip(&nearest);
    let left = each.map(|(x, own)| exact_distance(x, centroids.row(*own as usize)));
    Ended::Done(Centroids {
        left: left.sum(),
        rows: centroids,
        rounds,
        converged,
    })
}

fn exact_distance(a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum()
}

/// Returns the means of the tokens of each centroid.
fn moved(x: &Matrix, centroids: &Matrix, nearest: &[u32]) -> Matrix {
    let (f, d) = (centroids.rows(), x.columns());
    let mut sums = vec![0.0_f64; f * d];
    let mut counts = vec![0_u64; f];
    for (x, own) in x.iter_rows().zip(nearest) {
        let own = *own as usize;
        counts[own] += 1;
        for (sum, x) in sums[own * d..(own + 1) * d].iter_mut().zip(x) {
            *sum += f64::from(*x);
        }
    }
    let mut means = centroids.clone();
    for (own, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let sum = &sums[own * d..(own + 1) * d];
        for (mean, sum) in means.row_mut(own).iter_mut().zip(sum) {
            *mean = (sum / *count as f64) as f32;
        }
    }
    let empty: Vec<usize> = (0..f).filter(|own| counts[*own] == 0).collect();
    if empty.is_empty() {
        return means;
    }
    let far = |i: usize| distance(x.row(i), centroids.row(nearest[i] as usize));
    let far: Vec<f64> = (0..x.rows()).map(far).collect();
    let mut farthest: Vec<usize> = (0..x.rows()).collect();
    farthest.sort_by(|a, b| far[*b].total_cmp(&far[*a]));
    for (own, token) in empty.into_iter().zip(farthest) {
        means.row_mut(own).copy_from_slice(x.row(token));
    }
    means
}
