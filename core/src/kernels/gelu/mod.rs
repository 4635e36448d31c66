//! GELU by its tanh approximation, elementwise: `½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))`, computed as `x·sigmoid(2u)`.
//!
//! Tolerance against the definition: 1e-6 relative to `1 + |x|` (one exponential and one division in f32).

mod cpu;
#[cfg(test)]
mod reference;

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::error::Result;

/// Entries of a chunk: one thread's unit of work.
const CHUNK: usize = 1 << 14;

/// GELU of every entry of an f32 tensor of any shape. Differentiable.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    Ok(x.contiguous()?.apply_op1(Gelu)?)
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = super::contiguous(self.name(), storage, layout)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(CHUNK)
            .zip(x.par_chunks(CHUNK))
            .for_each(|(out, x)| cpu::gelu(out, x));
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _out: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        // d/dx x·s(2u) = s + x·s·(1 − s)·2u′ with u = √(2/π)(x + 0.044715 x³).
        let twice_u = ((x.powf(3.0)? * f64::from(cpu::CUBIC))? + x)?
            .affine(2.0 * f64::from(cpu::ROOT_TWO_OVER_PI), 0.0)?;
        let gate = candle_nn::ops::sigmoid(&twice_u)?;
        let slope = x.sqr()?.affine(
            6.0 * f64::from(cpu::ROOT_TWO_OVER_PI) * f64::from(cpu::CUBIC),
            2.0 * f64::from(cpu::ROOT_TWO_OVER_PI),
        )?;
        let bend = (x * &gate)?.mul(&gate.affine(-1.0, 1.0)?)?.mul(&slope)?;
        Ok(Some((gate + bend)?.mul(grad)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn inputs() -> Vec<f32> {
        (-4000..4000).map(|i| i as f32 / 250.0).collect()
    }

    fn agrees(got: &[f32], x: &[f32]) -> bool {
        got.iter().zip(x).all(|(got, x)| {
            (f64::from(*got) - reference::gelu(f64::from(*x))).abs()
                <= 1e-6 * (1.0 + f64::from(x.abs()))
        })
    }

    #[test]
    fn equals_its_definition_and_a_nudge_is_refused() {
        let x = inputs();
        let tensor = Tensor::new(x.as_slice(), &Device::Cpu).unwrap();
        let mut got = gelu(&tensor).unwrap().to_vec1::<f32>().unwrap();
        assert!(agrees(&got, &x));
        got[5000] += 1e-4;
        assert!(!agrees(&got, &x));
    }

    #[test]
    fn its_gradient_equals_finite_differences() {
        let x = inputs();
        let var = Var::new(x.as_slice(), &Device::Cpu).unwrap();
        let grads = gelu(&var).unwrap().sum_all().unwrap().backward().unwrap();
        let got = grads.get(&var).unwrap().to_vec1::<f32>().unwrap();
        for (got, x) in got.iter().zip(&x) {
            let x = f64::from(*x);
            let want = (reference::gelu(x + 1e-5) - reference::gelu(x - 1e-5)) / 2e-5;
            assert!(
                (f64::from(*got) - want).abs() < 1e-5,
                "at {x}: {got}, should be {want}"
            );
        }
    }
}
