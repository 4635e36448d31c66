//! Product and selection in one: twelve features × thirty-two tokens stay in registers for the whole width of the activation, are compared with the
//! tokens' bars and the features' floors there, and only what passes is written down. Tokens lie along the lanes, so bars are vectors and weights broadcasts.

#![expect(
    unsafe_code,
    reason = "AVX-512 loads and stores take raw pointers; the product spends its time here"
)]

use std::arch::x86_64::{
    __m512, _CMP_NLE_UQ, _mm512_abs_ps, _mm512_cmp_ps_mask, _mm512_fmadd_ps, _mm512_load_ps,
    _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_store_ps,
};

use super::{Features, NotFinite, Sink};
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

/// Offers every pre-activation of the rows of `x` to `sink`, whose bars cover whole panels. Panics where [`avx512_present`] is false.
pub(super) fn offer<S: Sink>(
    x: &[f32],
    features: Features<'_>,
    sink: &mut S,
) -> Result<(), NotFinite> {
    let d = features.d;
    let packed = packed(x, d, sink);
    let last = last_group(features.weights, features.count(), d);
    let mut group = Group::EMPTY;
    each_group(features, packed.len() / (2 * d), |panel, first, count| {
        let x = &packed[panel * 2 * d..(panel + 1) * 2 * d];
        let weights = group_weights(features.weights, &last, (first, count), d);
        let bars = &sink.bars()[panel * PANEL..(panel + 1) * PANEL];
        let bias = of_group(first, count, |f| features.bias[f]);
        let floors = of_group(first, count, |f| sink.floor(f));
        // SAFETY: AVX-512 was found, as `packed` asserted.
        unsafe { group.fill::<true>(weights, x, &bias, (bars, &floors), S::MAGNITUDE) };
        group.offer((panel * PANEL, first), count, sink)
    })
}

/// The same, ranked by `pre · (1 + β·|gradient · w_dec|)`.
pub(super) fn offer_scored<S: Sink>(
    (x, gradients): (&[f32], &[f32]),
    (features, w_dec): (Features<'_>, &[f32]),
    beta: f32,
    sink: &mut S,
) -> Result<(), NotFinite> {
    let d = features.d;
    let (x, gradients) = (packed(x, d, sink), packed(gradients, d, sink));
    let last = last_group(features.weights, features.count(), d);
    let last_dec = last_group(w_dec, features.count(), d);
    let (mut pre, mut along) = (Group::EMPTY, Group::EMPTY);
    each_group(features, x.len() / (2 * d), |panel, first, count| {
        let part = panel * 2 * d..(panel + 1) * 2 * d;
        let bars = &sink.bars()[panel * PANEL..(panel + 1) * PANEL];
        let bias = of_group(first, count, |f| features.bias[f]);
        let none = (bars, &[f32::NEG_INFINITY; GROUP]);
        let weights = group_weights(features.weights, &last, (first, count), d);
        let directions = group_weights(w_dec, &last_dec, (first, count), d);
        // SAFETY: AVX-512 was found, as `packed` asserted.
        unsafe {
            pre.fill::<false>(weights, &x[part.clone()], &bias, none, false);
            along.fill::<false>(directions, &gradients[part], &[0.0; GROUP], none, false);
        }
        for i in 0..count {
            for token in 0..PANEL {
                let at = (2 * i + token / LANES, token % LANES);
                let value = pre.sums[at.0].0[at.1];
                let score = value * (1.0 + beta * along.sums[at.0].0[at.1].abs());
                let row = panel * PANEL + token;
                if score > sink.bars()[row] || (score.is_nan() && sink.bars()[row].is_finite()) {
                    sink.push(row, first + i, (score, value))?;
                }
            }
        }
        Ok(())
    })
}

/// Rows in panels; that the sink covers them.
fn packed(x: &[f32], d: usize, sink: &impl Sink) -> Vec<Lane> {
    assert!(avx512_present());
    let rows = x.len() / d;
    assert!(sink.bars().len() >= rows.next_multiple_of(PANEL));
    pack(x, rows, d)
}

/// The rows of the last group, with zeros for missing features.
fn last_group(weights: &[f32], count: usize, d: usize) -> Vec<f32> {
    let tail = count - count % GROUP;
    let missing = count.next_multiple_of(GROUP) - count;
    [&weights[tail * d..], &vec![0.0; missing * d]].concat()
}

fn group_weights<'a>(
    weights: &'a [f32],
    last: &'a [f32],
    (first, count): (usize, usize),
    d: usize,
) -> &'a [f32] {
    if count == GROUP {
        &weights[first * d..(first + GROUP) * d]
    } else {
        last
    }
}

fn of_group(first: usize, count: usize, of: impl Fn(usize) -> f32) -> [f32; GROUP] {
    let mut values = [0.0; GROUP];
    for (i, value) in values[..count].iter_mut().enumerate() {
        *value = of(first + i);
    }
    values
}

/// `work` on every panel and group of features: panel, first feature, how many. A panel's features ascend, a feature's panels too.
fn each_group(
    features: Features<'_>,
    panels: usize,
    mut work: impl FnMut(usize, usize, usize) -> Result<(), NotFinite>,
) -> Result<(), NotFinite> {
    let all = features.count();
    let few = features.weights.len() <= FEW_WEIGHTS;
    let block = if few { all } else { GROUP };
    for start in (0..all).step_by(block) {
        let end = (start + block).min(all);
        for panel in 0..panels {
            for first in (start..end).step_by(GROUP) {
                work(panel, first, GROUP.min(all - first))?;
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
    const EMPTY: Self = Self {
        sums: [Lane([0.0; LANES]); 2 * GROUP],
        hits: [0; GROUP],
    };

    /// `weights` are `GROUP` rows, `x` one panel, the bars its 32, the floors those of the features; without `COMPARE` there are no hits.
    #[target_feature(enable = "avx512f,fma")]
    fn fill<const COMPARE: bool>(
        &mut self,
        weights: &[f32],
        x: &[Lane],
        bias: &[f32; GROUP],
        (bars, floors): (&[f32], &[f32; GROUP]),
        magnitude: bool,
    ) {
        let d = x.len() / 2;
        assert!(weights.len() == GROUP * d && bars.len() == PANEL);
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
        // SAFETY: 32 bars, asserted; `self.sums` holds 24 aligned vectors.
        let limits = unsafe {
            [
                _mm512_loadu_ps(bars.as_ptr()),
                _mm512_loadu_ps(bars.as_ptr().add(LANES)),
            ]
        };
        let stored = self.sums.chunks_exact_mut(2).zip(&mut self.hits);
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

    /// Offers what passed among the first `count` features; `first` is the first token and feature.
    fn offer<S: Sink>(
        &self,
        first: (usize, usize),
        count: usize,
        sink: &mut S,
    ) -> Result<(), NotFinite> {
        for (i, hits) in self.hits[..count].iter().enumerate() {
            let mut hits = *hits;
            while hits != 0 {
                let token = hits.trailing_zeros() as usize;
                hits &= hits - 1;
                let value = self.sums[2 * i + token / LANES].0[token % LANES];
                let key = if S::MAGNITUDE { value.abs() } else { value };
                sink.push(first.0 + token, first.1 + i, (key, value))?;
            }
        }
        Ok(())
    }
}
