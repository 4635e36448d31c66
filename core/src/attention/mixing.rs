//! Splits what a direction reads from one layer's `hook_z` at one token by head and source token.
//!
//! `z_h[t] = Σ_s A_h[t, s] · v_h[s]`, so `z[t] · w = Σ_h Σ_s A_h[t, s] · (v_h[s] · w_h)`, where `w_h` is the head's slice of `w`. The pattern is taken as given.

use candle_core::Tensor;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{Model, token_tensor};

/// Pattern, values and their mixture in one layer on one row of tokens.
#[derive(Debug, Clone)]
pub struct Mixing {
    heads: usize,
    kv_heads: usize,
    d_head: usize,
    /// `[1, h, t, t]`.
    pattern: Tensor,
    /// `[t, h_kv·e]`.
    values: Matrix,
    /// `[t, h·e]`.
    z: Matrix,
}

impl Mixing {
    /// Runs `tokens` through `model` up to `layer`.
    pub fn new(model: &Model, tokens: &[TokenId], layer: Layer) -> Result<Self> {
        let [pattern, v, z] = [Site::Pattern, Site::V, Site::Z].map(|s| HookPoint::Block(layer, s));
        let mut captured = model.capture(&token_tensor(&[tokens])?, &[pattern, v, z])?;
        let mut take = |hook: HookPoint| {
            let missing = || Error::hook(hook, format!("{} did not reach it", model.name()));
            captured.remove(&hook).ok_or_else(missing)
        };
        let config = model.config();
        let (heads, kv_heads, d_head) = (config.heads, config.kv_heads, config.d_head);
        Ok(Self {
            heads,
            kv_heads,
            d_head,
            pattern: take(pattern)?,
            values: Matrix::from_tensor(&take(v)?, kv_heads * d_head)?,
            z: Matrix::from_tensor(&take(z)?, heads * d_head)?,
        })
    }

    /// Returns the mixed values of the token at `at`, heads concatenated, `[h·e]`.
    pub fn z(&self, at: usize) -> &[f32] {
        self.z.row(at)
    }

    /// Number of query heads.
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Computes `A_h[at, s] · (v_h[s] · along_h)` in f64, `[h, t]`, for `along [h·e]`; 0 at sources after `at`, which no token sees.
    pub fn split(&self, along: &[f32], at: usize) -> Result<Matrix> {
        let (heads, e, t) = (self.heads, self.d_head, self.values.rows());
        if along.len() != heads * e || at >= t {
            let what = format!(
                "a direction of {} entries at position {at} of {t} tokens, where {heads} heads have {e} entries each",
                along.len()
            );
            return Err(Error::Shape {
                op: "split by head and source",
                what,
            });
        }
        let pattern = Matrix::from_tensor(&self.pattern.narrow(2, at, 1)?, t)?; // [h, t]
        let group = heads / self.kv_heads.max(1);
        let mut parts = Matrix::zeros(heads, t);
        for (head, w) in along.chunks_exact(e).enumerate() {
            let from = (head / group) * e;
            let weights = pattern.row(head);
            let sources = parts.row_mut(head)[..=at].iter_mut().enumerate();
            for (source, part) in sources {
                let read: f64 = self.values.row(source)[from..from + e]
                    .iter()
                    .zip(w)
                    .map(|(v, w)| f64::from(*v) * f64::from(*w))
                    .sum();
                *part = (f64::from(weights[source]) * read) as f32;
            }
        }
        Ok(parts)
    }
}
