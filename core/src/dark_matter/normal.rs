//! Solves least squares by streamed normal equations in f64: `[X 1]ᵀ[X 1] W = [X 1]ᵀ[E ‖E‖²]`.
//!
//! The products run over fixed blocks of tokens and fixed strips of columns, each on one thread, so the thread count changes nothing.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, solve};
use faer::linalg::matmul::matmul;
use faer::{Accum, Conj, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};

/// Number of tokens per block of the products.
const BLOCK: usize = 1024;
/// Number of columns per strip, the unit of parallel work.
const STRIP: usize = 64;
/// Smallest pivot, on a diagonal of ones, that is more than rounding.
const SMALLEST_PIVOT: f64 = 1e-12;
/// Ridge added to the diagonal of ones where a pivot is too small.
const RIDGE: f64 = 1e-9;

/// Sums of products over all tokens seen.
#[derive(Debug)]
pub(super) struct NormalEquations {
    /// Width `d`.
    width: usize,
    /// Products `[d + 1, 2(d + 1)]`, column-major: `[X 1]ᵀ[X 1 | E ‖E‖²]`; of the left half only the strips of the lower triangle.
    sums: Vec<f64>,
    /// Number of tokens.
    pub(super) tokens: u64,
}

/// Solution of the normal equations.
#[derive(Debug)]
pub(super) struct Solution {
    /// Weights `[d + 1, d]`.
    pub(super) weights: Matrix,
    /// Weights `[d + 1]`.
    pub(super) norm_weights: Vec<f32>,
    /// Ridge that was added to the scaled diagonal.
    pub(super) ridge: f64,
}

impl NormalEquations {
    /// Creates empty sums for activations of width `width`.
    pub(super) fn new(width: usize) -> Self {
        Self {
            width,
            sums: vec![0.0; (width + 1) * 2 * (width + 1)],
            tokens: 0,
        }
    }

    /// Adds activations `x [n, d]` and their errors `[n, d]`.
    pub(super) fn add(&mut self, x: &Matrix, error: &Matrix) -> Result<()> {
        Dims::new("normal equations")
            .bind("x", x, "n d")?
            .bind("error", error, "n d")?;
        let side = self.width + 1;
        for start in (0..x.rows()).step_by(BLOCK) {
            let n = BLOCK.min(x.rows() - start);
            let joined = joined(x, error, start..start + n);
            let joined = MatRef::from_row_major_slice(&joined, n, 2 * side);
            let left = joined.subcols(0, side).transpose(); // [d + 1, n]
            self.sums
                .par_chunks_mut(STRIP * side)
                .enumerate()
                .for_each(|(strip, sums)| {
                    let columns = sums.len() / side;
                    let first = strip * STRIP;
                    // Above its diagonal the left half is never read; a strip that reaches into the right half is computed whole.
                    let top = if first + columns <= side { first } else { 0 };
                    let sums = MatMut::from_column_major_slice_mut(sums, side, columns);
                    matmul(
                        sums.subrows_mut(top, side - top),
                        Accum::Add,
                        left.subrows(top, side - top),
                        joined.subcols(first, columns),
                        1.0,
                        Par::Seq,
                    );
                });
        }
        self.tokens += x.rows() as u64;
        Ok(())
    }

    /// Solves for the weights.
    pub(super) fn solve(mut self) -> Result<Solution> {
        let side = self.width + 1;
        let (products, targets) = self.sums.split_at_mut(side * side);
        // Scaling the diagonal to 1 makes pivots comparable between dimensions of any size.
        let scale: Vec<f64> = (0..side)
            .map(|i| match products[i * side + i] {
                square if square > 0.0 => square.sqrt().recip(),
                _ => 1.0,
            })
            .collect();
        for column in 0..side {
            for row in 0..side {
                products[column * side + row] *= scale[row] * scale[column];
                targets[column * side + row] *= scale[row];
            }
        }
        let (factor, ridge) = match factorised(products, side, 0.0) {
            Some(factor) => (factor, 0.0),
            None => (
                factorised(products, side, RIDGE).ok_or_else(not_finite)?,
                RIDGE,
            ),
        };
        solve_strips(&factor, targets, side);
        let solved = |row: usize, column: usize| targets[column * side + row] * scale[row];
        let mut weights = Matrix::zeros(side, self.width);
        for row in 0..side {
            for (column, weight) in weights.row_mut(row).iter_mut().enumerate() {
                *weight = solved(row, column) as f32;
            }
        }
        let norm_weights: Vec<f32> = (0..side)
            .map(|row| solved(row, self.width) as f32)
            .collect();
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        if !finite(weights.values()) || !finite(&norm_weights) {
            return Err(not_finite());
        }
        Ok(Solution {
            weights,
            norm_weights,
            ridge,
        })
    }
}

/// Builds `[x 1 | error ‖error‖²]` of some rows, `[n, 2(d + 1)]` row-major.
fn joined(x: &Matrix, error: &Matrix, rows: std::ops::Range<usize>) -> Vec<f64> {
    let mut joined = Vec::with_capacity(rows.len() * 2 * (x.columns() + 1));
    for i in rows {
        joined.extend(x.row(i).iter().map(|v| f64::from(*v)));
        joined.push(1.0);
        joined.extend(error.row(i).iter().map(|v| f64::from(*v)));
        joined.push(squared_norm(error.row(i)));
    }
    joined
}

/// Computes ‖values‖² in f64.
pub(super) fn squared_norm(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()
}

/// Computes the Cholesky factor (lower, column-major) of `products + ridge · 1`, or `None` where a pivot is too small.
fn factorised(products: &[f64], side: usize, ridge: f64) -> Option<Vec<f64>> {
    let mut lower = products.to_vec();
    for i in 0..side {
        lower[i * side + i] += ridge;
    }
    let scratch = factor::cholesky_in_place_scratch::<f64>(side, Par::Seq, Spec::default());
    let mut memory = MemBuffer::new(scratch);
    factor::cholesky_in_place(
        MatMut::from_column_major_slice_mut(&mut lower, side, side),
        factor::LltRegularization::default(),
        Par::Seq,
        MemStack::new(&mut memory),
        Spec::default(),
    )
    .ok()?;
    let usable = (0..side).all(|i| {
        let root = lower[i * side + i];
        root.is_finite() && root * root >= SMALLEST_PIVOT
    });
    usable.then_some(lower)
}

/// Solves in place for every column of `targets`, strip by strip.
fn solve_strips(factor: &[f64], targets: &mut [f64], side: usize) {
    let lower = MatRef::from_column_major_slice(factor, side, side);
    targets.par_chunks_mut(STRIP * side).for_each(|strip| {
        let columns = strip.len() / side;
        let scratch = solve::solve_in_place_scratch::<f64>(side, columns, Par::Seq);
        let mut memory = MemBuffer::new(scratch);
        solve::solve_in_place_with_conj(
            lower,
            Conj::No,
            MatMut::from_column_major_slice_mut(strip, side, columns),
            Par::Seq,
            MemStack::new(&mut memory),
        );
    });
}

fn not_finite() -> Error {
    Error::Numeric {
        what: "the linear probe of the error has no finite solution: the activations or the dictionary hold NaN or infinite values, check both with `umbra eval`"
            .to_owned(),
    }
}
