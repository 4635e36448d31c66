//! Weights as safetensors: `model.safetensors`, or the shards that its index names.

use std::ops::Range;
use std::path::Path;

use ::safetensors::Dtype;

use super::shards;
use crate::error::{Error, Result};
use crate::tensor_file::header::{self, Place};
use crate::tensor_file::{Float, WEIGHTS, widened};

/// Returns the type if a model takes its numbers; none for others.
fn float(dtype: Dtype) -> Option<Float> {
    match dtype {
        Dtype::F16 => Some(Float::F16),
        Dtype::BF16 => Some(Float::Bf16),
        Dtype::F32 => Some(Float::F32),
        Dtype::F64 => Some(Float::F64),
        _ => None,
    }
}

impl shards::Place for Place {
    const SINGLE: &'static str = WEIGHTS[0][0];
    const INDEX: &'static str = WEIGHTS[0][1];
    const FORMAT: &'static str = "safetensors";

    fn all(map: &[u8], path: &Path) -> Result<Vec<(String, Self)>> {
        let header = header::read(map).map_err(|what| {
            Error::input(
                format!("is not a complete safetensors file ({what}): copy or download it again"),
                path,
            )
        })?;
        Ok(header.places.into_iter().collect())
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn kind(&self) -> &'static str {
        match self.dtype {
            Dtype::F16 => "F16",
            Dtype::BF16 => "BF16",
            Dtype::F32 => "F32",
            Dtype::F64 => "F64",
            _ => "other",
        }
    }

    fn entry_bytes(&self) -> usize {
        (self.end - self.begin) / self.elements.max(1)
    }

    fn bytes(&self) -> Range<usize> {
        self.begin..self.end
    }

    fn floats(&self, map: &[u8], name: &str, path: &Path) -> Result<Vec<f32>> {
        let float = float(self.dtype).ok_or_else(|| Error::Unsupported {
            what: format!(
                "the type {:?} of tensor `{name}` in {}",
                self.dtype,
                path.display()
            ),
            remedy: "choose weights in F32, F16 or BF16".to_owned(),
        })?;
        Ok(widened(&map[self.begin..self.end], float))
    }
}
