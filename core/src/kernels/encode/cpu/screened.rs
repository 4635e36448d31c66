//! Candidates by a product of 16-bit integers, then each candidate in f32.
//!
//! With `x̂ = s·q` the rounded activation, `ŵ` the rounded encoder row, and all roundings counted,
//! `|x·w − x̂·ŵ| ≤ ‖x − x̂‖·‖w‖ + ‖x̂‖·‖w − ŵ‖` (Cauchy and Schwarz), so a pair whose `x̂·ŵ` plus that margin does not exceed its bar cannot pass it. Rows are
//! scaled to a length of 30,000, where 32-bit sums cannot overflow whatever the row: no part of a product exceeds the product of the lengths. The margin is
//! then about 6·10⁻⁴·‖x‖·‖w‖ at d 768, and few pairs are computed in vain. (Using the length of `x̂` for that of `x` costs far less than the part of the
//! margin that covers f32's own rounding.)

#![expect(
    unsafe_code,
    reason = "AVX2 loads and stores take raw pointers; the product spends its time here"
)]

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_load_si256, _mm256_madd_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_store_si256,
};

use rayon::prelude::*;

use super::panels::{LANES, bits, blocks, each_group, group_weights};
use super::{Features, NotFinite, Sink};
use crate::kernels::residual::cpu::products;
use crate::kernels::{avx2_present, for_this_cpu};

/// Features at once: with two registers of tokens, 12 of 16 hold sums.
const GROUP: usize = 6;
/// Lanes of a register.
const HALF: usize = LANES / 2;
/// Length that rows are scaled to.
const LENGTH: f64 = 30_000.0;
/// Widest activation for which rounding leaves 32-bit sums room.
pub(super) const WIDEST: usize = 1 << 20;
/// Bytes of f32 activations that are read again for every group of features, half as many as integers.
const BLOCK: usize = 768 << 10;

/// Rows of integers: `value ≈ scale · integer`.
#[derive(Debug)]
pub(super) struct Rounded {
    /// `[rows, 2·⌈d/2⌉]`.
    values: Vec<i16>,
    /// `[rows]`.
    scales: Vec<f32>,
    /// Lengths of the rows, `[rows]`, rounded up.
    lengths: Vec<f32>,
    /// Lengths of the rounding errors, `[rows]`, rounded up.
    errors: Vec<f32>,
}

/// Some rows of a [`Rounded`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    values: &'a [i16],
    scales: &'a [f32],
    lengths: &'a [f32],
    errors: &'a [f32],
}

impl Rounded {
    /// Rounds `rows [_, d]`.
    pub(super) fn new(rows: &[f32], d: usize) -> Self {
        let count = rows.len() / d;
        let width = d.next_multiple_of(2);
        let mut all = Self {
            values: vec![0; count * width],
            scales: vec![0.0; count],
            lengths: vec![0.0; count],
            errors: vec![0.0; count],
        };
        (all.values.par_chunks_mut(width))
            .zip(all.scales.par_iter_mut())
            .zip(all.lengths.par_iter_mut().zip(all.errors.par_iter_mut()))
            .zip(rows.par_chunks(d))
            .with_min_len(64)
            .for_each(|(((into, scale), (length, error)), row)| {
                (*scale, *length, *error) = round(row, into);
            });
        all
    }

    pub(super) fn all(&self) -> Part<'_> {
        Part {
            values: &self.values,
            scales: &self.scales,
            lengths: &self.lengths,
            errors: &self.errors,
        }
    }
}

impl Part<'_> {
    /// Rows `first..first + count`.
    pub(super) fn part(self, first: usize, count: usize) -> Self {
        let width = self.values.len() / self.scales.len().max(1);
        Self {
            values: &self.values[first * width..(first + count) * width],
            scales: &self.scales[first..first + count],
            lengths: &self.lengths[first..first + count],
            errors: &self.errors[first..first + count],
        }
    }
}

/// Scale, length and error of a row; a row that is not finite has a length that is not, so that its margins let everything pass.
fn round(row: &[f32], into: &mut [i16]) -> (f32, f32, f32) {
    let length = squared(row).sqrt();
    if length == 0.0 {
        return (0.0, 0.0, 0.0);
    }
    let scale = (length / LENGTH) as f32;
    if !length.is_finite() || scale < f32::MIN_POSITIVE {
        return (f32::NAN, f32::NAN, f32::NAN);
    }
    let error = rounded(row, into, scale).sqrt();
    let up = |value: f64| (value * (1.0 + 1e-5)) as f32;
    (scale, up(length), up(error))
}

for_this_cpu! {
    /// Σ row².
    fn squared(row: &[f32]) -> f64 = squared_body;
}

for_this_cpu! {
    /// `into ← row / scale` as integers; Σ (row − scale · into)².
    fn rounded(row: &[f32], into: &mut [i16], scale: f32) -> f64 = rounded_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn squared_body<const FMA: bool>(row: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; HALF];
    for part in row.chunks(HALF) {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane += f64::from(*value) * f64::from(*value);
        }
    }
    lanes.iter().sum()
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn rounded_body<const FMA: bool>(row: &[f32], into: &mut [i16], scale: f32) -> f64 {
    let factor = 1.0 / scale;
    let mut lanes = [0.0_f64; HALF];
    for (into, part) in into.chunks_mut(HALF).zip(row.chunks(HALF)) {
        for ((into, value), lane) in into.iter_mut().zip(part).zip(&mut lanes) {
            // Adding and taking away 1.5 · 2²³ rounds to the nearest whole number; no value exceeds the row's length, so all fit.
            let whole = (value * factor + 12_582_912.0) - 12_582_912.0;
            *into = whole as i16;
            let off = f64::from(*value) - f64::from(scale) * f64::from(*into);
            *lane += off * off;
        }
    }
    lanes.iter().sum()
}

/// Thirty-two integers: sixteen tokens, two columns of each.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Pairs([i16; 2 * LANES]);

/// Sums of six features on sixteen tokens.
#[repr(C, align(64))]
struct Sums([[i32; LANES]; GROUP]);

/// A panel's numbers beside its integers, zeros for missing tokens.
struct Tokens {
    scales: [f32; LANES],
    /// `‖x − x̂‖ + rounding · ‖x‖`.
    errors: [f32; LANES],
    lengths: [f32; LANES],
}

/// Offers every pre-activation of the rows of `x` that may exceed its bar and floor to `sink`, whose bars cover whole panels; `narrow` are the features'
/// rounded rows. Panics where AVX2 is missing.
pub(super) fn offer<S: Sink>(
    x: &[f32],
    (features, narrow): (Features<'_>, Part<'_>),
    sink: &mut S,
) -> Result<(), NotFinite> {
    assert!(avx2_present());
    let d = features.d;
    let width = d.next_multiple_of(2);
    let tail = features.count() - features.count() % GROUP;
    let missing = features.count().next_multiple_of(GROUP) - features.count();
    let last = [&narrow.values[tail * width..], &vec![0; missing * width]].concat();
    // What any order of additions in f32 may be off by, relative to ‖x‖·‖w‖, and the few operations below.
    let rounding = (d + 64) as f32 * f32::EPSILON;
    let mut sums = Sums([[0; LANES]; GROUP]);
    for (first_row, x) in blocks(x, d, BLOCK, LANES) {
        let (packed, tokens) = packed(x, d, rounding);
        assert!(sink.bars().len() >= first_row + tokens.len() * LANES);
        each_group::<GROUP>(features, tokens.len(), |panel, first, count| {
            let columns = width / 2;
            let pairs = &packed[panel * columns..(panel + 1) * columns];
            let weights = group_weights(narrow.values, &last, (first, count, GROUP), width);
            // SAFETY: AVX2 was found above.
            unsafe { fill(&mut sums, weights, pairs) };
            let tokens = &tokens[panel];
            let row = first_row + panel * LANES;
            let rows = x.len() / d - panel * LANES;
            for i in 0..count {
                let feature = first + i;
                let of_feature = [
                    narrow.scales[feature],
                    features.bias[feature],
                    narrow.lengths[feature],
                    narrow.errors[feature],
                    sink.floor(feature),
                ];
                let bars = &sink.bars()[row..row + LANES];
                let hits = passing(&sums.0[i], tokens, bars, of_feature, S::MAGNITUDE);
                for token in bits(hits).take_while(|token| *token < rows) {
                    let x = &x[(panel * LANES + token) * d..][..d];
                    exact((row + token, x), (features, feature), sink)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Computes a pair and offers it if it passes.
fn exact<S: Sink>(
    (row, x): (usize, &[f32]),
    (features, feature): (Features<'_>, usize),
    sink: &mut S,
) -> Result<(), NotFinite> {
    let mut value = [0.0];
    let place = [feature as u32];
    products(&mut value, x, &place, 1.0, features.weights);
    let value = value[0] + features.bias[feature];
    let key = if S::MAGNITUDE { value.abs() } else { value };
    let bar = sink.bars()[row];
    if key > bar.max(sink.floor(feature)) || (key.is_nan() && bar < f32::INFINITY) {
        sink.push(row, feature, (key, value))?;
    }
    Ok(())
}

for_this_cpu! {
    /// A bit for each token whose sum and margin may exceed bar and floor; `[scale, bias, length, error, floor]` of the feature.
    fn passing(sums: &[i32; LANES], tokens: &Tokens, bars: &[f32], of_feature: [f32; 5], magnitude: bool) -> u32 = passing_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn passing_body<const FMA: bool>(
    sums: &[i32; LANES],
    tokens: &Tokens,
    bars: &[f32],
    [scale, bias, length, error, floor]: [f32; 5],
    magnitude: bool,
) -> u32 {
    let bars = &bars[..LANES];
    let of_bias = bias.abs() * (4.0 * f32::EPSILON);
    let mut passes = [0_u32; LANES];
    for t in 0..LANES {
        let about = sums[t] as f32 * (scale * tokens.scales[t]) + bias;
        let about = if magnitude { about.abs() } else { about };
        let margin = length * tokens.errors[t] + error * tokens.lengths[t] + of_bias;
        let most = about + margin;
        // Not less or equal: NaN passes, and is refused when it is computed.
        passes[t] = u32::from(!(most <= bars[t] || most <= floor)) << t;
    }
    passes.iter().fold(0, |all, bit| all | bit)
}

/// Panels of sixteen tokens, two columns at a time: `[panel][⌈d/2⌉][16][2]`.
fn packed(x: &[f32], d: usize, rounding: f32) -> (Vec<Pairs>, Vec<Tokens>) {
    let columns = d.div_ceil(2);
    let panels = (x.len() / d).div_ceil(LANES);
    let mut packed = vec![Pairs([0; 2 * LANES]); panels * columns];
    let mut row = vec![0_i16; 2 * columns];
    let mut all = Vec::with_capacity(panels);
    for (x, panel) in x.chunks(LANES * d).zip(packed.chunks_exact_mut(columns)) {
        let mut tokens = Tokens {
            scales: [0.0; LANES],
            errors: [0.0; LANES],
            lengths: [0.0; LANES],
        };
        for (token, x) in x.chunks_exact(d).enumerate() {
            let (scale, length, error) = round(x, &mut row);
            tokens.scales[token] = scale;
            tokens.lengths[token] = length;
            tokens.errors[token] = error + rounding * length;
            for (pairs, pair) in panel.iter_mut().zip(row.chunks_exact(2)) {
                pairs.0[2 * token..2 * token + 2].copy_from_slice(pair);
            }
        }
        all.push(tokens);
    }
    (packed, all)
}

/// `rows` are `GROUP` rows of integers, `x` one panel.
#[expect(
    clippy::cast_ptr_alignment,
    reason = "`Pairs` and `Sums` are aligned to 64 bytes"
)]
#[target_feature(enable = "avx2")]
fn fill(into: &mut Sums, rows: &[i16], x: &[Pairs]) {
    let columns = x.len();
    assert!(rows.len() == GROUP * 2 * columns);
    let mut sums: [[__m256i; 2]; GROUP] = [[_mm256_setzero_si256(); 2]; GROUP];
    let start = rows.as_ptr();
    let mut rows = [start, start.wrapping_add(3 * 2 * columns)];
    for x in x {
        let x = x.0.as_ptr().cast::<__m256i>();
        // SAFETY: 64 bytes, aligned.
        let (x0, x1) = unsafe { (_mm256_load_si256(x), _mm256_load_si256(x.add(1))) };
        for i in 0..GROUP {
            let pair = rows[i / 3].wrapping_add((i % 3) * 2 * columns);
            // SAFETY: after c rounds each pointer stands at pair c of its row, and there are 6 rows of as many pairs as `x` has.
            let pair = unsafe { pair.cast::<i32>().read_unaligned() };
            let pair = _mm256_set1_epi32(pair);
            sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(pair, x0));
            sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(pair, x1));
        }
        for row in &mut rows {
            *row = row.wrapping_add(2);
        }
    }
    for (sums, into) in sums.iter().zip(&mut into.0) {
        let into = into.as_mut_ptr().cast::<__m256i>();
        // SAFETY: sixteen sums of 64 bytes, each row aligned as the whole is.
        unsafe {
            _mm256_store_si256(into, sums[0]);
            _mm256_store_si256(into.add(1), sums[1]);
        }
    }
}
