//! Non-negative matrix factorisation by multiplicative updates of the squared error (Lee and Seung 2001, "Algorithms for non-negative matrix factorization").
//!
//! Activations have both signs, so that something has to make them non-negative. Here it is the split of the activation less its mean, `c`, into
//! `[max(c, 0), max(−c, 0)]`, twice as wide (on and off channels; Hoyer 2004). A part's decoder row is its positive half less its negative half, so that codes times
//! rows give `c`. Subtracting each dimension's minimum instead would make every token a sum of nearly all parts, which no sparse code reconstructs.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::dense::{BLOCK, add_transposed, matrix, products, summed, to_unit_rows};
use super::pursue::rule;
use super::{Made, Spec, draws, sums};
use crate::dims::Matrix;
use crate::error::Result;
use crate::progress::{Ended, Flow, Progress};

/// Rounds between two looks at the error.
const LOOK: usize = 10;
/// Gain between two looks, as a share of the first error, below which it comes to rest.
const GAIN: f64 = 1e-4;

/// A factorisation `x ≈ codes · parts`, all non-negative.
#[derive(Debug)]
pub(super) struct Factors {
    /// `[n, f]`.
    pub(super) codes: Matrix,
    /// `[f, m]`.
    pub(super) parts: Matrix,
}

impl Factors {
    /// Draws a start of the size of `x [n, m]`.
    pub(super) fn drawn(x: &Matrix, f: usize, seed: u64) -> Result<Self> {
        let mean = x.values().iter().map(|v| f64::from(*v)).sum::<f64>() / x.values().len() as f64;
        let size = (mean / f as f64).sqrt();
        let mut rng = draws::source(seed);
        let mut one = |rows: usize, columns: usize| {
            let values =
                (0..rows * columns).map(|_| (size * draws::one_normal(&mut rng).abs()) as f32);
            Matrix::new(rows, columns, values.collect())
        };
        let parts = one(f, x.columns())?;
        let codes = one(x.rows(), f)?;
        Ok(Self { codes, parts })
    }

    /// Multiplies the codes by x · partsᵀ / (codes · parts · partsᵀ), entry by entry.
    fn update_codes(&mut self, x: &Matrix) {
        let (f, m) = (self.parts.rows(), self.parts.columns());
        let mut squares = vec![0.0; f * f];
        products(self.parts.values(), &self.parts, &mut squares);
        let blocks = x.values().par_chunks(BLOCK * m);
        let parts = &self.parts;
        let codes = self.codes.values_mut().par_chunks_mut(BLOCK * f);
        blocks.zip(codes).for_each(|(x, codes)| {
            let n = codes.len() / f;
            let mut above = vec![0.0; n * f];
            products(x, parts, &mut above);
            let mut below = vec![0.0; n * f];
            matmul(
                MatMut::from_row_major_slice_mut(&mut below, n, f),
                Accum::Replace,
                MatRef::from_row_major_slice(codes, n, f),
                MatRef::from_row_major_slice(&squares, f, f),
                1.0,
                Par::Seq,
            );
            for ((code, above), below) in codes.iter_mut().zip(above).zip(below) {
                *code *= above / positive(below);
            }
        });
    }

    /// Returns codesᵀ · x, `[f, m]`, and codesᵀ · codes, `[f, f]`, side by side.
    fn sums(&self, x: &Matrix) -> Vec<f64> {
        let (f, m) = (self.parts.rows(), self.parts.columns());
        summed(x.rows(), f * m + f * f, |rows: Range<usize>, sums| {
            let codes = &self.codes.values()[rows.start * f..rows.end * f];
            let x = &x.values()[rows.start * m..rows.end * m];
            let (with_x, squares) = sums.split_at_mut(f * m);
            add_transposed(codes, x, (f, m), with_x);
            add_transposed(codes, codes, (f, f), squares);
        })
    }

    /// Multiplies the parts by codesᵀ · x / (codesᵀ · codes · parts), entry by entry; `sums` are those of [`Self::sums`].
    fn update_parts(&mut self, sums: &[f64]) {
        let (f, m) = (self.parts.rows(), self.parts.columns());
        let (with_x, _) = sums.split_at(f * m);
        let below = self.through(sums);
        let entries = self.parts.values_mut().iter_mut().zip(with_x).zip(below);
        for ((part, above), below) in entries {
            *part *= *above as f32 / positive(below);
        }
    }

    /// Computes codesᵀ · codes · parts, `[f, m]`.
    fn through(&self, sums: &[f64]) -> Vec<f32> {
        let (f, m) = (self.parts.rows(), self.parts.columns());
        let squares: Vec<f32> = sums[f * m..].iter().map(|value| *value as f32).collect();
        let mut out = vec![0.0; f * m];
        let strips = out.par_chunks_mut(64 * m).zip(squares.par_chunks(64 * f));
        strips.for_each(|(out, squares)| {
            let rows = squares.len() / f;
            matmul(
                MatMut::from_row_major_slice_mut(out, rows, m),
                Accum::Replace,
                MatRef::from_row_major_slice(squares, rows, f),
                MatRef::from_row_major_slice(self.parts.values(), f, m),
                1.0,
                Par::Seq,
            );
        });
        out
    }

    /// Computes Σ(x − codes · parts)² over both factors as they are, from their sums and `total` = Σx².
    fn error(&self, sums: &[f64], total: f64) -> f64 {
        let through = self.through(sums);
        let parts = self.parts.values().iter().zip(sums).zip(through);
        let terms = parts.map(|((part, with_x), through)| {
            f64::from(*part) * (f64::from(through) - 2.0 * with_x)
        });
        (total + terms.sum::<f64>()).max(0.0)
    }

    /// Updates codes, then parts; returns the sums with the codes.
    pub(super) fn round(&mut self, x: &Matrix) -> Vec<f64> {
        self.update_codes(x);
        let sums = self.sums(x);
        self.update_parts(&sums);
        sums
    }

    /// Updates codes and parts in turn; returns the number of rounds and whether they came to rest, as scikit-learn's solver `mu` decides it.
    pub(super) fn updated(
        &mut self,
        x: &Matrix,
        most: usize,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Ended<(usize, bool)> {
        let total = sums::total(x);
        let first = self.error(&self.sums(x), total).sqrt();
        let mut before = first;
        for round in 1..=most {
            let sums = self.round(x);
            if round % LOOK == 0 {
                let error = self.error(&sums, total).sqrt();
                if before - error < GAIN * first {
                    return Ended::Done((round, true));
                }
                before = error;
            }
            if observe(Progress::new(round, most, "rounds")).is_break() {
                return Ended::STOPPED;
            }
        }
        Ended::Done((most, false))
    }
}

/// Returns a divisor that is not 0.
fn positive(value: f32) -> f32 {
    if value == 0.0 { f32::EPSILON } else { value }
}

/// Splits each value into its positive and its negative half, `[n, 2d]`.
pub(super) fn halves(x: &Matrix) -> Result<Matrix> {
    let mut out = Vec::with_capacity(2 * x.values().len());
    for row in x.iter_rows() {
        out.extend(row.iter().map(|value| value.max(0.0)));
        out.extend(row.iter().map(|value| (-value).max(0.0)));
    }
    Matrix::new(x.rows(), 2 * x.columns(), out)
}

/// Fits parts to `x [n, d]`, which has mean 0.
pub(super) fn fit(
    spec: &Spec,
    x: &Matrix,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Made>> {
    let (f, d) = (spec.features, x.columns());
    let both = halves(x)?;
    let mut factors = Factors::drawn(&both, f, spec.seed)?;
    let Ended::Done((rounds, converged)) = factors.updated(&both, spec.rounds(), observe) else {
        return Ok(Ended::STOPPED);
    };
    let half = |j: usize, i: usize| f64::from(factors.parts.row(j)[i]);
    let mut rows = matrix(f, d, |j, i| half(j, i) - half(j, d + i))?;
    let left = left(x, &factors.codes, &rows);
    to_unit_rows(&mut rows);
    Ok(Ended::Done(Made {
        w_enc: rows.clone(),
        b_enc: vec![0.0; f],
        w_dec: rows,
        selection: rule(spec.active()).into(),
        rounds,
        converged,
        left: Some(left),
    }))
}

/// Computes the share of Σ‖x‖² that codes times rows leave.
fn left(x: &Matrix, codes: &Matrix, rows: &Matrix) -> f64 {
    let (f, d) = (rows.rows(), rows.columns());
    let sums = summed(x.rows(), 1, |range, sums| {
        let n = range.len();
        let mut back = vec![0.0; n * d];
        matmul(
            MatMut::from_row_major_slice_mut(&mut back, n, d),
            Accum::Replace,
            MatRef::from_row_major_slice(&codes.values()[range.start * f..range.end * f], n, f),
            MatRef::from_row_major_slice(rows.values(), f, d),
            1.0_f32,
            Par::Seq,
        );
        let x = &x.values()[range.start * d..range.end * d];
        let squares = x
            .iter()
            .zip(back)
            .map(|(x, back)| f64::from(x - back).powi(2));
        sums[0] += squares.sum::<f64>();
    });
    sums[0] / sums::total(x)
}
