//! The normalising half of LayerNorm and RMSNorm: `(x − mean(x)) / √(variance(x) + ε)`, or `x / √(mean(x²) + ε)` without centring.
//!
//! | tensor | shape |
//! |---|---|
//! | `x`, result | `[.., d]` |
//!
//! Tolerance against the definition: 1e-5 absolute (entries are of the order of 1; f32 sums over `d`).

mod cpu;
#[cfg(test)]
mod reference;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::error::Result;

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 64;

/// How rows are normalised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalization {
    /// Whether the mean is removed first (LayerNorm).
    pub centred: bool,
    /// ε, added to the variance.
    pub eps: f64,
}

/// Each row of `x [.., d]` normalised. Differentiable.
pub fn normalize(x: &Tensor, how: Normalization) -> Result<Tensor> {
    Ok(x.contiguous()?.apply_op1(Normalize(how))?)
}

struct Normalize(Normalization);

impl CustomOp1 for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = super::contiguous(self.name(), storage, layout)?;
        let d = layout.shape().dim(D::Minus1)?;
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut((ROWS * d).max(1))
            .zip(x.par_chunks((ROWS * d).max(1)))
            .for_each(|(out, x)| {
                for (out, x) in out.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
                    cpu::normalize(out, x, self.0);
                }
            });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, out: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        // With y = c/σ: dx = (g − y·mean(g·y)) / σ, its mean removed once more where x was centred.
        let spread = if self.0.centred {
            x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?
        } else {
            x.clone()
        };
        let sigma = (spread.sqr()?.mean_keepdim(D::Minus1)? + self.0.eps)?.sqrt()?;
        let along = (grad * out)?.mean_keepdim(D::Minus1)?;
        let dx = grad
            .sub(&out.broadcast_mul(&along)?)?
            .broadcast_div(&sigma)?;
        Ok(Some(if self.0.centred {
            dx.broadcast_sub(&dx.mean_keepdim(D::Minus1)?)?
        } else {
            dx
        }))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    const KINDS: [Normalization; 2] = [
        Normalization {
            centred: true,
            eps: 1e-5,
        },
        Normalization {
            centred: false,
            eps: 1e-3,
        },
    ];

    fn rows(n: usize, d: usize) -> Vec<f32> {
        (0..n * d)
            .map(|i| (i as f32 * 0.37).sin() * 3.0 + if i % 41 == 0 { 60.0 } else { 2.0 })
            .collect()
    }

    fn agrees(got: &[f32], want: &[f64]) -> bool {
        got.iter()
            .zip(want)
            .all(|(got, want)| (f64::from(*got) - want).abs() <= 1e-5)
    }

    #[test]
    fn equals_its_definition_and_a_nudge_is_refused() {
        for how in KINDS {
            for (n, d) in [(1, 1), (3, 8), (130, 33)] {
                let x = rows(n, d);
                let tensor = Tensor::from_slice(&x, (n, d), &Device::Cpu).unwrap();
                let got = normalize(&tensor, how).unwrap();
                let mut got = got.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let want: Vec<f64> = x
                    .chunks_exact(d)
                    .flat_map(|row| reference::normalize(row, how))
                    .collect();
                assert!(agrees(&got, &want), "{how:?} {n} {d}");
                got[0] += 1e-3;
                assert!(!agrees(&got, &want), "{how:?} {n} {d}");
            }
        }
    }

    #[test]
    fn its_gradient_equals_finite_differences() {
        let (n, d) = (2, 6);
        let x: Vec<f32> = (0..n * d)
            .map(|i| (i as f32 * 0.83).sin() * 2.0 + 0.5)
            .collect();
        let weights: Vec<f32> = (0..n * d).map(|i| (i as f32 * 0.7).cos()).collect();
        for how in KINDS {
            let var = Var::from_slice(&x, (n, d), &Device::Cpu).unwrap();
            let weigh = Tensor::from_slice(&weights, (n, d), &Device::Cpu).unwrap();
            let loss = normalize(&var, how)
                .unwrap()
                .mul(&weigh)
                .unwrap()
                .sum_all()
                .unwrap();
            let grads = loss.backward().unwrap();
            let got = grads
                .get(&var)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap();
            let value = |x: &[f32]| -> f64 {
                let out = x
                    .chunks_exact(d)
                    .flat_map(|row| reference::normalize(row, how));
                out.zip(&weights).map(|(o, w)| o * f64::from(*w)).sum()
            };
            for i in 0..x.len() {
                let (mut up, mut down) = (x.clone(), x.clone());
                up[i] += 1e-2;
                down[i] -= 1e-2;
                let want = (value(&up) - value(&down)) / f64::from(up[i] - down[i]);
                assert!(
                    (f64::from(got[i]) - want).abs() < 1e-3,
                    "{how:?} entry {i}: {}, should be {want}",
                    got[i]
                );
            }
        }
    }
}
