//! The gate times a second input, at once.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::{CHUNK, SigmoidGate, cpu};
use crate::kernels::{contiguous, each_chunk};

/// `gate(x) · up`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GatedUnit(pub(crate) SigmoidGate);

impl CustomOp2 for GatedUnit {
    fn name(&self) -> &'static str {
        "gated_unit"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        if layout.shape() != up_layout.shape() {
            let (x, up) = (layout.shape(), up_layout.shape());
            bail!("gated_unit: {up:?} does not fit {x:?}");
        }
        let x = contiguous(self.name(), x, layout)?;
        let up = contiguous(self.name(), up, up_layout)?;
        let mut y = vec![0.0; x.len()];
        each_chunk(&mut y, CHUNK, |chunk, y| {
            let range = chunk * CHUNK..chunk * CHUNK + y.len();
            cpu::gate(y, &x[range.clone()], self.0.linear, self.0.cubic);
            cpu::multiply(y, &up[range]);
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        up: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (value, slope) = self.0.value_and_slope(x)?;
        let grad_x = ((grad * up)? * slope)?;
        Ok((Some(grad_x), Some((grad * value)?)))
    }
}
