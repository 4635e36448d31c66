//! Embedding: a row for each token.

use std::sync::Arc;

use candle_core::Tensor;

use super::Linear;
use crate::error::Result;
use crate::kernels::linear::Rows;

/// Embedding matrix, `[v, d]`.
#[derive(Debug, Clone)]
pub(in crate::models) enum Table {
    /// Matrix as f32.
    Dense(Tensor),
    /// Matrix as its file stores it.
    Stored(Arc<Rows>),
}

impl Table {
    /// Returns the rows of `tokens [n]`, `[n, d]`.
    pub(in crate::models) fn rows(&self, tokens: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Dense(table) => table.index_select(tokens, 0)?,
            Self::Stored(table) => {
                let tokens = tokens.to_dtype(candle_core::DType::U32)?;
                table.rows(&tokens.to_vec1()?)?
            }
        })
    }

    /// Returns the matrix as f32, `[v, d]`; dequantised anew where it is kept as stored.
    pub(in crate::models) fn dense(&self) -> Result<Tensor> {
        Ok(match self {
            Self::Dense(table) => table.clone(),
            Self::Stored(table) => table.dense()?,
        })
    }

    /// Computes the product with its transpose, the unembedding of tied models.
    pub(in crate::models) fn unembedding(&self) -> Result<Linear> {
        match self {
            Self::Dense(table) => Linear::new(table.t()?, None),
            Self::Stored(table) => Linear::stored(Arc::clone(table), None),
        }
    }
}
