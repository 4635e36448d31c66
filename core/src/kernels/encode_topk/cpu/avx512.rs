//! Product and selection in one: twelve features × thirty-two tokens stay in registers for the whole width of the activation, are compared with the
//! tokens' thresholds there, and only what passes is written down. Tokens lie along the lanes, so thresholds are vectors and weights broadcasts.

#![expect(
    unsafe_code,
    reason = "AVX-512 loads and stores take raw pointers; the product spends its time here"
)]

use std::arch::x86_64::{
    __m512, _CMP_NLE_UQ, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_load_ps, _mm512_loadu_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_store_ps,
};

use super::candidates::{Candidates, NotFinite};
use crate::dims::Matrix;
use crate::kernels::avx512_present;

/// Features at once: with two vectors of tokens, 24 of 32 registers hold sums.
const GROUP: usize = 12;
/// Features that share a pointer, so that all pointers stay in registers.
const SHARING: usize = 3;
const LANES: usize = 16;
/// So few weights stay in the second-level cache: all of them are read for one panel after the other, whose candidates then stay in the first. Of more,
/// twelve features at a time stay in the first while the panels pass by.
const FEW_WEIGHTS: usize = 1 << 16;
/// Tokens at once.
pub(super) const PANEL: usize = 2 * LANES;

/// One vector, where an aligned load finds it.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Lane([f32; LANES]);

/// Offers every pre-activation of the rows of `x` to `candidates`, which has room for whole panels. Panics where [`avx512_present`] is false.
pub(super) fn encode(
    x: &[f32],
    w_enc: &Matrix,
    b_enc: &[f32],
    candidates: &mut Candidates,
) -> Result<(), NotFinite> {
    assert!(avx512_present());
    let d = w_enc.columns();
    let rows = x.len() / d;
    assert!(b_enc.len() == w_enc.rows());
    assert!(candidates.thresholds.len() >= rows.next_multiple_of(PANEL));
    // Tokens that fill the last panel are never candidates.
    candidates.thresholds[rows..].fill(f32::INFINITY);
    let packed = pack(x, rows, d);
    let tail = w_enc.rows() - w_enc.rows() % GROUP;
    let missing = w_enc.rows().next_multiple_of(GROUP) - w_enc.rows();
    let last = [&w_enc.values()[tail * d..], &vec![0.0; missing * d]].concat();
    let few = w_enc.values().len() <= FEW_WEIGHTS;
    let block = if few { w_enc.rows() } else { GROUP };
    let mut group = Group {
        sums: [Lane([0.0; LANES]); 2 * GROUP],
        hits: [0; GROUP],
    };
    for start in (0..w_enc.rows()).step_by(block) {
        let end = (start + block).min(w_enc.rows());
        for (panel, x) in packed.chunks_exact(2 * d).enumerate() {
            for first in (start..end).step_by(GROUP) {
                let count = GROUP.min(w_enc.rows() - first);
                let mut bias = [0.0; GROUP];
                bias[..count].copy_from_slice(&b_enc[first..first + count]);
                let weights = if count == GROUP {
                    &w_enc.values()[first * d..(first + GROUP) * d]
                } else {
                    &last
                };
                let thresholds = &candidates.thresholds[panel * PANEL..(panel + 1) * PANEL];
                // SAFETY: AVX-512 was found, as asserted.
                unsafe { group.fill(weights, x, &bias, thresholds) };
                group.offer((panel * PANEL, first), count, candidates)?;
            }
        }
    }
    Ok(())
}

/// Panels of 32 tokens, column after column: `[panel][d][32]`, zeros for missing tokens.
fn pack(x: &[f32], rows: usize, d: usize) -> Vec<Lane> {
    let mut packed = vec![Lane([0.0; LANES]); rows.div_ceil(PANEL) * 2 * d];
    for (lane, x) in x.chunks(LANES * d).enumerate() {
        let start = (lane / 2) * 2 * d + lane % 2;
        for (token, row) in x.chunks_exact(d).enumerate() {
            for (c, value) in row.iter().enumerate() {
                packed[start + 2 * c].0[token] = *value;
            }
        }
    }
    packed
}

/// Pre-activations of twelve features on 32 tokens, and which pass.
struct Group {
    sums: [Lane; 2 * GROUP],
    hits: [u32; GROUP],
}

impl Group {
    /// `weights` are `GROUP` rows, `x` one panel, `thresholds` its 32.
    #[target_feature(enable = "avx512f,fma")]
    fn fill(&mut self, weights: &[f32], x: &[Lane], bias: &[f32; GROUP], thresholds: &[f32]) {
        let d = x.len() / 2;
        assert!(weights.len() == GROUP * d && thresholds.len() == PANEL);
        let mut sums: [[__m512; 2]; GROUP] = [[_mm512_setzero_ps(); 2]; GROUP];
        for i in 0..GROUP {
            sums[i] = [_mm512_set1_ps(bias[i]); 2];
        }
        let mut rows: [*const f32; GROUP / SHARING] = [weights.as_ptr(); GROUP / SHARING];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = row.wrapping_add(i * SHARING * d);
        }
        for pair in x.chunks_exact(2) {
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
        // SAFETY: 32 thresholds, asserted; `self.sums` holds 24 aligned vectors.
        let limits = unsafe {
            [
                _mm512_loadu_ps(thresholds.as_ptr()),
                _mm512_loadu_ps(thresholds.as_ptr().add(LANES)),
            ]
        };
        let stored = self.sums.chunks_exact_mut(2).zip(&mut self.hits);
        for (sums, (stored, hits)) in sums.iter().zip(stored) {
            // SAFETY: see above.
            unsafe {
                _mm512_store_ps(stored[0].0.as_mut_ptr(), sums[0]);
                _mm512_store_ps(stored[1].0.as_mut_ptr(), sums[1]);
            }
            // Not less or equal: NaN passes, and is refused when it is offered.
            let low = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(sums[0], limits[0]);
            let high = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(sums[1], limits[1]);
            *hits = u32::from(low) | (u32::from(high) << LANES);
        }
    }

    /// Offers what passed among the first `count` features; `first` is the first token and feature.
    fn offer(
        &self,
        first: (usize, usize),
        count: usize,
        candidates: &mut Candidates,
    ) -> Result<(), NotFinite> {
        for (i, hits) in self.hits[..count].iter().enumerate() {
            let mut hits = *hits;
            while hits != 0 {
                let token = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                let value = self.sums[2 * i + token / LANES].0[token % LANES];
                candidates.push(first.0 + token, first.1 + i, value)?;
            }
        }
        Ok(())
    }
}
