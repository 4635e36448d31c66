//! `y[n, d] = (x − mean(x)) / √(mean((x − mean(x))²) + ε) ∘ weight + bias` (LayerNorm), or without mean and bias (RMSNorm).
//!
//! | tensor | shape |
//! |---|---|
//! | `x`, result | `[.., d]` |
//! | `weight`, `bias` | `[d]`, each may be absent |
//!
//! Differentiable in `x`; weight and bias are constants. Tolerance against the definition: 1e-5 absolute on values of order 1 (f32 sums in 16 lanes).

#[cfg(test)]
mod cases;
pub(crate) mod cpu;
#[cfg(test)]
mod reference;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

use super::{contiguous, each_chunk};

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 64;

/// Normalisation, with or without scaling afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Normalize {
    /// Whether the mean is removed.
    pub(crate) centred: bool,
    /// Added to the variance.
    pub(crate) eps: f64,
    /// γ.
    pub(crate) weight: Option<Vec<f32>>,
    /// β.
    pub(crate) bias: Option<Vec<f32>>,
}

impl CustomOp1 for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = contiguous(self.name(), x, layout)?;
        let d = layout.shape().dims().last().copied().unwrap_or(1).max(1);
        let fits = |part: &Option<Vec<f32>>| part.as_ref().is_none_or(|part| part.len() == d);
        if !fits(&self.weight) || !fits(&self.bias) {
            candle_core::bail!("normalize: weight and bias should be [{d}]");
        }
        let mut y = vec![0.0; x.len()];
        each_chunk(&mut y, ROWS * d, |chunk, y| {
            let from = chunk * ROWS * d;
            let x = &x[from..from + y.len()];
            for (y, x) in y.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
                cpu::normalize(y, x, self);
            }
        });
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let centred = if self.centred {
            x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?
        } else {
            x.clone()
        };
        let deviation = (centred.sqr()?.mean_keepdim(D::Minus1)? + self.eps)?.sqrt()?;
        let y = centred.broadcast_div(&deviation)?;
        let grad = match &self.weight {
            Some(weight) => {
                let weight = Tensor::from_slice(weight, weight.len(), x.device())?;
                grad.broadcast_mul(&weight)?
            }
            None => grad.clone(),
        };
        let along = (&grad * &y)?.mean_keepdim(D::Minus1)?;
        let mut rest = (&grad - y.broadcast_mul(&along)?)?;
        if self.centred {
            rest = rest.broadcast_sub(&grad.mean_keepdim(D::Minus1)?)?;
        }
        Ok(Some(rest.broadcast_div(&deviation)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;
    use crate::kernels::check_gradient;

    fn off(got: &[f32], want: &[f64]) -> f64 {
        got.iter()
            .zip(want)
            .map(|(got, want)| (f64::from(*got) - want).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn it_is_its_definition() {
        for case in cases::all() {
            let want = reference::normalize(&case.x, case.d, &case.op);
            let x = Tensor::from_slice(&case.x, (case.x.len() / case.d, case.d), &Device::Cpu);
            let got = x.unwrap().apply_op1_no_bwd(&case.op).unwrap();
            let mut got = got.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(off(&got, &want) < 1e-5, "{}", off(&got, &want));
            *got.last_mut().unwrap() += 1e-3;
            assert!(off(&got, &want) > 1e-5);
        }
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let x = Var::new(
            &[[0.3_f32, -1.2, 2.0, 0.7, 0.1], [1.0, 0.9, -0.4, 0.2, 3.0]],
            &Device::Cpu,
        )
        .unwrap();
        for case in cases::all().into_iter().filter(|case| case.d == 5) {
            check_gradient(&x, &|x| x.apply_op1(case.op.clone()));
        }
    }
}
