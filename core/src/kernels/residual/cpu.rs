//! Products of one vector with chosen rows, four rows at a time in 16 lanes each, and sums of squares and columns.

#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(target_arch = "x86_64")]
use crate::kernels::avx512_present;
use crate::kernels::{for_this_cpu, multiply_add};

const LANES: usize = 16;
/// Lanes of f64.
const WIDE: usize = 8;

/// `out[j] = scale · (vector[d] · table[rows[j], d])`.
pub(crate) fn products(out: &mut [f32], vector: &[f32], rows: &[u32], scale: f32, table: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    if avx512_present() {
        return avx512::products(out, vector, rows, scale, table);
    }
    portable_products(out, vector, rows, scale, table);
}

for_this_cpu! {
    /// Computes the products without intrinsics.
    pub(in crate::kernels) fn portable_products(out: &mut [f32], vector: &[f32], rows: &[u32], scale: f32, table: &[f32]) = products_body;
}

for_this_cpu! {
    /// Adds `row` to `columns` and returns its sum of squares, in f64.
    pub(crate) fn tally(row: &[f32], columns: &mut [f64]) -> f64 = tally_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn products_body<const FMA: bool>(
    out: &mut [f32],
    vector: &[f32],
    rows: &[u32],
    scale: f32,
    table: &[f32],
) {
    let d = vector.len();
    let row = |at: u32| &table[at as usize * d..][..d];
    for (out, rows) in out.chunks_exact_mut(4).zip(rows.chunks_exact(4)) {
        let four = [row(rows[0]), row(rows[1]), row(rows[2]), row(rows[3])];
        let sums = dots::<FMA, 4>(vector, four);
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = scale * sum;
        }
    }
    let done = rows.len() / 4 * 4;
    for (out, at) in out[done..].iter_mut().zip(&rows[done..]) {
        let [sum] = dots::<FMA, 1>(vector, [row(*at)]);
        *out = scale * sum;
    }
}

/// By halves, so that vectors are added to vectors.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn added_up(lanes: [f32; LANES]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|l| lanes[l] + lanes[l + 8]);
    let four: [f32; 4] = std::array::from_fn(|l| eight[l] + eight[l + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Sums `N` lanes by halves, in the same order for any `N`.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn dots<const FMA: bool, const N: usize>(vector: &[f32], rows: [&[f32]; N]) -> [f32; N] {
    let mut lanes = [[0.0_f32; LANES]; N];
    let whole = vector.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        let x = &vector[at..at + LANES];
        let rows = rows.map(|row| &row[at..at + LANES]);
        for n in 0..N {
            for l in 0..LANES {
                lanes[n][l] = multiply_add::<FMA>(x[l], rows[n][l], lanes[n][l]);
            }
        }
    }
    // From here on a copy, so that the sums above stay in registers.
    let mut sums = [0.0; N];
    for (n, sum) in sums.iter_mut().enumerate() {
        let rest = vector[whole..].iter().zip(&rows[n][whole..]);
        let rest = rest.map(|(x, w)| x * w).sum::<f32>();
        *sum = added_up(lanes[n]) + rest;
    }
    sums
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn tally_body<const FMA: bool>(row: &[f32], columns: &mut [f64]) -> f64 {
    let mut lanes = [0.0_f64; WIDE];
    let mut rows = row.chunks_exact(WIDE);
    let mut sums = columns.chunks_exact_mut(WIDE);
    for (row, sums) in (&mut rows).zip(&mut sums) {
        for l in 0..WIDE {
            let value = f64::from(row[l]);
            sums[l] += value;
            lanes[l] += value * value;
        }
    }
    let mut squared = lanes.iter().sum::<f64>();
    for (value, sum) in rows.remainder().iter().zip(sums.into_remainder()) {
        let value = f64::from(*value);
        *sum += value;
        squared += value * value;
    }
    squared
}
