//! Weights of the two circuits of an attention head, and of the embeddings that they read and write, as they are loaded and processed.

use candle_core::{DType, Device, Tensor};

use super::{Model, NormKind};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Layer, Site, TokenId};

/// Number of tokens of the vocabulary whose embeddings are widened at a time.
const CHUNK: usize = 8192;

/// Weights with which the heads of a layer read their inputs.
#[derive(Debug, Clone)]
pub struct HeadReads {
    /// Weight of the norm before attention, γ, `[d]`.
    pub gamma: Tensor,
    /// Bias of that norm, β, `[d]`, if it has one.
    pub beta: Option<Tensor>,
    /// `W_Q [d, h·e]`.
    pub query: Tensor,
    /// `b_Q [h·e]`, if there is one.
    pub query_bias: Option<Tensor>,
    /// `W_K [d, h_kv·e]`.
    pub key: Tensor,
    /// `W_V [d, h_kv·e]`.
    pub value: Tensor,
}

impl Model {
    /// Returns the weights by which attention in `layer` reads the residual stream; dequantised anew where they are kept as stored.
    pub fn head_reads(&self, layer: Layer) -> Result<HeadReads> {
        self.check_hook(HookPoint::Block(layer, Site::Z))?;
        let block = &self.decoder.blocks[layer.index()];
        let qkv = block.attention.qkv.weight()?; // [d, (h + 2 h_kv)·e]
        let e = self.config.d_head;
        let (queries, keys) = (self.config.heads * e, self.config.kv_heads * e);
        let query_bias = match block.attention.qkv.bias() {
            Some(bias) => Some(Tensor::new(&bias[..queries], &Device::Cpu)?),
            None => None,
        };
        Ok(HeadReads {
            gamma: block.norm_attention.weight().clone(),
            beta: block.norm_attention.bias().cloned(),
            query: qkv.narrow(1, 0, queries)?.contiguous()?,
            query_bias,
            key: qkv.narrow(1, queries, keys)?.contiguous()?,
            value: qkv.narrow(1, queries + keys, keys)?.contiguous()?,
        })
    }

    /// Returns the weight of the output projection, `[h·e, d]`: head h writes `z_h · W_O^h` before a post-norm, as [`Site::Result`] has it.
    pub fn output_weights(&self, layer: Layer) -> Result<Matrix> {
        self.check_hook(HookPoint::Block(layer, Site::Z))?;
        let output = &self.decoder.blocks[layer.index()].attention.output;
        Matrix::from_tensor(&output.weight()?, self.config.d_model)
    }

    /// Whether positions turn queries and keys in some layer.
    pub fn is_rotary(&self) -> bool {
        let mut blocks = self.decoder.blocks.iter();
        blocks.any(|block| block.attention.rotary.is_some())
    }

    /// Returns the learned position embeddings, `[context, d]`, if the model adds them.
    pub fn position_embeddings(&self) -> Option<&Tensor> {
        self.decoder.positions.as_ref()
    }

    /// Returns the embeddings of `tokens`, `[n, d]`, as [`HookPoint::Embed`] has them.
    pub fn embeddings(&self, tokens: &[TokenId]) -> Result<Tensor> {
        let ids: Vec<u32> = tokens.iter().map(|token| token.0).collect();
        let rows = self.decoder.embed.rows(&Tensor::new(ids, &Device::Cpu)?)?;
        Ok(match self.decoder.embed_scale {
            Some(scale) => (rows * scale)?,
            None => rows,
        })
    }

    /// Returns the columns of `W_U` for `tokens` as rows, `[n, d]`, each times the final norm's γ: the logits of a direction up to the run-time 1/σ.
    pub fn unembeddings(&self, tokens: &[TokenId]) -> Result<Tensor> {
        let ids: Vec<u32> = tokens.iter().map(|token| token.0).collect();
        let columns = self.decoder.unembed.weight()?.t()?.contiguous()?; // [v, d]
        let columns = columns.index_select(&Tensor::new(ids, &Device::Cpu)?, 0)?;
        Ok(columns.broadcast_mul(self.decoder.final_norm.weight())?)
    }

    /// Whether the norms subtract the mean over the residual width.
    pub fn norms_centre(&self) -> bool {
        self.config.norm == NormKind::LayerNorm
    }

    /// Computes `W_U · W_E`, `[d, d]`, without norms: the sum over the vocabulary runs in f64 over parts of it in f32.
    pub fn unembed_embed(&self) -> Result<Tensor> {
        let (v, d) = (self.config.vocab, self.config.d_model);
        let unembed = self.decoder.unembed.weight()?; // [d, v]
        let table = self.decoder.embed.dense()?; // [v, d]
        let mut sum = Tensor::zeros((d, d), DType::F64, &Device::Cpu)?;
        let v = v.min(table.dim(0)?).min(unembed.dim(1)?);
        for from in (0..v).step_by(CHUNK) {
            let some = CHUNK.min(v - from);
            let left = unembed.narrow(1, from, some)?.contiguous()?;
            let right = table.narrow(0, from, some)?.contiguous()?;
            sum = (sum + left.matmul(&right)?.to_dtype(DType::F64)?)?;
        }
        Ok(match self.decoder.embed_scale {
            Some(scale) => (sum * scale)?,
            None => sum,
        })
    }
}
