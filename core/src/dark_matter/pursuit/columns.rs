//! Columns of the Gram matrix `D Dᵀ` as 16-bit integers with a bound on their error: made for many features at once, kept while memory lasts.
//!
//! They only say which features may have the largest correlation; every correlation that decides anything is computed in f64. So results depend neither on the
//! rounding here nor on which columns happen to be kept.

use rayon::prelude::*;

use crate::dims::Matrix;
use crate::kernels::linear::rows_times;
use crate::kernels::{for_this_cpu, multiply_add};

/// Largest integer of a column.
const MOST: f32 = 32_767.0;
/// Error of an entry in units of its column's scale: half a unit of rounding, and the rounding of the division.
const ROUNDING: f64 = 0.51;
/// Number whose addition and subtraction rounds to the nearest integer, 1.5 · 2²³.
const SHIFT: f32 = 12_582_912.0;
/// Values compared at once.
const LANES: usize = 16;
/// Features whose columns are computed in one product.
const AT_ONCE: usize = 256;

/// Bound on the relative error of an f32 product of vectors of length `d`, in any order of additions.
pub(super) fn product_error(d: usize) -> f64 {
    let d = d as f64 * f64::from(f32::EPSILON) / 2.0;
    1.01 * d / (1.0 - d)
}

/// Products of one feature's direction with all directions.
#[derive(Debug)]
pub(super) struct Column {
    /// Products in units of `scale`, `[f]`; 0 at the feature itself.
    pub(super) entries: Vec<i16>,
    /// Value of one unit.
    pub(super) scale: f32,
    /// Bound on |product|, the feature's own left out.
    pub(super) most: f64,
    /// Bound on the error of a product.
    pub(super) error: f64,
}

/// Columns of a dictionary.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    /// Directions, `[f, d]`.
    directions: &'a Matrix,
    /// Length of each direction.
    lengths: Vec<f64>,
    /// Length of the longest direction.
    pub(super) longest: f64,
    held: Vec<Option<Column>>,
    /// Block in which each was last in use.
    used: Vec<u32>,
    block: u32,
    count: usize,
    capacity: usize,
}

impl<'a> Columns<'a> {
    /// Creates it without columns; `bytes` is the memory for columns, of which one fits at least.
    pub(super) fn new(directions: &'a Matrix, bytes: usize) -> Self {
        let f = directions.rows();
        let lengths: Vec<f64> = directions
            .values()
            .par_chunks(directions.columns().max(1))
            .map(|row| {
                let squares = row.iter().map(|v| f64::from(*v) * f64::from(*v));
                squares.sum::<f64>().sqrt()
            })
            .collect();
        Self {
            directions,
            longest: lengths.iter().copied().fold(0.0, f64::max),
            lengths,
            held: (0..f).map(|_| None).collect(),
            used: vec![0; f],
            block: 0,
            count: 0,
            capacity: (bytes / (2 * f.max(1))).max(1),
        }
    }

    /// Number of columns that fit into memory.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the column of `feature` if it is held.
    pub(super) fn get(&self, feature: u32) -> Option<&Column> {
        self.held[feature as usize].as_ref()
    }

    /// Begins the next block of tokens.
    pub(super) fn next_block(&mut self) {
        self.block += 1;
    }

    /// Makes the columns of `missing` (ascending, not held); to make room it drops those that are longest out of use, `in_use` last.
    pub(super) fn make(&mut self, missing: &[u32], in_use: &[u32]) {
        for feature in in_use.iter().chain(missing) {
            self.used[*feature as usize] = self.block;
        }
        self.make_room(missing.len());
        let error = product_error(self.directions.columns()) * self.longest;
        for some in missing.chunks(AT_ONCE) {
            let products = rows_times(&self.directions.rows_of(some), self.directions);
            let made: Vec<Column> = products
                .values()
                .par_chunks(products.columns().max(1))
                .zip(some)
                .map(|(row, feature)| {
                    let length = self.lengths[*feature as usize];
                    Column::new(row, *feature as usize, error * length)
                })
                .collect();
            for (feature, column) in some.iter().zip(made) {
                self.held[*feature as usize] = Some(column);
            }
        }
        self.count += missing.len();
    }

    fn make_room(&mut self, wanted: usize) {
        let excess = (self.count + wanted).saturating_sub(self.capacity);
        if excess == 0 {
            return;
        }
        let mut held: Vec<(u32, u32)> = (0..)
            .zip(&self.held)
            .filter(|(_, column)| column.is_some())
            .map(|(feature, _)| (self.used[feature as usize], feature))
            .collect();
        held.sort_unstable();
        // Those in use by the present block stay, whatever the capacity.
        let dropped = held
            .iter()
            .take(excess)
            .filter(|(used, _)| *used < self.block);
        for (_, feature) in dropped {
            self.held[*feature as usize] = None;
            self.count -= 1;
        }
    }
}

impl Column {
    /// Rounds the products `row [f]` of feature `own`, each off by `error` at most.
    fn new(row: &[f32], own: usize, error: f64) -> Self {
        let most = largest(&row[..own]).max(largest(&row[own + 1..]));
        let scale = most / MOST;
        let mut entries = vec![0; row.len()];
        if scale > 0.0 && scale.is_normal() {
            rounded(row, MOST / most, &mut entries);
            entries[own] = 0;
        }
        Self {
            entries,
            scale,
            most: f64::from(most) + error,
            error: ROUNDING * f64::from(scale) + error,
        }
    }
}

for_this_cpu! {
    /// Returns the largest magnitude.
    fn largest(values: &[f32]) -> f32 = largest_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn largest_body<const FMA: bool>(values: &[f32]) -> f32 {
    let mut most = [0.0_f32; LANES];
    let mut whole = values.chunks_exact(LANES);
    for values in &mut whole {
        for (most, value) in most.iter_mut().zip(values) {
            let value = value.abs();
            *most = if value > *most { value } else { *most };
        }
    }
    let rest = whole.remainder().iter().map(|value| value.abs());
    most.into_iter().chain(rest).fold(0.0, f32::max)
}

for_this_cpu! {
    /// `out = round(row · by)`; what does not fit is cut to the largest integer.
    fn rounded(row: &[f32], by: f32, out: &mut [i16]) = rounded_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn rounded_body<const FMA: bool>(row: &[f32], by: f32, out: &mut [i16]) {
    for (out, v) in out.iter_mut().zip(row) {
        let scaled = (v * by).clamp(-MOST, MOST);
        *out = ((scaled + SHIFT) - SHIFT) as i32 as i16;
    }
}

/// Correlations whose largest are kept together.
pub(super) const STRIP: usize = 1024;

for_this_cpu! {
    /// Adds `factor · entries` of each column to `values`, and writes the largest value of each strip to `peaks`.
    pub(super) fn add_columns(values: &mut [f32], peaks: &mut [f32], columns: &[(f32, &[i16])]) = add_columns_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn add_columns_body<const FMA: bool>(
    values: &mut [f32],
    peaks: &mut [f32],
    columns: &[(f32, &[i16])],
) {
    for (at, (values, peak)) in values.chunks_mut(STRIP).zip(peaks).enumerate() {
        let part = at * STRIP..at * STRIP + values.len();
        let mut fours = columns.chunks_exact(4);
        for four in &mut fours {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| &four[i].1[part.clone()]);
            let factors = [0, 1, 2, 3].map(|i| four[i].0);
            let entries = a.iter().zip(b).zip(c).zip(d);
            for (value, (((a, b), c), d)) in values.iter_mut().zip(entries) {
                let value_ab = fused::<FMA>(factors[0], *a, fused::<FMA>(factors[1], *b, *value));
                *value = fused::<FMA>(factors[2], *c, fused::<FMA>(factors[3], *d, value_ab));
            }
        }
        for (factor, entries) in fours.remainder() {
            for (value, entry) in values.iter_mut().zip(&entries[part.clone()]) {
                *value = fused::<FMA>(*factor, *entry, *value);
            }
        }
        *peak = peak_of(values);
    }
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn fused<const FMA: bool>(factor: f32, entry: i16, value: f32) -> f32 {
    multiply_add::<FMA>(factor, f32::from(entry), value)
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn peak_of(values: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let mut whole = values.chunks_exact(LANES);
    for values in &mut whole {
        for (most, value) in most.iter_mut().zip(values) {
            *most = if *value > *most { *value } else { *most };
        }
    }
    let rest = whole.remainder().iter().copied();
    most.into_iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, f32::max)
}

for_this_cpu! {
    /// Returns `direction · rest` in f64, in sixteen sums.
    pub(super) fn product(direction: &[f32], rest: &[f64]) -> f64 = product_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn product_body<const FMA: bool>(direction: &[f32], rest: &[f64]) -> f64 {
    let mut sums = [0.0; 16];
    let (whole, whole_rest) = (direction.chunks_exact(16), rest.chunks_exact(16));
    let left: f64 = whole
        .remainder()
        .iter()
        .zip(whole_rest.remainder())
        .map(|(a, b)| f64::from(*a) * b)
        .sum();
    for (a, b) in whole.zip(whole_rest) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(*a) * b;
        }
    }
    let halves = (0..8).map(|i| sums[i] + sums[i + 8]);
    halves.sum::<f64>() + left
}

for_this_cpu! {
    /// `to += by · direction`.
    pub(super) fn add_scaled(to: &mut [f64], by: f64, direction: &[f32]) = add_scaled_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn add_scaled_body<const FMA: bool>(to: &mut [f64], by: f64, direction: &[f32]) {
    for (to, v) in to.iter_mut().zip(direction) {
        *to += by * f64::from(*v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_within_its_bound_and_columns_out_of_use_make_room() {
        let (f, d) = (70, 24);
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 504.5 - 1.0;
        let values = (0..f * d)
            .map(|i| value(i) * (1.0 + (i / d) as f32))
            .collect();
        let directions = Matrix::new(f, d, values).unwrap();
        let mut columns = Columns::new(&directions, 2 * f * 5);
        assert_eq!(columns.capacity(), 5);
        columns.next_block();
        columns.make(&[3, 9, 69], &[]);
        for feature in [3_u32, 9, 69] {
            let column = columns.get(feature).unwrap();
            let row = directions.row(feature as usize);
            for i in (0..f).filter(|i| *i != feature as usize) {
                let pairs = row.iter().zip(directions.row(i));
                let exact: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let here = f64::from(column.entries[i]) * f64::from(column.scale);
                assert!((here - exact).abs() <= column.error, "{here} {exact}");
                assert!(exact.abs() <= column.most);
                // The bound is no larger than it must be: a value off by one unit breaks it.
                assert!((here + f64::from(column.scale) * 1.1 - exact).abs() > 0.5 * column.error);
            }
            assert_eq!(column.entries[feature as usize], 0);
        }
        columns.next_block();
        columns.make(&[10, 11, 12], &[9]);
        let held = |columns: &Columns<'_>| {
            let all = 0..f as u32;
            all.filter(|of| columns.get(*of).is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(held(&columns), [9, 10, 11, 12, 69]);
    }

    #[test]
    fn products_and_peaks_are_those_of_plain_loops() {
        let a: Vec<f32> = (0..37).map(|i| i as f32 * 0.25 - 3.0).collect();
        let b: Vec<f64> = (0..37).map(|i| 1.0 / f64::from(i + 1)).collect();
        let plain: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * b).sum();
        assert!((product(&a, &b) - plain).abs() < 1e-12);
        let f = STRIP + 21;
        let entries: Vec<i16> = (0..f).map(|i| (i as i16 * 37) % 101 - 50).collect();
        let mut values: Vec<f32> = (0..f).map(|i| (i % 17) as f32).collect();
        let want: Vec<f32> = (values.iter().zip(&entries))
            .map(|(v, e)| v + 0.5 * f32::from(*e))
            .collect();
        let mut peaks = vec![0.0; 2];
        add_columns(&mut values, &mut peaks, &[(0.5, &entries)]);
        assert_eq!(values, want);
        let most = |part: &[f32]| part.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!(peaks, [most(&want[..STRIP]), most(&want[STRIP..])]);
    }
}
