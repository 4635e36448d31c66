//! Solves least squares by streamed normal equations in f64: `[Z 1]ᵀ[Z 1] W = [Z 1]ᵀ Y`, with or without a ridge.
//!
//! The products run over fixed blocks of tokens and fixed strips of columns, each on one thread, so the thread count changes nothing. Of the symmetric half only
//! the strips of the lower triangle are computed. Memory grows with the square of the width and not with the number of tokens.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, solve};
use faer::linalg::matmul::matmul;
use faer::{Accum, Conj, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};

/// Number of tokens per block of the products.
const BLOCK: usize = 2048;
/// Number of tokens that are converted to f64 as one unit of parallel work.
const FILLED: usize = 64;
/// Fewest and most columns per strip, the unit of parallel work of the products.
const STRIP: (usize, usize) = (64, 256);
/// Number of strips that the symmetric half is divided into, as far as [`STRIP`] allows.
const STRIPS: usize = 6;
/// Smallest pivot, on a diagonal of ones, that is more than rounding.
const SMALLEST_PIVOT: f64 = 1e-12;
/// Ridge added to the diagonal of ones where a pivot is too small.
const RIDGE: f64 = 1e-9;

/// Sums of products over all tokens seen, for `q` targets predicted from `p` values and a bias.
#[derive(Debug, Clone)]
pub(crate) struct NormalEquations {
    /// Number of predictors `p`.
    inputs: usize,
    /// Number of targets `q`.
    outputs: usize,
    /// Products `[Z 1]ᵀ[Z 1]`, `[p + 1, p + 1]`, column-major; only the strips of the lower triangle.
    squares: Vec<f64>,
    /// Products `[Z 1]ᵀY`, `[p + 1, q]`, column-major.
    products: Vec<f64>,
    /// Sums Σ y² by target, `[q]`.
    targets: Vec<f64>,
    /// Number of tokens.
    pub(crate) tokens: u64,
    /// Memory for one block `[Z 1 | Y]` in f64, row-major.
    block: Vec<f64>,
}

/// Solution of the normal equations.
#[derive(Debug, Clone)]
pub(crate) struct Solution {
    /// Weights `[p + 1, q]`, column-major, the bias last in each column.
    solved: Vec<f64>,
    side: usize,
    /// Squared errors Σ (y − prediction)² over the tokens fitted on, by target, `[q]`.
    pub(crate) left: Vec<f64>,
    /// Ridge that was added to the scaled diagonal because the predictors do not span their space; otherwise 0.
    pub(crate) ridge: f64,
}

impl Solution {
    /// Returns the weights `[p + 1, count]` of the targets from `first` on.
    pub(crate) fn weights(&self, first: usize, count: usize) -> Result<Matrix> {
        let mut weights = Matrix::zeros(self.side, count);
        for row in 0..self.side {
            for (column, weight) in weights.row_mut(row).iter_mut().enumerate() {
                *weight = self.solved[(first + column) * self.side + row] as f32;
            }
        }
        if weights.values().iter().all(|v| v.is_finite()) {
            Ok(weights)
        } else {
            Err(not_finite())
        }
    }

    /// Returns the weights `[p + 1]` of target `target`, in f64.
    pub(crate) fn column(&self, target: usize) -> &[f64] {
        &self.solved[target * self.side..(target + 1) * self.side]
    }
}

impl NormalEquations {
    /// Creates empty sums for `outputs` targets predicted from `inputs` values.
    pub(crate) fn new(inputs: usize, outputs: usize) -> Self {
        let side = inputs + 1;
        Self {
            inputs,
            outputs,
            squares: vec![0.0; side * side],
            products: vec![0.0; side * outputs],
            targets: vec![0.0; outputs],
            tokens: 0,
            block: Vec::new(),
        }
    }

    /// Adds predictors `z [n, p]`; `targets` writes the `q` targets of a token.
    pub(crate) fn add(
        &mut self,
        z: &Matrix,
        targets: impl Fn(usize, &mut [f64]) + Sync,
    ) -> Result<()> {
        Dims::new("normal equations").bind("z", z, "n p")?;
        if z.columns() != self.inputs {
            return Err(Error::Shape {
                op: "normal equations",
                what: format!("`z` is {} wide, the equations {}", z.columns(), self.inputs),
            });
        }
        for start in (0..z.rows()).step_by(BLOCK) {
            let n = BLOCK.min(z.rows() - start);
            self.fill(z, &targets, (start, n));
            self.multiply(n);
        }
        self.tokens += z.rows() as u64;
        Ok(())
    }

    /// Adds predictors `z [n, p]`, errors `[n, d]` and the squared norms of the errors: `d + 1` targets.
    pub(crate) fn add_errors(&mut self, z: &Matrix, error: &Matrix) -> Result<()> {
        Dims::new("normal equations")
            .bind("z", z, "n p")?
            .bind("error", error, "n d")?;
        let d = error.columns();
        self.add(z, |i, into| {
            let error = error.row(i);
            for (into, error) in into.iter_mut().zip(error) {
                *into = f64::from(*error);
            }
            into[d] = squared_norm(error);
        })
    }

    /// Writes `[z 1 | y]` of `n` tokens into the block, and adds Σ y².
    fn fill(
        &mut self,
        z: &Matrix,
        targets: &(impl Fn(usize, &mut [f64]) + Sync),
        (start, n): (usize, usize),
    ) {
        let (p, q) = (self.inputs, self.outputs);
        let columns = p + 1 + q;
        self.block.resize(n * columns, 0.0);
        let of_chunk = |(chunk, rows): (usize, &mut [f64])| {
            let mut squares = vec![0.0; q];
            for (i, row) in rows.chunks_exact_mut(columns).enumerate() {
                let token = start + chunk * FILLED + i;
                for (into, value) in row.iter_mut().zip(z.row(token)) {
                    *into = f64::from(*value);
                }
                row[p] = 1.0;
                let row = &mut row[p + 1..];
                targets(token, row);
                for (square, value) in squares.iter_mut().zip(row) {
                    *square += *value * *value;
                }
            }
            squares
        };
        let chunks = self.block.par_chunks_mut(FILLED * columns).enumerate();
        let squares: Vec<Vec<f64>> = chunks.map(of_chunk).collect();
        for squares in squares {
            for (sum, square) in self.targets.iter_mut().zip(squares) {
                *sum += square;
            }
        }
    }

    /// Adds the products of the block's `n` tokens.
    fn multiply(&mut self, n: usize) {
        let (side, strip) = (self.inputs + 1, strip(self.inputs + 1));
        let block = MatRef::from_row_major_slice(&self.block, n, side + self.outputs);
        let left = block.subcols(0, side).transpose(); // [p + 1, n]
        let squares = self.squares.par_chunks_mut(strip * side).enumerate();
        // Above its diagonal the symmetric half is never read.
        let squares = squares.map(|(at, sums)| (sums, at * strip, at * strip));
        let products = self.products.par_chunks_mut(strip * side).enumerate();
        let products = products.map(|(at, sums)| (sums, side + at * strip, 0));
        products.chain(squares).for_each(|(sums, first, top)| {
            let columns = sums.len() / side;
            let sums = MatMut::from_column_major_slice_mut(sums, side, columns);
            matmul(
                sums.subrows_mut(top, side - top),
                Accum::Add,
                left.subrows(top, side - top),
                block.subcols(first, columns),
                1.0,
                Par::Seq,
            );
        });
    }

    /// Returns the sums with those of `other` added (`sign` 1) or taken away (−1).
    #[must_use]
    pub(crate) fn with(mut self, other: &Self, sign: f64) -> Self {
        let pairs = [
            (&mut self.squares, &other.squares),
            (&mut self.products, &other.products),
            (&mut self.targets, &other.targets),
        ];
        for (own, other) in pairs {
            for (own, other) in own.iter_mut().zip(other) {
                *own += sign * other;
            }
        }
        self.tokens = if sign > 0.0 {
            self.tokens + other.tokens
        } else {
            self.tokens - other.tokens
        };
        self
    }

    /// Computes Σ (y − mean y)² of each target, `[q]`.
    pub(crate) fn spreads(&self) -> Vec<f64> {
        let side = self.inputs + 1;
        let n = self.tokens as f64;
        let sums = self.products.chunks_exact(side).map(|sums| sums[side - 1]);
        let spreads = self.targets.iter().zip(sums);
        spreads
            .map(|(square, sum)| (square - sum * sum / n).max(0.0))
            .collect()
    }

    /// Solves for the weights with ridge `lambda`, see [`super::Ridge`].
    pub(crate) fn solve(mut self, lambda: f64) -> Result<Solution> {
        self.block = Vec::new();
        let side = self.inputs + 1;
        let (squares, products) = (&mut self.squares, &mut self.products);
        // Scaling the diagonal to 1 makes pivots comparable between predictors of any size.
        let scale: Vec<f64> = (0..side)
            .map(|i| match squares[i * side + i] {
                square if square > 0.0 => square.sqrt().recip(),
                _ => 1.0,
            })
            .collect();
        let n = self.tokens as f64;
        let mut penalty: Vec<f64> = (0..side)
            .map(|i| {
                let (square, sum) = (squares[i * side + i], squares[i * side + side - 1]);
                lambda * (square - sum * sum / n).max(0.0) * scale[i] * scale[i]
            })
            .collect();
        penalty[side - 1] = 0.0; // the bias
        for column in 0..side {
            for row in column..side {
                squares[column * side + row] *= scale[row] * scale[column];
            }
        }
        for column in products.chunks_exact_mut(side) {
            for (value, scale) in column.iter_mut().zip(&scale) {
                *value *= scale;
            }
        }
        let mut ridge = 0.0;
        let mut factor = factorised(squares, side, &penalty);
        if factor.is_none() {
            ridge = RIDGE;
            for penalty in &mut penalty {
                *penalty += RIDGE;
            }
            factor = factorised(squares, side, &penalty);
        }
        let factor = factor.ok_or_else(not_finite)?;
        let scaled = products.clone();
        solve_strips(&factor, products, side);
        let left = left(products, &scaled, (&self.targets, &penalty));
        for column in products.chunks_exact_mut(side) {
            for (value, scale) in column.iter_mut().zip(&scale) {
                *value *= scale;
            }
        }
        Ok(Solution {
            solved: self.products,
            side,
            left,
            ridge,
        })
    }

    /// Computes the squared errors of `solution` on the tokens of these sums, by target, `[q]`.
    pub(crate) fn errors(&self, solution: &Solution) -> Vec<f64> {
        let side = self.inputs + 1;
        let mut whole = self.squares.clone();
        for column in 0..side {
            for row in 0..column {
                whole[column * side + row] = self.squares[row * side + column];
            }
        }
        let whole = MatRef::from_column_major_slice(&whole, side, side);
        let strip = strip(side);
        let strips = solution.solved.par_chunks(strip * side);
        let predicted = strips.map(|solved| {
            let columns = solved.len() / side;
            let solved = MatRef::from_column_major_slice(solved, side, columns);
            let mut product = vec![0.0; side * columns];
            matmul(
                MatMut::from_column_major_slice_mut(&mut product, side, columns),
                Accum::Replace,
                whole,
                solved,
                1.0,
                Par::Seq,
            );
            product
        });
        let predicted: Vec<Vec<f64>> = predicted.collect();
        let predicted = predicted.iter().flat_map(|strip| strip.chunks_exact(side));
        let columns = predicted.zip(self.products.chunks_exact(side)).enumerate();
        columns
            .map(|(target, (predicted, product))| {
                let weights = solution.column(target);
                let terms = weights.iter().zip(predicted).zip(product);
                let sum: f64 = terms.map(|((w, p), y)| w * (p - 2.0 * y)).sum();
                (self.targets[target] + sum).max(0.0)
            })
            .collect()
    }
}

/// Number of columns per strip of products with `side` columns: from the width alone, so that the number of threads changes nothing.
fn strip(side: usize) -> usize {
    (side / STRIPS).clamp(STRIP.0, STRIP.1)
}

/// Computes ‖values‖² in f64.
pub(crate) fn squared_norm(values: &[f32]) -> f64 {
    // Eight sums side by side keep the processor's vectors busy.
    let mut sums = [0.0; 8];
    let (eights, rest) = values.as_chunks::<8>();
    for eight in eights {
        for (sum, value) in sums.iter_mut().zip(eight) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest: f64 = rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Computes the squared errors of the scaled solution `u` from the scaled products `t`: Σy² − uᵀt − uᵀ·penalty·u, as (S + penalty) u = t.
fn left(solved: &[f64], scaled: &[f64], (targets, penalty): (&[f64], &[f64])) -> Vec<f64> {
    let side = penalty.len();
    let columns = solved.chunks_exact(side).zip(scaled.chunks_exact(side));
    let each = columns.zip(targets).map(|((solved, scaled), square)| {
        let terms = solved.iter().zip(scaled).zip(penalty);
        let explained: f64 = terms.map(|((u, t), penalty)| u * (t + penalty * u)).sum();
        (square - explained).max(0.0)
    });
    each.collect()
}

/// Computes the Cholesky factor (lower, column-major) of `products` with `penalty` added to the diagonal, or `None` where a pivot is too small.
fn factorised(products: &[f64], side: usize, penalty: &[f64]) -> Option<Vec<f64>> {
    let mut lower = products.to_vec();
    for (i, penalty) in penalty.iter().enumerate() {
        lower[i * side + i] += penalty;
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
    let strip = strip(side);
    targets.par_chunks_mut(strip * side).for_each(|strip| {
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
        what: "the least squares of the error has no finite solution: the activations or the dictionary hold NaN or infinite values, check both with `umbra eval`"
            .to_owned(),
    }
}
