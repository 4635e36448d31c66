//! Causal attention in two steps: `pattern[b, h, t, s] = softmax over s ≤ s − t + query of scale · q·k`, and
//! `z[b, t, h, e] = Σ_s pattern[b, h, t, s] · v[b, s, g, e]`. Query head h reads key/value head g = h / (heads / kv_heads).
//!
//! | tensor | shape |
//! |---|---|
//! | `q` | `[b, t, h, e]` |
//! | `k`, `v` | `[b, s, h_kv, e]`, s ≥ t: the last t of the s positions are those of the queries |
//! | `pattern` | `[b, h, t, s]`, exactly 0 where a query may not look |
//! | `z` | `[b, t, h, e]` |
//!
//! Inputs may be views whose last dimension is dense, so queries, keys and values are read where the fused projection left them.
//! Differentiable in all inputs. Tolerance against the definition: 1e-5 absolute on values of order 1.

#[cfg(test)]
mod cases;
pub(crate) mod cpu;
mod mix;
mod pattern;
#[cfg(test)]
mod reference;

pub(crate) use mix::Mix;
pub(crate) use pattern::Pattern;

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};

/// `[b, t, h, e]` with strides, in a slice.
#[derive(Clone, Copy)]
struct View<'a> {
    values: &'a [f32],
    dims: [usize; 4],
    strides: [usize; 4],
}

impl<'a> View<'a> {
    fn of(name: &str, storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (&[b, t, h, e], &[sb, st, sh, 1]) = (layout.shape().dims(), layout.stride()) else {
            bail!(
                "attention: `{name}` should be of rank 4 and dense in its last dimension, got {:?}",
                layout.shape()
            );
        };
        let values = storage.as_slice::<f32>()?;
        Ok(Self {
            values: &values[layout.start_offset()..],
            dims: [b, t, h, e],
            strides: [sb, st, sh, 1],
        })
    }

    /// Head `h` of sequence `b`: `[t, e]` in rows `stride` apart.
    fn head(&self, b: usize, h: usize) -> cpu::Rows<'a> {
        let from = b * self.strides[0] + h * self.strides[2];
        cpu::Rows {
            values: &self.values[from..],
            stride: self.strides[1],
        }
    }
}

/// Each key/value head as often as queries read it, `[b, s, h_kv, e]` to `[b, h, s, e]`.
fn spread(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (b, s, h_kv, e) = x.dims4()?;
    x.transpose(1, 2)?
        .unsqueeze(2)?
        .expand((b, h_kv, heads / h_kv, s, e))?
        .reshape((b, heads, s, e))
}

/// The way back for gradients: summed over the queries' heads, `[b, h, s, e]` to `[b, s, h_kv, e]`.
fn gather(x: &Tensor, h_kv: usize) -> Result<Tensor> {
    let (b, h, s, e) = x.dims4()?;
    x.reshape((b, h_kv, h / h_kv, s, e))?
        .sum(2)?
        .transpose(1, 2)?
        .contiguous()
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::kernels::check_gradient;

    fn off(got: &[f32], want: &[f64]) -> f64 {
        assert_eq!(got.len(), want.len());
        got.iter()
            .zip(want)
            .map(|(got, want)| (f64::from(*got) - want).abs())
            .fold(0.0, f64::max)
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn both_steps_are_their_definition() {
        for case in cases::all() {
            let pattern = Pattern { scale: case.scale };
            let pattern = case.q.apply_op2_no_bwd(&case.k, &pattern).unwrap();
            let want = reference::pattern(&case);
            let mut got = values(&pattern);
            assert!(off(&got, &want) < 1e-5, "{}", off(&got, &want));
            let z = pattern.apply_op2_no_bwd(&case.v, &Mix).unwrap();
            let want_z = reference::mix(&case, &want);
            let mut got_z = values(&z);
            assert!(off(&got_z, &want_z) < 1e-5, "{}", off(&got_z, &want_z));
            *got.last_mut().unwrap() += 1e-3;
            got_z[0] += 1e-3;
            assert!(off(&got, &want) > 1e-5 && off(&got_z, &want_z) > 1e-5);
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for case in cases::all().into_iter().take(2) {
            let op = Pattern { scale: case.scale };
            let q = Var::from_tensor(&case.q).unwrap();
            check_gradient(&q, &|q| q.apply_op2(&case.k, op));
            let k = Var::from_tensor(&case.k).unwrap();
            check_gradient(&k, &|k| case.q.apply_op2(k, op));
            let v = Var::from_tensor(&case.v).unwrap();
            let pattern = case.q.apply_op2_no_bwd(&case.k, &op).unwrap();
            check_gradient(&v, &|v| pattern.apply_op2(v, Mix));
            let pattern = Var::from_tensor(&pattern).unwrap();
            check_gradient(&pattern, &|p| p.apply_op2(&case.v, Mix));
        }
    }

    #[test]
    fn one_thread_and_all_give_the_same_bytes() {
        let case = cases::all().pop().unwrap();
        let op = Pattern { scale: case.scale };
        let both = || {
            let pattern = case.q.apply_op2_no_bwd(&case.k, &op).unwrap();
            values(&pattern.apply_op2_no_bwd(&case.v, &Mix).unwrap())
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        assert_eq!(pool.unwrap().install(both), both());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let case = cases::all().swap_remove(0);
        let op = Pattern { scale: 1.0 };
        let short = case.k.narrow(1, 0, 1).unwrap();
        assert!(case.q.apply_op2_no_bwd(&short, &op).is_err());
        let pattern = case.q.apply_op2_no_bwd(&case.k, &op).unwrap();
        let v = case.v.narrow(1, 0, 1).unwrap();
        assert!(pattern.apply_op2_no_bwd(&v, &Mix).is_err());
    }
}
