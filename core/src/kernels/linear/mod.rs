//! `y[n, out] = x[n, in] · weight[in, out] + bias[out]`.
//!
//! | tensor | shape |
//! |---|---|
//! | `x`, result | `[.., in]`, `[.., out]` |
//! | `weight` | `[in, out]`, any strides (a transposed view costs nothing) |
//! | `bias` | `[out]`, may be absent |
//!
//! [`Stored`] is the same with a weight that stays as its file stores it. Differentiable in `x`; weight and bias are constants. Within a thread of rayon's pool it uses that thread alone (the caller splits rows), elsewhere
//! all. Tolerance against the definition: 1e-5 relative to Σ|x·w| + |b| of the entry.

#[cfg(test)]
mod cases;
pub(crate) mod cpu;
#[cfg(test)]
mod reference;
mod stored;
mod vector;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

pub(crate) use self::stored::{Rows, Stored};
use super::contiguous;
use crate::dims::Matrix;

/// A product with a constant matrix.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// `[in, out]`.
    pub(crate) weight: Tensor,
    /// `[out]`.
    pub(crate) bias: Option<Vec<f32>>,
}

/// Dims of the product of `x` with `inputs` columns; an error if `x` or the bias does not fit.
fn product_dims(
    x: &Layout,
    (inputs, outputs): (usize, usize),
    bias: Option<&[f32]>,
) -> Result<Vec<usize>> {
    let mut dims = x.shape().dims().to_vec();
    match dims.last_mut() {
        Some(last) if *last == inputs && inputs > 0 => *last = outputs,
        _ => bail!("linear: `x` should be [.., {inputs}], got {dims:?}"),
    }
    if bias.is_some_and(|bias| bias.len() != outputs) {
        bail!("linear: `bias` should be [{outputs}]");
    }
    Ok(dims)
}

/// Rows of a chunk of [`rows_times`].
const ROWS: usize = 64;

/// `x [n, in] · w [out, in]ᵀ`, `[n, out]`; a chunk of rows is one thread's work.
pub(crate) fn rows_times(x: &Matrix, w: &Matrix) -> Matrix {
    times(x, w.values(), (w.columns(), w.rows()), (1, w.columns()))
}

/// `aᵀ [p, n] · b [n, q]`, `[p, q]`: the sum over rows of their outer products.
pub(crate) fn outer_sum(a: &Matrix, b: &Matrix) -> Matrix {
    let mut turned = Matrix::zeros(a.columns(), a.rows());
    let rows = turned.values_mut().par_chunks_mut(a.rows().max(1));
    rows.enumerate().for_each(|(column, row)| {
        for (to, from) in row.iter_mut().zip(a.iter_rows()) {
            *to = from[column];
        }
    });
    let dims = (b.rows(), b.columns());
    times(&turned, b.values(), dims, (b.columns(), 1))
}

fn times(x: &Matrix, values: &[f32], dims: (usize, usize), strides: (usize, usize)) -> Matrix {
    debug_assert_eq!(x.columns(), dims.0);
    let mut y = Matrix::zeros(x.rows(), dims.1);
    if x.columns() == 0 || dims.1 == 0 {
        return y;
    }
    let weight = cpu::Weight {
        values,
        dims,
        strides,
    };
    (y.values_mut().par_chunks_mut(ROWS * dims.1))
        .zip(x.values().par_chunks(ROWS * dims.0))
        .for_each(|(y, x)| y.copy_from_slice(&cpu::product(x, &weight, None)));
    y
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (inputs, outputs) = self.weight.dims2()?;
        let dims = product_dims(layout, (inputs, outputs), self.bias.as_deref())?;
        let x = contiguous(self.name(), x, layout)?;
        let (storage, weight_layout) = self.weight.storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(weight)) = &*storage else {
            bail!("linear: `weight` should be f32 on the CPU");
        };
        let weight = cpu::Weight {
            values: &weight[weight_layout.start_offset()..],
            dims: (inputs, outputs),
            strides: (weight_layout.stride()[0], weight_layout.stride()[1]),
        };
        let y = cpu::product(x, &weight, self.bias.as_deref());
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, outputs) = self.weight.dims2()?;
        let grad = grad.reshape(((), outputs))?.matmul(&self.weight.t()?)?;
        Ok(Some(grad.reshape(x.dims())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::kernels::check_gradient;

    #[test]
    fn it_is_its_definition() {
        for case in cases::all() {
            let got = case.x.apply_op1_no_bwd(&case.op).unwrap();
            let mut got = got.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (want, scale) = reference::product(&case.x, &case.op);
            let off = |got: &[f32]| {
                let entry = |i: usize| (f64::from(got[i]) - want[i]).abs() / (scale[i] + 1e-30);
                (0..want.len()).map(entry).fold(0.0, f64::max)
            };
            assert_eq!(got.len(), want.len());
            assert!(off(&got) < 1e-5, "{}", off(&got));
            *got.last_mut().unwrap() += 1e-2;
            assert!(off(&got) > 1e-5);
        }
    }

    #[test]
    fn one_thread_and_all_give_the_same_bytes() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.unwrap();
        for case in cases::all() {
            let product = || {
                let y = case.x.apply_op1_no_bwd(&case.op).unwrap();
                y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            };
            assert_eq!(pool.install(product), product());
        }
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let case = cases::all().swap_remove(0);
        let x = Var::from_tensor(&case.x).unwrap();
        check_gradient(&x, &|x| x.apply_op1(case.op.clone()));
    }

    #[test]
    fn a_wrong_width_is_refused() {
        let case = cases::all().swap_remove(0);
        let x = case.x.narrow(1, 0, 2).unwrap();
        let refused = x.apply_op1_no_bwd(&case.op).unwrap_err().to_string();
        assert!(refused.contains("should be [.., 3]"), "{refused}");
    }
}
