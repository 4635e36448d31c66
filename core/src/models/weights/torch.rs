//! Weights as PyTorch saves them: `pytorch_model.bin`, or the shards that its index names. The pickle is read by a machine that calls nothing; the numbers stay
//! in the mapped file until they are asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use memmap2::Mmap;

use super::index::Index;
use super::{Entry, Weights};
use crate::error::{Error, Result};
use crate::tensor_file::array::{Number, Placed};
use crate::tensor_file::map;
use crate::tensor_file::pickle::Checkpoint;

/// The file of a model in one file.
pub(super) const SINGLE: &str = "pytorch_model.bin";
/// The index of a model in several.
pub(super) const INDEX: &str = "pytorch_model.bin.index.json";

/// One file.
struct Shard {
    map: Mmap,
    path: PathBuf,
}

/// One checkpoint, or the shards of an index.
pub(super) struct Torch {
    shards: Vec<Shard>,
    /// By name: the shard, and the place in it.
    places: BTreeMap<String, (usize, Placed)>,
}

impl Torch {
    /// Opens `pytorch_model.bin` of `folder`, or the shards that its index names; none if there is neither.
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
        let map = map(path, "PyTorch")?;
        let wrong = |what: String| {
            Error::input(
                format!("is no checkpoint of weights ({what}): copy or download it again"),
                path,
            )
        };
        let number = self.shards.len();
        let checkpoint = Checkpoint::read(&map).map_err(wrong)?;
        for (name, value) in checkpoint.entries(checkpoint.root()).map_err(wrong)? {
            let Some(array) = checkpoint.tensor(value) else {
                continue; // a setting beside the weights
            };
            let tensor = |what: String| wrong(format!("tensor `{name}` {what}"));
            let placed = array.map_err(tensor)?.in_file(&map);
            let placed = placed.ok_or_else(|| tensor("is packed".to_owned()))?;
            if let Some((other, _)) = self.places.get(name) {
                let other = self.shards[*other].path.display();
                return Err(Error::input(
                    format!(
                        "tensor `{name}` is in {other} too, one of the two is of another model"
                    ),
                    path,
                ));
            }
            self.places.insert(name.to_owned(), (number, placed));
        }
        self.shards.push(Shard {
            map,
            path: path.to_path_buf(),
        });
        Ok(())
    }
}

impl Weights for Torch {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.places.get(name)?.1.shape().to_vec())
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let (shard, placed) = self
            .places
            .get(name)
            .ok_or_else(|| Error::missing(name, self.file_of(name), crate::models::LACKED))?;
        let Shard { map, path } = &self.shards[*shard];
        let number = placed.number();
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
        let values = placed.array(map).and_then(|array| array.floats());
        let values = values.ok_or_else(|| {
            let what = format!("tensor `{name}` lies scattered in its storage: save a copy of it");
            Error::input(what, path)
        })?;
        Ok(Tensor::from_vec(values, placed.shape(), &Device::Cpu)?)
    }

    fn file_of(&self, name: &str) -> &Path {
        let shard = self.places.get(name).map_or(0, |(shard, _)| *shard);
        &self.shards[shard].path
    }

    fn files(&self) -> Vec<PathBuf> {
        self.shards.iter().map(|shard| shard.path.clone()).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |(name, (_, placed)): (&String, &(usize, Placed))| {
            let elements: u64 = placed.shape().iter().map(|n| *n as u64).product();
            Entry {
                name: name.clone(),
                kind: kind(placed.number()),
                elements,
                bytes: elements * placed.number().bytes() as u64,
                matrix: placed.shape().len() >= 2,
            }
        };
        self.places.iter().map(entry).collect()
    }

    fn stored(&self, name: &str) -> Result<(Vec<usize>, Cow<'_, [u8]>)> {
        let (shard, placed) = self
            .places
            .get(name)
            .ok_or_else(|| Error::missing(name, self.file_of(name), crate::models::LACKED))?;
        let bytes = self.shards[*shard].map.get(placed.bytes());
        Ok((
            placed.shape().to_vec(),
            Cow::Borrowed(bytes.unwrap_or_default()),
        ))
    }

    fn file_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.map.len() as u64).sum()
    }
}

/// The type as shown for other files.
fn kind(number: Number) -> &'static str {
    match number {
        Number::F16 => "F16",
        Number::Bf16 => "BF16",
        Number::F32 => "F32",
        Number::F64 => "F64",
        _ => "other",
    }
}
