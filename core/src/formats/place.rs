//! Access to a dictionary's files: regular files inside its folder, small texts read whole, facts in the path.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};
use serde_saphyr::options::DuplicateKeyPolicy;

use crate::error::{Error, Result};

/// Largest configuration in bytes.
const LONGEST: u64 = 16 << 20;
/// Largest number of values in a YAML file; SAELens's registry has 100,000.
const NODES: usize = 4_000_000;
/// Largest number of values that aliases of a YAML file may repeat.
const REPEATED: usize = 100_000;

/// Checks that `path` is a regular file: reading a pipe or a device might never end.
pub(super) fn regular(path: &Path) -> Result<()> {
    let facts = std::fs::metadata(path).map_err(|e| Error::io("cannot open the file", path, e))?;
    if facts.is_file() {
        Ok(())
    } else {
        let what = "is not a regular file, replace it with a copy of the dictionary's file";
        Err(Error::input(what, path))
    }
}

/// Returns the file `name` of `folder`. A link must not lead out of the folder; inside the hub's cache it may lead to files of the same repository.
pub(super) fn within(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    let real = |path: &Path| {
        path.canonicalize()
            .map_err(|e| Error::io("cannot open the file", path, e))
    };
    let (root, file) = (real(folder)?, real(&path)?);
    regular(&file)?;
    if file.starts_with(&root) || cached(&root).is_some_and(|shelf| file.starts_with(shelf)) {
        return Ok(path);
    }
    let what = "is a link to a file outside the dictionary's folder, copy that file here";
    Err(Error::input(what, path))
}

/// Returns the folder of the hub's cache that holds a repository, if `path` lies in one of its snapshots.
fn cached(path: &Path) -> Option<&Path> {
    let snapshots = path
        .ancestors()
        .find(|at| at.file_name().is_some_and(|name| name == "snapshots"))?;
    let shelf = snapshots.parent()?;
    let name = shelf.file_name()?.to_str()?;
    name.starts_with("models--").then_some(shelf)
}

/// Reads a configuration as text.
pub(super) fn text(path: &Path) -> Result<String> {
    regular(path)?;
    let length = std::fs::metadata(path)
        .map_err(|e| Error::io("cannot open the file", path, e))?
        .len();
    if length > LONGEST {
        let what =
            format!("is {length} bytes long, too long for a configuration: give the right file");
        return Err(Error::input(what, path));
    }
    std::fs::read_to_string(path).map_err(|source| Error::io("cannot read the file", path, source))
}

/// Reads a configuration in JSON.
pub(super) fn json(path: &Path) -> Result<Map<String, Value>> {
    let text = text(path)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_other) => {
            let what = "the file does not hold a JSON object, save the dictionary again";
            Err(Error::input(what, path))
        }
        Err(cause) => {
            let what = format!("the file is not JSON ({cause}), save the dictionary again");
            Err(Error::input(what, path))
        }
    }
}

/// Returns a positive whole number of a configuration; none if the key is missing.
pub(super) fn count(cfg: &Map<String, Value>, key: &str, path: &Path) -> Result<Option<usize>> {
    let Some(value) = cfg.get(key).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let count = value.as_u64().or_else(|| {
        // A whole number may be written as 32.0.
        let float = value
            .as_f64()
            .filter(|n| n.fract() == 0.0 && (0.0..1e15).contains(n));
        float.map(|n| n as u64)
    });
    let count = count
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| *n > 0);
    count.map(Some).ok_or_else(|| {
        let what = format!("`{key}` is not a positive whole number, save the dictionary again");
        Error::input(what, path)
    })
}

/// Checks that a number in the configuration, where there is one, agrees with the weights.
pub(super) fn agrees(
    cfg: &Map<String, Value>,
    key: &str,
    wanted: usize,
    path: &Path,
) -> Result<()> {
    match count(cfg, key, path)? {
        Some(found) if found != wanted => {
            let what = format!(
                "`{key}` is {found}, but by the weights it is {wanted}: one of the two belongs to another dictionary"
            );
            Err(Error::input(what, path))
        }
        _ => Ok(()),
    }
}

/// Reads a configuration in YAML. Of a duplicate key the last one counts, as in PyYAML. Values behind aliases count towards the limits, since a hundred bytes
/// of aliases may expand to gigabytes.
pub(super) fn yaml(path: &Path) -> Result<Map<String, Value>> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_nodes: NODES, max_events: 2 * NODES },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPEATED },
    };
    serde_saphyr::from_str_with_options(&text(path)?, options).map_err(|cause| {
        let cause = cause.to_string();
        let cause = cause.lines().next().unwrap_or_default();
        let cause = cause.trim_start_matches("error: ");
        let what = format!("the file is not valid YAML ({cause}), download it again");
        Error::input(what, path)
    })
}

/// Returns the parts of a path, innermost first; a folder of the hub's cache gives the name of its repository.
pub(super) fn parts(path: &Path) -> Vec<String> {
    let whole = std::path::absolute(path);
    let path = whole.as_deref().unwrap_or(path);
    let mut parts = Vec::new();
    for part in path.components().rev() {
        if let Component::Normal(part) = part {
            let part = part.to_string_lossy();
            match part.strip_prefix("models--") {
                Some(repo) => parts.push(repo.replacen("--", "/", 1)),
                None => parts.push(part.into_owned()),
            }
        }
    }
    parts
}

/// Returns whether a layer can have this number: an index takes 32 bits, and files may claim anything.
pub(super) fn is_layer(number: usize) -> bool {
    u32::try_from(number).is_ok()
}

/// Returns the number after `before` in the innermost part of a path that has one (`layer_12`).
pub(super) fn number_behind(parts: &[String], before: &[&str]) -> Option<usize> {
    parts.iter().find_map(|part| {
        before.iter().find_map(|before| {
            let lower = part.to_ascii_lowercase();
            let mut found = lower.match_indices(before);
            found.find_map(|(at, _)| {
                // `l5` in `model5` is no layer.
                let starts = lower[..at]
                    .chars()
                    .next_back()
                    .is_none_or(|c| !c.is_ascii_alphanumeric());
                let rest = &lower[at + before.len()..];
                let digits = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                rest[..digits]
                    .parse()
                    .ok()
                    .filter(|n| starts && is_layer(*n))
            })
        })
    })
}
