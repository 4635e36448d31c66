//! Values without bias: what it adds is the same at every position and moves into attention's output bias.
//!
//! Rows of the pattern A sum to 1, so `Σ_s A[t, s] (v[s] + b_V) · W_O + b_O = Σ_s A[t, s] v[s] · W_O + (Σ_heads b_V · W_O + b_O)`. A head reads the
//! bias of the key/value head it shares.

use candle_core::{Device, Tensor};

use super::{Step, matrices};
use crate::error::Result;
use crate::models::Config;
use crate::models::blocks::Attention;
use crate::models::decoder::Decoder;

pub(super) const STEP: Step = Step {
    key: "fold_value_biases",
    flag: "fold-value-biases",
    label: "Fold value biases",
    help: "Biases of attention's values move into its output bias, where they have the same effect at every position",
    usual: true,
    refused: |_, _| None,
    matrices: false,
    unties: false,
    apply,
};

fn apply(_: &Config, decoder: &mut Decoder) -> Result<()> {
    for block in &mut decoder.blocks {
        fold(&mut block.attention)?;
    }
    Ok(())
}

/// Moves the value bias of one block, if it has one.
pub(super) fn fold(attention: &mut Attention) -> Result<()> {
    let heads = attention.heads;
    let Some(bias) = attention.qkv.bias() else {
        return Ok(());
    };
    let values = (heads.queries + heads.keys) * heads.width;
    let (rest, folded) = bias.split_at(values);
    let group = heads.queries / heads.keys;
    let by_head: Vec<f32> = (0..heads.queries)
        .flat_map(|head| {
            let from = head / group * heads.width;
            &folded[from..from + heads.width]
        })
        .copied()
        .collect();
    let by_head = Tensor::from_vec(by_head, (1, heads.queries * heads.width), &Device::Cpu)?;
    let added = attention.output.product(&by_head)?.squeeze(0)?.to_vec1()?;
    let kept = [rest, &vec![0.0; folded.len()]].concat();
    let written = matrices::sum(attention.output.bias(), added);
    attention.qkv = attention.qkv.with_bias(kept);
    attention.output = attention.output.with_bias(written);
    Ok(())
}
