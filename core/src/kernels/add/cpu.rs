//! SIMD by autovectorisation.

use crate::kernels::for_this_cpu;

for_this_cpu! {
    /// `y + b` into `y`.
    pub(super) fn add(y: &mut [f32], b: &[f32]) = add_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn add_body<const FMA: bool>(y: &mut [f32], b: &[f32]) {
    for (y, b) in y.iter_mut().zip(b) {
        *y += b;
    }
}
