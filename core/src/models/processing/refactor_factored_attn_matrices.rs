//! Even factors of the two products that a head is made of.
//!
//! A head computes with `W_Q · W_Kᵀ` (biases as one more input that is always 1) and `W_V · W_O` alone, so each may be factored anew. From the
//! singular value decomposition U S Vᵀ of the first, `W_Q = U √S` and `W_K = V √S`; from that of the second, `W_V = U S` and `W_O = Vᵀ`, whose rows are
//! orthonormal. The value bias is folded first. Queries and keys that turn with their position, or are normed, have something between W_Q and W_K.
//! Singular vectors are fixed up to their sign: a dimension of q and k together, or of v and z, may have the other one than in TransformerLens.

use candle_core::{DType, Device, Tensor};
use faer::{Mat, MatRef};

use super::{Step, fold_value_biases};
use crate::error::{Error, Result};
use crate::models::Config;
use crate::models::blocks::{Attention, Heads, Linear};
use crate::models::decoder::Decoder;

pub(super) const STEP: Step = Step {
    key: "refactor_factored_attn_matrices",
    flag: "refactor-factored-attn-matrices",
    label: "Refactor attention",
    help: "W_Q and W_K, and W_V and W_O, of each head become even factors of their product, by singular value decomposition",
    usual: false,
    refused: |config, decoder| {
        let attention = |holds: fn(&Attention) -> bool| {
            decoder.blocks.iter().any(|block| holds(&block.attention))
        };
        if attention(|it| it.rotary.is_some()) {
            Some("its queries and keys turn with their position, which stands between W_Q and W_K")
        } else if attention(|it| it.head_norms.is_some()) {
            Some("its queries and keys are normed, which stands between W_Q and W_K")
        } else if config.heads != config.kv_heads {
            Some("its heads share keys and values, so that no head has a product of its own")
        } else {
            None
        }
    },
    matrices: true,
    unties: false,
    apply,
};

fn apply(_: &Config, decoder: &mut Decoder) -> Result<()> {
    for block in &mut decoder.blocks {
        fold_value_biases::fold(&mut block.attention)?;
        refactor(&mut block.attention)?;
    }
    Ok(())
}

fn refactor(attention: &mut Attention) -> Result<()> {
    let Heads { queries, width, .. } = attention.heads;
    let weight = attention.qkv.weight()?; // [d, 3·h·e]
    let (d, outputs) = weight.dims2()?;
    let bias = match attention.qkv.bias() {
        Some(bias) => bias.to_vec(),
        None => vec![0.0; outputs],
    };
    let bias = Tensor::from_vec(bias, (1, outputs), &Device::Cpu)?;
    let biased = Tensor::cat(&[&weight.contiguous()?, &bias], 0)?; // [d + 1, 3·h·e]
    let written = attention.output.weight()?; // [h·e, d]
    let part = |which: usize, head: usize| {
        matrix(&biased.narrow(1, (which * queries + head) * width, width)?)
    };
    let mut parts: [Vec<Tensor>; 3] = Default::default();
    let mut rows = Vec::with_capacity(queries);
    for head in 0..queries {
        let (q, k, v) = (part(0, head)?, part(1, head)?, part(2, head)?);
        let o = matrix(&written.narrow(0, head * width, width)?)?; // [e, d]
        let (u, s, w) = decomposed(q.as_ref(), k.as_ref())?;
        let roots: Vec<f64> = s.iter().map(|s| s.sqrt()).collect();
        parts[0].push(tensor(&scaled(u, &roots))?);
        parts[1].push(tensor(&scaled(w, &roots))?);
        // The folded bias is 0 and stays out, so that the last row of u is 0 too.
        let values = v.as_ref().subrows(0, d);
        let (u, s, w) = decomposed(values, o.transpose())?;
        let u = tensor(&scaled(u, &s))?;
        let none = Tensor::zeros((1, width), DType::F32, &Device::Cpu)?;
        parts[2].push(Tensor::cat(&[u, none], 0)?);
        rows.push(tensor(&w)?.t()?);
    }
    let whole = Tensor::cat(&parts.concat(), 1)?; // [d + 1, 3·h·e]
    let bias = whole.narrow(0, d, 1)?.squeeze(0)?.to_vec1()?;
    let weight = like(&attention.qkv.weight()?, &whole.narrow(0, 0, d)?)?;
    let output = like(&written, &Tensor::cat(&rows, 0)?)?;
    let output_bias = attention.output.bias().map(<[f32]>::to_vec);
    attention.qkv = Linear::dense(weight, Some(bias));
    attention.output = Linear::dense(output, output_bias);
    Ok(())
}

/// Brings `new` into the layout of `old`: contiguous, or a transposed view.
fn like(old: &Tensor, new: &Tensor) -> Result<Tensor> {
    Ok(if old.is_contiguous() {
        new.contiguous()?
    } else {
        new.t()?.contiguous()?.t()?
    })
}

/// Computes U, S and V of `a · bᵀ`, `a [n, e]`, `b [m, e]`, from decompositions of the narrow factors.
fn decomposed(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<(Mat<f64>, Vec<f64>, Mat<f64>)> {
    let svd = |matrix: MatRef<'_, f64>| {
        matrix.thin_svd().map_err(|_no_convergence| Error::Numeric {
            what: "the singular values of an attention head could not be found: are the weights whole?".to_owned(),
        })
    };
    let (a, b) = (svd(a)?, svd(b)?);
    let left = a.S() * a.V().transpose();
    let right = b.V() * b.S();
    let middle = svd((left * right).as_ref())?;
    let values = middle.S().column_vector().iter().copied().collect();
    Ok((a.U() * middle.U(), values, b.U() * middle.V()))
}

/// Multiplies the columns of `matrix` by `factors`.
fn scaled(mut matrix: Mat<f64>, factors: &[f64]) -> Mat<f64> {
    for (column, factor) in matrix.as_mut().col_iter_mut().zip(factors) {
        for value in column.iter_mut() {
            *value *= factor;
        }
    }
    matrix
}

fn matrix(tensor: &Tensor) -> Result<Mat<f64>> {
    let (rows, columns) = tensor.dims2()?;
    let values = tensor
        .to_dtype(DType::F64)?
        .flatten_all()?
        .to_vec1::<f64>()?;
    Ok(Mat::from_fn(rows, columns, |i, j| values[i * columns + j]))
}

fn tensor(matrix: &Mat<f64>) -> Result<Tensor> {
    let (rows, columns) = (matrix.nrows(), matrix.ncols());
    let values: Vec<f32> = (0..rows)
        .flat_map(|i| (0..columns).map(move |j| (i, j)))
        .map(|(i, j)| matrix[(i, j)] as f32)
        .collect();
    Ok(Tensor::from_vec(values, (rows, columns), &Device::Cpu)?)
}
