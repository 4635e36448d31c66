//! Small JSON files of measurements in the user's data folder. A file of another version of Umbra counts as empty, since its kernels were others; so does a file
//! that cannot be read, which is then written anew.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::whole_file;

/// Name and version of a layout.
pub(super) type Layout = (&'static str, u32);

/// Content of a file, with the head that tells which layout and version it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct UserData<T> {
    format: String,
    layout: u32,
    umbra_version: String,
    /// Content of the file.
    #[serde(flatten)]
    pub(super) content: T,
}

impl<T: Default + Serialize + DeserializeOwned> UserData<T> {
    /// Creates an empty file.
    pub(super) fn new((format, layout): Layout) -> Self {
        Self {
            format: format.to_owned(),
            layout,
            umbra_version: crate::VERSION.to_owned(),
            content: T::default(),
        }
    }

    /// Reads the file; empty if it is missing, unreadable or of another version.
    pub(super) fn read(path: &Path, layout: Layout) -> Self {
        let new = Self::new(layout);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let head = |file: &Self| (file.format.clone(), file.layout, file.umbra_version.clone());
        let read: Option<Self> = serde_json::from_str(&text).ok();
        read.filter(|file| head(file) == head(&new)).unwrap_or(new)
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::input(format!("cannot be put into words ({e})"), path))?;
        whole_file::write_bytes(path, format!("{text}\n").as_bytes())
    }
}
