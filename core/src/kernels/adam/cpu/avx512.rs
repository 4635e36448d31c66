//! The update with approximate roots and quotients and one Newton step each; the exact instructions took most of the pass.

#![expect(unsafe_code, reason = "AVX-512 loads and stores take raw pointers")]

use std::arch::x86_64::{
    _CMP_GE_OQ, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_maskz_mul_ps, _mm512_mul_ps, _mm512_rcp14_ps, _mm512_rsqrt14_ps,
    _mm512_set1_ps,
};

use super::super::{BETA1, BETA2, EPSILON, Rates, Row};
use crate::kernels::avx512_present;

const LANES: usize = 16;

/// Applies the update of [`super::super::adam`]. Panics where [`avx512_present`] is false.
pub(super) fn update(row: &mut Row<'_>, gradient: &[f32], rates: Rates) {
    assert!(avx512_present());
    let n = gradient.len();
    assert!(row.value.len() >= n && row.m.len() >= n && row.v.len() >= n);
    // SAFETY: AVX-512 was found, as asserted, and all four slices hold `n` values.
    unsafe { update_all(row, gradient, rates) };
}

#[target_feature(enable = "avx512f,fma")]
unsafe fn update_all(row: &mut Row<'_>, gradient: &[f32], rates: Rates) {
    let n = gradient.len();
    let (keep_m, keep_v) = (_mm512_set1_ps(BETA1), _mm512_set1_ps(BETA2));
    let (take_m, take_v) = (_mm512_set1_ps(1.0 - BETA1), _mm512_set1_ps(1.0 - BETA2));
    let (half, three_halves) = (_mm512_set1_ps(0.5), _mm512_set1_ps(1.5));
    let (two, epsilon) = (_mm512_set1_ps(2.0), _mm512_set1_ps(EPSILON));
    let (step, root) = (_mm512_set1_ps(rates.step), _mm512_set1_ps(rates.root));
    let least = _mm512_set1_ps(f32::MIN_POSITIVE);
    for at in (0..n).step_by(LANES) {
        let mask = u16::MAX >> (LANES - LANES.min(n - at));
        // SAFETY: the mask lets only values below `n` be read and written.
        unsafe {
            let (m_at, v_at) = (row.m.as_mut_ptr().add(at), row.v.as_mut_ptr().add(at));
            let value_at = row.value.as_mut_ptr().add(at);
            let g = _mm512_maskz_loadu_ps(mask, gradient.as_ptr().add(at));
            let m = _mm512_maskz_loadu_ps(mask, m_at);
            let m = _mm512_fmadd_ps(keep_m, m, _mm512_mul_ps(take_m, g));
            let v = _mm512_maskz_loadu_ps(mask, v_at);
            let v = _mm512_fmadd_ps(keep_v, v, _mm512_mul_ps(_mm512_mul_ps(take_v, g), g));
            // √v = v · 1/√v; below the least normal number it is 0, which ε exceeds by far.
            let normal = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(v, least);
            let r = _mm512_rsqrt14_ps(v);
            let halved = _mm512_mul_ps(_mm512_mul_ps(half, v), r);
            let r = _mm512_mul_ps(r, _mm512_fnmadd_ps(halved, r, three_halves));
            let sqrt = _mm512_maskz_mul_ps(normal, v, r);
            let below = _mm512_fmadd_ps(sqrt, root, epsilon);
            let over = _mm512_rcp14_ps(below);
            let over = _mm512_mul_ps(over, _mm512_fnmadd_ps(below, over, two));
            let value = _mm512_maskz_loadu_ps(mask, value_at);
            let value = _mm512_fnmadd_ps(_mm512_mul_ps(step, m), over, value);
            _mm512_mask_storeu_ps(m_at, mask, m);
            _mm512_mask_storeu_ps(v_at, mask, v);
            _mm512_mask_storeu_ps(value_at, mask, value);
        }
    }
}
