//! Six features × sixteen tokens in AVX2 registers.

#![expect(
    unsafe_code,
    reason = "AVX2 loads and stores take raw pointers; the product spends its time here"
)]

use std::arch::x86_64::{
    __m256, _CMP_NLE_UQ, _mm256_andnot_ps, _mm256_broadcast_ss, _mm256_cmp_ps, _mm256_fmadd_ps,
    _mm256_load_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_movemask_ps, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_store_ps,
};

use super::panels::{Group, LANES, Lane, Registers};
use crate::kernels::avx2_present;

/// Features at once: with two vectors of tokens, 12 of 16 registers hold sums.
const GROUP: usize = 6;
/// Lanes of a register.
const HALF: usize = LANES / 2;

/// Six features × sixteen tokens.
pub(super) struct Avx2;

impl Registers<GROUP, 1> for Avx2 {
    // What stays in a second-level cache of half a MiB.
    const BLOCK: usize = 384 << 10;

    fn fill<const COMPARE: bool>(
        group: &mut Group<GROUP, 1>,
        weights: &[f32],
        x: &[Lane],
        bias: &[f32; GROUP],
        limits: (&[f32], &[f32; GROUP]),
        magnitude: bool,
    ) {
        assert!(avx2_present());
        // SAFETY: AVX2 and FMA were found just now.
        unsafe { fill::<COMPARE>(group, weights, x, bias, limits, magnitude) };
    }
}

#[target_feature(enable = "avx2,fma")]
fn fill<const COMPARE: bool>(
    group: &mut Group<GROUP, 1>,
    weights: &[f32],
    x: &[Lane],
    bias: &[f32; GROUP],
    (bars, floors): (&[f32], &[f32; GROUP]),
    magnitude: bool,
) {
    let d = x.len();
    assert!(weights.len() == GROUP * d && bars.len() == LANES);
    let mut sums: [[__m256; 2]; GROUP] = [[_mm256_setzero_ps(); 2]; GROUP];
    for i in 0..GROUP {
        sums[i] = [_mm256_set1_ps(bias[i]); 2];
    }
    // Two pointers for three rows each: all stay in registers.
    let mut rows = [weights.as_ptr(), weights.as_ptr().wrapping_add(3 * d)];
    for x in x {
        // SAFETY: `Lane` is 64 bytes, aligned.
        let (x0, x1) = unsafe {
            (
                _mm256_load_ps(x.0.as_ptr()),
                _mm256_load_ps(x.0.as_ptr().add(HALF)),
            )
        };
        for i in 0..GROUP {
            // SAFETY: after c rounds each pointer stands at column c of its row, and `weights` holds 6 rows of `d`.
            let weight = unsafe { &*rows[i / 3].wrapping_add((i % 3) * d) };
            let weight = _mm256_broadcast_ss(weight);
            sums[i][0] = _mm256_fmadd_ps(weight, x0, sums[i][0]);
            sums[i][1] = _mm256_fmadd_ps(weight, x1, sums[i][1]);
        }
        for row in &mut rows {
            *row = row.wrapping_add(1);
        }
    }
    // SAFETY: 16 bars, asserted.
    let limits = unsafe {
        [
            _mm256_loadu_ps(bars.as_ptr()),
            _mm256_loadu_ps(bars.as_ptr().add(HALF)),
        ]
    };
    let sign = _mm256_set1_ps(-0.0);
    let stored = group.sums.iter_mut().zip(&mut group.hits);
    for ((sums, (stored, hits)), floor) in sums.iter().zip(stored).zip(floors) {
        *hits = 0;
        for half in 0..2 {
            // SAFETY: a lane holds two registers, aligned.
            unsafe { _mm256_store_ps(stored[0].0.as_mut_ptr().add(half * HALF), sums[half]) };
            if COMPARE {
                let limit = _mm256_max_ps(limits[half], _mm256_set1_ps(*floor));
                let key = if magnitude {
                    _mm256_andnot_ps(sign, sums[half])
                } else {
                    sums[half]
                };
                // Not less or equal: NaN passes, and is refused when it is offered.
                let passed = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(key, limit));
                *hits |= (passed as u32) << (half * HALF);
            }
        }
    }
}
