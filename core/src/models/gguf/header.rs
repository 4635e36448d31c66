//! The key/value part of a GGUF file, read with the file and key named in every error.

use std::collections::HashMap;
use std::path::Path;

use candle_core::quantized::gguf_file::Value;

use crate::error::{Error, Result};

/// The metadata of one file.
#[derive(Clone, Copy)]
pub(super) struct Header<'a> {
    values: &'a HashMap<String, Value>,
    path: &'a Path,
}

impl<'a> Header<'a> {
    /// Of the file `path`, which is named in errors.
    pub(super) fn new(values: &'a HashMap<String, Value>, path: &'a Path) -> Self {
        Self { values, path }
    }

    /// The file.
    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// A text, if the key is there.
    pub(super) fn text_if_any(&self, key: &str) -> Option<&'a str> {
        match self.values.get(key)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<&'a str> {
        self.text_if_any(key).ok_or_else(|| self.lacks(key))
    }

    /// A truth value, if the key is there.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.values.get(key)?.to_bool().ok()
    }

    /// A number of any type, if the key is there.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.values.get(key).and_then(number)
    }

    /// A whole number ≥ 0, if the key is there.
    pub(super) fn count(&self, key: &str) -> Option<usize> {
        let number = self.number(key)?;
        (number >= 0.0 && number.fract() == 0.0).then_some(number as usize)
    }

    /// A whole number ≥ 0.
    pub(super) fn needed(&self, key: &str) -> Result<usize> {
        self.count(key).ok_or_else(|| self.lacks(key))
    }

    /// A list of texts, if the key is there.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<&'a str>> {
        let Value::Array(list) = self.values.get(key)? else {
            return None;
        };
        list.iter()
            .map(|value| match value {
                Value::String(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// A list of numbers, if the key is there.
    pub(super) fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        let Value::Array(list) = self.values.get(key)? else {
            return None;
        };
        list.iter().map(number).collect()
    }

    fn lacks(&self, key: &str) -> Error {
        Error::input(format!("lacks a usable `{key}` in its header"), self.path)
    }
}

fn number(value: &Value) -> Option<f64> {
    Some(match value {
        Value::U8(n) => f64::from(*n),
        Value::I8(n) => f64::from(*n),
        Value::U16(n) => f64::from(*n),
        Value::I16(n) => f64::from(*n),
        Value::U32(n) => f64::from(*n),
        Value::I32(n) => f64::from(*n),
        Value::U64(n) => *n as f64,
        Value::I64(n) => *n as f64,
        // By its shortest decimal form, which is what was meant (1e-5, not 9.99999974e-6).
        Value::F32(n) => n.to_string().parse().unwrap_or_else(|_| f64::from(*n)),
        Value::F64(n) => *n,
        _ => return None,
    })
}
