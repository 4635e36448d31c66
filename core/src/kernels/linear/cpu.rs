//! `gemm`, with the bias laid down first; a single row by [`super::vector`].

use gemm::Parallelism;

use super::vector;
use crate::kernels::in_pool;

/// A matrix with strides.
pub(super) struct Weight<'a> {
    /// From its first entry on.
    pub(super) values: &'a [f32],
    /// `(in, out)`.
    pub(super) dims: (usize, usize),
    /// Of the two.
    pub(super) strides: (usize, usize),
}

/// `x [n, in] · weight + bias`, `[n, out]`.
pub(super) fn product(x: &[f32], weight: &Weight<'_>, bias: Option<&[f32]>) -> Vec<f32> {
    let (inputs, outputs) = weight.dims;
    let n = x.len() / inputs;
    let mut y = Vec::with_capacity(n * outputs);
    if let Some(bias) = bias {
        for _ in 0..n {
            y.extend_from_slice(bias);
        }
    }
    if n == 0 || outputs == 0 {
        return y;
    }
    if n == 1 {
        y.resize(outputs, 0.0);
        if vector::product(x, weight, &mut y) {
            return y;
        }
        y.truncate(bias.map_or(0, <[f32]>::len));
    }
    let last = (inputs - 1) * weight.strides.0 + (outputs - 1) * weight.strides.1;
    let laid = if bias.is_some() { n * outputs } else { 0 };
    assert!(last < weight.values.len() && x.len() == n * inputs && y.len() == laid);
    let parallelism = if in_pool() {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    };
    // SAFETY: the assertion above says that every entry the strides reach lies in its slice; `y` has room for n · outputs values, all of which are
    // written, and read before only where the bias was laid down.
    #[expect(unsafe_code, reason = "gemm takes raw pointers and writes every entry")]
    unsafe {
        gemm::gemm(
            n,
            outputs,
            inputs,
            y.as_mut_ptr(),
            1,
            outputs as isize,
            bias.is_some(),
            x.as_ptr(),
            1,
            inputs as isize,
            weight.values.as_ptr(),
            weight.strides.1 as isize,
            weight.strides.0 as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
        y.set_len(n * outputs);
    }
    y
}
