//! Weights in one file or in the shards that an index names, whatever their format. Files are mapped, never read whole; a tensor becomes f32 by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use memmap2::Mmap;

use super::index::Index;
use super::{Entry, Weights};
use crate::error::{Error, Result};
use crate::tensor_file::map;

/// File format: finds a tensor in a file and reads its numbers.
pub(super) trait Place: Sized {
    /// Name of the file of a model in one file.
    const SINGLE: &'static str;
    /// Name of the index of a model in several files.
    const INDEX: &'static str;
    /// Name of the format, for errors.
    const FORMAT: &'static str;

    /// Name and place of every tensor in a file, out of its header.
    fn all(map: &[u8], path: &Path) -> Result<Vec<(String, Self)>>;
    /// Shape of the tensor.
    fn shape(&self) -> &[usize];
    /// Type, as shown for files.
    fn kind(&self) -> &'static str;
    /// Number of bytes of one entry.
    fn entry_bytes(&self) -> usize;
    /// Range of its bytes in the file.
    fn bytes(&self) -> Range<usize>;
    /// Reads its entries as f32; `name` and `path` are for errors.
    fn floats(&self, map: &[u8], name: &str, path: &Path) -> Result<Vec<f32>>;
}

/// One file.
struct Shard {
    map: Mmap,
    path: PathBuf,
}

/// One file, or the shards of an index.
pub(super) struct Shards<P> {
    shards: Vec<Shard>,
    /// Shard and place in it, by name.
    places: BTreeMap<String, (usize, P)>,
}

impl<P: Place> Shards<P> {
    /// Opens the single file of `folder`, or the shards that its index names; none if there is neither. Reads the headers alone.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>> {
        let single = folder.join(P::SINGLE);
        if single.exists() {
            return Self::from_files(&[single]).map(Some);
        }
        let Some(index) = Index::open(folder, P::INDEX)? else {
            return Ok(None);
        };
        let all = Self::from_files(&index.files)?;
        index.check(&all)?;
        Ok(Some(all))
    }

    fn from_files(files: &[PathBuf]) -> Result<Self> {
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
        let map = map(path, P::FORMAT)?;
        let number = self.shards.len();
        for (name, place) in P::all(&map, path)? {
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

    /// Finds the shard and the place of `name`.
    fn find(&self, name: &str) -> Result<(&Shard, &P)> {
        let found = self.places.get(name);
        let (shard, place) =
            found.ok_or_else(|| Error::missing(name, self.file_of(name), crate::models::LACKED))?;
        Ok((&self.shards[*shard], place))
    }
}

impl<P: Place> Weights for Shards<P> {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.places.get(name)?.1.shape().to_vec())
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let (shard, place) = self.find(name)?;
        let values = place.floats(&shard.map, name, &shard.path)?;
        Ok(Tensor::from_vec(values, place.shape(), &Device::Cpu)?)
    }

    fn file_of(&self, name: &str) -> &Path {
        let shard = self.places.get(name).map_or(0, |(shard, _)| *shard);
        &self.shards[shard].path
    }

    fn files(&self) -> Vec<PathBuf> {
        self.shards.iter().map(|shard| shard.path.clone()).collect()
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |(name, (_, place)): (&String, &(usize, P))| {
            let elements: u64 = place.shape().iter().map(|n| *n as u64).product();
            Entry {
                name: name.clone(),
                kind: place.kind(),
                elements,
                bytes: elements * place.entry_bytes() as u64,
                matrix: place.shape().len() >= 2,
            }
        };
        self.places.iter().map(entry).collect()
    }

    fn stored(&self, name: &str) -> Result<(Vec<usize>, Cow<'_, [u8]>)> {
        let (shard, place) = self.find(name)?;
        let bytes = shard.map.get(place.bytes()).unwrap_or_default();
        Ok((place.shape().to_vec(), Cow::Borrowed(bytes)))
    }

    fn file_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.map.len() as u64).sum()
    }
}
