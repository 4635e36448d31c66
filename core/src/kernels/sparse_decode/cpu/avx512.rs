//! The sum in AVX-512 registers over all rows: sixteen of them hold 256 columns, so that only the rows are read (the compiler keeps such sums in memory).

#![expect(unsafe_code, reason = "AVX-512 loads and stores take raw pointers")]

use std::arch::x86_64::{
    __m512, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::Weighted;
use crate::kernels::avx512_present;

const LANES: usize = 16;

/// `out[d] += Σ_j scale · weights[j] · table[rows[j], d]`, in the order of `j`. Panics where [`avx512_present`] is false or a row lies outside the table.
pub(super) fn add_rows(out: &mut [f32], sum: Weighted<'_>) {
    assert!(avx512_present());
    let d = out.len();
    let rows = sum
        .rows
        .iter()
        .copied()
        .max()
        .map_or(0, |row| row as usize + 1);
    assert!(rows * d <= sum.table.len() && sum.rows.len() == sum.weights.len());
    let mut at = 0;
    // SAFETY: AVX-512 was found, as asserted; every row of `d` values lies in the table, and each strip within the `d` columns.
    unsafe {
        while at + 16 * LANES <= d {
            strip::<16>(out, sum, at);
            at += 16 * LANES;
        }
        while at + 4 * LANES <= d {
            strip::<4>(out, sum, at);
            at += 4 * LANES;
        }
        while at < d {
            last(out, sum, at);
            at += LANES;
        }
    }
}

/// Columns `at..at + 16·V`.
#[target_feature(enable = "avx512f,fma")]
unsafe fn strip<const V: usize>(out: &mut [f32], sum: Weighted<'_>, at: usize) {
    let d = out.len();
    let into = out.as_mut_ptr();
    let mut sums: [__m512; V] = [_mm512_setzero_ps(); V];
    for (v, sum) in sums.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *sum = unsafe { _mm512_loadu_ps(into.add(at + v * LANES)) };
    }
    for (row, weight) in sum.rows.iter().zip(sum.weights) {
        let weight = _mm512_set1_ps(sum.scale * weight);
        for (v, into) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let values = unsafe {
                let from = sum.table.as_ptr().add(*row as usize * d + at);
                _mm512_loadu_ps(from.add(v * LANES))
            };
            *into = _mm512_fmadd_ps(weight, values, *into);
        }
    }
    for (v, sum) in sums.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_ps(into.add(at + v * LANES), *sum) };
    }
}

/// Columns `at..`, at most sixteen.
#[target_feature(enable = "avx512f,fma")]
unsafe fn last(out: &mut [f32], sum: Weighted<'_>, at: usize) {
    let d = out.len();
    let mask = u16::MAX >> (LANES - LANES.min(d - at));
    // SAFETY: the mask lets only values below `d` be read and written.
    unsafe {
        let into = out.as_mut_ptr().add(at);
        let mut total = _mm512_maskz_loadu_ps(mask, into);
        for (row, weight) in sum.rows.iter().zip(sum.weights) {
            let weight = _mm512_set1_ps(sum.scale * weight);
            let from = sum.table.as_ptr().add(*row as usize * d + at);
            let values = _mm512_maskz_loadu_ps(mask, from);
            total = _mm512_fmadd_ps(weight, values, total);
        }
        _mm512_mask_storeu_ps(into, mask, total);
    }
}
