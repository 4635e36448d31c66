//! Rotary positions, half-split: of the first r dimensions of a head, `y[i] = x[i]·cos[t, i] − x[i + r/2]·sin[t, i]` and
//! `y[i + r/2] = x[i + r/2]·cos[t, i] + x[i]·sin[t, i]`; the others stay.
//!
//! | tensor | shape |
//! |---|---|
//! | `x` | `[b, t, h, e]`, a view whose last dimension is dense will do |
//! | `cos`, `sin` | `[t, r/2]`, or `[b, t, r/2]` where positions differ from row to row; r ≤ e |
//! | result | `[b, t, h, e]`, contiguous |
//!
//! Differentiable in `x`: the way back turns the other way. Tolerance against the definition: 1e-6 relative to |x|.

#[cfg(test)]
mod cases;
mod cpu;
#[cfg(test)]
mod reference;

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::attention::View;
use super::each_chunk;

/// Sequence positions of a chunk: one thread's unit of work.
const POSITIONS: usize = 32;

/// Rotation by the angles of each position.
#[derive(Debug, Clone)]
pub(crate) struct Rotate {
    /// `[t, r/2]` or `[b, t, r/2]`.
    pub(crate) cos: Arc<[f32]>,
    /// As `cos`.
    pub(crate) sin: Arc<[f32]>,
    /// r/2.
    pub(crate) pairs: usize,
}

impl Rotate {
    /// Returns the inverse rotation.
    fn back(&self) -> Self {
        Self {
            sin: self.sin.iter().map(|sin| -sin).collect(),
            ..self.clone()
        }
    }
}

impl CustomOp1 for Rotate {
    fn name(&self) -> &'static str {
        "rotary"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = View::new("x", x, layout)?;
        let [b, t, h, e] = x.dims;
        let table = t * self.pairs;
        let by_row = self.cos.len() == b * table;
        let fits = by_row || self.cos.len() == table;
        if 2 * self.pairs > e || !fits || self.sin.len() != self.cos.len() {
            bail!(
                "rotary: {} angles of {} pairs do not fit {:?}",
                self.cos.len(),
                self.pairs,
                x.dims
            );
        }
        let mut y = vec![0.0; b * t * h * e];
        each_chunk(&mut y, POSITIONS * h * e, |chunk, y| {
            for (at, y) in y.chunks_exact_mut(h * e).enumerate() {
                let (b, t) = ((chunk * POSITIONS + at) / t, (chunk * POSITIONS + at) % t);
                let from = if by_row { b * table } else { 0 } + t * self.pairs;
                let angles = from..from + self.pairs;
                let turn = (&self.cos[angles.clone()], &self.sin[angles]);
                for (head, y) in y.chunks_exact_mut(e).enumerate() {
                    let from = b * x.strides[0] + t * x.strides[1] + head * x.strides[2];
                    cpu::turn(y, &x.values[from..from + e], turn.0, turn.1);
                }
            }
        });
        Ok((CpuStorage::F32(y), Shape::from((b, t, h, e))))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.contiguous()?.apply_op1(self.back()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::kernels::check_gradient;

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn off(got: &[f32], want: &[f64]) -> f64 {
        assert_eq!(got.len(), want.len());
        let each = got.iter().zip(want);
        each.map(|(got, want)| (f64::from(*got) - want).abs() / (1.0 + want.abs()))
            .fold(0.0, f64::max)
    }

    #[test]
    fn it_is_its_definition() {
        for case in cases::all() {
            let want = reference::rotate(&case.x, &case.op);
            let mut got = values(&case.x.apply_op1_no_bwd(&case.op).unwrap());
            assert!(off(&got, &want) < 1e-6, "{}", off(&got, &want));
            got[0] += 1e-3;
            assert!(off(&got, &want) > 1e-6);
        }
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        for case in cases::all().into_iter().take(2) {
            let x = Var::from_tensor(&case.x).unwrap();
            check_gradient(&x, &|x| x.apply_op1(case.op.clone()));
        }
    }

    #[test]
    fn one_thread_and_all_give_the_same_bytes() {
        let case = cases::all().pop().unwrap();
        let turned = || values(&case.x.apply_op1_no_bwd(&case.op).unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        assert_eq!(pool.unwrap().install(turned), turned());
    }

    #[test]
    fn angles_that_do_not_fit_are_refused() {
        let case = cases::all().swap_remove(0);
        let short = case.x.narrow(1, 0, 1).unwrap();
        assert!(short.apply_op1_no_bwd(&case.op).is_err());
        let narrow = case.x.narrow(3, 0, 1).unwrap().contiguous().unwrap();
        assert!(narrow.apply_op1_no_bwd(&case.op).is_err());
    }
}
