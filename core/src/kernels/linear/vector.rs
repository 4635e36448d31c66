//! The product of a single row, which reads every weight once: nothing is packed, so that memory is all it waits for.

use super::cpu::Weight;
use crate::kernels::{each_chunk, for_this_cpu, multiply_add};

/// Sums of a dot product side by side.
const LANES: usize = 64;
/// Outputs of one piece of work.
const OUTPUTS: usize = 128;

/// `y [out] = x [in] · weight + y`, if one of the weight's strides is 1.
pub(super) fn product(x: &[f32], weight: &Weight<'_>, y: &mut [f32]) -> bool {
    let (across, along) = weight.strides;
    if across == 1 {
        each_chunk(y, OUTPUTS, |i, y| {
            let from = i * OUTPUTS;
            for (j, y) in y.iter_mut().enumerate() {
                let start = (from + j) * along;
                *y += dot(x, &weight.values[start..start + x.len()]);
            }
        });
    } else if along == 1 {
        each_chunk(y, OUTPUTS, |i, y| {
            let from = i * OUTPUTS;
            for (i, x) in x.iter().enumerate() {
                let start = i * across + from;
                add(*x, &weight.values[start..start + y.len()], y);
            }
        });
    }
    across == 1 || along == 1
}

for_this_cpu! {
    /// Σ a·b.
    fn dot(a: &[f32], b: &[f32]) -> f32 = dot_body;
}

for_this_cpu! {
    /// `into += by · row`.
    fn add(by: f32, row: &[f32], into: &mut [f32]) = add_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn dot_body<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = multiply_add::<FMA>(*a, *b, *sum);
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum = multiply_add::<FMA>(*a, *b, *sum);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn add_body<const FMA: bool>(by: f32, row: &[f32], into: &mut [f32]) {
    for (into, w) in into.iter_mut().zip(row) {
        *into = multiply_add::<FMA>(by, *w, *into);
    }
}
