//! Contributions of a step to features: terms of the loss by feature, their gradients, and the sums of micro-batches.

use std::ops::Range;

use rayon::prelude::*;

use super::{CHUNK, DeadGradients, SPAN};
use crate::dims::Matrix;
use crate::kernels::sparse_decode::cpu::{Weighted, add_rows};
use crate::latents::Latents;

/// Latents seen by feature: which tokens it is active on, in order, how strongly, and what came back.
#[derive(Debug, Clone, Default)]
pub(in crate::train) struct ByFeature {
    /// `[f + 1]`.
    offsets: Vec<u32>,
    /// `[nnz]`: row of the latents.
    tokens: Vec<u32>,
    /// `[nnz]`.
    acts: Vec<f32>,
    /// `[nnz]`, of the pre-activations.
    d_acts: Vec<f32>,
    /// `[nnz]`, of the encoder's bias, where it is not the same.
    d_bias: Option<Vec<f32>>,
}

impl ByFeature {
    /// Sorts the entries of `latents` and their gradients by feature (counting sort; stable, so tokens ascend).
    pub(in crate::train) fn new(
        latents: &Latents,
        d_acts: &[f32],
        d_bias: Option<&[f32]>,
        features: usize,
    ) -> Self {
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
            d_bias: d_bias.map(|d_bias| vec![0.0; d_bias.len()]),
        };
        for token in 0..latents.rows() {
            for entry in latents.range(token) {
                let place = &mut next[latents.features[entry] as usize];
                let at = *place as usize;
                sorted.tokens[at] = token as u32;
                sorted.acts[at] = latents.acts[entry];
                sorted.d_acts[at] = d_acts[entry];
                if let (Some(sorted), Some(d_bias)) = (&mut sorted.d_bias, d_bias) {
                    sorted[at] = d_bias[entry];
                }
                *place += 1;
            }
        }
        sorted
    }

    /// Places of a feature's entries.
    fn places(&self, feature: usize) -> Range<usize> {
        self.offsets[feature] as usize..self.offsets[feature + 1] as usize
    }

    /// Whether a feature is active on any token.
    pub(in crate::train) fn any(&self, feature: usize) -> bool {
        !self.places(feature).is_empty()
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

/// A term of the loss: a code by feature and what it left.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) struct Term<'a> {
    pub(in crate::train) by_feature: &'a ByFeature,
    /// For the features up to each end, `[n, d]`: target less reconstruction.
    pub(in crate::train) tables: &'a [(usize, &'a Matrix)],
    /// −2 · weight / denominator.
    pub(in crate::train) scale: f32,
}

impl<'a> Term<'a> {
    /// Width of what is reconstructed.
    fn width(self) -> usize {
        self.table(usize::MAX).columns()
    }

    fn table(self, feature: usize) -> &'a Matrix {
        let table = self.tables.iter().find(|(end, _)| feature < *end);
        table.or(self.tables.last()).expect("a term has a table").1
    }
}

/// Gradients of some features, in the order of their list.
#[derive(Debug, Clone, Default)]
pub(in crate::train) struct Gradients {
    /// `[features, d]`.
    pub(in crate::train) w_enc: Matrix,
    /// `[features, d]`, as wide as what is reconstructed.
    pub(in crate::train) w_dec: Matrix,
    /// `[features]`.
    pub(in crate::train) b_enc: Vec<f32>,
    /// `[features]`: of a bias that every reading of the encoder sees, which is what `b_dec` is to it.
    pub(in crate::train) read: Vec<f32>,
}

impl Gradients {
    pub(in crate::train) fn zeros(features: usize, reads: usize, writes: usize) -> Self {
        Self {
            w_enc: Matrix::zeros(features, reads),
            w_dec: Matrix::zeros(features, writes),
            b_enc: vec![0.0; features],
            read: vec![0.0; features],
        }
    }

    /// Adds those of a micro-batch, for all features.
    pub(in crate::train) fn add_all(&mut self, terms: &[Term<'_>], centred: &Matrix) {
        let (reads, writes) = (self.w_enc.columns(), self.w_dec.columns());
        let none = DeadGradients::default();
        (self
            .w_enc
            .values_mut()
            .par_chunks_mut((CHUNK * reads).max(1)))
        .zip((self.w_dec.values_mut()).par_chunks_mut((CHUNK * writes).max(1)))
        .zip(self.b_enc.par_chunks_mut(CHUNK))
        .zip(self.read.par_chunks_mut(CHUNK))
        .enumerate()
        .for_each(|(chunk, (((w_enc, w_dec), b_enc), read))| {
            let more = gradients(terms, &none, centred, chunk * CHUNK, b_enc.len());
            let pairs = [
                (w_enc, more.w_enc.values()),
                (w_dec, more.w_dec.values()),
                (b_enc, more.b_enc.as_slice()),
                (read, more.read.as_slice()),
            ];
            for (sums, more) in pairs {
                sums.iter_mut()
                    .zip(more)
                    .for_each(|(sum, more)| *sum += more);
            }
        });
    }

    /// All of them times `factor`.
    pub(in crate::train) fn shorten(&mut self, factor: f32) {
        if factor >= 1.0 {
            return;
        }
        let parts = [self.w_enc.values_mut(), self.w_dec.values_mut()];
        let parts = parts.into_iter().chain([&mut *self.b_enc, &mut self.read]);
        for value in parts.flatten() {
            *value *= factor;
        }
    }

    /// Adds what `term` gives to `features`, where the encoder read `centred [n, d]`. Tokens are taken a span at a time for all features, first against the
    /// residual, then against what the encoder read, so that rows read by several features are still in cache; the order of additions to one feature is
    /// that of tokens.
    fn add(&mut self, term: Term<'_>, centred: &Matrix, features: Range<usize>) {
        let by = term.by_feature;
        let weights = [&by.acts, &by.d_acts];
        let into = [&mut self.w_dec, &mut self.w_enc];
        for (kind, (weights, into)) in weights.into_iter().zip(into).enumerate() {
            let mut next: Vec<usize> = features.clone().map(|f| by.places(f).start).collect();
            for start in (0..centred.rows()).step_by(SPAN) {
                for (i, (feature, next)) in features.clone().zip(&mut next).enumerate() {
                    let range = by.within(feature, *next, start..start + SPAN);
                    *next = range.end;
                    let table = match kind {
                        0 => (term.scale, term.table(feature)),
                        _ => (1.0, centred),
                    };
                    add_rows(into.row_mut(i), by.rows(range, weights, table));
                }
            }
        }
        for (i, feature) in features.enumerate() {
            let places = by.places(feature);
            let read = by.d_acts[places.clone()].iter().sum::<f32>();
            self.read[i] += read;
            self.b_enc[i] += match &by.d_bias {
                Some(d_bias) => d_bias[places].iter().sum::<f32>(),
                None => read,
            };
        }
    }
}

/// Of features `first..first + count`, all terms.
pub(in crate::train) fn gradients(
    terms: &[Term<'_>],
    dead: &DeadGradients,
    centred: &Matrix,
    first: usize,
    count: usize,
) -> Gradients {
    let writes = terms.first().map_or(0, |term| term.width());
    let mut all = Gradients::zeros(count, centred.columns(), writes);
    for term in terms {
        all.add(*term, centred, first..first + count);
    }
    dead.add_to(&mut all, first, count);
    all
}

/// Where the gradients of a step come from.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) enum Given<'a> {
    /// From one batch, computed a chunk of features at a time; never there for all of them.
    Batch {
        terms: &'a [Term<'a>],
        dead: &'a DeadGradients,
        /// `[n, d]`, what the encoder read.
        centred: &'a Matrix,
    },
    /// From several micro-batches, summed for all features.
    Sums(&'a Gradients),
}

impl Given<'_> {
    /// Width of what the encoder reads.
    pub(in crate::train) fn reads(self) -> usize {
        match self {
            Self::Batch { centred, .. } => centred.columns(),
            Self::Sums(sums) => sums.w_enc.columns(),
        }
    }

    /// Of features `first..first + count`.
    pub(in crate::train) fn of(self, first: usize, count: usize) -> Gradients {
        match self {
            Self::Batch {
                terms,
                dead,
                centred,
            } => gradients(terms, dead, centred, first, count),
            Self::Sums(sums) => {
                let some: Vec<u32> = (first as u32..(first + count) as u32).collect();
                Gradients {
                    w_enc: sums.w_enc.rows_of(&some),
                    w_dec: sums.w_dec.rows_of(&some),
                    b_enc: sums.b_enc[first..first + count].to_vec(),
                    read: sums.read[first..first + count].to_vec(),
                }
            }
        }
    }

    /// Whether a feature has any.
    pub(in crate::train) fn any(self, feature: usize) -> bool {
        match self {
            Self::Batch { terms, dead, .. } => {
                dead.any(feature) || terms.iter().any(|term| term.by_feature.any(feature))
            }
            Self::Sums(sums) => {
                let nothing = |values: &[f32]| values.iter().all(|value| *value == 0.0);
                let (enc, dec) = (sums.w_enc.row(feature), sums.w_dec.row(feature));
                !(sums.b_enc[feature] == 0.0 && nothing(dec) && nothing(enc))
            }
        }
    }
}
