//! A weighted sum of rows, four rows at a time so that the sum is loaded and stored once for four products.

#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(target_arch = "x86_64")]
use crate::kernels::avx512_present;
use crate::kernels::{for_this_cpu, multiply_add};

/// Rows of a table with a weight each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weighted<'a> {
    /// Indices of rows of `table`.
    pub(crate) rows: &'a [u32],
    /// One weight each.
    pub(crate) weights: &'a [f32],
    /// Multiplies every weight.
    pub(crate) scale: f32,
    /// Row-major, as wide as the sum.
    pub(crate) table: &'a [f32],
}

/// `out[d] += Σ_j scale · weights[j] · table[rows[j], d]`, in the order of `j`.
pub(crate) fn add_rows(out: &mut [f32], sum: Weighted<'_>) {
    #[cfg(target_arch = "x86_64")]
    if avx512_present() {
        return avx512::add_rows(out, sum);
    }
    portable_add_rows(out, sum);
}

for_this_cpu! {
    /// Computes the sum without intrinsics.
    pub(in crate::kernels) fn portable_add_rows(out: &mut [f32], sum: Weighted<'_>) = add_rows_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn add_rows_body<const FMA: bool>(out: &mut [f32], sum: Weighted<'_>) {
    let Weighted {
        rows,
        weights,
        scale,
        table,
    } = sum;
    let d = out.len();
    let row = |at: u32| &table[at as usize * d..][..d];
    for (rows, weights) in rows.chunks_exact(4).zip(weights.chunks_exact(4)) {
        let (r0, r1, r2, r3) = (row(rows[0]), row(rows[1]), row(rows[2]), row(rows[3]));
        let [w0, w1, w2, w3] = [0, 1, 2, 3].map(|j| scale * weights[j]);
        for c in 0..d {
            let sum = multiply_add::<FMA>(w0, r0[c], out[c]);
            let sum = multiply_add::<FMA>(w1, r1[c], sum);
            let sum = multiply_add::<FMA>(w2, r2[c], sum);
            out[c] = multiply_add::<FMA>(w3, r3[c], sum);
        }
    }
    let done = rows.len() / 4 * 4;
    for (at, weight) in rows[done..].iter().zip(&weights[done..]) {
        let weight = scale * weight;
        for (out, value) in out.iter_mut().zip(row(*at)) {
            *out = multiply_add::<FMA>(weight, *value, *out);
        }
    }
}
