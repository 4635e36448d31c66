//! Tiles of the product by `gemm`, searched by vector compares against each token's threshold.

use gemm::Parallelism;

use super::candidates::{Candidates, NotFinite};
use crate::dims::Matrix;
use crate::kernels::for_this_cpu;

/// Features of a tile; with 256 rows half a MiB of pre-activations.
const FEATURES: usize = 512;
/// Rows of a tile.
const ROWS: usize = 256;
/// Values compared at once.
const LANES: usize = 16;

/// Offers every pre-activation of the rows of `x` to `candidates`.
pub(super) fn encode(
    x: &[f32],
    w_enc: &Matrix,
    b_enc: &[f32],
    candidates: &mut Candidates,
) -> Result<(), NotFinite> {
    let d = w_enc.columns();
    let mut tile = vec![0.0_f32; ROWS * FEATURES];
    for (part, x) in x.chunks(ROWS * d).enumerate() {
        let rows = x.len() / d;
        for start in (0..w_enc.rows()).step_by(FEATURES) {
            let width = FEATURES.min(w_enc.rows() - start);
            let weights = &w_enc.values()[start * d..(start + width) * d];
            product(&mut tile[..rows * width], x, weights, d);
            let bias = &b_enc[start..start + width];
            let tile = &mut tile[..rows * width];
            search(tile, bias, (part * ROWS, start), candidates)?;
        }
    }
    Ok(())
}

/// `tile[rows, width] = x[rows, d] · weights[width, d]ᵀ`, on this thread alone.
fn product(tile: &mut [f32], x: &[f32], weights: &[f32], d: usize) {
    let (rows, width) = (x.len() / d, weights.len() / d);
    assert_eq!(tile.len(), rows * width);
    // SAFETY: the three slices hold exactly the rows and columns named, by the lengths computed and asserted above.
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    unsafe {
        gemm::gemm(
            rows,
            width,
            d,
            tile.as_mut_ptr(),
            1,
            width as isize,
            false,
            x.as_ptr(),
            1,
            d as isize,
            weights.as_ptr(),
            d as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

for_this_cpu! {
    /// Offers every entry of a tile that beats its token's threshold; `first` is the tile's first row and feature.
    fn search(tile: &mut [f32], bias: &[f32], first: (usize, usize), candidates: &mut Candidates) -> Result<(), NotFinite> = search_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn search_body<const FMA: bool>(
    tile: &mut [f32],
    bias: &[f32],
    first: (usize, usize),
    candidates: &mut Candidates,
) -> Result<(), NotFinite> {
    for (i, values) in tile.chunks_exact_mut(bias.len()).enumerate() {
        let row = first.0 + i;
        for (value, bias) in values.iter_mut().zip(bias) {
            *value += bias;
        }
        for (lanes, values) in values.chunks(LANES).enumerate() {
            let threshold = candidates.thresholds[row];
            let hits: u32 = values
                .iter()
                .map(|v| u32::from(*v > threshold || v.is_nan()))
                .sum();
            if hits > 0 {
                offer(values, (row, first.1 + lanes * LANES), candidates)?;
            }
        }
    }
    Ok(())
}

fn offer(
    values: &[f32],
    (row, start): (usize, usize),
    candidates: &mut Candidates,
) -> Result<(), NotFinite> {
    for (feature, value) in (start..).zip(values) {
        if *value > candidates.thresholds[row] || value.is_nan() {
            candidates.push(row, feature, *value)?;
        }
    }
    Ok(())
}
