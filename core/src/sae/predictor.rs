//! Predictor of a temporal dictionary: it predicts part of a token from earlier tokens, so that only the rest is encoded.
//!
//! | | |
//! |---|---|
//! | paper | Lubana et al. 2025, "Priors in Time" (arXiv 2511.01836) |
//! | forward pass | SAELens 6.54.12 `saes/temporal_sae.py`, `encode_with_predictions` |
//!
//! Layer by layer, with `r` the rest of the token and `E`, `D` encoder and decoder: `z = ReLU(r · Eᵀ)`, shifted by one token it is the context;
//! `p = ReLU(attention(context, z))`; the part of `r` along `p · D` is predicted and taken from `r`. Rows are the tokens of one text, in order.

use rayon::prelude::*;

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::kernels::linear::rows_times;

/// Added to lengths before a division.
const EPSILON: f32 = 1e-6;

/// Linear layer, `x · weightᵀ + bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Matrix,
    /// `[out]`.
    pub bias: Vec<f32>,
}

impl Linear {
    fn apply(&self, x: &Matrix) -> Matrix {
        let mut out = rows_times(x, &self.weight);
        for row in out.values_mut().chunks_exact_mut(self.bias.len().max(1)) {
            row.iter_mut().zip(&self.bias).for_each(|(y, b)| *y += b);
        }
        out
    }
}

/// Attention layer over codes.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeAttention {
    /// Keys from the context, `[e, f]`.
    pub key: Linear,
    /// Queries from the token's own code, `[e, f]`.
    pub query: Linear,
    /// Values from the context, `[f, f]`.
    pub value: Linear,
    /// Output projection over the heads, `[f, f]`.
    pub output: Linear,
}

/// Predictor of codes from the tokens before.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictor {
    /// Heads per layer.
    pub heads: usize,
    /// Layers, first to last.
    pub layers: Vec<CodeAttention>,
}

/// Tokens of a text, split into a predicted part and the rest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Predicted {
    /// `[t, d]`.
    pub(super) known: Matrix,
    /// `[t, d]`.
    pub(super) new: Matrix,
}

impl Predictor {
    /// Splits `centred [t, d]`, the tokens of one text; the encoder's rows are scaled as the dictionary uses them.
    pub(super) fn take_apart(
        &self,
        centred: &Matrix,
        w_enc: &Matrix,
        w_dec: &Matrix,
    ) -> Result<Predicted> {
        Dims::new("temporal codes")
            .bind("w_enc", w_enc, "f d")?
            .bind("w_dec", w_dec, "f d")?
            .bind("x", centred, "t d")?;
        let back = w_dec.transposed();
        let mut new = centred.clone();
        let mut known = Matrix::zeros(centred.rows(), centred.columns());
        for layer in &self.layers {
            let code = positive(rows_times(&new, w_enc));
            let context = shifted(&code);
            let predicted = positive(layer.attend(&context, &code, self.heads));
            let direction = rows_times(&predicted, &back);
            for i in 0..new.rows() {
                let along = direction.row(i);
                let length = dot(along, along).sqrt() + EPSILON;
                let share = dot(along, new.row(i)) / (length * length);
                let moved = new.row_mut(i).iter_mut().zip(known.row_mut(i)).zip(along);
                for ((new, known), along) in moved {
                    *new -= share * along;
                    *known += share * along;
                }
            }
        }
        Ok(Predicted { known, new })
    }
}

impl CodeAttention {
    /// Causal softmax attention over the contexts.
    fn attend(&self, context: &Matrix, own: &Matrix, heads: usize) -> Matrix {
        let (key, value) = (self.key.apply(context), self.value.apply(context));
        let query = self.query.apply(own);
        let (e, f) = (key.columns() / heads, value.columns() / heads);
        let scale = 1.0 / (e as f32).sqrt();
        let mut mixed = Matrix::zeros(own.rows(), value.columns());
        let columns = value.columns().max(1);
        (mixed.values_mut().par_chunks_exact_mut(columns))
            .enumerate()
            .for_each(|(t, out)| {
                for head in 0..heads {
                    let part = |row: &Matrix, i: usize, width: usize| -> std::ops::Range<usize> {
                        let start = i * row.columns() + head * width;
                        start..start + width
                    };
                    let asked = &query.values()[part(&query, t, e)];
                    let scores: Vec<f32> = (0..=t)
                        .map(|s| scale * dot(asked, &key.values()[part(&key, s, e)]))
                        .collect();
                    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let weights: Vec<f32> = scores.iter().map(|s| (s - most).exp()).collect();
                    let sum: f32 = weights.iter().sum();
                    let out = &mut out[head * f..(head + 1) * f];
                    for (s, weight) in weights.iter().enumerate() {
                        let read = &value.values()[part(&value, s, f)];
                        let pairs = out.iter_mut().zip(read);
                        pairs.for_each(|(out, value)| *out += weight / sum * value);
                    }
                }
            });
        self.output.apply(&mixed)
    }
}

fn positive(mut x: Matrix) -> Matrix {
    x.values_mut().iter_mut().for_each(|x| *x = x.max(0.0));
    x
}

/// Shifts rows down by one; the first becomes zeros.
fn shifted(x: &Matrix) -> Matrix {
    let mut all = Matrix::zeros(x.rows(), x.columns());
    for i in 1..x.rows() {
        all.row_mut(i).copy_from_slice(x.row(i - 1));
    }
    all
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
