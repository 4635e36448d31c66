//! `gemm` over fixed chunks of rows.

use gemm::Parallelism;
use rayon::prelude::*;

use crate::dims::Matrix;

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 256;

/// `out[n, j] = x[n, d] · weights[j, d]ᵀ + bias[j]`; the caller ensures the shapes, and assertions check them.
pub(super) fn product(out: &mut Matrix, x: &Matrix, weights: &Matrix, bias: &[f32]) {
    let (d, width) = (x.columns(), weights.rows());
    assert_eq!((out.rows(), out.columns()), (x.rows(), width));
    assert_eq!((weights.columns(), bias.len()), (d, width));
    if width == 0 || d == 0 {
        return;
    }
    out.values_mut()
        .par_chunks_mut(ROWS * width)
        .zip(x.values().par_chunks(ROWS * d))
        .for_each(|(out, x)| {
            for row in out.chunks_exact_mut(width) {
                row.copy_from_slice(bias);
            }
            // SAFETY: `out` holds `x.len() / d` rows of `width`, `weights` holds `width` rows of `d` (asserted above).
            #[expect(unsafe_code, reason = "gemm takes raw pointers")]
            unsafe {
                gemm::gemm(
                    x.len() / d,
                    width,
                    d,
                    out.as_mut_ptr(),
                    1,
                    width as isize,
                    true,
                    x.as_ptr(),
                    1,
                    d as isize,
                    weights.values().as_ptr(),
                    d as isize,
                    1,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        });
}
