//! SIMD by autovectorisation.

use crate::kernels::exponential::exponential;
use crate::kernels::{for_this_cpu, multiply_add};

for_this_cpu! {
    /// `y = x · σ(a·x + b·x³)`; the slices are equally long.
    pub(super) fn gate(y: &mut [f32], x: &[f32], linear: f32, cubic: f32) = gate_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn gate_body<const FMA: bool>(y: &mut [f32], x: &[f32], linear: f32, cubic: f32) {
    for (y, x) in y.iter_mut().zip(x) {
        let inner = x * multiply_add::<FMA>(cubic, x * x, linear);
        *y = x / (1.0 + exponential::<FMA>(-inner));
    }
}

for_this_cpu! {
    /// `y · up` into `y`.
    pub(super) fn multiply(y: &mut [f32], up: &[f32]) = multiply_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn multiply_body<const FMA: bool>(y: &mut [f32], up: &[f32]) {
    for (y, up) in y.iter_mut().zip(up) {
        *y *= up;
    }
}
