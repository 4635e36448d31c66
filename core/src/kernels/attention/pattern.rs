//! The first step: scores, mask and softmax at once.

use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, Tensor};

use super::{Rule, Starts, by_head, cpu, from_products, spread};

/// `q`, `k` to the pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(pub(crate) Rule, pub(crate) Starts);

impl CustomOp2 for Pattern {
    fn name(&self) -> &'static str {
        "attention_pattern"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let rule = (&self.0, &self.1);
        by_head((q, q_layout), (k, k_layout), rule, cpu::End::Softmax)
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        pattern: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mean = (grad * pattern)?.sum_keepdim(D::Minus1)?;
        let mut scores = (grad.broadcast_sub(&mean)? * pattern)?; // [b, h, t, s]
        if let Some(cap) = self.0.cap {
            let keys = spread(k, q.dim(2)?)?.t()?.contiguous()?; // [b, h, e, s]
            let products = q.transpose(1, 2)?.contiguous()?.matmul(&keys)?;
            let tanh = (products * (self.0.scale / cap))?.tanh()?;
            scores = (scores * tanh.sqr()?.affine(-1.0, 1.0)?)?;
        }
        from_products(q, k, &(scores * self.0.scale)?)
    }
}
