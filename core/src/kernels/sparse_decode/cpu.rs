//! A weighted sum of rows, four rows at a time so that the sum is loaded and stored once for four products.

use crate::kernels::{for_this_cpu, multiply_add};

for_this_cpu! {
    /// `out[d] += Σ_j weights[j] · table[rows[j], d]`, in the order of `j` by fours.
    pub(crate) fn add_rows(out: &mut [f32], rows: &[u32], weights: &[f32], table: &[f32]) = add_rows_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn add_rows_body<const FMA: bool>(out: &mut [f32], rows: &[u32], weights: &[f32], table: &[f32]) {
    let d = out.len();
    let row = |at: u32| &table[at as usize * d..][..d];
    let mut fours = rows.chunks_exact(4).zip(weights.chunks_exact(4));
    for (rows, weights) in &mut fours {
        let (r0, r1, r2, r3) = (row(rows[0]), row(rows[1]), row(rows[2]), row(rows[3]));
        for c in 0..d {
            let sum = multiply_add::<FMA>(weights[0], r0[c], out[c]);
            let sum = multiply_add::<FMA>(weights[1], r1[c], sum);
            let sum = multiply_add::<FMA>(weights[2], r2[c], sum);
            out[c] = multiply_add::<FMA>(weights[3], r3[c], sum);
        }
    }
    let done = rows.len() / 4 * 4;
    for (at, weight) in rows[done..].iter().zip(&weights[done..]) {
        for (out, value) in out.iter_mut().zip(row(*at)) {
            *out = multiply_add::<FMA>(*weight, *value, *out);
        }
    }
}
