//! `y = a + b`, for the residual stream.
//!
//! | tensor | shape |
//! |---|---|
//! | `a`, `b`, result | any, the same |
//!
//! Differentiable in both. The sum of two f32 is the definition's to the last bit. (candle's own sum wakes a pool of threads that wait by spinning,
//! which costs more than the sum where cores are shared.)

#[cfg(test)]
mod cases;
mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(test)]
mod reference;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::{contiguous, each_chunk};

/// Values of a chunk: one thread's unit of work.
const CHUNK: usize = 65_536;

/// Adds two tensors of one shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Add;

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        if a_layout.shape() != b_layout.shape() {
            bail!(
                "add: {:?} and {:?} differ in shape",
                a_layout.shape(),
                b_layout.shape()
            );
        }
        let mut y = contiguous(self.name(), a, a_layout)?.to_vec();
        let b = contiguous(self.name(), b, b_layout)?;
        each_chunk(&mut y, CHUNK, |chunk, y| {
            let from = chunk * CHUNK;
            cpu::add(y, &b[from..from + y.len()]);
        });
        Ok((CpuStorage::F32(y), a_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(grad.clone()), Some(grad.clone())))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::kernels::check_gradient;

    #[test]
    fn it_is_its_definition() {
        for (a, b) in cases::all() {
            let want = reference::add(&a, &b);
            let tensor = |x: &[f32]| Tensor::new(x, &Device::Cpu).unwrap();
            let sum = tensor(&a).apply_op2_no_bwd(&tensor(&b), &Add).unwrap();
            let mut got = sum.to_vec1::<f32>().unwrap();
            assert_eq!(got, want);
            got[0] += 1.0;
            assert_ne!(got, want);
        }
    }

    #[test]
    fn its_gradients_are_those_of_finite_differences() {
        let a = Var::new(&[0.3_f32, -1.0, 2.0], &Device::Cpu).unwrap();
        let b = Var::new(&[1.3_f32, 0.2, -0.7], &Device::Cpu).unwrap();
        check_gradient(&a, &|a| a.apply_op2(b.as_tensor(), Add));
        check_gradient(&b, &|b| a.as_tensor().apply_op2(b, Add));
    }

    #[test]
    fn shapes_that_differ_are_refused() {
        let a = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        let b = a.unsqueeze(0).unwrap();
        assert!(a.apply_op2_no_bwd(&b, &Add).is_err());
    }
}
