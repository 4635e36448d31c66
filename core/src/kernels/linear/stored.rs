//! Product with a matrix that keeps the type of its file (f16 or quantised). Panels of rows are converted to f32 and multiplied, so the result is that of the
//! dequantised matrix at the memory of the stored one.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::cpu;
use super::product_dims;
use crate::kernels::{contiguous, in_pool};

/// Rows made f32 at a time; few enough for a core's cache, enough for a product.
const PANEL: usize = 64;
/// Blocks are aligned at least like this in memory.
const ALIGNMENT: usize = 8;

/// Matrix `[out, in]` in the type of its file.
#[derive(Debug)]
pub(crate) struct Rows {
    panels: Vec<Panel>,
    outputs: usize,
    inputs: usize,
}

#[derive(Debug)]
struct Panel {
    first: usize,
    rows: usize,
    /// `[rows, in]`.
    blocks: QTensor,
}

impl Panel {
    fn values(&self) -> Result<Vec<f32>> {
        self.blocks
            .dequantize(&Device::Cpu)?
            .flatten_all()?
            .to_vec1()
    }
}

impl Rows {
    /// Creates it from `bytes` of `[outputs, inputs]` numbers of one type, whose rows are whole blocks; row `i` is the stored row `order(i)`.
    pub(crate) fn new(
        bytes: &[u8],
        dtype: GgmlDType,
        (outputs, inputs): (usize, usize),
        order: impl Fn(usize) -> usize,
    ) -> Result<Self> {
        let length = inputs / dtype.block_size() * dtype.type_size();
        if !inputs.is_multiple_of(dtype.block_size()) || bytes.len() != outputs * length {
            bail!("linear: `bytes` do not hold [{outputs}, {inputs}] numbers");
        }
        let panels = (0..outputs).step_by(PANEL).map(|first| {
            let rows = PANEL.min(outputs - first);
            // Blocks are read in place, so their bytes must be aligned.
            let mut room = vec![0; rows * length + ALIGNMENT];
            let start = room.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            let own = &mut room[start..start + rows * length];
            for (row, to) in own.chunks_exact_mut(length.max(1)).enumerate() {
                let from = order(first + row) * length;
                to.copy_from_slice(&bytes[from..from + length]);
            }
            let blocks = QStorage::from_data(Cow::Borrowed(own), &Device::Cpu, dtype)?;
            Ok(Panel {
                first,
                rows,
                blocks: QTensor::new(blocks, (rows, inputs))?,
            })
        });
        Ok(Self {
            panels: panels.collect::<Result<_>>()?,
            outputs,
            inputs,
        })
    }

    /// Creates a matrix of that size without values, which can be described but not multiplied.
    pub(crate) fn hollow((outputs, inputs): (usize, usize)) -> Self {
        Self {
            panels: Vec::new(),
            outputs,
            inputs,
        }
    }

    /// Stacks matrices of equal width.
    pub(crate) fn stacked(parts: Vec<Self>) -> Result<Self> {
        let inputs = parts.first().map_or(0, |part| part.inputs);
        let mut all = Self {
            panels: Vec::new(),
            outputs: 0,
            inputs,
        };
        for part in parts {
            if part.inputs != inputs {
                bail!("linear: {} columns below {inputs}", part.inputs);
            }
            let moved = part.panels.into_iter().map(|panel| Panel {
                first: panel.first + all.outputs,
                ..panel
            });
            all.panels.extend(moved);
            all.outputs += part.outputs;
        }
        Ok(all)
    }

    /// `(out, in)`.
    pub(crate) fn dims(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    /// Converts all of it to f32, `[out, in]`.
    pub(crate) fn dense(&self) -> Result<Tensor> {
        let panels = self
            .panels
            .iter()
            .map(|panel| panel.blocks.dequantize(&Device::Cpu));
        Tensor::cat(&panels.collect::<Result<Vec<_>>>()?, 0)
    }

    /// Returns the rows `ids`, `[ids, in]`.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let after = self
                .panels
                .partition_point(|panel| panel.first <= *id as usize);
            let Some(panel) = after.checked_sub(1).map(|at| &self.panels[at]) else {
                bail!("linear: there is no row {id}");
            };
            let row = *id - panel.first as u32;
            found.push(
                panel
                    .blocks
                    .embedding(&Tensor::new(&[row], &Device::Cpu)?)?,
            );
        }
        Tensor::cat(&found, 0)
    }

    /// Returns the position of the first NaN or infinity.
    pub(crate) fn first_not_finite(&self) -> Result<Option<(usize, f32)>> {
        let found = self.panels.par_iter().map(|panel| {
            let values = panel.values()?;
            let at = values.iter().position(|value| !value.is_finite());
            Ok(at.map(|at| (panel.first * self.inputs + at, values[at])))
        });
        let found = found.collect::<Result<Vec<_>>>()?;
        Ok(found.into_iter().flatten().next())
    }

    /// Computes one panel of the product, `[n, rows]`.
    fn share(&self, panel: &Panel, x: &[f32], bias: Option<&[f32]>) -> Result<Vec<f32>> {
        let values = panel.values()?;
        let weight = cpu::Weight {
            values: &values,
            dims: (self.inputs, panel.rows),
            strides: (1, self.inputs),
        };
        let bias = bias.map(|bias| &bias[panel.first..panel.first + panel.rows]);
        Ok(cpu::product(x, &weight, bias))
    }
}

/// A product with a constant stored matrix.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// `[out, in]`.
    pub(crate) weight: Arc<Rows>,
    /// `[out]`.
    pub(crate) bias: Option<Vec<f32>>,
}

impl CustomOp1 for Stored {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (outputs, inputs) = self.weight.dims();
        let dims = product_dims(layout, (inputs, outputs), self.bias.as_deref())?;
        let x = contiguous(self.name(), x, layout)?;
        let share = |panel| self.weight.share(panel, x, self.bias.as_deref());
        let panels = &self.weight.panels;
        let shares: Vec<_> = if in_pool() {
            panels.iter().map(share).collect::<Result<_>>()?
        } else {
            panels.par_iter().map(share).collect::<Result<_>>()?
        };
        let mut y = vec![0.0; x.len() / inputs * outputs];
        for (panel, share) in panels.iter().zip(shares) {
            let rows = share.chunks_exact(panel.rows.max(1));
            for (to, from) in y.chunks_exact_mut(outputs).zip(rows) {
                to[panel.first..panel.first + panel.rows].copy_from_slice(from);
            }
        }
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.reshape(((), self.weight.outputs))?;
        let mut sum = Tensor::zeros((grad.dim(0)?, self.weight.inputs), x.dtype(), x.device())?;
        for panel in &self.weight.panels {
            let columns = grad.narrow(1, panel.first, panel.rows)?.contiguous()?;
            sum = (sum + columns.matmul(&panel.blocks.dequantize(&Device::Cpu)?)?)?;
        }
        Ok(Some(sum.reshape(x.dims())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::super::{Linear, cases};
    use super::*;
    use crate::kernels::check_gradient;

    /// The cases' weights, stored as `dtype`.
    fn stored(op: &Linear, dtype: GgmlDType) -> Stored {
        let rows = op.weight.t().unwrap().contiguous().unwrap();
        let blocks = QTensor::quantize(&rows, dtype).unwrap();
        let weight = Rows::new(&blocks.data().unwrap(), dtype, rows.dims2().unwrap(), |i| i);
        Stored {
            weight: Arc::new(weight.unwrap()),
            bias: op.bias.clone(),
        }
    }

    fn off(a: &Tensor, b: &Tensor) -> f32 {
        let off = (a - b).unwrap().abs().unwrap().flatten_all().unwrap();
        off.max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn it_is_the_product_with_the_dequantised_matrix() {
        for case in cases::all() {
            let plain = case.x.apply_op1_no_bwd(&case.op).unwrap();
            let same = case
                .x
                .apply_op1_no_bwd(&stored(&case.op, GgmlDType::F32))
                .unwrap();
            assert_eq!(same.dims(), plain.dims());
            assert!(off(&same, &plain) < 1e-4);
            let inputs = case.op.weight.dim(0).unwrap();
            for dtype in [GgmlDType::F16, GgmlDType::Q8_0, GgmlDType::Q4_1] {
                if !inputs.is_multiple_of(dtype.block_size()) {
                    continue;
                }
                let op = stored(&case.op, dtype);
                let dense = Linear {
                    weight: op.weight.dense().unwrap().t().unwrap(),
                    bias: op.bias.clone(),
                };
                let want = case.x.apply_op1_no_bwd(&dense).unwrap();
                let got = case.x.apply_op1_no_bwd(&op).unwrap();
                assert!(off(&got, &want) < 1e-4, "{dtype:?}");
                assert!(off(&got, &plain) > 1e-5, "{dtype:?} is not stored coarsely");
            }
        }
    }

    #[test]
    fn one_thread_and_all_give_the_same_bytes() {
        let case = cases::all().pop().unwrap();
        let op = stored(&case.op, GgmlDType::F16);
        let product = || {
            let y = case.x.apply_op1_no_bwd(&op).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        assert_eq!(pool.unwrap().install(product), product());
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let case = cases::all().swap_remove(0);
        let op = stored(&case.op, GgmlDType::F32);
        let x = Var::from_tensor(&case.x).unwrap();
        check_gradient(&x, &|x| x.apply_op1(op.clone()));
    }

    #[test]
    fn rows_are_looked_up_reordered_and_stacked() {
        let case = cases::all().pop().unwrap(); // 130 outputs, 256 inputs
        let rows = case.op.weight.t().unwrap().contiguous().unwrap();
        let (outputs, inputs) = rows.dims2().unwrap();
        let blocks = QTensor::quantize(&rows, GgmlDType::F32).unwrap();
        let bytes = blocks.data().unwrap();
        let make = |order: &dyn Fn(usize) -> usize| {
            Rows::new(&bytes, GgmlDType::F32, (outputs, inputs), order).unwrap()
        };
        let ids = [0, 63, 64, 129, 3];
        let want = rows
            .index_select(&Tensor::new(&ids, &Device::Cpu).unwrap(), 0)
            .unwrap();
        assert_eq!(off(&make(&|i| i).rows(&ids).unwrap(), &want), 0.0);
        let turned = make(&|i| outputs - 1 - i).rows(&[0]).unwrap();
        assert_eq!(off(&turned, &rows.narrow(0, outputs - 1, 1).unwrap()), 0.0);
        let both = Rows::stacked(vec![make(&|i| i), make(&|i| i)]).unwrap();
        assert_eq!(both.dims(), (2 * outputs, inputs));
        assert_eq!(
            off(
                &both.rows(&[outputs as u32 + 64]).unwrap(),
                &rows.narrow(0, 64, 1).unwrap()
            ),
            0.0
        );
        assert!(both.rows(&[2 * outputs as u32]).is_err());
        assert_eq!(both.first_not_finite().unwrap(), None);
        assert!(Rows::new(&bytes[1..], GgmlDType::F32, (outputs, inputs), |i| i).is_err());
    }
}
