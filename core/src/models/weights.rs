//! Named weight tensors out of safetensors files, widened to f32, with the file and tensor named in every error.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use rayon::prelude::*;
use serde_json::Value;

use crate::error::{Error, Result};

/// Where a family finds its tensors, under HuggingFace names.
pub(super) trait Weights {
    /// The shape of `name`, or none if the file lacks it.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;
    /// The tensor `name` as stored.
    fn read(&self, name: &str) -> Result<Tensor>;
    /// Named in errors.
    fn path(&self) -> &Path;
}

/// Fetches tensors by name and counts what it fetched.
pub(super) struct Fetch<'a> {
    weights: &'a dyn Weights,
    parameters: Cell<usize>,
}

impl<'a> Fetch<'a> {
    /// From `weights`.
    pub(super) fn new(weights: &'a dyn Weights) -> Self {
        Self {
            weights,
            parameters: Cell::new(0),
        }
    }

    /// Whether there is a tensor `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.weights.shape(name).is_some()
    }

    /// The tensor `name` as f32; an error if it is missing or has another shape.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let found = self.weights.shape(name).ok_or_else(|| {
            Error::input(
                format!("has no tensor `{name}`, which its config.json asks for: the file is incomplete or of another model"),
                self.weights.path(),
            )
        })?;
        if found != shape {
            return Err(Error::input(
                format!("tensor `{name}` has shape {found:?}, config.json asks for {shape:?}"),
                self.weights.path(),
            ));
        }
        let tensor = self.weights.read(name)?.to_dtype(DType::F32)?;
        if let Some(entry) = first_broken(&tensor) {
            return Err(Error::input(
                format!(
                    "tensor `{name}` holds no finite number at entry {entry}: copy or download the file again"
                ),
                self.weights.path(),
            ));
        }
        self.parameters
            .set(self.parameters.get() + tensor.elem_count());
        Ok(tensor)
    }

    /// Numbers fetched so far.
    pub(super) fn parameters(&self) -> usize {
        self.parameters.get()
    }
}

/// The first entry of a contiguous f32 tensor that is NaN or infinite.
fn first_broken(tensor: &Tensor) -> Option<usize> {
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(CpuStorage::F32(values)), Some((from, to))) =
        (&*storage, layout.contiguous_offsets())
    else {
        return None;
    };
    let values = &values[from..to];
    values.par_iter().position_first(|value| !value.is_finite())
}

/// One safetensors file, or the shards of an index.
pub(super) struct Safetensors {
    map: MmapedSafetensors,
    files: Vec<PathBuf>,
}

impl Safetensors {
    /// Opens `model.safetensors` of `folder`, or the shards that `model.safetensors.index.json` names.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let single = folder.join("model.safetensors");
        let files = if single.exists() {
            vec![single]
        } else {
            shards(folder)?
        };
        for file in &files {
            check(file)?;
        }
        #[expect(
            unsafe_code,
            reason = "mapping a file is unsafe because others may change it while it is read"
        )]
        // SAFETY: the mapping is read once while the model loads and dropped; headers were checked against the files' lengths just before.
        let map = unsafe { MmapedSafetensors::multi(&files) }?;
        Ok(Self { map, files })
    }

    /// The files, in order.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl Weights for Safetensors {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.map.get(name).ok()?.shape().to_vec())
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        self.map
            .load(name, &Device::Cpu)
            .map_err(|e| Error::input(format!("tensor `{name}` cannot be read ({e})"), self.path()))
    }

    fn path(&self) -> &Path {
        &self.files[0]
    }
}

/// The shard files an index names, each once, in order of their names.
fn shards(folder: &Path) -> Result<Vec<PathBuf>> {
    let path = folder.join("model.safetensors.index.json");
    if !path.exists() {
        return Err(Error::input(
            "has neither model.safetensors nor model.safetensors.index.json: give a folder with the weights as safetensors, or a .gguf file",
            folder,
        ));
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|e| Error::io("reading the shard index", &path, e))?;
    let index: Value = serde_json::from_str(&text)
        .map_err(|e| Error::input(format!("is not valid JSON ({e})"), &path))?;
    let mut names: Vec<&str> = index
        .get("weight_map")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.values().filter_map(Value::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(Error::input("has no weight_map that names shards", &path));
    }
    let outside = |name: &&&str| Path::new(name).components().count() != 1;
    if let Some(name) = names.iter().find(outside) {
        return Err(Error::input(
            format!("names the shard `{name}`, which is not beside it"),
            &path,
        ));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Whether the header of a safetensors file agrees with its length.
fn check(path: &Path) -> Result<()> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("opening the weights", path, e))?;
    #[expect(
        unsafe_code,
        reason = "mapping a file is unsafe because others may change it while it is read"
    )]
    // SAFETY: only the header is read, and the mapping ends with this function.
    let map = unsafe { memmap2::Mmap::map(&file) }
        .map_err(|e| Error::io("reading the weights", path, e))?;
    safetensors::SafeTensors::deserialize(&map)
        .map(|_| ())
        .map_err(|e| {
            Error::input(
                format!("is no complete safetensors file ({e}): copy or download it again"),
                path,
            )
        })
}
