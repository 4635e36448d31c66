//! Products of one vector with four rows at once, sums in AVX-512 registers (the compiler keeps such sums in memory).

#![expect(unsafe_code, reason = "AVX-512 loads take raw pointers")]

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_loadu_ps,
    _mm512_reduce_add_ps, _mm512_setzero_ps,
};

use crate::kernels::avx512_present;

const LANES: usize = 16;

/// `out[j] = scale · (vector[d] · table[rows[j], d])`. Panics where [`avx512_present`] is false.
pub(super) fn products(out: &mut [f32], vector: &[f32], rows: &[u32], scale: f32, table: &[f32]) {
    assert!(avx512_present());
    let d = vector.len();
    let row = |at: u32| &table[at as usize * d..][..d];
    for (out, rows) in out.chunks_exact_mut(4).zip(rows.chunks_exact(4)) {
        let four = [row(rows[0]), row(rows[1]), row(rows[2]), row(rows[3])];
        // SAFETY: AVX-512 was found, as asserted.
        let sums = unsafe { four_dots(vector, four) };
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = scale * sum;
        }
    }
    let done = rows.len() / 4 * 4;
    for (out, at) in out[done..].iter_mut().zip(&rows[done..]) {
        // SAFETY: AVX-512 was found, as asserted.
        let [sum, ..] = unsafe { four_dots(vector, [row(*at); 4]) };
        *out = scale * sum;
    }
}

#[target_feature(enable = "avx512f,fma")]
fn four_dots(vector: &[f32], rows: [&[f32]; 4]) -> [f32; 4] {
    let d = vector.len();
    assert!(rows.iter().all(|row| row.len() == d));
    let [a, b, c, e] = rows.map(<[f32]>::as_ptr);
    let x = vector.as_ptr();
    let zero = _mm512_setzero_ps();
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    let (mut t0, mut t1, mut t2, mut t3) = (zero, zero, zero, zero);
    let mut at = 0;
    while at + 2 * LANES <= d {
        // SAFETY: all five slices hold `d` values, and `at + 32 ≤ d`.
        unsafe {
            let (x0, x1) = (load(x, at), load(x, at + LANES));
            s0 = _mm512_fmadd_ps(x0, load(a, at), s0);
            s1 = _mm512_fmadd_ps(x0, load(b, at), s1);
            s2 = _mm512_fmadd_ps(x0, load(c, at), s2);
            s3 = _mm512_fmadd_ps(x0, load(e, at), s3);
            t0 = _mm512_fmadd_ps(x1, load(a, at + LANES), t0);
            t1 = _mm512_fmadd_ps(x1, load(b, at + LANES), t1);
            t2 = _mm512_fmadd_ps(x1, load(c, at + LANES), t2);
            t3 = _mm512_fmadd_ps(x1, load(e, at + LANES), t3);
        }
        at += 2 * LANES;
    }
    while at < d {
        let left = LANES.min(d - at);
        let mask = u16::MAX >> (LANES - left);
        // SAFETY: the mask lets only values below `d` be read.
        unsafe {
            let x0 = _mm512_maskz_loadu_ps(mask, x.add(at));
            s0 = _mm512_fmadd_ps(x0, _mm512_maskz_loadu_ps(mask, a.add(at)), s0);
            s1 = _mm512_fmadd_ps(x0, _mm512_maskz_loadu_ps(mask, b.add(at)), s1);
            s2 = _mm512_fmadd_ps(x0, _mm512_maskz_loadu_ps(mask, c.add(at)), s2);
            s3 = _mm512_fmadd_ps(x0, _mm512_maskz_loadu_ps(mask, e.add(at)), s3);
        }
        at += left;
    }
    [
        _mm512_reduce_add_ps(_mm512_add_ps(s0, t0)),
        _mm512_reduce_add_ps(_mm512_add_ps(s1, t1)),
        _mm512_reduce_add_ps(_mm512_add_ps(s2, t2)),
        _mm512_reduce_add_ps(_mm512_add_ps(s3, t3)),
    ]
}

/// Sixteen values from `at`.
#[target_feature(enable = "avx512f")]
unsafe fn load(from: *const f32, at: usize) -> __m512 {
    // SAFETY: the caller's promise.
    unsafe { _mm512_loadu_ps(from.add(at)) }
}
