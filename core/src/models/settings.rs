//! `config.json` of a HuggingFace folder, read key by key with the file and key named in every error.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};

/// Largest count in a model: products of two still fit a machine word, so no shape overflows.
const MOST: u64 = 1 << 31;

/// Parsed `config.json` (or the same keys from a GGUF header), above its family's defaults.
#[derive(Debug)]
pub(super) struct Settings {
    values: Value,
    defaults: Value,
    path: PathBuf,
}

impl Settings {
    /// Reads settings from a file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::io("cannot read the model's settings", path, e))?;
        let values = serde_json::from_str(&text)
            .map_err(|e| Error::input(format!("is not valid JSON ({e})"), path))?;
        Ok(Self::new(values, path))
    }

    /// Takes values found elsewhere; `path` is named in errors.
    pub(super) fn new(values: Value, path: &Path) -> Self {
        Self {
            values,
            defaults: Value::Null,
            path: path.to_path_buf(),
        }
    }

    /// Adds defaults for missing keys.
    pub(super) fn with_defaults(self, defaults: Value) -> Self {
        Self { defaults, ..self }
    }

    /// Returns the settings nested under `key`, if there are any.
    pub(super) fn inside(&self, key: &str) -> Option<Self> {
        let values = self.values.get(key).filter(|value| value.is_object())?;
        Some(Self::new(values.clone(), &self.path).with_defaults(self.defaults.clone()))
    }

    /// Returns all values of the file.
    pub(super) fn values(&self) -> &Value {
        &self.values
    }

    /// Path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the value of `key`, else its default; null counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let there = |values: &'_ Value| values.get(key).is_some_and(|value| !value.is_null());
        [&self.values, &self.defaults]
            .into_iter()
            .find(|values| there(values))
            .and_then(|values| values.get(key))
    }

    /// Whether the file itself has `key`, even as null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.get(key).is_some()
    }

    /// Whether the file sets `key` to null, where that differs from leaving it out.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.values.get(key).is_some_and(Value::is_null)
    }

    /// Reads a text, if the key is present.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.get(key)
            .map(|value| {
                value
                    .as_str()
                    .ok_or_else(|| self.wrong(key, "a text", value))
            })
            .transpose()
    }

    /// Reads a truth value; an absent key without default is false.
    pub(super) fn flag(&self, key: &str) -> Result<bool> {
        self.get(key).map_or(Ok(false), |value| {
            value
                .as_bool()
                .ok_or_else(|| self.wrong(key, "true or false", value))
        })
    }

    /// Reads a positive whole number, if the key is present.
    pub(super) fn count_if_any(&self, key: &str) -> Result<Option<usize>> {
        self.get(key)
            .map(|value| {
                value
                    .as_u64()
                    .filter(|n| *n > 0 && *n < MOST)
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| self.wrong(key, "a positive whole number below 2^31", value))
            })
            .transpose()
    }

    /// Reads a positive whole number.
    pub(super) fn count(&self, key: &str) -> Result<usize> {
        self.count_if_any(key)?
            .ok_or_else(|| Error::missing(format!("`{key}`"), &self.path, super::LACKED))
    }

    /// Reads a number, if the key is present.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key)
            .map(|value| {
                value
                    .as_f64()
                    .ok_or_else(|| self.wrong(key, "a number", value))
            })
            .transpose()
    }

    /// Reads a number above 0.
    pub(super) fn positive(&self, key: &str) -> Result<f64> {
        let number = self.number(key)?.filter(|n| n.is_finite() && *n > 0.0);
        number.ok_or_else(|| {
            let found = self.get(key).unwrap_or(&Value::Null);
            self.wrong(key, "a number above 0", found)
        })
    }

    /// Reads a number above 0; null, or absence without default, switches it off.
    pub(super) fn positive_if_any(&self, key: &str) -> Result<Option<f64>> {
        if self.is_null(key) || self.get(key).is_none() {
            return Ok(None);
        }
        self.positive(key).map(Some)
    }

    /// Reads a positive whole number; null, or absence without default, switches it off.
    pub(super) fn count_or_off(&self, key: &str) -> Result<Option<usize>> {
        if self.is_null(key) {
            return Ok(None);
        }
        self.count_if_any(key)
    }

    /// Rejects the model if one of `keys` is set to anything but null, false or 0: the family has no such thing.
    pub(super) fn refuse(&self, keys: &[&str]) -> Result<()> {
        let off = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Number(number) => number.as_f64() == Some(0.0),
            _ => false,
        };
        let set = |key: &&&str| self.get(key).is_some_and(|value| !off(value));
        match keys.iter().find(set) {
            Some(key) => Err(self.unsupported(&format!("`{key}`"))),
            None => Ok(()),
        }
    }

    /// Returns the error for an unsupported setting, with the file.
    pub(super) fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported {
            what: format!("{what} in {}", self.path.display()),
            remedy: "choose a model without it".to_owned(),
        }
    }

    /// Returns the error for a value of the wrong kind.
    pub(super) fn wrong(&self, key: &str, wanted: &str, found: &Value) -> Error {
        Error::input(
            format!("`{key}` should be {wanted}, is {found}"),
            &self.path,
        )
    }
}
