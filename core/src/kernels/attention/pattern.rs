//! The first step: scores, causal mask and softmax at once.

use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, Tensor, bail};

use super::{View, cpu, gather, spread};
use crate::kernels::each_chunk;

/// `q`, `k` to the pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern {
    /// Factor on the scores.
    pub(crate) scale: f64,
}

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
        let q = View::of("q", q, q_layout)?;
        let k = View::of("k", k, k_layout)?;
        let ([b, t, h, e], [b_k, s, h_kv, e_k]) = (q.dims, k.dims);
        if b != b_k || e != e_k || s < t || h_kv == 0 || !h.is_multiple_of(h_kv) {
            bail!("attention: `k` {:?} does not fit `q` {:?}", k.dims, q.dims);
        }
        let mut pattern = vec![0.0; b * h * t * s];
        each_chunk(&mut pattern, t * s, |head, pattern| {
            let (b, h_q) = (head / h, head % h);
            let shape = cpu::Square { t, s, e };
            let (q, k) = (q.head(b, h_q), k.head(b, h_q / (h / h_kv)));
            cpu::pattern(pattern, q, k, &shape, self.scale as f32);
        });
        Ok((CpuStorage::F32(pattern), Shape::from((b, h, t, s))))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        pattern: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (heads, h_kv) = (q.dim(2)?, k.dim(2)?);
        let mean = (grad * pattern)?.sum_keepdim(D::Minus1)?;
        let scores = ((grad.broadcast_sub(&mean)? * pattern)? * self.scale)?; // [b, h, t, s]
        let grad_q = scores.matmul(&spread(k, heads)?)?; // [b, h, t, e]
        let q = q.transpose(1, 2)?.contiguous()?;
        let grad_k = scores.t()?.contiguous()?.matmul(&q)?; // [b, h, s, e]
        Ok((
            Some(grad_q.transpose(1, 2)?.contiguous()?),
            Some(gather(&grad_k, h_kv)?),
        ))
    }
}
