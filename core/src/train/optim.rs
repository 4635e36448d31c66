//! From codes and residuals to new parameters, a chunk of features at a time: gradients, Adam and the decoder's unit norm while the rows are in cache.
//!
//! A feature's gradients are sums over the tokens where it is active, in the order of tokens, so each feature is one thread's work from first to last:
//! no gradient is dense in tokens, none is stored for all features, none is added by two threads.

use std::ops::Range;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::step::Aux;
use crate::dims::Matrix;
use crate::kernels::adam::{Rates, Row, adam};
use crate::kernels::residual::Residual;
use crate::kernels::residual::cpu::products;
use crate::kernels::sparse_decode::cpu::{Weighted, add_rows};
use crate::sae::Latents;

/// Features of a chunk: one thread's unit of work.
const CHUNK: usize = 512;
/// Tokens whose rows stay in the second-level cache while all features of a chunk read them.
const SPAN: usize = 1_024;
/// Most of dead features, which are active on many tokens: fewer chunks read the tokens' rows less often.
const DEAD_CHUNK: usize = 64;
/// Tokens whose rows stay in the first-level cache while all features of such a chunk read them.
const BLOCK: usize = 32;

/// A parameter with its moments.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) value: Matrix,
    m: Matrix,
    v: Matrix,
}

impl Parameter {
    /// With moments of zero.
    pub(super) fn new(value: Matrix) -> Self {
        let zeros = Matrix::zeros(value.rows(), value.columns());
        Self {
            value,
            m: zeros.clone(),
            v: zeros,
        }
    }

    /// All of it as one row.
    pub(super) fn row(&mut self) -> Row<'_> {
        Row {
            value: self.value.values_mut(),
            m: self.m.values_mut(),
            v: self.v.values_mut(),
        }
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

/// Latents seen by feature: which tokens it is active on, in order, how strongly, and what came back.
#[derive(Debug, Clone, Default)]
pub(super) struct ByFeature {
    /// `[f + 1]`.
    offsets: Vec<u32>,
    /// `[nnz]`: row of the latents.
    tokens: Vec<u32>,
    /// `[nnz]`.
    acts: Vec<f32>,
    /// `[nnz]`.
    d_acts: Vec<f32>,
}

impl ByFeature {
    /// Sorts the entries of `latents` and their `d_acts` by feature (counting sort; stable, so tokens ascend).
    pub(super) fn of(latents: &Latents, d_acts: &[f32], features: usize) -> Self {
        let mut offsets = vec![0_u32; features + 1];
        for feature in &latents.features {
            offsets[*feature as usize + 1] += 1;
        }
        for f in 0..features {
            offsets[f + 1] += offsets[f];
        }
        let mut next = offsets.clone();
        let mut sorted = Self {
            offsets,
            tokens: vec![0; latents.features.len()],
            acts: vec![0.0; latents.features.len()],
            d_acts: vec![0.0; latents.features.len()],
        };
        for token in 0..latents.rows() {
            for entry in latents.range(token) {
                let place = &mut next[latents.features[entry] as usize];
                let at = *place as usize;
                sorted.tokens[at] = token as u32;
                sorted.acts[at] = latents.acts[entry];
                sorted.d_acts[at] = d_acts[entry];
                *place += 1;
            }
        }
        sorted
    }

    /// Places of a feature's entries.
    fn places(&self, feature: usize) -> Range<usize> {
        self.offsets[feature] as usize..self.offsets[feature + 1] as usize
    }

    /// Entries of a feature on `tokens`, all of whose earlier ones come before place `from`.
    fn within(&self, feature: usize, from: usize, tokens: Range<usize>) -> Range<usize> {
        let last = self.places(feature).end;
        let candidates = &self.tokens[from..last.min(from + tokens.len())];
        from..from + candidates.partition_point(|token| (*token as usize) < tokens.end)
    }

    fn rows<'a>(
        &'a self,
        range: Range<usize>,
        weights: &'a [f32],
        (scale, table): (f32, &'a Matrix),
    ) -> Weighted<'a> {
        Weighted {
            rows: &self.tokens[range.clone()],
            weights: &weights[range],
            scale,
            table: table.values(),
        }
    }
}

/// The main term of the loss: a code by feature and what it left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term<'a> {
    pub(super) by_feature: &'a ByFeature,
    /// `[n, d]`: target less reconstruction.
    pub(super) residual: &'a Matrix,
    /// −2 · weight / denominator.
    pub(super) scale: f32,
}

/// Gradients of some features, in the order of their list.
#[derive(Debug, Clone, Default)]
pub(super) struct Gradients {
    /// `[features, d]`.
    pub(super) w_enc: Matrix,
    /// `[features, d]`.
    pub(super) w_dec: Matrix,
    /// `[features]`.
    pub(super) b_enc: Vec<f32>,
}

impl Gradients {
    fn zeros(features: usize, d: usize) -> Self {
        Self {
            w_enc: Matrix::zeros(features, d),
            w_dec: Matrix::zeros(features, d),
            b_enc: vec![0.0; features],
        }
    }

    /// Adds what `term` gives to `features`, where the encoder read `centred [n, d]`. Tokens are taken a span at a time for all features, first against the
    /// residual, then against what the encoder read, so that rows read by several features are still in cache; the order of additions to one feature is
    /// that of tokens.
    fn add(&mut self, term: Term<'_>, centred: &Matrix, features: Range<usize>) {
        let by = term.by_feature;
        let weights = [&by.acts, &by.d_acts];
        let tables = [(term.scale, term.residual), (1.0, centred)];
        let into = [&mut self.w_dec, &mut self.w_enc];
        for ((weights, table), into) in weights.into_iter().zip(tables).zip(into) {
            let mut next: Vec<usize> = features.clone().map(|f| by.places(f).start).collect();
            for start in (0..centred.rows()).step_by(SPAN) {
                for (i, (feature, next)) in features.clone().zip(&mut next).enumerate() {
                    let range = by.within(feature, *next, start..start + SPAN);
                    *next = range.end;
                    add_rows(into.row_mut(i), by.rows(range, weights, table));
                }
            }
        }
        for (feature, b_enc) in features.zip(&mut self.b_enc) {
            *b_enc += by.d_acts[by.places(feature)].iter().sum::<f32>();
        }
    }
}

/// AuxK's term of the loss; its latents number the dead features from 0.
#[derive(Debug, Clone, Copy)]
struct DeadTerm<'a> {
    latents: &'a Latents,
    left: &'a Residual,
    /// −2 · weight / denominator.
    scale: f32,
}

impl DeadTerm<'_> {
    /// Gradients of some dead features. They are active on so many tokens that a block of tokens is sorted by feature at a time, whose rows then stay in
    /// the first-level cache; the order of additions to one feature is that of tokens.
    fn gradients(self, centred: &Matrix, range: Range<usize>) -> Gradients {
        let mut all = Gradients::zeros(range.len(), centred.columns());
        let mut lists = vec![Active::EMPTY; range.len()];
        for start in (0..centred.rows()).step_by(BLOCK) {
            for list in &mut lists {
                list.count = 0;
            }
            for token in start..(start + BLOCK).min(centred.rows()) {
                self.sort(token, &range, &mut lists);
            }
            for (i, list) in lists.iter().enumerate() {
                let rows = list.rows(&list.acts, self.scale, &self.left.residual);
                add_rows(all.w_dec.row_mut(i), rows);
            }
            for (i, list) in lists.iter().enumerate() {
                let rows = list.rows(&list.d_acts, 1.0, centred);
                add_rows(all.w_enc.row_mut(i), rows);
                all.b_enc[i] += list.d_acts[..list.count].iter().sum::<f32>();
            }
        }
        all
    }

    /// Adds a token's entries to the lists of their features.
    fn sort(self, token: usize, range: &Range<usize>, lists: &mut [Active]) {
        let entries = self.latents.range(token);
        let features = &self.latents.features[entries.clone()];
        let from = features.partition_point(|feature| (*feature as usize) < range.start);
        let entries = entries.start + from..entries.end;
        let values = self.latents.acts[entries.clone()]
            .iter()
            .zip(&self.left.d_acts[entries]);
        for (feature, (act, d_act)) in features[from..].iter().zip(values) {
            let Some(list) = lists.get_mut(*feature as usize - range.start) else {
                break;
            };
            list.add(token, *act, *d_act);
        }
    }
}

/// Tokens of a block on which one feature is active.
#[derive(Debug, Clone)]
struct Active {
    count: usize,
    tokens: [u32; BLOCK],
    acts: [f32; BLOCK],
    d_acts: [f32; BLOCK],
}

impl Active {
    const EMPTY: Self = Self {
        count: 0,
        tokens: [0; BLOCK],
        acts: [0.0; BLOCK],
        d_acts: [0.0; BLOCK],
    };

    #[inline]
    fn add(&mut self, token: usize, act: f32, d_act: f32) {
        // A block has BLOCK tokens, a power of two: nothing is lost, and the compiler sees that no index is out of range.
        let at = self.count % BLOCK;
        self.tokens[at] = token as u32;
        self.acts[at] = act;
        self.d_acts[at] = d_act;
        self.count += 1;
    }

    fn rows<'a>(&'a self, weights: &'a [f32], scale: f32, table: &'a Matrix) -> Weighted<'a> {
        Weighted {
            rows: &self.tokens[..self.count],
            weights: &weights[..self.count],
            scale,
            table: table.values(),
        }
    }
}

/// What AuxK gives to the dead features, which are active on many tokens each.
#[derive(Debug, Clone, Default)]
pub(super) struct DeadGradients {
    /// Ascending.
    features: Vec<u32>,
    /// Features of each chunk but the last.
    chunk: usize,
    chunks: Vec<Gradients>,
}

impl DeadGradients {
    /// Of AuxK's code and what it left, a chunk of dead features at a time; equal chunks, so that no thread waits for another. A feature's sums do not depend
    /// on its chunk.
    pub(super) fn of(aux: Aux, left: &Residual, centred: &Matrix) -> Self {
        let features = aux.dead;
        let tasks = 2 * rayon::current_num_threads();
        let chunk = features.len().div_ceil(tasks).clamp(1, DEAD_CHUNK);
        let chunks = (0..features.len().div_ceil(chunk))
            .into_par_iter()
            .map(|at| {
                let range = at * chunk..((at + 1) * chunk).min(features.len());
                let term = DeadTerm {
                    latents: &aux.latents,
                    left,
                    scale: aux.scale,
                };
                term.gradients(centred, range)
            })
            .collect();
        Self {
            features,
            chunk,
            chunks,
        }
    }

    /// Adds those of features `first..first + count` to `into`.
    fn add_to(&self, into: &mut Gradients, first: usize, count: usize) {
        let from = self.features.partition_point(|f| (*f as usize) < first);
        let to = self
            .features
            .partition_point(|f| (*f as usize) < first + count);
        for place in from..to {
            let (chunk, at) = (&self.chunks[place / self.chunk], place % self.chunk);
            let i = self.features[place] as usize - first;
            let add = |into: &mut Matrix, from: &Matrix| {
                for (into, from) in into.row_mut(i).iter_mut().zip(from.row(at)) {
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
    let mut all = Gradients::zeros(count, centred.columns());
    all.add(main, centred, first..first + count);
    dead.add_to(&mut all, first, count);
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
    adam(&mut w_enc, gradients.w_enc.values(), rates);
    adam(&mut b_enc, &gradients.b_enc, rates);
    let mut across = vec![0.0; d];
    for i in 0..count {
        let mut row = part(&mut w_dec, i, d);
        across.copy_from_slice(gradients.w_dec.row(i));
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
