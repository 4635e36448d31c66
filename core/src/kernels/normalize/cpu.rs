//! Two sums over a row in lanes of 16, then one pass that writes.

use super::Normalization;
use crate::kernels::{for_this_cpu, multiply_add};

const LANES: usize = 16;

for_this_cpu! {
    /// `out` = the row `x` normalised.
    pub(super) fn normalize(out: &mut [f32], x: &[f32], how: Normalization) = normalize_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn normalize_body<const FMA: bool>(out: &mut [f32], x: &[f32], how: Normalization) {
    let share = 1.0 / x.len() as f32;
    let mean = if how.centred {
        sum::<FMA>(x, |v| v) * share
    } else {
        0.0
    };
    let variance = sum::<FMA>(x, |v| (v - mean) * (v - mean)) * share;
    let factor = 1.0 / (variance + how.eps as f32).sqrt();
    for (out, x) in out.iter_mut().zip(x) {
        *out = (x - mean) * factor;
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn sum<const FMA: bool>(x: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, v) in sums.iter_mut().zip(chunk) {
            *sum = multiply_add::<FMA>(term(*v), 1.0, *sum);
        }
    }
    for (sum, v) in sums.iter_mut().zip(rest) {
        *sum += term(*v);
    }
    sums.iter().sum()
}
