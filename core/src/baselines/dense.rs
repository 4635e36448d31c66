//! Dense products and decompositions, on threads whose number changes nothing.

use std::ops::Range;

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::{factor, solve};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, svd as decompose, svd_scratch};
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

use crate::dims::Matrix;
use crate::error::{Error, Result};

/// Number of rows per unit of parallel work.
pub(super) const BLOCK: usize = 512;
/// Number of units whose sums are held at a time.
const UNITS: usize = 4;
/// Number of columns per unit of parallel work of a product.
const STRIP: usize = 64;

/// Adds what `part` computes of runs of rows into `width` sums, run after run.
pub(super) fn summed(
    rows: usize,
    width: usize,
    part: impl Fn(Range<usize>, &mut [f64]) + Sync,
) -> Vec<f64> {
    let starts: Vec<usize> = (0..rows).step_by(BLOCK).collect();
    let mut total = vec![0.0; width];
    for starts in starts.chunks(UNITS) {
        let parts = starts.par_iter().map(|start| {
            let mut sums = vec![0.0; width];
            part(*start..rows.min(start + BLOCK), &mut sums);
            sums
        });
        for sums in parts.collect::<Vec<_>>() {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum;
            }
        }
    }
    total
}

/// Computes `x · wᵀ` of rows `x [n, d]` and `w [f, d]` into `out [n, f]`, on one thread.
pub(super) fn products(x: &[f32], w: &Matrix, out: &mut [f32]) {
    let (d, f) = (w.columns(), w.rows());
    let n = x.len() / d.max(1);
    matmul(
        MatMut::from_row_major_slice_mut(out, n, f),
        Accum::Replace,
        MatRef::from_row_major_slice(x, n, d),
        MatRef::from_row_major_slice(w.values(), f, d).transpose(),
        1.0,
        Par::Seq,
    );
}

/// Adds `aᵀ · b` of rows `a [n, p]` and `b [n, q]` to `sums [p, q]`, on one thread.
pub(super) fn add_transposed(a: &[f32], b: &[f32], (p, q): (usize, usize), sums: &mut [f64]) {
    let n = a.len() / p.max(1);
    let mut product = vec![0.0_f32; p * q];
    matmul(
        MatMut::from_row_major_slice_mut(&mut product, p, q),
        Accum::Replace,
        MatRef::from_row_major_slice(a, n, p).transpose(),
        MatRef::from_row_major_slice(b, n, q),
        1.0,
        Par::Seq,
    );
    for (sum, value) in sums.iter_mut().zip(product) {
        *sum += f64::from(value);
    }
}

/// Computes `a · b`, strip by strip.
pub(super) fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let (n, m) = (a.nrows(), b.ncols());
    let mut out = vec![0.0; n * m];
    out.par_chunks_mut((STRIP * n).max(1))
        .enumerate()
        .for_each(|(strip, out)| {
            let columns = out.len() / n;
            matmul(
                MatMut::from_column_major_slice_mut(out, n, columns),
                Accum::Replace,
                a,
                b.subcols(strip * STRIP, columns),
                1.0,
                Par::Seq,
            );
        });
    MatRef::from_column_major_slice(&out, n, m).to_owned()
}

/// Computes the eigenvalues of a symmetric matrix (its lower half is read), falling, and the eigenvectors as columns.
pub(super) fn eigen(symmetric: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>)> {
    let side = symmetric.nrows();
    let mut values = Diag::<f64>::zeros(side);
    let mut vectors = Mat::<f64>::zeros(side, side);
    let scratch =
        self_adjoint_evd_scratch::<f64>(side, ComputeEigenvectors::Yes, Par::Seq, Spec::default());
    let mut memory = MemBuffer::new(scratch);
    self_adjoint_evd(
        symmetric.as_ref(),
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        Spec::default(),
    )
    .map_err(|_diverged| unsolved())?;
    // They come rising.
    let rising = values.column_vector();
    let falling: Vec<f64> = (0..side).rev().map(|i| rising[i]).collect();
    if falling.iter().any(|value| !value.is_finite()) {
        return Err(unsolved());
    }
    let vectors = Mat::from_fn(side, side, |i, j| vectors[(i, side - 1 - j)]);
    Ok((falling, vectors))
}

/// Thin singular value decomposition: left vectors as columns, falling singular values, right vectors as columns.
pub(super) type Decomposed = (Mat<f64>, Vec<f64>, Mat<f64>);

/// Computes the thin singular value decomposition.
pub(super) fn svd(of: &Mat<f64>) -> Result<Decomposed> {
    let (n, m) = of.shape();
    let size = n.min(m);
    let thin = ComputeSvdVectors::Thin;
    let (mut u, mut v) = (Mat::<f64>::zeros(n, size), Mat::<f64>::zeros(m, size));
    let mut values = Diag::<f64>::zeros(size);
    let scratch = svd_scratch::<f64>(n, m, thin, thin, Par::Seq, Spec::default());
    let mut memory = MemBuffer::new(scratch);
    decompose(
        of.as_ref(),
        values.as_mut(),
        Some(u.as_mut()),
        Some(v.as_mut()),
        Par::Seq,
        MemStack::new(&mut memory),
        Spec::default(),
    )
    .map_err(|_diverged| unsolved())?;
    let values = values.column_vector();
    Ok((u, (0..size).map(|i| values[i]).collect(), v))
}

/// Solves `a · s = b` in place of `b [side, columns]`, column-major, for a symmetric positive `a [side, side]`; false if `a` is not positive.
pub(super) fn solve_positive(a: &mut [f64], b: &mut [f64], side: usize) -> bool {
    let scratch = factor::cholesky_in_place_scratch::<f64>(side, Par::Seq, Spec::default());
    let mut memory = MemBuffer::new(scratch);
    let factored = factor::cholesky_in_place(
        MatMut::from_column_major_slice_mut(a, side, side),
        factor::LltRegularization::default(),
        Par::Seq,
        MemStack::new(&mut memory),
        Spec::default(),
    );
    if factored.is_err() {
        return false;
    }
    let lower = MatRef::from_column_major_slice(a, side, side);
    b.par_chunks_mut((STRIP * side).max(1)).for_each(|strip| {
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
    true
}

/// Divides each row by its length; a row of zeros stays. Returns the lengths.
pub(super) fn to_unit_rows(rows: &mut Matrix) -> Vec<f64> {
    let lengths: Vec<f64> = rows.iter_rows().map(|row| squared(row).sqrt()).collect();
    for (i, length) in lengths.iter().enumerate() {
        if *length > 0.0 {
            let row = rows.row_mut(i).iter_mut();
            row.for_each(|value| *value = (f64::from(*value) / length) as f32);
        }
    }
    lengths
}

/// Computes ‖values‖².
pub(super) fn squared(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum()
}

/// Returns a matrix of `rows × columns` with the values of `at`.
pub(super) fn matrix(
    rows: usize,
    columns: usize,
    at: impl Fn(usize, usize) -> f64,
) -> Result<Matrix> {
    let values = (0..rows * columns).map(|i| at(i / columns, i % columns) as f32);
    Matrix::new(rows, columns, values.collect())
}

fn unsolved() -> Error {
    Error::Numeric {
        what: "a decomposition of the activations has no finite result: look for NaN or infinity in them"
            .to_owned(),
    }
}
