//! Independent component analysis: FastICA (Hyvärinen 1999, "Fast and robust fixed-point algorithms for independent component analysis"), tanh, all components at once.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};

use super::dense::{eigen, matrix, product, summed};
use super::sums::Sums;
use super::{Made, Spec, draws};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::AbsTopK;

/// Change of direction, 1 − |cosine|, below which every component counts as found.
const STILL: f64 = 1e-4;
/// Share of the largest variance below which a principal component is rounding.
const FLAT: f64 = 1e-10;

/// Whitened activations.
#[derive(Debug)]
pub(super) struct White {
    /// `[n, c]`, row-major, uncorrelated and of variance 1.
    z: Vec<f64>,
    /// Whitening, `[c, d]`.
    from_x: Mat<f64>,
    /// Its inverse on the span of the components, `[d, c]`.
    to_x: Mat<f64>,
    /// Share of the variance outside that span.
    left: f64,
}

impl White {
    /// Whitens `x [n, d]`, which has mean 0, onto its first `c` principal components.
    pub(super) fn new(x: &Matrix, c: usize) -> Result<Self> {
        let (n, d) = (x.rows(), x.columns());
        let mut sums = Sums::new(d);
        sums.add(&[x])?;
        let (values, vectors) = eigen(&sums.covariance((0, d), (0, d)))?;
        let flat = |value: &f64| *value > FLAT * values[0];
        let spanned = values.iter().take_while(|value| flat(value)).count();
        if spanned < c {
            let what = format!(
                "{c} features by ica, but the activations span only {spanned} dimensions: give {spanned} or fewer"
            );
            return Err(Error::setting("features", what));
        }
        // Eigenvectors have no sign of their own; the first entry of each is made positive.
        let sign = |j: usize| if vectors[(0, j)] < 0.0 { -1.0 } else { 1.0 };
        let entry = |i: usize, j: usize| sign(j) * vectors[(i, j)];
        let from_x = Mat::from_fn(c, d, |j, i| entry(i, j) / values[j].sqrt());
        let to_x = Mat::from_fn(d, c, |i, j| entry(i, j) * values[j].sqrt());
        let kept: f64 = values[..c].iter().sum();
        let all: f64 = values.iter().map(|value| value.max(0.0)).sum();
        let mut z = Vec::with_capacity(n * c);
        let wide: Vec<f64> = x.values().iter().map(|value| f64::from(*value)).collect();
        for rows in wide.chunks(super::dense::BLOCK * d) {
            let rows = MatRef::from_row_major_slice(rows, rows.len() / d, d);
            let part = product(from_x.as_ref(), rows.transpose()); // [c, n]
            z.extend(
                (0..part.ncols()).flat_map(|i| part.col(i).iter().copied().collect::<Vec<_>>()),
            );
        }
        Ok(Self {
            z,
            from_x,
            to_x,
            left: (1.0 - kept / all).max(0.0),
        })
    }

    fn components(&self) -> usize {
        self.from_x.nrows()
    }

    /// Computes the next unmixing `[c, c]` of whitened activations: mean g(w·z) z − mean g′(w·z) w for each row w, made orthonormal.
    fn step(&self, unmixing: &Mat<f64>) -> Result<Mat<f64>> {
        let c = self.components();
        let n = self.z.len() / c;
        let sums = summed(n, c * c + c, |rows, sums| {
            self.add(unmixing, rows, sums);
        });
        let n = n as f64;
        let next = Mat::from_fn(c, c, |i, j| {
            sums[j * c + i] / n - sums[c * c + i] / n * unmixing[(i, j)]
        });
        decorrelated(&next)
    }

    /// Computes the sources `[n, c]` of some rows, row-major.
    fn sources(&self, unmixing: &Mat<f64>, rows: Range<usize>) -> Vec<f64> {
        let (n, c) = (rows.len(), self.components());
        let mut y = vec![0.0; n * c];
        matmul(
            MatMut::from_row_major_slice_mut(&mut y, n, c),
            Accum::Replace,
            MatRef::from_row_major_slice(&self.z[rows.start * c..rows.end * c], n, c),
            unmixing.transpose(),
            1.0,
            Par::Seq,
        );
        y
    }

    /// Adds Σ g(y) zᵀ, column-major, and Σ g′(y) of some rows.
    fn add(&self, unmixing: &Mat<f64>, rows: Range<usize>, sums: &mut [f64]) {
        let c = self.components();
        let n = rows.len();
        let z = MatRef::from_row_major_slice(&self.z[rows.start * c..rows.end * c], n, c);
        let mut y = self.sources(unmixing, rows);
        let (products, slopes) = sums.split_at_mut(c * c);
        for row in y.chunks_exact_mut(c) {
            for (y, slope) in row.iter_mut().zip(slopes.iter_mut()) {
                *y = y.tanh();
                *slope += 1.0 - *y * *y;
            }
        }
        matmul(
            MatMut::from_column_major_slice_mut(products, c, c),
            Accum::Add,
            MatRef::from_row_major_slice(&y, n, c).transpose(),
            z,
            1.0,
            Par::Seq,
        );
    }

    /// Returns the sign of the skewness of each source, so that its long tail is positive.
    fn signs(&self, unmixing: &Mat<f64>) -> Vec<f64> {
        let c = self.components();
        let n = self.z.len() / c;
        let cubes = summed(n, c, |rows, sums| {
            for row in self.sources(unmixing, rows).chunks_exact(c) {
                for (sum, y) in sums.iter_mut().zip(row) {
                    *sum += y.powi(3);
                }
            }
        });
        let sign = |cube: &f64| if *cube < 0.0 { -1.0 } else { 1.0 };
        cubes.iter().map(sign).collect()
    }
}

/// Returns (w wᵀ)^(−1/2) w, the nearest matrix with orthonormal rows.
fn decorrelated(w: &Mat<f64>) -> Result<Mat<f64>> {
    let c = w.nrows();
    let (values, vectors) = eigen(&product(w.as_ref(), w.transpose()))?;
    let least = f64::MIN_POSITIVE;
    let scaled = Mat::from_fn(c, c, |i, j| vectors[(i, j)] / values[j].max(least).sqrt());
    let root = product(scaled.as_ref(), vectors.transpose());
    Ok(product(root.as_ref(), w.as_ref()))
}

/// Unmixing of whitened activations, the number of rounds, and whether they came to rest.
pub(super) type Unmixed = (Mat<f64>, usize, bool);

/// Iterates from `start [c, c]`.
pub(super) fn unmixed(
    white: &White,
    start: &Mat<f64>,
    most: usize,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Unmixed>> {
    let mut unmixing = decorrelated(start)?;
    for round in 1..=most {
        let next = white.step(&unmixing)?;
        let c = next.nrows();
        let cosine = |i: usize| (0..c).map(|j| next[(i, j)] * unmixing[(i, j)]).sum::<f64>();
        let moved = (0..c).map(|i| (cosine(i).abs() - 1.0).abs());
        let moved = moved.fold(0.0, f64::max);
        unmixing = next;
        if moved < STILL {
            return Ok(Ended::Done((unmixing, round, true)));
        }
        if observe(Progress::new(round, most, "rounds")).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done((unmixing, most, false)))
}

/// Unmixing `[c, d]` and mixing `[d, c]` of activations less their mean, for sources of variance 1.
pub(super) fn maps(white: &White, unmixing: &Mat<f64>) -> (Mat<f64>, Mat<f64>) {
    (
        product(unmixing.as_ref(), white.from_x.as_ref()),
        product(white.to_x.as_ref(), unmixing.transpose()),
    )
}

/// Fits independent components of `x [n, d]`, which has mean 0.
pub(super) fn fit(
    spec: &Spec,
    x: &Matrix,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Made>> {
    let (c, d) = (spec.features, x.columns());
    let white = White::new(x, c)?;
    let mut rng = draws::source(spec.seed);
    let start = Mat::from_fn(c, c, |_, _| draws::one_normal(&mut rng));
    let Ended::Done((unmixing, rounds, converged)) =
        unmixed(&white, &start, spec.rounds(), observe)?
    else {
        return Ok(Ended::STOPPED);
    };
    let signs = white.signs(&unmixing);
    let (sources, mixing) = maps(&white, &unmixing);
    // Rows of length 1 put the units of activations into the codes.
    let length = |j: usize| mixing.col(j).norm_l2();
    let lengths: Vec<f64> = (0..c).map(length).collect();
    Ok(Ended::Done(Made {
        w_enc: matrix(c, d, |j, i| signs[j] * lengths[j] * sources[(j, i)])?,
        b_enc: vec![0.0; c],
        w_dec: matrix(c, d, |j, i| signs[j] * mixing[(i, j)] / lengths[j])?,
        selection: AbsTopK { k: spec.active() }.into(),
        rounds,
        converged,
        left: Some(white.left),
    }))
}
