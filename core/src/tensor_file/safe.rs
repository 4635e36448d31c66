//! Writes safetensors files from tables of f32.

use safetensors::tensor::{Dtype, TensorView};

use super::Float;
use crate::error::{Error, Result};

/// One tensor to write.
#[derive(Debug, Clone)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: &'a [f32],
}

impl<'a> Tensor<'a> {
    pub(crate) fn new(name: &'a str, shape: &[usize], values: &'a [f32]) -> Self {
        Self {
            name,
            shape: shape.to_vec(),
            values,
        }
    }
}

/// Returns the whole file with numbers stored as `float`; the error names a tensor with a number that `float` cannot hold.
pub(crate) fn bytes(tensors: &[Tensor<'_>], float: Float) -> Result<Vec<u8>> {
    let dtype = match float {
        Float::F16 => Dtype::F16,
        Float::Bf16 => Dtype::BF16,
        Float::F32 => Dtype::F32,
        Float::F64 => Dtype::F64,
    };
    let mut stored = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let narrowed = super::narrowed(tensor.values, float).map_err(|value| {
            let name = tensor.name;
            let what = if value.is_finite() {
                format!("`{name}` holds {value}, too large for f16, save as f32")
            } else {
                format!("`{name}` holds {value}, lower the learning rate and train again")
            };
            Error::Numeric { what }
        })?;
        stored.push(narrowed);
    }
    let broken = |cause| Error::Numeric {
        what: format!("the tensors cannot be stored ({cause})"),
    };
    let mut views = Vec::with_capacity(tensors.len());
    for (tensor, data) in tensors.iter().zip(&stored) {
        let view = TensorView::new(dtype, tensor.shape.clone(), data).map_err(broken)?;
        views.push((tensor.name, view));
    }
    safetensors::serialize(views, None).map_err(broken)
}
