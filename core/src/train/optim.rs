//! From codes and residuals to new parameters, a chunk of features at a time: gradients, Adam and the decoder's unit norm while the rows are in cache.
//!
//! A feature's gradients are sums over the tokens where it is active, in the order of tokens, so each feature is one thread's work from first to last:
//! no gradient is dense in tokens, none is stored for all features, none is added by two threads.

mod help;
mod terms;

use std::ops::Range;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::adam::{Rates, Row, adam};
use crate::kernels::residual::cpu::products;
use crate::kernels::sparse_decode::cpu::{Weighted, add_rows};
use crate::sae::state::Keep;

pub(super) use help::DeadGradients;
#[cfg(test)]
pub(super) use terms::gradients;
pub(super) use terms::{ByFeature, Given, Gradients, Term};

/// Features of a chunk: one thread's unit of work.
const CHUNK: usize = 512;
/// Tokens whose rows stay in the second-level cache while all features of a chunk read them.
const SPAN: usize = 1_024;

/// A parameter with its moments.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) value: Matrix,
    pub(super) m: Matrix,
    pub(super) v: Matrix,
}

impl Parameter {
    /// Creates a parameter with moments of zero.
    pub(super) fn new(value: Matrix) -> Self {
        let zeros = Matrix::zeros(value.rows(), value.columns());
        Self {
            value,
            m: zeros.clone(),
            v: zeros,
        }
    }

    /// Value and moments; see [`Keep`].
    pub(super) fn state(&mut self, name: &str, keep: &mut dyn Keep) -> Result<()> {
        keep.matrix(name, &mut self.value)?;
        keep.matrix(&format!("{name}.m"), &mut self.m)?;
        keep.matrix(&format!("{name}.v"), &mut self.v)
    }

    /// All of it as one row.
    pub(super) fn row(&mut self) -> Row<'_> {
        Row {
            value: self.value.values_mut(),
            m: self.m.values_mut(),
            v: self.v.values_mut(),
        }
    }

    /// Starts row `i` anew at `values`, without moments.
    pub(super) fn restart(&mut self, i: usize, values: &[f32]) {
        self.value.row_mut(i).copy_from_slice(values);
        self.m.row_mut(i).fill(0.0);
        self.v.row_mut(i).fill(0.0);
    }

    fn par_chunks(&mut self, rows: usize) -> impl IndexedParallelIterator<Item = Row<'_>> {
        let n = (rows * self.value.columns()).max(1);
        self.value
            .values_mut()
            .par_chunks_mut(n)
            .zip(self.m.values_mut().par_chunks_mut(n))
            .zip(self.v.values_mut().par_chunks_mut(n))
            .map(|((value, m), v)| Row { value, m, v })
    }
}

/// Part `at` of rows of length `d`.
fn part<'a>(row: &'a mut Row<'_>, at: usize, d: usize) -> Row<'a> {
    let range = at * d..(at + 1) * d;
    Row {
        value: &mut row.value[range.clone()],
        m: &mut row.m[range.clone()],
        v: &mut row.v[range],
    }
}

/// Time spent in parts of the pass, summed over threads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) gradients: Duration,
    pub(super) adam: Duration,
    pub(super) unit_norm: Duration,
}

/// Contribution of the pass to the decoder's bias.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed {
    /// Σ over features of d(b_enc) · w_enc, `[d]`: less this is b_dec's gradient through the encoder.
    pub(super) through_encoder: Vec<f64>,
    pub(super) spent: Spent,
}

/// Settings by which a step moves parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub(super) rates: Rates,
    /// Factor on every gradient, below 1 if all of them together are too long.
    pub(super) factor: f32,
}

/// Encoder, its bias and decoder, updated together.
#[derive(Debug, Clone)]
pub(super) struct Features {
    /// `[f, d]`.
    pub(super) w_enc: Parameter,
    /// `[f, 1]`.
    pub(super) b_enc: Parameter,
    /// `[f, d]`, rows of length 1 unless they are free.
    pub(super) w_dec: Parameter,
    /// Whether decoder rows may have any length. Then all gradients are those of the folded dictionary: decoder rows over their length, encoder rows and
    /// biases times it.
    pub(super) free: bool,
    /// Whether Adam leaves alone what has no gradient.
    pub(super) lazy: bool,
    /// Whether decoder rows stay as they are.
    pub(super) frozen: bool,
}

/// A dictionary whose decoder rows have length 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Folded {
    pub(super) w_enc: Matrix,
    pub(super) b_enc: Vec<f32>,
    pub(super) w_dec: Matrix,
}

impl Folded {
    /// Brings decoder rows to length 1, encoder rows and biases by as much the other way; a row of zeros stays.
    pub(super) fn fold(&mut self) {
        let reads = self.w_enc.columns().max(1);
        let writes = self.w_dec.columns().max(1);
        (self.w_enc.values_mut().par_chunks_mut(reads))
            .zip(self.w_dec.values_mut().par_chunks_mut(writes))
            .zip(self.b_enc.par_iter_mut())
            .with_min_len(64)
            .for_each(|((w_enc, w_dec), b_enc)| {
                let length = dot(w_dec, w_dec).sqrt();
                if length > 0.0 {
                    for w in w_enc.iter_mut() {
                        *w *= length;
                    }
                    for w in w_dec.iter_mut() {
                        *w /= length;
                    }
                    *b_enc *= length;
                }
            });
    }
}

impl Features {
    /// Writes the same dictionary with decoder rows of length 1 into `folded`.
    pub(super) fn fold(&self, folded: &mut Folded) {
        folded.w_enc.clone_from(&self.w_enc.value);
        folded.w_dec.clone_from(&self.w_dec.value);
        folded.b_enc.clear();
        folded.b_enc.extend_from_slice(self.b_enc.value.values());
        folded.fold();
    }

    /// Parameters and moments; see [`Keep`].
    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.w_enc.state("w_enc", keep)?;
        self.b_enc.state("b_enc", keep)?;
        self.w_dec.state("w_dec", keep)
    }

    /// Squared length of the gradients that [`Features::step`] takes, and what they leave for the decoder's bias. They are computed once more there: kept for
    /// all features they would take as much memory as encoder and decoder.
    pub(super) fn length2(&self, given: Given<'_>) -> (f64, Vec<f64>) {
        let (f, free) = (self.b_enc.value.rows(), self.free);
        let chunks: Vec<(f64, Vec<f32>)> = (0..f.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let features = chunk * CHUNK..((chunk + 1) * CHUNK).min(f);
                let mut all = given.of(features.start, features.len());
                let rows = [&self.w_enc, &self.w_dec, &self.b_enc]
                    .map(|part| rows(&part.value, features.clone()));
                if free {
                    unfold(&mut all, rows);
                } else {
                    let directions = rows[1].chunks_exact(all.w_dec.columns().max(1));
                    for (i, direction) in directions.enumerate() {
                        remove_parallel(all.w_dec.row_mut(i), direction);
                    }
                }
                let parts = [all.w_enc.values(), all.w_dec.values(), &all.b_enc];
                (parts.map(squared).iter().sum(), through(&all.read, rows[0]))
            })
            .collect();
        let mut total = (0.0, vec![0.0; given.reads()]);
        for (squared, through) in chunks {
            total.0 += squared;
            for (sum, value) in total.1.iter_mut().zip(through) {
                *sum += f64::from(value);
            }
        }
        total
    }

    /// One step: gradients of all terms, the decoder's made orthogonal to its rows, Adam, rows back to length 1.
    pub(super) fn step(&mut self, given: Given<'_>, by: Move) -> Passed {
        let d = given.reads();
        let (free, lazy, frozen) = (self.free, self.lazy, self.frozen);
        let passed: Vec<Passed> = self
            .w_enc
            .par_chunks(CHUNK)
            .zip(self.w_dec.par_chunks(CHUNK))
            .zip(self.b_enc.par_chunks(CHUNK))
            .enumerate()
            .map(|(chunk, ((w_enc, w_dec), b_enc))| {
                let begun = Instant::now();
                let (first, count) = (chunk * CHUNK, b_enc.value.len());
                let mut gradients = given.of(first, count);
                if free {
                    unfold(&mut gradients, [w_enc.value, w_dec.value, b_enc.value]);
                }
                gradients.shorten(by.factor);
                if frozen {
                    gradients.w_dec.values_mut().fill(0.0);
                }
                let after = begun.elapsed();
                let moves = |i: usize| !lazy || given.any(first + i);
                let rows = [w_enc, w_dec, b_enc];
                let mut passed = update(&gradients, rows, free, (by.rates, moves));
                passed.spent.gradients = after;
                passed
            })
            .collect();
        let mut total = Passed {
            through_encoder: vec![0.0; d],
            ..Passed::default()
        };
        for part in passed {
            for (sum, value) in total.through_encoder.iter_mut().zip(&part.through_encoder) {
                *sum += value;
            }
            total.spent.gradients += part.spent.gradients;
            total.spent.adam += part.spent.adam;
            total.spent.unit_norm += part.spent.unit_norm;
        }
        total
    }
}

/// Gradients of the folded dictionary into those of the one that is kept: with `n` the length of a decoder row and `u` its direction,
/// `w_enc: n·g`, `b_enc: n·g`, `w_dec: (g − (g·u)u)/n + (g_enc·w_enc + g_b·b_enc)·u`.
fn unfold(gradients: &mut Gradients, [w_enc, w_dec, b_enc]: [&[f32]; 3]) {
    let d = gradients.w_enc.columns();
    let rows = w_dec.chunks_exact(gradients.w_dec.columns().max(1));
    for (i, row) in rows.enumerate() {
        let length = dot(row, row).sqrt();
        if length == 0.0 {
            continue;
        }
        let through =
            dot(gradients.w_enc.row(i), &w_enc[i * d..(i + 1) * d]) + gradients.b_enc[i] * b_enc[i];
        let across = gradients.w_dec.row_mut(i);
        let along = dot(across, row) / length;
        for (g, w) in across.iter_mut().zip(row) {
            let u = w / length;
            *g = (*g - along * u) / length + through * u;
        }
        let encoder = gradients.w_enc.row_mut(i);
        for g in encoder.iter_mut() {
            *g *= length;
        }
        gradients.b_enc[i] *= length;
        gradients.read[i] *= length;
    }
}

/// Σ over rows of `read` · `w_enc`, `[d]`.
fn through(read: &[f32], w_enc: &[f32]) -> Vec<f32> {
    let all: Vec<u32> = (0..read.len() as u32).collect();
    let mut through = vec![0.0_f32; w_enc.len() / read.len().max(1)];
    let read = Weighted {
        rows: &all,
        weights: read,
        scale: 1.0,
        table: w_enc,
    };
    add_rows(&mut through, read);
    through
}

/// Values of some rows.
fn rows(matrix: &Matrix, range: Range<usize>) -> &[f32] {
    &matrix.values()[range.start * matrix.columns()..range.end * matrix.columns()]
}

/// Sum of squares, in f64.
pub(super) fn squared(values: &[f32]) -> f64 {
    values.iter().map(|v| f64::from(*v).powi(2)).sum()
}

/// New parameters of a chunk of features, row by row while a row and its moments are in cache. `moves` tells which rows Adam moves.
fn update(
    gradients: &Gradients,
    [mut w_enc, mut w_dec, mut b_enc]: [Row<'_>; 3],
    free: bool,
    (rates, moves): (Rates, impl Fn(usize) -> bool),
) -> Passed {
    let begun = Instant::now();
    let count = b_enc.value.len();
    // A transcoder reads another width than it writes.
    let (read, d) = (gradients.w_enc.columns(), gradients.w_dec.columns());
    let through = through(&gradients.read, w_enc.value);
    let mut across = vec![0.0; d];
    let mut unit_norm = Duration::ZERO;
    for i in (0..count).filter(|i| moves(*i)) {
        let mut row = part(&mut w_enc, i, read);
        adam(&mut row, gradients.w_enc.row(i), rates);
        let mut row = part(&mut b_enc, i, 1);
        adam(&mut row, &gradients.b_enc[i..=i], rates);
        let mut row = part(&mut w_dec, i, d);
        across.copy_from_slice(gradients.w_dec.row(i));
        if !free {
            remove_parallel(&mut across, row.value);
        }
        adam(&mut row, &across, rates);
        if !free {
            let begun = Instant::now();
            to_length_one(row.value);
            unit_norm += begun.elapsed();
        }
    }
    Passed {
        through_encoder: through.into_iter().map(f64::from).collect(),
        spent: Spent {
            gradients: Duration::ZERO,
            adam: begun.elapsed().saturating_sub(unit_norm),
            unit_norm,
        },
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    products(&mut out, a, &[0], 1.0, b);
    out[0]
}

/// Takes from `gradient` its part along `direction`, which has length 1.
pub(super) fn remove_parallel(gradient: &mut [f32], direction: &[f32]) {
    let along = dot(gradient, direction);
    let part = Weighted {
        rows: &[0],
        weights: &[along],
        scale: -1.0,
        table: direction,
    };
    add_rows(gradient, part);
}

pub(super) fn to_length_one(row: &mut [f32]) {
    let length = dot(row, row).sqrt();
    if length > 0.0 {
        let factor = 1.0 / length;
        for value in row {
            *value *= factor;
        }
    }
}
