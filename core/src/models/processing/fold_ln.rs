//! Norms without weight and bias: what reads a norm takes them over.
//!
//! `(γ ∘ n + β) · W + b = n · (γ ∘ W) + (β · W + b)` with n the normalised stream. Where the norm removes the mean, n sums to 0, so the mean over
//! inputs of each column of γ ∘ W does nothing and is removed too, as TransformerLens does. Norms behind attention and MLP (Gemma) and of query and
//! key heads (Qwen3) are read by no matrix and stay.

use candle_core::Tensor;

use super::{Step, matrices};
use crate::error::Result;
use crate::models::blocks::{Linear, Norm};
use crate::models::decoder::Decoder;
use crate::models::{Config, NormKind};

pub(super) const STEP: Step = Step {
    key: "fold_ln",
    flag: "fold-ln",
    label: "Fold norms",
    help: "Weight and bias of each norm move into the matrices that read it; behind LayerNorm these lose their mean over inputs too",
    usual: true,
    refused: |_, _| None,
    matrices: true,
    unties: true,
    apply,
};

fn apply(config: &Config, decoder: &mut Decoder) -> Result<()> {
    let kind = config.norm;
    for block in &mut decoder.blocks {
        let attention = &mut block.attention;
        attention.qkv = reading(&attention.qkv, &block.norm_attention, kind)?;
        block.norm_attention = block.norm_attention.bare()?;
        let mlp = &mut block.mlp;
        mlp.up = reading(&mlp.up, &block.norm_mlp, kind)?;
        if let Some(gate) = &mut mlp.gate {
            *gate = reading(gate, &block.norm_mlp, kind)?;
        }
        block.norm_mlp = block.norm_mlp.bare()?;
    }
    decoder.unembed = reading(&decoder.unembed, &decoder.final_norm, kind)?;
    decoder.final_norm = decoder.final_norm.bare()?;
    Ok(())
}

/// Folds weight and bias of the norm before it into `linear`.
fn reading(linear: &Linear, norm: &Norm, kind: NormKind) -> Result<Linear> {
    let bias = match norm.bias() {
        Some(beta) => Some(matrices::sum(linear.bias(), through(linear, beta)?)),
        None => linear.bias().map(<[f32]>::to_vec),
    };
    let scaled = matrices::inputs_scaled(&linear.weight()?, norm.weight())?;
    let weight = match kind {
        NormKind::LayerNorm => matrices::inputs_centred(&scaled)?,
        NormKind::RmsNorm => scaled,
    };
    Ok(Linear::dense(weight, bias))
}

/// Computes `x · W` for one `x [in]`, `[out]`.
fn through(linear: &Linear, x: &Tensor) -> Result<Vec<f32>> {
    Ok(linear.product(&x.unsqueeze(0)?)?.squeeze(0)?.to_vec1()?)
}
