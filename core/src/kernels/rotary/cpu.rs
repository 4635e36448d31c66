//! SIMD by autovectorisation, one head at a time.

use crate::kernels::for_this_cpu;

for_this_cpu! {
    /// One head, `x` to `y` `[e]`, by the angles `[r/2]` of its position.
    pub(super) fn turn(y: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32]) = turn_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn turn_body<const FMA: bool>(y: &mut [f32], x: &[f32], cos: &[f32], sin: &[f32]) {
    let pairs = cos.len();
    let (x_low, rest) = x.split_at(pairs);
    let (x_high, still) = rest.split_at(pairs);
    let (y_low, rest) = y.split_at_mut(pairs);
    let (y_high, kept) = rest.split_at_mut(pairs);
    let angles = cos.iter().zip(sin);
    let read = x_low.iter().zip(x_high).zip(angles);
    let written = y_low.iter_mut().zip(y_high);
    for (((low, high), (cos, sin)), (y_low, y_high)) in read.zip(written) {
        *y_low = low * cos - high * sin;
        *y_high = high * cos + low * sin;
    }
    kept.copy_from_slice(still);
}
