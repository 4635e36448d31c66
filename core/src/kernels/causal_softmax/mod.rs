//! The attention pattern: `pattern[.., i, j] = softmax over j ≤ i + (s − t) of scale·scores[.., i, j]`, 0 for later `j`.
//!
//! | tensor | shape |
//! |---|---|
//! | `scores` | `[.., t, s]`, the last `t` of `s` positions as queries |
//! | result | `[.., t, s]`, rows sum to 1 |
//!
//! Tolerance against the definition: 1e-6 absolute (entries are at most 1).

mod cpu;
#[cfg(test)]
mod reference;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::error::Result;

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 64;

/// Causal softmax of `scale · scores`, `[.., t, s]`. Differentiable; later positions are never read.
pub fn causal_softmax(scores: &Tensor, scale: f64) -> Result<Tensor> {
    Ok(scores.contiguous()?.apply_op1(CausalSoftmax { scale })?)
}

struct CausalSoftmax {
    scale: f64,
}

impl CustomOp1 for CausalSoftmax {
    fn name(&self) -> &'static str {
        "causal_softmax"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let scores = super::contiguous(self.name(), storage, layout)?;
        let (t, s) = (
            layout.shape().dim(D::Minus2)?,
            layout.shape().dim(D::Minus1)?,
        );
        let mut out = vec![0.0; scores.len()];
        out.par_chunks_mut((ROWS * s).max(1))
            .zip(scores.par_chunks((ROWS * s).max(1)))
            .enumerate()
            .for_each(|(chunk, (out, scores))| {
                let rows = out.chunks_exact_mut(s).zip(scores.chunks_exact(s));
                for (i, (out, scores)) in rows.enumerate() {
                    let seen = (chunk * ROWS + i) % t + 1 + s - t;
                    cpu::softmax(&mut out[..seen], &scores[..seen], self.scale as f32);
                }
            });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(
        &self,
        _scores: &Tensor,
        pattern: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let weighted = (pattern * grad)?;
        let mean = weighted.sum_keepdim(D::Minus1)?;
        let grad = weighted.sub(&pattern.broadcast_mul(&mean)?)?;
        Ok(Some((grad * self.scale)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    const SHAPES: [(usize, usize, usize); 4] = [(1, 1, 1), (3, 5, 5), (2, 3, 7), (2, 70, 70)];

    /// Values with outliers, so that a missing maximum overflows.
    fn scores(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 8.0 + if i % 29 == 0 { 120.0 } else { 0.0 })
            .collect()
    }

    fn agrees(got: &[f32], want: &[f64]) -> bool {
        got.iter()
            .zip(want)
            .all(|(got, want)| (f64::from(*got) - want).abs() <= 1e-6)
    }

    #[test]
    fn equals_its_definition_and_a_nudge_is_refused() {
        for shape @ (n, t, s) in SHAPES {
            let scores = scores(n * t * s);
            let tensor = Tensor::from_slice(&scores, shape, &Device::Cpu).unwrap();
            let got = causal_softmax(&tensor, 0.7).unwrap();
            let mut got = got.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let want = reference::causal_softmax(&scores, t, s, f64::from(0.7_f32));
            assert!(agrees(&got, &want), "{shape:?}");
            got[0] += 1e-4;
            assert!(!agrees(&got, &want), "{shape:?}");
        }
    }

    #[test]
    fn its_gradient_equals_finite_differences() {
        let (n, t, s) = (2, 3, 5);
        let x: Vec<f32> = (0..n * t * s)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 30.0)
            .collect();
        let weights: Vec<f32> = (0..n * t * s).map(|i| (i as f32 * 0.7).sin()).collect();
        let var = Var::from_slice(&x, (n, t, s), &Device::Cpu).unwrap();
        let weigh = Tensor::from_slice(&weights, (n, t, s), &Device::Cpu).unwrap();
        let loss = causal_softmax(&var, 0.5)
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
            let pattern = reference::causal_softmax(x, t, s, 0.5);
            pattern
                .iter()
                .zip(&weights)
                .map(|(p, w)| p * f64::from(*w))
                .sum()
        };
        for i in 0..x.len() {
            let (mut up, mut down) = (x.clone(), x.clone());
            up[i] += 1e-2;
            down[i] -= 1e-2;
            let want = (value(&up) - value(&down)) / f64::from(up[i] - down[i]);
            assert!(
                (f64::from(got[i]) - want).abs() < 1e-4,
                "entry {i}: {}, should be {want}",
                got[i]
            );
        }
    }
}
