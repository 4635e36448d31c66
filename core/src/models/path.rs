//! Weights of the linear path from the residual stream through attention, for analyses that hold patterns and norm scales fixed.

use candle_core::Tensor;

use super::Model;
use super::blocks::Norm;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};

/// Norm whose scale σ is held fixed: `y = (x − mean(x)) / σ ∘ weight + bias` (LayerNorm), or without mean and bias (RMSNorm). It is then affine in `x`.
#[derive(Debug, Clone)]
pub struct FixedNorm {
    /// Whether the mean is removed.
    pub centred: bool,
    /// γ `[d]`; for Gemma 1 + the stored weight.
    pub weight: Vec<f32>,
    /// β `[d]`, if the norm has one.
    pub bias: Option<Vec<f32>>,
    /// Added to the variance.
    pub eps: f64,
}

impl FixedNorm {
    fn new(norm: &Norm) -> Result<Self> {
        Ok(Self {
            centred: norm.is_centred(),
            weight: norm.weight().to_vec1()?,
            bias: norm.bias().map(Tensor::to_vec1).transpose()?,
            eps: norm.eps(),
        })
    }

    /// Computes the scale σ of `x [d]`: the root of the mean square (about the mean, if that is removed) plus ε.
    pub fn scale(&self, x: &[f64]) -> f64 {
        let d = x.len().max(1) as f64;
        let mean = if self.centred {
            x.iter().sum::<f64>() / d
        } else {
            0.0
        };
        let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d;
        (square + self.eps).sqrt()
    }

    /// Applies the linear part at scale `scale` to `x [d]` in place: everything but β.
    pub fn apply(&self, x: &mut [f64], scale: f64) {
        if self.centred {
            remove_mean(x);
        }
        for (x, weight) in x.iter_mut().zip(&self.weight) {
            *x *= f64::from(*weight) / scale;
        }
    }

    /// Turns a direction `along [d]` of the norm's output into the direction of its input with the same product at scale `scale`, in place, and returns the
    /// constant β · along.
    pub fn pull_back(&self, along: &mut [f64], scale: f64) -> f64 {
        let constant = self.bias.as_ref().map_or(0.0, |bias| {
            let products = bias.iter().zip(along.iter());
            products.map(|(b, a)| f64::from(*b) * a).sum()
        });
        for (a, weight) in along.iter_mut().zip(&self.weight) {
            *a *= f64::from(*weight) / scale;
        }
        if self.centred {
            remove_mean(along);
        }
        constant
    }
}

fn remove_mean(x: &mut [f64]) {
    let mean = x.iter().sum::<f64>() / x.len().max(1) as f64;
    for x in x {
        *x -= mean;
    }
}

/// Weights of one block's attention but those of queries and keys: `v = norm(x) · W_V + b_V`, `z_h[t] = Σₛ A_h[t, s] v_h[s]`, `attn_out = post(z · W_O + b_O)`.
#[derive(Debug, Clone)]
pub struct AttentionPath {
    /// Norm before attention.
    pub norm: FixedNorm,
    /// Transposed value weights, `[h_kv·e, d]`.
    pub w_v: Matrix,
    /// Value bias `[h_kv·e]`, if there is one.
    pub b_v: Option<Vec<f32>>,
    /// Output weights, `[h·e, d]`.
    pub w_o: Matrix,
    /// Output bias `[d]`, if there is one.
    pub b_o: Option<Vec<f32>>,
    /// Norm behind attention (Gemma).
    pub post: Option<FixedNorm>,
}

/// Weights between what the final norm reads and the logits of some tokens: `logit_i = norm(x) · columns_i + biases_i`, before a soft cap.
#[derive(Debug, Clone)]
pub struct LogitPath {
    /// Final norm.
    pub norm: FixedNorm,
    /// Columns of W_U as rows, `[n, d]`.
    pub columns: Matrix,
    /// Biases of the unembedding, `[n]`, if it has any.
    pub biases: Option<Vec<f32>>,
    /// Soft cap on the logits: the model's logit is cap · tanh(logit / cap).
    pub cap: Option<f64>,
}

impl Model {
    /// Returns the weights of the path from the last residual stream to the logits of `tokens`.
    pub fn logit_path(&self, tokens: &[TokenId]) -> Result<LogitPath> {
        let (d, vocab) = (self.config.d_model, self.config.vocab);
        if let Some(token) = tokens.iter().find(|token| token.index() >= vocab) {
            let what = format!("token {token} is beyond the model's vocabulary of {vocab}");
            return Err(Error::setting("tokens", what));
        }
        let unembed = &self.decoder.unembed;
        let weight = unembed.weight()?; // [d, v]
        let mut columns = Matrix::zeros(tokens.len(), d);
        for (i, token) in tokens.iter().enumerate() {
            let column = weight.narrow(1, token.index(), 1)?.flatten_all()?;
            columns
                .row_mut(i)
                .copy_from_slice(&column.to_vec1::<f32>()?);
        }
        let biases = unembed.bias();
        let biases = biases.map(|all| tokens.iter().map(|token| all[token.index()]).collect());
        Ok(LogitPath {
            norm: FixedNorm::new(&self.decoder.final_norm)?,
            columns,
            biases,
            cap: self.decoder.logit_cap,
        })
    }

    /// Returns the weights of the path from the residual stream that enters `layer` to what its attention writes. Weights kept as their file stores them are
    /// dequantised anew.
    pub fn attention_path(&self, layer: Layer) -> Result<AttentionPath> {
        self.check_hook(HookPoint::Block(layer, Site::Z))?;
        let block = &self.decoder.blocks[layer.index()];
        let attention = &block.attention;
        let (heads, d) = (attention.heads, self.config.d_model);
        let (first, values) = (
            (heads.queries + heads.keys) * heads.width,
            heads.keys * heads.width,
        );
        let w_v = attention.qkv.weight()?.narrow(1, first, values)?; // [d, h_kv·e]
        let b_v = attention.qkv.bias();
        Ok(AttentionPath {
            norm: FixedNorm::new(&block.norm_attention)?,
            w_v: Matrix::from_tensor(&w_v.t()?.contiguous()?, d)?,
            b_v: b_v.map(|bias| bias[first..first + values].to_vec()),
            w_o: Matrix::from_tensor(&attention.output.weight()?.contiguous()?, d)?,
            b_o: attention.output.bias().map(<[f32]>::to_vec),
            post: block
                .post_attention
                .as_ref()
                .map(FixedNorm::new)
                .transpose()?,
        })
    }
}
