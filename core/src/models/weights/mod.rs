//! Named weight tensors of a model: the interface of a source, and fetching with shape and values checked, file and tensor named in every
//! error. Knows no family.

mod index;
mod safetensors;
mod shards;
mod torch;
mod values;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use self::shards::Shards;
pub(super) use self::values::first_not_finite;
use crate::error::{Error, Result};
use crate::kernels::linear::Rows;
use crate::tensor_file::array::Placed;
use crate::tensor_file::{WEIGHTS, header};

/// Header entry of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Name in the file.
    pub(super) name: String,
    /// Type, as the format names it: `F16`, `Q4_K`.
    pub(super) kind: &'static str,
    /// Number of entries.
    pub(super) elements: u64,
    /// Number of bytes in the file.
    pub(super) bytes: u64,
    /// Whether it is a matrix that products or lookups read, which may stay as stored.
    pub(super) matrix: bool,
}

/// Source in which a family finds its tensors, under HuggingFace names.
pub(super) trait Weights {
    /// Returns the shape of `name`, or none if the file lacks it.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;
    /// Reads the tensor `name` as f32, its values unchecked.
    fn read(&self, name: &str) -> Result<Tensor>;
    /// Reads the matrix `name`, `[out, in]`, as the file stores it; none if it is to be f32.
    fn kept(&self, _name: &str) -> Result<Option<Rows>> {
        Ok(None)
    }
    /// Returns the file that holds `name` (any of them if none does), named in errors.
    fn file_of(&self, name: &str) -> &Path;
    /// Returns the files, in order.
    fn files(&self) -> Vec<PathBuf>;
    /// Returns every tensor in the headers, in order of names.
    fn entries(&self) -> Vec<Entry>;
    /// Returns shape and bytes of an entry, by its name there, as they lie in the file.
    fn stored(&self, name: &str) -> Result<(Vec<usize>, Cow<'_, [u8]>)>;
    /// Number of bytes of the files.
    fn file_bytes(&self) -> u64;
}

/// Opens the weights of a model folder: as safetensors, else as PyTorch saves them; in one file or in the shards of an index.
pub(super) fn of_folder(folder: &Path) -> Result<Box<dyn Weights>> {
    if let Some(files) = Shards::<header::Place>::open(folder)? {
        return Ok(Box::new(files));
    }
    if let Some(files) = Shards::<Placed>::open(folder)? {
        return Ok(Box::new(files));
    }
    let names: Vec<&str> = WEIGHTS.iter().flatten().copied().collect();
    let what = format!(
        "has none of {}: give a folder with the weights, or a .gguf file",
        names.join(", ")
    );
    Err(Error::input(what, folder))
}

/// Whether `name` is no parameter: masks and frequencies that older files carry along, and the parts of a multimodal file that read no text.
pub(super) fn is_buffer(name: &str) -> bool {
    const ENDS: [&str; 8] = [
        ".attn.bias",
        ".attn.masked_bias",
        ".attention.bias",
        ".attention.masked_bias",
        "rotary_emb.inv_freq",
        "rope_freqs.weight",
        "rope_factors_long.weight",
        "rope_factors_short.weight",
    ];
    const PARTS: [&str; 2] = ["vision_tower.", "multi_modal_projector."];
    ENDS.iter().any(|end| name.ends_with(end)) || PARTS.iter().any(|part| name.contains(part))
}

/// Fetches tensors by name and counts what it fetched.
pub(super) struct Fetch<'a> {
    weights: &'a dyn Weights,
    parameters: Cell<usize>,
    hollow: bool,
}

impl<'a> Fetch<'a> {
    /// Fetches from `weights`.
    pub(super) fn new(weights: &'a dyn Weights) -> Self {
        Self {
            weights,
            parameters: Cell::new(0),
            hollow: false,
        }
    }

    /// Reads buffers alone: gives zeros that take no memory in place of other values, so that a model may be described and its tensors checked by name and shape.
    pub(super) fn hollow(weights: &'a dyn Weights) -> Self {
        Self {
            hollow: true,
            ..Self::new(weights)
        }
    }

    /// Whether there is a tensor `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.weights.shape(name).is_some()
    }

    /// Fetches the tensor `name` as f32; an error if it is missing, has another shape, or holds NaN or an infinity.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let wrong = |what: String| Error::input(what, self.weights.file_of(name));
        let found = self.weights.shape(name).ok_or_else(|| {
            let remedy = "config.json asks for it, the file is incomplete or of another model";
            Error::missing(name, self.weights.file_of(name), remedy)
        })?;
        if found != shape {
            return Err(wrong(format!(
                "tensor `{name}` has shape {found:?}, config.json asks for {shape:?}"
            )));
        }
        let tensor = if self.hollow && !is_buffer(name) {
            Tensor::zeros(1, DType::F32, &Device::Cpu)?.broadcast_as(shape)?
        } else {
            self.weights.read(name)?
        };
        if !self.hollow
            && let Some((at, value)) = first_not_finite(&tensor)?
        {
            return Err(wrong(not_finite(name, at, value)));
        }
        if !is_buffer(name) {
            self.parameters
                .set(self.parameters.get() + tensor.elem_count());
        }
        Ok(tensor)
    }

    /// Fetches the matrix `name`, `[out, in]`, as the file stores it, checked as by [`Self::get`]; none if it is to be f32.
    pub(super) fn kept(&self, name: &str, dims: (usize, usize)) -> Result<Option<Rows>> {
        let (outputs, inputs) = dims;
        let there = self.weights.shape(name);
        if self.hollow && there.is_some_and(|it| it == [outputs, inputs] || it == [inputs, outputs])
        {
            self.parameters
                .set(self.parameters.get() + outputs * inputs);
            return Ok(Some(Rows::hollow(dims)));
        }
        let Some(rows) = self.weights.kept(name)? else {
            return Ok(None);
        };
        let wrong = |what: String| Error::input(what, self.weights.file_of(name));
        if rows.dims() != dims {
            return Err(wrong(format!(
                "tensor `{name}` has shape {:?}, its settings ask for {dims:?}",
                rows.dims()
            )));
        }
        if let Some((at, value)) = rows.first_not_finite()? {
            return Err(wrong(not_finite(name, at, value)));
        }
        self.parameters
            .set(self.parameters.get() + outputs * inputs);
        Ok(Some(rows))
    }

    /// Number of weights fetched so far.
    pub(super) fn parameters(&self) -> usize {
        self.parameters.get()
    }
}

fn not_finite(name: &str, at: usize, value: f32) -> String {
    format!("tensor `{name}` holds {value} at entry {at}: copy or download the file again")
}
