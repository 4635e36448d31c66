//! Matching pursuit of many tokens at once, as [`crate::sae::Pursuit`] encodes, with the products of directions computed beforehand.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use super::dense::{BLOCK, products, squared};
use crate::dims::Matrix;
use crate::sae::Pursuit;

/// Returns the selection rule of `k` rounds; a feature that is taken again is corrected rather than ending the pursuit.
pub(super) fn rule(k: usize) -> Pursuit {
    Pursuit {
        residual_threshold: 0.0,
        max_iterations: k,
        stop_on_duplicate_support: false,
    }
}

/// Features of one token with their activations, in the order in which they were first taken.
pub(super) type Code = Vec<(u32, f32)>;

/// Codes of tokens, and Σ‖x − x̂‖² of each.
pub(super) type Codes = Vec<(Code, f64)>;

/// Computes the codes of `x [n, d]` by `k` rounds over directions of length 1, `rows [f, d]`.
pub(super) fn pursued(x: &Matrix, rows: &Matrix, k: usize) -> Codes {
    let (f, d) = (rows.rows(), rows.columns());
    let mut alike = vec![0.0_f32; f * f];
    let strips = alike.par_chunks_mut((64 * f).max(1)).enumerate();
    strips.for_each(|(strip, out)| {
        let n = out.len() / f;
        let own = &rows.values()[strip * 64 * d..][..n * d];
        matmul(
            MatMut::from_row_major_slice_mut(out, n, f),
            Accum::Replace,
            MatRef::from_row_major_slice(own, n, d),
            MatRef::from_row_major_slice(rows.values(), f, d).transpose(),
            1.0,
            Par::Seq,
        );
    });
    let blocks = x.values().par_chunks((BLOCK / 4 * d).max(1));
    let codes = blocks.flat_map_iter(|block| {
        let mut all = vec![0.0; block.len() / d * f];
        products(block, rows, &mut all);
        let tokens = block.chunks_exact(d).zip(all.chunks_exact_mut(f));
        let codes = tokens.map(|(x, products)| pursue(squared(x), products, &alike, k));
        codes.collect::<Vec<_>>()
    });
    codes.collect()
}

/// Pursues one token of squared length `left` by its products with the directions.
fn pursue(mut left: f64, products: &mut [f32], alike: &[f32], k: usize) -> (Code, f64) {
    let f = products.len();
    let mut code: Code = Vec::with_capacity(k);
    for _ in 0..k {
        let larger = |best: (usize, f32), (j, value): (usize, &f32)| {
            if *value > best.1 { (j, *value) } else { best }
        };
        let (best, product) = products.iter().enumerate().fold((0, 0.0), larger);
        if product <= 0.0 {
            break;
        }
        match code.iter_mut().find(|(of, _)| *of as usize == best) {
            Some((_, act)) => *act += product,
            None => code.push((best as u32, product)),
        }
        left -= f64::from(product).powi(2);
        let alike = &alike[best * f..(best + 1) * f];
        for (value, alike) in products.iter_mut().zip(alike) {
            *value -= product * alike;
        }
    }
    (code, left.max(0.0))
}
