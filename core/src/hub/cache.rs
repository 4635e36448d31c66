//! Cache that all programs of the hub share: `models--owner--name` with `refs`, `snapshots` and `blobs`.

use std::path::{Component, Path, PathBuf};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use serde_json::Value;

use super::name::{Kind, Name, is_part};
use crate::error::{Error, Result};
use crate::tensor_file::WEIGHTS;
use crate::text::TextCodec;

/// Place of one model in the cache.
pub(super) struct Shelf {
    repo: CacheRepo,
    folder: PathBuf,
    revision: String,
}

impl Shelf {
    pub(super) fn new(cache: &Path, name: &Name) -> Self {
        let kind = match name.kind {
            Kind::Model | Kind::Dictionary => RepoType::Model,
            Kind::Dataset => RepoType::Dataset,
        };
        let repo = Repo::with_revision(name.repo.clone(), kind, name.revision.clone());
        Self {
            folder: cache.join(repo.folder_name()),
            repo: Cache::new(cache.to_path_buf()).repo(repo),
            revision: name.revision.clone(),
        }
    }

    /// Returns the folder of the requested revision, if it was ever fetched.
    pub(super) fn snapshot(&self) -> Option<PathBuf> {
        let commit = std::fs::read_to_string(self.folder.join("refs").join(&self.revision));
        let commit = commit.unwrap_or_else(|_| self.revision.clone());
        let commit = commit.trim();
        let folder = is_part(commit).then(|| self.repo.pointer_path(commit))?;
        folder.is_dir().then_some(folder)
    }

    /// Returns the folder of `commit`.
    pub(super) fn snapshot_of(&self, commit: &str) -> PathBuf {
        self.repo.pointer_path(commit)
    }

    /// Records that the requested revision is `commit`.
    pub(super) fn remember(&self, commit: &str) -> Result<()> {
        if self.revision == commit {
            return Ok(());
        }
        let path = self.folder.join("refs").join(&self.revision);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|e| Error::io("cannot write to the hub's cache", parent, e))?;
        }
        self.repo
            .create_ref(commit)
            .map_err(|e| Error::io("cannot write to the hub's cache", path, e))
    }

    /// Returns the path of a file's bytes.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Adds `blob` to the snapshot of `commit` as `file`.
    pub(super) fn place(&self, blob: &Path, commit: &str, file: &str) -> Result<()> {
        let pointer = self.snapshot_of(commit).join(file);
        let failed = |e| Error::io("cannot write to the hub's cache", &pointer, e);
        if let Some(parent) = pointer.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        if pointer.exists() {
            return Ok(());
        }
        if pointer.symlink_metadata().is_ok() {
            std::fs::remove_file(&pointer).map_err(failed)?; // leads nowhere
        }
        link(blob, &pointer, file.split('/').count() - 1).map_err(failed)
    }
}

/// Links the snapshot to the blob, so that revisions share bytes; copies where links are not allowed.
fn link(blob: &Path, pointer: &Path, depth: usize) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let up = "../".repeat(depth + 2);
        let name = blob.file_name().unwrap_or_default();
        let target = Path::new(&up).join("blobs").join(name);
        std::os::unix::fs::symlink(target, pointer)
    }
    #[cfg(not(unix))]
    {
        let _depth = depth;
        std::fs::copy(blob, pointer).map(|_bytes| ())
    }
}

/// Returns the first file that `folder` lacks, tokenizer included; none if it is complete.
pub(super) fn missing(folder: &Path, name: &Name) -> Option<String> {
    let lacks = |file: &str| (!folder.join(file).exists()).then(|| file.to_owned());
    if let Some(file) = &name.file {
        return lacks(file);
    }
    lacks("config.json")
        .or_else(|| missing_weights(folder))
        .or_else(|| match TextCodec::files(folder) {
            Some(_) => None,
            None => lacks("tokenizer.json"),
        })
}

/// Adds the one GGUF file of `folder` to the name, where the folder holds nothing else.
pub(super) fn with_only_gguf(name: &Name, folder: &Path) -> Name {
    let mut name = name.clone();
    if name.file.is_none() && !folder.join("config.json").exists() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files = entries.filter_map(|entry| entry.file_name().into_string().ok());
        if let (Some(file), None) = (files.next(), files.next())
            && file.to_ascii_lowercase().ends_with(".gguf")
        {
            name.file = Some(file);
        }
    }
    name
}

/// Returns the model that a path inside the cache belongs to, by its name on the hub.
pub fn name_in(path: &Path) -> Option<String> {
    place_in(path).map(|(repo, _)| repo)
}

/// Returns the repository of models that a path inside the cache belongs to, and the path within it.
pub(crate) fn place_in(path: &Path) -> Option<(String, String)> {
    let mut parts = path.components().map(Component::as_os_str);
    let model = parts.find_map(|part| part.to_str()?.strip_prefix("models--"))?;
    if parts.next().is_none_or(|part| part != "snapshots") {
        return None;
    }
    let _commit = parts.next();
    let inside: Option<Vec<&str>> = parts.map(|part| part.to_str()).collect();
    Some((model.replacen("--", "/", 1), inside?.join("/")))
}

/// Returns the page on the hub of the model or dictionary that a path inside the cache belongs to.
pub fn page_of(path: &Path) -> Option<String> {
    let (repo, _) = place_in(path)?;
    let is_name = repo.split('/').count() <= 2 && repo.split('/').all(is_part);
    is_name.then(|| format!("{}/{repo}", super::ENDPOINT))
}

/// Lists the Parquet files in `folder` and its folders, in order of names.
pub(super) fn parquet_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(parquet_in(&path));
        } else if path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("parquet"))
        {
            files.push(path);
        }
    }
    files.sort_unstable();
    files
}

/// Lists all files in `folder` and its folders by their relative paths, in order; does not follow links to folders, which may form a circle.
pub(crate) fn files_in(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((folder, before)) = open.pop() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let (path, name) = (entry.path(), format!("{before}{name}"));
            if path.is_file() {
                files.push(name);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push((path, format!("{name}/")));
            }
        }
    }
    files.sort_unstable();
    files
}

/// Returns the first weight file that `folder` lacks.
pub(super) fn missing_weights(folder: &Path) -> Option<String> {
    for [single, index] in WEIGHTS {
        if folder.join(single).exists() {
            return None;
        }
        if let Ok(index) = std::fs::read_to_string(folder.join(index)) {
            let mut shards = shards(&index).into_iter();
            return shards.find(|shard| !folder.join(shard).exists());
        }
    }
    Some(WEIGHTS[0][0].to_owned())
}

/// Lists the shards that an index names, in order.
pub(super) fn shards(index: &str) -> Vec<String> {
    let index: Value = serde_json::from_str(index).unwrap_or_default();
    let mut shards: Vec<_> = index["weight_map"]
        .as_object()
        .into_iter()
        .flat_map(|map| map.values().filter_map(Value::as_str))
        .filter(|shard| is_part(shard))
        .map(str::to_owned)
        .collect();
    shards.sort_unstable();
    shards.dedup();
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_cache_has_a_page_and_nothing_else_has() {
        #[track_caller]
        fn check(path: &str, want: Option<&str>) {
            assert_eq!(page_of(Path::new(path)).as_deref(), want, "{path}");
        }
        let gpt2 = "https://huggingface.co/openai-community/gpt2";
        check(
            "/c/hub/models--openai-community--gpt2/snapshots/abc",
            Some(gpt2),
        );
        let inside = "/c/hub/models--openai-community--gpt2/snapshots/abc/layer_3/sae.safetensors";
        check(inside, Some(gpt2));
        check(
            "/c/hub/models--gpt2/snapshots/abc",
            Some("https://huggingface.co/gpt2"),
        );
        check("/c/hub/models--openai-community--gpt2/blobs/abc", None);
        check("/c/hub/models--a b--c/snapshots/abc", None);
        check("models/gpt2", None);
    }
}
