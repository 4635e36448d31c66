//! The index of weights in several files: which tensor is in which of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Weights;
use crate::error::{Error, Result};
use crate::tensor_file::is_plain_name;

/// Most bytes of an index; those of the largest models have some megabytes.
const LONGEST: u64 = 64 << 20;

/// `model.safetensors.index.json`, or `pytorch_model.bin.index.json`.
pub(super) struct Index {
    path: PathBuf,
    /// Each shard once, in order of names.
    pub(super) files: Vec<PathBuf>,
    /// Tensor names to shards.
    map: BTreeMap<String, PathBuf>,
}

impl Index {
    /// Reads the index of that name in `folder`, if there is one.
    pub(super) fn open(folder: &Path, name: &str) -> Result<Option<Self>> {
        let path = folder.join(name);
        let Ok(metadata) = std::fs::metadata(&path) else {
            return Ok(None);
        };
        if metadata.len() > LONGEST {
            let what = format!(
                "is {} bytes long, too long for a shard index",
                metadata.len()
            );
            return Err(Error::input(what, &path));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Error::io("cannot read the shard index", &path, e))?;
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
        Ok(Some(Self { path, files, map }))
    }

    /// Whether each tensor is in the shard that the index names.
    pub(super) fn check(&self, all: &impl Weights) -> Result<()> {
        for (tensor, shard) in &self.map {
            let found = all.shape(tensor).is_some() && all.file_of(tensor) == shard;
            if !found {
                let remedy = format!(
                    "{} says that it is there, download or save the model again",
                    self.path.display()
                );
                return Err(Error::missing(tensor, shard, remedy));
            }
        }
        Ok(())
    }
}
