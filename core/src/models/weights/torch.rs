//! Weights as PyTorch saves them: `pytorch_model.bin`, or the shards that its index names. The pickle is read by a machine that calls nothing; the numbers stay
//! in the mapped file until they are asked for.

use std::ops::Range;
use std::path::Path;

use super::shards;
use crate::error::{Error, Result};
use crate::tensor_file::WEIGHTS;
use crate::tensor_file::array::{Number, Placed};
use crate::tensor_file::pickle::Checkpoint;

impl shards::Place for Placed {
    const SINGLE: &'static str = WEIGHTS[1][0];
    const INDEX: &'static str = WEIGHTS[1][1];
    const FORMAT: &'static str = "PyTorch";

    fn all(map: &[u8], path: &Path) -> Result<Vec<(String, Self)>> {
        let wrong = |what: String| {
            Error::input(
                format!("is no checkpoint of weights ({what}): copy or download it again"),
                path,
            )
        };
        let checkpoint = Checkpoint::read(map).map_err(wrong)?;
        let mut places = Vec::new();
        for (name, value) in checkpoint.entries(checkpoint.root()).map_err(wrong)? {
            let Some(array) = checkpoint.tensor(value) else {
                continue; // a setting beside the weights
            };
            let tensor = |what: String| wrong(format!("tensor `{name}` {what}"));
            let placed = array.map_err(tensor)?.in_file(map);
            let placed = placed.ok_or_else(|| tensor("is packed".to_owned()))?;
            places.push((name.to_owned(), placed));
        }
        Ok(places)
    }

    fn shape(&self) -> &[usize] {
        Self::shape(self)
    }

    fn kind(&self) -> &'static str {
        match self.number() {
            Number::F16 => "F16",
            Number::Bf16 => "BF16",
            Number::F32 => "F32",
            Number::F64 => "F64",
            _ => "other",
        }
    }

    fn entry_bytes(&self) -> usize {
        self.number().bytes()
    }

    fn bytes(&self) -> Range<usize> {
        Self::bytes(self)
    }

    fn floats(&self, map: &[u8], name: &str, path: &Path) -> Result<Vec<f32>> {
        let number = self.number();
        if !matches!(
            number,
            Number::F16 | Number::Bf16 | Number::F32 | Number::F64
        ) {
            return Err(Error::Unsupported {
                what: format!(
                    "the type {} of tensor `{name}` in {}",
                    number.name(),
                    path.display()
                ),
                remedy: "choose weights in float32, float16 or bfloat16".to_owned(),
            });
        }
        let values = self.array(map).and_then(|array| array.floats());
        values.ok_or_else(|| {
            let what = format!("tensor `{name}` lies scattered in its storage: save a copy of it");
            Error::input(what, path)
        })
    }
}
