//! The second half of the first step: softmax of scores that someone looked at or changed.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

use super::cpu;
use crate::kernels::{contiguous, each_chunk};

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 64;

/// Scores to the pattern, row by row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "attention_softmax"
    }

    fn cpu_fwd(&self, scores: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut pattern = contiguous(self.name(), scores, layout)?.to_vec();
        let s = layout.shape().dims().last().copied().unwrap_or(1).max(1);
        each_chunk(&mut pattern, ROWS * s, |_, rows| {
            rows.chunks_exact_mut(s).for_each(cpu::softmax);
        });
        Ok((CpuStorage::F32(pattern), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, pattern: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let mean = (grad * pattern)?.sum_keepdim(D::Minus1)?;
        Ok(Some((grad.broadcast_sub(&mean)? * pattern)?))
    }
}
