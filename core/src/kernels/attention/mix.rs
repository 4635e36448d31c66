//! The second step: values weighted by the pattern.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::{View, cpu, gather, spread};
use crate::kernels::{contiguous, each_chunk};

/// The pattern and `v` to `z`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix;

impl CustomOp2 for Mix {
    fn name(&self) -> &'static str {
        "attention_mix"
    }

    fn cpu_fwd(
        &self,
        pattern: &CpuStorage,
        layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let v = View::new("v", v, v_layout)?;
        let (b, h, t, s) = layout.shape().dims4()?;
        let [b_v, s_v, h_kv, e] = v.dims;
        if b != b_v || s != s_v || s < t || h_kv == 0 || !h.is_multiple_of(h_kv) {
            bail!(
                "attention: `v` {:?} does not fit the pattern {:?}",
                v.dims,
                [b, h, t, s]
            );
        }
        let pattern = contiguous(self.name(), pattern, layout)?;
        let mut z = vec![0.0; b * t * h * e];
        each_chunk(&mut z, t * h * e, |b, z| {
            for h_q in 0..h {
                let from = (b * h + h_q) * t * s;
                let pattern = &pattern[from..from + t * s];
                let shape = cpu::Square {
                    t,
                    s,
                    e,
                    starts: None,
                };
                let into = (&mut z[h_q * e..], h * e);
                cpu::mix(into, pattern, v.head(b, h_q / (h / h_kv)), &shape);
            }
        });
        Ok((CpuStorage::F32(z), Shape::from((b, t, h, e))))
    }

    fn bwd(
        &self,
        pattern: &Tensor,
        v: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (heads, h_kv) = (pattern.dim(1)?, v.dim(2)?);
        let grad = grad.transpose(1, 2)?.contiguous()?; // [b, h, t, e]
        let grad_pattern = grad.matmul(&spread(v, heads)?.t()?.contiguous()?)?; // [b, h, t, s]
        let grad_v = pattern.t()?.contiguous()?.matmul(&grad)?; // [b, h, s, e]
        Ok((Some(grad_pattern), Some(gather(&grad_v, h_kv)?)))
    }
}
