//! `config.json` of a HuggingFace folder, read key by key with the file and key named in every error.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};

/// A parsed `config.json` (or the same keys made from a GGUF header).
#[derive(Debug)]
pub(super) struct Settings {
    values: Value,
    path: PathBuf,
}

impl Settings {
    /// From a file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::io("reading the model's settings", path, e))?;
        let values = serde_json::from_str(&text)
            .map_err(|e| Error::input(format!("is not valid JSON ({e})"), path))?;
        Ok(Self::new(values, path))
    }

    /// From values found elsewhere; `path` is named in errors.
    pub(super) fn new(values: Value, path: &Path) -> Self {
        Self {
            values,
            path: path.to_path_buf(),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of `key`; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// A text, if the key is there.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// A truth value, or `default`.
    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A positive whole number, if the key is there.
    pub(super) fn count_if_any(&self, key: &str) -> Result<Option<usize>> {
        self.get(key)
            .map(|value| {
                value
                    .as_u64()
                    .filter(|n| *n > 0)
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| self.wrong(key, "a positive whole number", value))
            })
            .transpose()
    }

    /// A positive whole number.
    pub(super) fn count(&self, key: &str) -> Result<usize> {
        self.count_if_any(key)?
            .ok_or_else(|| Error::input(format!("lacks the key `{key}`"), &self.path))
    }

    /// A number, if the key is there.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key)
            .map(|value| {
                value
                    .as_f64()
                    .ok_or_else(|| self.wrong(key, "a number", value))
            })
            .transpose()
    }

    /// Refuses the model if `key` is true.
    pub(super) fn refuse(&self, key: &str) -> Result<()> {
        if self.flag(key, false) {
            return Err(self.unsupported(&format!("`{key}`")));
        }
        Ok(())
    }

    /// What this version does not honour, said with the file.
    pub(super) fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported {
            what: format!("{what} in {}", self.path.display()),
            remedy: "choose a model without it".to_owned(),
        }
    }

    fn wrong(&self, key: &str, wanted: &str, found: &Value) -> Error {
        Error::input(
            format!("`{key}` should be {wanted}, is {found}"),
            &self.path,
        )
    }
}
