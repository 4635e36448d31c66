//! Effects of directions on the logits, by the weights alone.

use std::fmt;
use std::str::FromStr;

use candle_core::D;

use super::{Model, NormKind};
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};

/// Reading of `W_U` where effects on logits are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unembed {
    /// Centred over the vocabulary, as in TransformerLens: a shift of all logits changes no probability.
    Centred,
    /// Raw: a soft cap on the logits does not commute with a shift of all of them, and TransformerLens does not centre there.
    #[default]
    Raw,
}

impl fmt::Display for Unembed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Centred => "centred",
            Self::Raw => "raw",
        })
    }
}

impl FromStr for Unembed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "centred" => Ok(Self::Centred),
            "raw" => Ok(Self::Raw),
            _ => {
                let what = format!("`{text}` is neither centred nor raw");
                Err(Error::setting("unembed", what))
            }
        }
    }
}

impl Model {
    /// Returns the map from z to what attention in `layer` writes, `[h·e, d]`: `attn_out = z_cat · W_O + b_O`. Where a norm follows attention (Gemma), with its γ
    /// and without its run-time 1/σ.
    pub fn w_o(&self, layer: Layer) -> Result<Matrix> {
        self.check_hook(HookPoint::Block(layer, Site::Z))?;
        let block = &self.decoder.blocks[layer.index()];
        let weight = block.attention.output.weight()?;
        let written = match &block.post_attention {
            Some(norm) => weight.broadcast_mul(norm.weight())?,
            None => weight,
        };
        Matrix::from_tensor(&written, self.config.d_model)
    }

    /// Returns how [`Self::logit_effect`] reads `W_U`.
    pub fn unembed(&self) -> Unembed {
        match self.decoder.logit_cap {
            Some(_) => Unembed::Raw,
            None => Unembed::Centred,
        }
    }

    /// Returns whether a norm follows attention in `layer` (Gemma): what attention writes is then not a sum over heads until its run-time scale is divided out.
    pub fn has_norm_after_attention(&self, layer: Layer) -> bool {
        let block = self.decoder.blocks.get(layer.index());
        block.is_some_and(|block| block.post_attention.is_some())
    }

    /// Returns the residual directions whose product with what is written to the residual stream, over the scale of the final norm, is the direct effect on the
    /// logits of `tokens`, `[n, d]`: γ ∘ W_U[:, token], centred where the norm is LayerNorm; `W_U` is read by [`Self::unembed`]. Rows of [`Self::logit_effect`]
    /// at these tokens are products with them.
    pub fn logit_directions(&self, tokens: &[TokenId]) -> Result<Matrix> {
        let d = self.config.d_model;
        if let Some(token) = tokens.iter().find(|t| t.index() >= self.config.vocab) {
            let vocab = self.config.vocab;
            let what = format!("token {token} is beyond the model's vocabulary of {vocab}");
            return Err(Error::setting("tokens", what));
        }
        let gamma = self.decoder.final_norm.weight().to_vec1::<f32>()?;
        let weight = self.decoder.unembed.weight()?; // [d, v]
        let mean = match self.unembed() {
            Unembed::Centred => weight.mean(1)?.to_vec1::<f32>()?,
            Unembed::Raw => vec![0.0; d],
        };
        let mut directions = Matrix::zeros(tokens.len(), d);
        for (i, token) in tokens.iter().enumerate() {
            let column = weight.narrow(1, token.index(), 1)?.flatten_all()?;
            let row = directions.row_mut(i);
            let parts = column.to_vec1::<f32>()?.into_iter().zip(&mean).zip(&gamma);
            for (out, ((w, mean), gamma)) in row.iter_mut().zip(parts) {
                *out = (w - mean) * gamma;
            }
            if self.config.norm == NormKind::LayerNorm {
                centre(row);
            }
        }
        Ok(directions)
    }

    /// Computes the direct effect of residual directions `[n, d]` on the logits, `[n, v]`: (γ ∘ centre(direction)) · W_U, without the run-time 1/σ and without
    /// centring the direction where the norm is RMSNorm. Each row is centred over the vocabulary, which is the product with a centred `W_U`,
    /// unless the logits have a soft cap ([`Self::unembed`]).
    pub fn logit_effect(&self, directions: &Matrix) -> Result<Matrix> {
        let gamma = self.decoder.final_norm.weight();
        Dims::new("logit_effect").bind("gamma", gamma, "d")?.bind(
            "directions",
            directions,
            "n d",
        )?;
        let read = directions.to_tensor()?;
        let read = match self.config.norm {
            NormKind::LayerNorm => read.broadcast_sub(&read.mean_keepdim(D::Minus1)?)?,
            NormKind::RmsNorm => read,
        };
        let effect = self.decoder.unembed.product(&read.broadcast_mul(gamma)?)?;
        let mut effect = Matrix::from_tensor(&effect, self.config.vocab)?;
        if self.unembed() == Unembed::Centred {
            for row in 0..effect.rows() {
                centre(effect.row_mut(row));
            }
        }
        Ok(effect)
    }
}

/// Subtracts the mean, summed in f64.
fn centre(row: &mut [f32]) {
    let sum: f64 = row.iter().map(|v| f64::from(*v)).sum();
    let mean = sum / row.len().max(1) as f64;
    for value in row {
        *value = (f64::from(*value) - mean) as f32;
    }
}
