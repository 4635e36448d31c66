//! Weights as safetensors: one file, or the shards that an index names. Mapped, never read whole; each tensor is widened to f32 by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::safetensors::Dtype;
use candle_core::{Device, Tensor};
use memmap2::Mmap;
use serde_json::Value;

use super::{Entry, Weights};
use crate::error::{Error, Result};
use crate::tensor_file::header::{self, Place};
use crate::tensor_file::{Float, is_plain_name, map, widened};

/// Longest shard index read into memory; the largest models' have some megabytes.
const LONGEST_INDEX: u64 = 64 << 20;

/// One file.
struct Shard {
    map: Mmap,
    path: PathBuf,
}

/// One safetensors file, or the shards of an index.
pub(in crate::models) struct Safetensors {
    shards: Vec<Shard>,
    /// By name: the shard, and the place in it.
    places: BTreeMap<String, (usize, Place)>,
}

impl Safetensors {
    /// Opens `model.safetensors` of `folder`, or the shards that `model.safetensors.index.json` names; reads the headers alone.
    pub(in crate::models) fn open(folder: &Path) -> Result<Self> {
        let single = folder.join("model.safetensors");
        if single.exists() {
            return Self::of(&[single]);
        }
        let index = Index::open(folder)?;
        let all = Self::of(&index.files)?;
        index.check(&all)?;
        Ok(all)
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

    /// The files, in order.
    pub(in crate::models) fn files(&self) -> Vec<PathBuf> {
        self.shards.iter().map(|shard| shard.path.clone()).collect()
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
            .ok_or_else(|| Error::input(format!("has no tensor `{name}`"), self.file_of(name)))?;
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
            .ok_or_else(|| Error::input(format!("has no tensor `{name}`"), self.file_of(name)))?;
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

/// `model.safetensors.index.json`.
struct Index {
    path: PathBuf,
    /// Each shard once, in order of names.
    files: Vec<PathBuf>,
    /// Tensor names to shards.
    map: BTreeMap<String, PathBuf>,
}

impl Index {
    fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("model.safetensors.index.json");
        let Ok(metadata) = std::fs::metadata(&path) else {
            return Err(Error::input(
                "has neither model.safetensors nor model.safetensors.index.json: give a folder with the weights as safetensors, or a .gguf file",
                folder,
            ));
        };
        if metadata.len() > LONGEST_INDEX {
            let what = format!("is {} bytes long, no shard index is", metadata.len());
            return Err(Error::input(what, &path));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Error::io("reading the shard index", &path, e))?;
        let index: Value = serde_json::from_str(&text)
            .map_err(|e| Error::input(format!("is not valid JSON ({e})"), &path))?;
        let listed = index
            .get("weight_map")
            .and_then(Value::as_object)
            .filter(|listed| !listed.is_empty())
            .ok_or_else(|| Error::input("has no weight_map that names shards", &path))?;
        let mut map = BTreeMap::new();
        for (tensor, shard) in listed {
            let shard = shard.as_str().unwrap_or_default();
            if !is_plain_name(shard) {
                return Err(Error::input(
                    format!("names the shard `{shard}`, which is not beside it"),
                    &path,
                ));
            }
            map.insert(tensor.clone(), folder.join(shard));
        }
        let mut files: Vec<_> = map.values().cloned().collect();
        files.sort_unstable();
        files.dedup();
        Ok(Self { path, files, map })
    }

    /// Whether each tensor is in the shard that the index names.
    fn check(&self, all: &Safetensors) -> Result<()> {
        for (tensor, shard) in &self.map {
            let found = all.places.contains_key(tensor) && all.file_of(tensor) == shard;
            if !found {
                return Err(Error::input(
                    format!(
                        "says that tensor `{tensor}` is in {}, which lacks it",
                        shard.display()
                    ),
                    &self.path,
                ));
            }
        }
        Ok(())
    }
}
