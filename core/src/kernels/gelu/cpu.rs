//! One exponential and one division an entry, vectorised.

use crate::kernels::exponential::exponential;
use crate::kernels::for_this_cpu;

/// √(2/π).
pub(super) const ROOT_TWO_OVER_PI: f32 = 0.797_884_6;
/// Weight of the cubic term.
pub(super) const CUBIC: f32 = 0.044_715;

for_this_cpu! {
    /// `out = gelu(x)`.
    pub(super) fn gelu(out: &mut [f32], x: &[f32]) = gelu_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn gelu_body<const FMA: bool>(out: &mut [f32], x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        let u = ROOT_TWO_OVER_PI * (x + CUBIC * x * x * x);
        *out = x / (1.0 + exponential::<FMA>(-2.0 * u));
    }
}
