//! Twelve features × thirty-two tokens in AVX-512 registers.

#![expect(
    unsafe_code,
    reason = "AVX-512 loads and stores take raw pointers; the product spends its time here"
)]

use std::arch::x86_64::{
    __m512, _CMP_NLE_UQ, _mm512_abs_ps, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_load_ps,
    _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_store_ps,
};

use super::panels::{Group, LANES, Lane, Registers};
use crate::kernels::avx512_present;

/// Features at once: with two vectors of tokens, 24 of 32 registers hold sums.
const GROUP: usize = 12;
/// Features that share a pointer, so that all pointers stay in registers.
const SHARING: usize = 3;
/// Vectors of tokens at once.
const VECTORS: usize = 2;

/// Twelve features × thirty-two tokens.
pub(super) struct Avx512;

impl Registers<GROUP, VECTORS> for Avx512 {
    const BLOCK: usize = usize::MAX >> 1;

    fn fill<const COMPARE: bool>(
        group: &mut Group<GROUP, VECTORS>,
        weights: &[f32],
        x: &[Lane],
        bias: &[f32; GROUP],
        limits: (&[f32], &[f32; GROUP]),
        magnitude: bool,
    ) {
        assert!(avx512_present());
        // SAFETY: AVX-512 was found just now.
        unsafe { fill::<COMPARE>(group, weights, x, bias, limits, magnitude) };
    }
}

#[target_feature(enable = "avx512f,fma")]
fn fill<const COMPARE: bool>(
    group: &mut Group<GROUP, VECTORS>,
    weights: &[f32],
    x: &[Lane],
    bias: &[f32; GROUP],
    (bars, floors): (&[f32], &[f32; GROUP]),
    magnitude: bool,
) {
    let d = x.len() / VECTORS;
    assert!(weights.len() == GROUP * d && bars.len() == VECTORS * LANES);
    let mut sums: [[__m512; VECTORS]; GROUP] = [[_mm512_setzero_ps(); VECTORS]; GROUP];
    for i in 0..GROUP {
        sums[i] = [_mm512_set1_ps(bias[i]); VECTORS];
    }
    let mut rows: [*const f32; GROUP / SHARING] = [weights.as_ptr(); GROUP / SHARING];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = row.wrapping_add(i * SHARING * d);
    }
    for pair in x.chunks_exact(VECTORS) {
        // SAFETY: `Lane` is 64 bytes, aligned; after c rounds each pointer stands at column c of its row, and `weights` holds 12 rows of `d`.
        let (x0, x1) = unsafe {
            (
                _mm512_load_ps(pair[0].0.as_ptr()),
                _mm512_load_ps(pair[1].0.as_ptr()),
            )
        };
        for i in 0..GROUP {
            // SAFETY: see above.
            let weight = unsafe { *rows[i / SHARING].wrapping_add((i % SHARING) * d) };
            let weight = _mm512_set1_ps(weight);
            sums[i][0] = _mm512_fmadd_ps(weight, x0, sums[i][0]);
            sums[i][1] = _mm512_fmadd_ps(weight, x1, sums[i][1]);
        }
        for row in &mut rows {
            *row = row.wrapping_add(1);
        }
    }
    // SAFETY: 32 bars, asserted; `group.sums` holds 24 aligned vectors.
    let limits = unsafe {
        [
            _mm512_loadu_ps(bars.as_ptr()),
            _mm512_loadu_ps(bars.as_ptr().add(LANES)),
        ]
    };
    let stored = group.sums.iter_mut().zip(&mut group.hits);
    for ((sums, (stored, hits)), floor) in sums.iter().zip(stored).zip(floors) {
        // SAFETY: see above.
        unsafe {
            _mm512_store_ps(stored[0].0.as_mut_ptr(), sums[0]);
            _mm512_store_ps(stored[1].0.as_mut_ptr(), sums[1]);
        }
        if !COMPARE {
            continue;
        }
        let floor = _mm512_set1_ps(*floor);
        let limits = [
            _mm512_max_ps(limits[0], floor),
            _mm512_max_ps(limits[1], floor),
        ];
        let keys = if magnitude {
            [_mm512_abs_ps(sums[0]), _mm512_abs_ps(sums[1])]
        } else {
            *sums
        };
        // Not less or equal: NaN passes, and is refused when it is offered.
        let low = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(keys[0], limits[0]);
        let high = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(keys[1], limits[1]);
        *hits = u32::from(low) | (u32::from(high) << LANES);
    }
}
