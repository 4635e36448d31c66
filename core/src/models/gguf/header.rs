//! The key/value part of a GGUF file, read with the file and key named in every error.

use std::path::Path;

use super::content::{Content, Cursor, List, Scalar, Value};
use crate::error::{Error, Result};

/// Metadata of one file.
#[derive(Clone, Copy)]
pub(super) struct Header<'a> {
    content: &'a Content,
    file: &'a [u8],
    path: &'a Path,
}

impl<'a> Header<'a> {
    /// Reads the bytes `file` of the file at `path`, which is named in errors.
    pub(super) fn new(content: &'a Content, file: &'a [u8], path: &'a Path) -> Self {
        Self {
            content,
            file,
            path,
        }
    }

    /// Path of the file.
    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// Whether the key is present.
    pub(super) fn has(&self, key: &str) -> bool {
        self.content.values.contains_key(key)
    }

    /// Returns the keys that begin with `start`.
    pub(super) fn keys_from(&self, start: &str) -> impl Iterator<Item = &'a str> {
        let from = self.content.values.range(start.to_owned()..);
        let start = start.to_owned();
        from.map(|(key, _)| key.as_str())
            .take_while(move |key| key.starts_with(&start))
    }

    /// Reads a text, if the key is present.
    pub(super) fn text_if_any(&self, key: &str) -> Result<Option<&'a str>> {
        match self.content.values.get(key) {
            Some(Value::Text(text)) => Ok(Some(text)),
            other => self.absent(key, "a text", other),
        }
    }

    /// Reads a text.
    pub(super) fn text(&self, key: &str) -> Result<&'a str> {
        self.text_if_any(key)?.ok_or_else(|| self.lacks(key))
    }

    /// Reads a truth value, if the key is present.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.content.values.get(key) {
            Some(Value::Flag(flag)) => Ok(Some(*flag)),
            other => self.absent(key, "true or false", other),
        }
    }

    /// Reads a number of any type, if the key is present.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        match self.content.values.get(key) {
            Some(Value::Number(number)) => Ok(Some(*number)),
            other => self.absent(key, "a number", other),
        }
    }

    /// Reads a whole number ≥ 0, if the key is present.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>> {
        match self.number(key)? {
            Some(number) if number >= 0.0 && number.fract() == 0.0 => Ok(Some(number as usize)),
            Some(number) => Err(Error::input(
                format!("`{key}` should be a whole number, is {number}"),
                self.path,
            )),
            None => Ok(None),
        }
    }

    /// Reads a whole number ≥ 0.
    pub(super) fn needed(&self, key: &str) -> Result<usize> {
        self.count(key)?.ok_or_else(|| self.lacks(key))
    }

    /// Reads a list of texts, if the key is present.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&'a str>>> {
        let Some(list) = self.list(key).filter(|list| list.of == Scalar::Text) else {
            return Ok(None);
        };
        let mut cursor = Cursor::at(self.file, list.bytes.start, self.content.short);
        let mut texts = Vec::with_capacity(list.count);
        for entry in 0..list.count {
            let text = cursor
                .bytes(key)
                .ok()
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .ok_or_else(|| {
                    Error::input(format!("entry {entry} of `{key}` is not UTF-8"), self.path)
                })?;
            texts.push(text);
        }
        Ok(Some(texts))
    }

    /// Reads a list of exactly `count` numbers, if the key is present.
    pub(super) fn numbers(&self, key: &str, count: usize) -> Result<Option<Vec<f64>>> {
        let Some(list) = self.list(key) else {
            return Ok(None);
        };
        if list.count != count {
            return Err(Error::input(
                format!("`{key}` has {} entries instead of {count}", list.count),
                self.path,
            ));
        }
        let mut cursor = Cursor::at(self.file, list.bytes.start, self.content.short);
        (0..count)
            .map(|_| cursor.number(list.of, key))
            .collect::<Result<_, _>>()
            .map(Some)
            .map_err(|what| Error::input(format!("its header is inconsistent: {what}"), self.path))
    }

    /// Reads a list of exactly `count` truth values, if the key holds a list.
    pub(super) fn flags(&self, key: &str, count: usize) -> Result<Option<Vec<bool>>> {
        let Some(list) = self.list(key) else {
            return Ok(None);
        };
        if list.count != count || list.of != Scalar::Flag {
            return Err(Error::input(
                format!("`{key}` is not a list of {count} truth values"),
                self.path,
            ));
        }
        let bytes = &self.file[list.bytes.clone()];
        Ok(Some(bytes.iter().map(|byte| *byte != 0).collect()))
    }

    fn list(&self, key: &str) -> Option<&'a List> {
        match self.content.values.get(key)? {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// Returns none for an absent key and an error for a value of another kind.
    fn absent<T>(&self, key: &str, wanted: &str, found: Option<&Value>) -> Result<Option<T>> {
        match found {
            None => Ok(None),
            Some(_) => Err(Error::input(
                format!("`{key}` in its header should be {wanted} and is something else"),
                self.path,
            )),
        }
    }

    fn lacks(&self, key: &str) -> Error {
        Error::input(
            format!("has no usable `{key}` in its header, download or convert the model again"),
            self.path,
        )
    }
}
