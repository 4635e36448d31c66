//! One pass over four slices.

#[cfg(target_arch = "x86_64")]
mod avx512;

use super::{BETA1, BETA2, EPSILON, Rates, Row};
#[cfg(target_arch = "x86_64")]
use crate::kernels::avx512_present;
use crate::kernels::{for_this_cpu, multiply_add};

/// Applies the update of [`super::adam`].
pub(super) fn update(row: &mut Row<'_>, gradient: &[f32], rates: Rates) {
    #[cfg(target_arch = "x86_64")]
    if avx512_present() {
        return avx512::update(row, gradient, rates);
    }
    portable_update(row, gradient, rates);
}

for_this_cpu! {
    /// Applies the update without intrinsics.
    pub(in crate::kernels) fn portable_update(row: &mut Row<'_>, gradient: &[f32], rates: Rates) = update_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn update_body<const FMA: bool>(row: &mut Row<'_>, gradient: &[f32], rates: Rates) {
    let n = gradient.len();
    let value = &mut row.value[..n];
    let (m, v) = (&mut row.m[..n], &mut row.v[..n]);
    for i in 0..n {
        let g = gradient[i];
        m[i] = multiply_add::<FMA>(BETA1, m[i], (1.0 - BETA1) * g);
        v[i] = multiply_add::<FMA>(BETA2, v[i], (1.0 - BETA2) * g * g);
        value[i] -= rates.step * m[i] / multiply_add::<FMA>(v[i].sqrt(), rates.root, EPSILON);
    }
}
