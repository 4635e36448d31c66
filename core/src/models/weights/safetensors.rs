//! Weights as safetensors: one file, or the shards that an index names. Mapped, never read whole; each tensor is widened to f32 by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::safetensors::Dtype;
use candle_core::{Device, Tensor};
use memmap2::Mmap;

use super::index::Index;
use super::{Entry, Weights};
use crate::error::{Error, Result};
use crate::tensor_file::header::{self, Place};
use crate::tensor_file::{Float, map, widened};

/// The file of a model in one file.
pub(super) const SINGLE: &str = "model.safetensors";
/// The index of a model in several.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// One file.
struct Shard {
    map: Mmap,
    path: PathBuf,
}

/// One safetensors file, or the shards of an index.
pub(super) struct Safetensors {
    shards: Vec<Shard>,
    /// By name: the shard, and the place in it.
    places: BTreeMap<String, (usize, Place)>,
}

impl Safetensors {
    /// Opens `model.safetensors` of `folder`, or the shards that `model.safetensors.index.json` names; none if there is neither. Reads the headers alone.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>> {
        let single = folder.join(SINGLE);
        if single.exists() {
            return Self::of(&[single]).map(Some);
        }
        let Some(index) = Index::open(folder, INDEX)? else {
            return Ok(None);
        };
        let all = Self::of(&index.files)?;
        index.check(&all)?;
        Ok(Some(all))
    }

    fn of(files: &[PathBuf]) -> Result<Self> {
        let mut all = Self {
            shards: Vec::new(),
            places: BTreeMap::new(),
        };
        for path in files {
            all.add(path)?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result<()> {
        let map = map(path, "safetensors")?;
        let header = header::read(&map).map_err(|what| {
            Error::input(
                format!("is no complete safetensors file ({what}): copy or download it again"),
                path,
            )
        })?;
        let number = self.shards.len();
        for (name, place) in header.places {
            if let Some((other, _)) = self.places.get(&name) {
                let other = self.shards[*other].path.display();
                return Err(Error::input(
                    format!(
                        "tensor `{name}` is in {other} too, one of the two is of another model"
                    ),
                    path,
                ));
            }
            self.places.insert(name, (number, place));
        }
        self.shards.push(Shard {
            map,
            path: path.to_path_buf(),
        });
        Ok(())
    }
}

impl Weights for Safetensors {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.places.get(name)?.1.shape.clone())
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let (shard, place) = self
            .places
            .get(name)
            .ok_or_else(|| Error::missing(name, self.file_of(name), crate::models::LACKED))?;
        let float = match place.dtype {
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::Bf16,
            Dtype::F32 => Float::F32,
            Dtype::F64 => Float::F64,
            other => {
                return Err(Error::Unsupported {
                    what: format!(
                        "the type {other:?} of tensor `{name}` in {}",
                        self.shards[*shard].path.display()
                    ),
                    remedy: "choose weights in F32, F16 or BF16".to_owned(),
                });
            }
        };
        let values = widened(&self.shards[*shard].map[place.begin..place.end], float);
        Ok(Tensor::from_vec(
            values,
            place.shape.as_slice(),
            &Device::Cpu,
        )?)
    }

    fn file_of(&self, name: &str) -> &Path {
        let shard = self.places.get(name).map_or(0, |(shard, _)| *shard);
        &self.shards[shard].path
    }

    fn files(&self) -> Vec<PathBuf> {
        self.shards.iter().map(|shard| shard.path.clone()).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |(name, (_, place)): (&String, &(usize, Place))| Entry {
            name: name.clone(),
            kind: kind(place.dtype),
            elements: place.elements as u64,
            bytes: (place.end - place.begin) as u64,
            matrix: place.shape.len() >= 2,
        };
        self.places.iter().map(entry).collect()
    }

    fn stored(&self, name: &str) -> Result<(Vec<usize>, Cow<'_, [u8]>)> {
        let (shard, place) = self
            .places
            .get(name)
            .ok_or_else(|| Error::missing(name, self.file_of(name), crate::models::LACKED))?;
        let bytes = &self.shards[*shard].map[place.begin..place.end];
        Ok((place.shape.clone(), Cow::Borrowed(bytes)))
    }

    fn file_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.map.len() as u64).sum()
    }
}

/// The type as the format names it.
fn kind(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F16 => "F16",
        Dtype::BF16 => "BF16",
        Dtype::F32 => "F32",
        Dtype::F64 => "F64",
        _ => "other",
    }
}
