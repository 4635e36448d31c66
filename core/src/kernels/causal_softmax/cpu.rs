//! Maximum, exponentials and sum in lanes of 16, so that every width gives the same sums.

use crate::kernels::exponential::exponential;
use crate::kernels::for_this_cpu;

const LANES: usize = 16;

for_this_cpu! {
    /// `out = softmax(scale · x)`.
    pub(super) fn softmax(out: &mut [f32], x: &[f32], scale: f32) = softmax_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn softmax_body<const FMA: bool>(out: &mut [f32], x: &[f32], scale: f32) {
    let mut most = f32::NEG_INFINITY;
    for (out, x) in out.iter_mut().zip(x) {
        *out = scale * x;
        most = if *out > most { *out } else { most };
    }
    let mut sums = [0.0; LANES];
    let mut chunks = out.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (out, sum) in chunk.iter_mut().zip(&mut sums) {
            *out = exponential::<FMA>(*out - most);
            *sum += *out;
        }
    }
    for (out, sum) in chunks.into_remainder().iter_mut().zip(&mut sums) {
        *out = exponential::<FMA>(*out - most);
        *sum += *out;
    }
    let factor = 1.0 / sums.iter().sum::<f32>();
    for out in out {
        *out *= factor;
    }
}
