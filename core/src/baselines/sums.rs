//! Streamed means and covariances in f64: memory grows with the square of the width and not with the number of tokens.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::dims::Matrix;
use crate::error::{Error, Result};

/// Number of tokens per block of the products.
const BLOCK: usize = 2_048;
/// Number of tokens that become f64 as one unit of parallel work.
const FILLED: usize = 64;
/// Number of columns per unit of parallel work of the products.
const STRIP: usize = 64;

/// Sums over tokens of values side by side, `[w]`, and, where wanted, of their products.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    width: usize,
    totals: Vec<f64>,
    /// `[w, w]`, column-major, the lower half by strips; empty where only means are wanted.
    squares: Vec<f64>,
    /// First token, which is taken from all others: far from 0, products would lose digits.
    origin: Vec<f64>,
    tokens: u64,
    block: Vec<f64>,
}

impl Sums {
    /// Creates empty sums of `width` values and their products.
    pub(super) fn new(width: usize) -> Self {
        Self {
            squares: vec![0.0; width * width],
            ..Self::of_means(width)
        }
    }

    /// Creates empty sums of `width` values alone.
    pub(super) fn of_means(width: usize) -> Self {
        Self {
            width,
            totals: vec![0.0; width],
            squares: Vec::new(),
            origin: Vec::new(),
            tokens: 0,
            block: Vec::new(),
        }
    }

    /// Adds tokens whose values are the rows of `parts` side by side, each `[n, ·]`.
    pub(super) fn add(&mut self, parts: &[&Matrix]) -> Result<()> {
        let columns: usize = parts.iter().map(|part| part.columns()).sum();
        let n = parts.first().map_or(0, |part| part.rows());
        if columns != self.width || parts.iter().any(|part| part.rows() != n) {
            let shapes: Vec<String> = parts
                .iter()
                .map(|part| format!("[{}, {}]", part.rows(), part.columns()))
                .collect();
            let what = format!(
                "values {} side by side are not one row per token of width {}",
                shapes.join(" and "),
                self.width
            );
            return Err(Error::Shape { op: "sums", what });
        }
        if self.origin.is_empty() && n > 0 {
            let first = parts.iter().flat_map(|part| part.row(0));
            self.origin = first.map(|value| f64::from(*value)).collect();
        }
        for start in (0..n).step_by(BLOCK) {
            let count = BLOCK.min(n - start);
            self.fill(parts, start, count);
            self.multiply(count);
        }
        self.tokens += n as u64;
        Ok(())
    }

    fn fill(&mut self, parts: &[&Matrix], start: usize, count: usize) {
        let (width, origin) = (self.width, &self.origin);
        self.block.resize(count * width, 0.0);
        let chunks = self.block.par_chunks_mut((FILLED * width).max(1));
        chunks.enumerate().for_each(|(chunk, rows)| {
            for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                let token = start + chunk * FILLED + i;
                let values = parts.iter().flat_map(|part| part.row(token));
                for ((into, value), origin) in row.iter_mut().zip(values).zip(origin) {
                    *into = f64::from(*value) - origin;
                }
            }
        });
    }

    fn multiply(&mut self, count: usize) {
        let (width, block) = (self.width, &self.block[..count * self.width]);
        for row in block.chunks_exact(width.max(1)) {
            for (sum, value) in self.totals.iter_mut().zip(row) {
                *sum += value;
            }
        }
        if self.squares.is_empty() {
            return;
        }
        let block = MatRef::from_row_major_slice(block, count, width);
        let strips = self.squares.par_chunks_mut(STRIP * width).enumerate();
        strips.for_each(|(strip, sums)| {
            let (first, columns) = (strip * STRIP, sums.len() / width);
            let sums = MatMut::from_column_major_slice_mut(sums, width, columns);
            matmul(
                sums.subrows_mut(first, width - first),
                Accum::Add,
                block.transpose().subrows(first, width - first),
                block.subcols(first, columns),
                1.0,
                Par::Seq,
            );
        });
    }

    /// Number of values per token.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Number of tokens so far.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Computes the means, `[w]`.
    pub(super) fn mean(&self) -> Vec<f64> {
        let n = (self.tokens as f64).max(1.0);
        let means = self.totals.iter().zip(&self.origin);
        means.map(|(sum, origin)| sum / n + origin).collect()
    }

    /// Computes the covariances (over n) of the values `rows` with the values `columns`, each a first place and a number.
    pub(super) fn covariance(&self, rows: (usize, usize), columns: (usize, usize)) -> Mat<f64> {
        let n = (self.tokens as f64).max(1.0);
        Mat::from_fn(rows.1, columns.1, |i, j| {
            let (a, b) = (rows.0 + i, columns.0 + j);
            let square = self.squares[a.min(b) * self.width + a.max(b)];
            (square - self.totals[a] * self.totals[b] / n) / n
        })
    }
}

/// Returns the mean of the rows of `x [n, d]`, and the rows less that mean.
pub(super) fn centred(x: &Matrix) -> (Vec<f64>, Matrix) {
    let mut mean = vec![0.0; x.columns()];
    for row in x.iter_rows() {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    for sum in &mut mean {
        *sum /= x.rows().max(1) as f64;
    }
    // The dictionary subtracts the mean as f32.
    let mut centred = x.clone();
    let rows = centred.values_mut().chunks_exact_mut(mean.len().max(1));
    for row in rows {
        for (value, mean) in row.iter_mut().zip(&mean) {
            *value -= *mean as f32;
        }
    }
    (mean, centred)
}

/// Computes Σ‖x‖² over the rows.
pub(super) fn total(x: &Matrix) -> f64 {
    x.iter_rows().map(super::dense::squared).sum()
}
