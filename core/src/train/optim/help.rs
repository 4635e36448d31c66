//! Gradients of AuxK's term for the features that it trains, as a rule dead ones, which are active on many tokens each.

use std::ops::Range;

use rayon::prelude::*;

use super::Gradients;
use crate::dims::Matrix;
use crate::kernels::residual::Residual;
use crate::kernels::sparse_decode::cpu::{Weighted, add_rows};
use crate::latents::Latents;
use crate::train::step::Aux;

/// Most of dead features of a chunk, which are active on many tokens: fewer chunks read the tokens' rows less often.
const DEAD_CHUNK: usize = 64;
/// Tokens whose rows stay in the first-level cache while all features of such a chunk read them.
const BLOCK: usize = 32;

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
        let mut all =
            Gradients::zeros(range.len(), centred.columns(), self.left.residual.columns());
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
        all.read.clone_from(&all.b_enc);
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

/// Gradients of AuxK's term for the dead features, which are active on many tokens each.
#[derive(Debug, Clone, Default)]
pub(in crate::train) struct DeadGradients {
    /// Ascending.
    features: Vec<u32>,
    /// Features of each chunk but the last.
    chunk: usize,
    chunks: Vec<Gradients>,
}

impl DeadGradients {
    /// Computes the gradients from AuxK's code and its residual, a chunk of dead features at a time; equal chunks, so that no thread waits for another. A feature's sums do not depend
    /// on its chunk.
    pub(in crate::train) fn new(aux: Aux, left: &Residual, centred: &Matrix) -> Self {
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

    /// Whether a feature is among them.
    pub(super) fn any(&self, feature: usize) -> bool {
        self.features.binary_search(&(feature as u32)).is_ok()
    }

    /// Adds those of features `first..first + count` to `into`.
    pub(super) fn add_to(&self, into: &mut Gradients, first: usize, count: usize) {
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
            into.read[i] += chunk.read[at];
        }
    }
}
