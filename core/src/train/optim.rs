//! From codes and residuals to new parameters, a chunk of features at a time: gradients, Adam and the decoder's unit norm while the rows are in cache.
//!
//! A feature's gradients are sums over the tokens where it is active, in the order of tokens, so each feature is one thread's work from first to last:
//! no gradient is dense in tokens, none is stored for all features, none is added by two threads.

use std::time::{Duration, Instant};

use rayon::prelude::*;

use crate::dims::Matrix;
use crate::kernels::adam::{Rates, Row, adam};
use crate::kernels::residual::cpu::products;
use crate::kernels::sparse_decode::cpu::{Weighted, add_rows};
use crate::sae::Latents;

/// Features of a chunk: one thread's unit of work.
const CHUNK: usize = 16;
/// Tokens that are taken at a time for features active on many.
const BLOCK: usize = 128;

/// A parameter with its moments.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) value: Matrix,
    m: Vec<f32>,
    v: Vec<f32>,
}

impl Parameter {
    /// With moments of zero.
    pub(super) fn new(value: Matrix) -> Self {
        let n = value.values().len();
        Self {
            value,
            m: vec![0.0; n],
            v: vec![0.0; n],
        }
    }

    /// All of it as one row.
    pub(super) fn row(&mut self) -> Row<'_> {
        Row {
            value: self.value.values_mut(),
            m: &mut self.m,
            v: &mut self.v,
        }
    }

    fn par_chunks(&mut self, rows: usize) -> impl IndexedParallelIterator<Item = Row<'_>> {
        let n = (rows * self.value.columns()).max(1);
        self.value
            .values_mut()
            .par_chunks_mut(n)
            .zip(self.m.par_chunks_mut(n))
            .zip(self.v.par_chunks_mut(n))
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

/// Latents seen by feature: which tokens it is active on, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct ByFeature {
    /// `[f + 1]`.
    offsets: Vec<u32>,
    /// `[nnz]`: row of the latents.
    tokens: Vec<u32>,
    /// `[nnz]`: place in the latents' entries.
    entries: Vec<u32>,
}

impl ByFeature {
    /// Sorts the entries of `latents` by feature (counting sort; stable, so tokens ascend).
    pub(super) fn of(latents: &Latents, features: usize) -> Self {
        let mut offsets = vec![0_u32; features + 1];
        for feature in &latents.features {
            offsets[*feature as usize + 1] += 1;
        }
        for f in 0..features {
            offsets[f + 1] += offsets[f];
        }
        let mut next = offsets.clone();
        let mut tokens = vec![0; latents.features.len()];
        let mut entries = tokens.clone();
        for token in 0..latents.rows() {
            for entry in latents.range(token) {
                let place = &mut next[latents.features[entry] as usize];
                tokens[*place as usize] = token as u32;
                entries[*place as usize] = entry as u32;
                *place += 1;
            }
        }
        Self {
            offsets,
            tokens,
            entries,
        }
    }
}

/// One term of the loss: a code, what it left, and the gradient that came back to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term<'a> {
    pub(super) latents: &'a Latents,
    pub(super) by_feature: &'a ByFeature,
    /// `[n, d]`: target less reconstruction.
    pub(super) residual: &'a Matrix,
    /// `[nnz]`.
    pub(super) d_acts: &'a [f32],
    /// −2 · weight / denominator.
    pub(super) scale: f32,
}

/// Gradients of some features, in the order of their list.
#[derive(Debug, Clone, Default)]
pub(super) struct Gradients {
    /// `[features, d]`.
    pub(super) w_enc: Vec<f32>,
    /// `[features, d]`.
    pub(super) w_dec: Vec<f32>,
    /// `[features]`.
    pub(super) b_enc: Vec<f32>,
}

impl Gradients {
    fn zeros(features: usize, d: usize) -> Self {
        Self {
            w_enc: vec![0.0; features * d],
            w_dec: vec![0.0; features * d],
            b_enc: vec![0.0; features],
        }
    }

    /// Adds what `term` gives to `features`, where the encoder read `centred [n, d]`. Tokens are taken `block` at a time for all features, so that
    /// features active on many tokens find a block's rows in cache; the order of additions to one feature is that of tokens either way.
    fn add(&mut self, term: Term<'_>, centred: &Matrix, features: &[u32], block: usize) {
        let d = centred.columns();
        let by = term.by_feature;
        let bounds = |f: &u32| {
            (
                by.offsets[*f as usize] as usize,
                by.offsets[*f as usize + 1] as usize,
            )
        };
        let mut lists: Vec<_> = features.iter().map(bounds).collect();
        let (mut acts, mut d_acts) = (Vec::new(), Vec::new());
        for end in (block..centred.rows() + block).step_by(block) {
            for (i, (next, last)) in lists.iter_mut().enumerate() {
                let tokens = &by.tokens[*next..*last];
                let within = tokens.partition_point(|token| (*token as usize) < end);
                let range = *next..*next + within;
                *next = range.end;
                let entries = &by.entries[range.clone()];
                acts.clear();
                acts.extend(entries.iter().map(|at| term.latents.acts[*at as usize]));
                d_acts.clear();
                d_acts.extend(entries.iter().map(|at| term.d_acts[*at as usize]));
                let written = Weighted {
                    rows: &by.tokens[range],
                    weights: &acts,
                    scale: term.scale,
                    table: term.residual.values(),
                };
                let read = Weighted {
                    weights: &d_acts,
                    scale: 1.0,
                    table: centred.values(),
                    ..written
                };
                add_rows(&mut self.w_dec[i * d..(i + 1) * d], written);
                add_rows(&mut self.w_enc[i * d..(i + 1) * d], read);
                self.b_enc[i] += d_acts.iter().sum::<f32>();
            }
        }
    }
}

/// What AuxK gives to the dead features, which are active on many tokens each.
#[derive(Debug, Clone, Default)]
pub(super) struct DeadGradients {
    /// Ascending.
    features: Vec<u32>,
    chunks: Vec<Gradients>,
}

impl DeadGradients {
    /// Of `features`, a chunk of them at a time.
    pub(super) fn of(term: Term<'_>, centred: &Matrix, features: Vec<u32>) -> Self {
        let chunks = features
            .par_chunks(CHUNK)
            .map(|chunk| {
                let mut gradients = Gradients::zeros(chunk.len(), centred.columns());
                gradients.add(term, centred, chunk, BLOCK);
                gradients
            })
            .collect();
        Self { features, chunks }
    }

    /// Adds those of features `first..first + count` to `into`.
    fn add_to(&self, into: &mut Gradients, first: usize, count: usize, d: usize) {
        let from = self.features.partition_point(|f| (*f as usize) < first);
        let to = self
            .features
            .partition_point(|f| (*f as usize) < first + count);
        for place in from..to {
            let (chunk, at) = (&self.chunks[place / CHUNK], place % CHUNK);
            let i = self.features[place] as usize - first;
            let add = |into: &mut [f32], from: &[f32]| {
                for (into, from) in into[i * d..(i + 1) * d].iter_mut().zip(&from[at * d..]) {
                    *into += from;
                }
            };
            add(&mut into.w_enc, &chunk.w_enc);
            add(&mut into.w_dec, &chunk.w_dec);
            into.b_enc[i] += chunk.b_enc[at];
        }
    }
}

/// Of features `first..first + count`, both terms.
pub(super) fn gradients(
    main: Term<'_>,
    dead: &DeadGradients,
    centred: &Matrix,
    first: usize,
    count: usize,
) -> Gradients {
    let features: Vec<u32> = (first as u32..(first + count) as u32).collect();
    let mut all = Gradients::zeros(count, centred.columns());
    all.add(main, centred, &features, centred.rows().max(1));
    dead.add_to(&mut all, first, count, centred.columns());
    all
}

/// Time spent in parts of the pass, summed over threads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) gradients: Duration,
    pub(super) adam: Duration,
    pub(super) unit_norm: Duration,
}

/// What the pass leaves for the decoder's bias.
#[derive(Debug, Clone, Default)]
pub(super) struct Passed {
    /// Σ over features of d(b_enc) · w_enc, `[d]`: less this is b_dec's gradient through the encoder.
    pub(super) through_encoder: Vec<f64>,
    pub(super) spent: Spent,
}

/// Encoder, its bias and decoder, updated together.
#[derive(Debug, Clone)]
pub(super) struct Features {
    /// `[f, d]`.
    pub(super) w_enc: Parameter,
    /// `[f, 1]`.
    pub(super) b_enc: Parameter,
    /// `[f, d]`, rows of length 1.
    pub(super) w_dec: Parameter,
}

impl Features {
    /// One step: gradients of both terms, the decoder's made orthogonal to its rows, Adam, rows back to length 1.
    pub(super) fn step(
        &mut self,
        main: Term<'_>,
        dead: &DeadGradients,
        centred: &Matrix,
        rates: Rates,
    ) -> Passed {
        let d = centred.columns();
        let passed: Vec<Passed> = self
            .w_enc
            .par_chunks(CHUNK)
            .zip(self.w_dec.par_chunks(CHUNK))
            .zip(self.b_enc.par_chunks(CHUNK))
            .enumerate()
            .map(|(chunk, ((w_enc, w_dec), b_enc))| {
                let begun = Instant::now();
                let count = b_enc.value.len();
                let gradients = gradients(main, dead, centred, chunk * CHUNK, count);
                let after = begun.elapsed();
                let mut passed = update(&gradients, [w_enc, w_dec, b_enc], d, rates);
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

fn update(
    gradients: &Gradients,
    [mut w_enc, mut w_dec, mut b_enc]: [Row<'_>; 3],
    d: usize,
    rates: Rates,
) -> Passed {
    let begun = Instant::now();
    let count = b_enc.value.len();
    let mut through = vec![0.0_f32; d];
    let all: Vec<u32> = (0..count as u32).collect();
    let read = Weighted {
        rows: &all,
        weights: &gradients.b_enc,
        scale: 1.0,
        table: w_enc.value,
    };
    add_rows(&mut through, read);
    adam(&mut w_enc, &gradients.w_enc, rates);
    adam(&mut b_enc, &gradients.b_enc, rates);
    let mut across = vec![0.0; d];
    for i in 0..count {
        let mut row = part(&mut w_dec, i, d);
        across.copy_from_slice(&gradients.w_dec[i * d..(i + 1) * d]);
        remove_parallel(&mut across, row.value);
        adam(&mut row, &across, rates);
    }
    let adam_spent = begun.elapsed();
    for row in w_dec.value.chunks_exact_mut(d) {
        to_length_one(row);
    }
    Passed {
        through_encoder: through.into_iter().map(f64::from).collect(),
        spent: Spent {
            gradients: Duration::ZERO,
            adam: adam_spent,
            unit_norm: begun.elapsed().saturating_sub(adam_spent),
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

fn to_length_one(row: &mut [f32]) {
    let length = dot(row, row).sqrt();
    if length > 0.0 {
        let factor = 1.0 / length;
        for value in row {
            *value *= factor;
        }
    }
}
