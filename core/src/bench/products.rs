//! Product of the encoder alone, by two libraries.

#![expect(unsafe_code, reason = "the libraries take raw pointers")]

use std::time::{Duration, Instant};

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gemm::Parallelism;

use super::Settings;
use crate::dims::Matrix;

/// `out[n, f] = x[n, d] · w[f, d]ᵀ` with `[n, f, d]`.
pub(super) type Product = fn(&mut [f32], &[f32], &[f32], [usize; 3]);

/// Libraries by name.
pub(super) const PRODUCTS: [(&str, Product); 2] = [("faer", by_faer), ("gemm", by_gemm)];

fn by_faer(out: &mut [f32], x: &[f32], w: &[f32], [n, f, d]: [usize; 3]) {
    let out = MatMut::from_row_major_slice_mut(out, n, f);
    let x = MatRef::from_row_major_slice(x, n, d);
    let w = MatRef::from_row_major_slice(w, f, d).transpose();
    matmul(out, Accum::Replace, x, w, 1.0_f32, Par::rayon(0));
}

fn by_gemm(out: &mut [f32], x: &[f32], w: &[f32], [n, f, d]: [usize; 3]) {
    assert!(out.len() == n * f && x.len() == n * d && w.len() == f * d);
    let (row, column) = (d as isize, 1);
    // SAFETY: the slices hold what the shapes say, asserted above.
    unsafe {
        gemm::gemm(
            n,
            f,
            d,
            out.as_mut_ptr(),
            1,
            f as isize,
            false,
            x.as_ptr(),
            column,
            row,
            w.as_ptr(),
            row,
            column,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

/// Libraries with their best times.
#[derive(Debug)]
pub(super) struct Timed {
    out: Vec<f32>,
    x: Vec<f32>,
    shape: [usize; 3],
    best: [Duration; PRODUCTS.len()],
}

impl Timed {
    /// Reads the first rows of `cached`.
    pub(super) fn new(cached: &Matrix, settings: &Settings) -> Self {
        let (n, f, d) = (settings.batch, settings.features, settings.d);
        let rows = cached.iter_rows().take(n);
        Self {
            out: vec![0.0; n * f],
            x: rows.flat_map(|row| &row[..d]).copied().collect(),
            shape: [n, f, d],
            best: [Duration::MAX; PRODUCTS.len()],
        }
    }

    fn time(&mut self, which: usize, w_enc: &Matrix) -> Duration {
        let begun = Instant::now();
        PRODUCTS[which].1(&mut self.out, &self.x, w_enc.values(), self.shape);
        let time = begun.elapsed();
        self.best[which] = self.best[which].min(time);
        time
    }

    pub(super) fn try_all(&mut self, w_enc: &Matrix) {
        for which in 0..PRODUCTS.len() {
            self.time(which, w_enc);
        }
    }

    /// Times the library that was fastest so far.
    pub(super) fn fastest(&mut self, w_enc: &Matrix) -> Duration {
        self.time(self.which(), w_enc)
    }

    fn which(&self) -> usize {
        let by_time = |which: &usize| self.best[*which];
        (0..PRODUCTS.len()).min_by_key(by_time).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &'static str {
        PRODUCTS[self.which()].0
    }

    pub(super) fn best(&self) -> Vec<(&'static str, Duration)> {
        PRODUCTS
            .iter()
            .map(|(name, _)| *name)
            .zip(self.best)
            .collect()
    }
}

/// Returns the shortest time of `x · wᵀ` by the fastest library.
pub(crate) fn product_time(x: &Matrix, w: &Matrix) -> Duration {
    let shape = [x.rows(), w.rows(), x.columns()];
    let mut out = vec![0.0; shape[0] * shape[1]];
    let mut least = Duration::MAX;
    // The first time of each library wakes its threads.
    for _ in 0..3 {
        for (_, product) in PRODUCTS {
            let begun = Instant::now();
            product(&mut out, x.values(), w.values(), shape);
            least = least.min(begun.elapsed());
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_libraries_compute_the_product() {
        let shape @ [n, f, d] = [3, 5, 7];
        let x: Vec<f32> = (0..n * d).map(|i| (i % 11) as f32 - 5.0).collect();
        let w: Vec<f32> = (0..f * d).map(|i| (i % 13) as f32 - 6.0).collect();
        for (name, product) in PRODUCTS {
            let mut out = vec![f32::NAN; n * f];
            product(&mut out, &x, &w, shape);
            for i in 0..n {
                for j in 0..f {
                    let sum: f32 = (0..d).map(|c| x[i * d + c] * w[j * d + c]).sum();
                    // Whole numbers: exact in any order.
                    assert_eq!(out[i * f + j], sum, "{name} {i} {j}");
                }
            }
        }
    }
}
