//! The two files, version 1: JSON objects with `version` and one more key. A file that is damaged or of another version is set aside under another name.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use umbra_core::error::{Error, Result};
use umbra_core::project;
use umbra_core::whole_file;

use crate::state::kept::Kept;
use crate::state::settings::Settings;

/// Name of the file of settings.
pub(super) const SETTINGS: &str = "settings.json";

/// Name of the file of a project's screens.
pub(super) const WINDOW: &str = project::WINDOW;

const VERSION: u64 = 1;

/// Content of a file.
#[derive(Debug)]
pub(crate) enum Content {
    /// The settings.
    Settings(Box<Settings>),
    /// The state of a project's screens.
    Project(Box<Kept>),
    /// The edits of Steering, as TOML; empty: the file goes.
    Edits(String),
}

impl Content {
    fn key(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Project(_) | Self::Edits(_) => "window",
        }
    }
}

/// Writes a file whole. A folder that is gone, as that of a project which was just saved elsewhere, is not made again.
pub(super) fn write(path: &Path, content: &Content) -> Result<()> {
    let is_project = !matches!(content, Content::Settings(_));
    if is_project && path.parent().is_some_and(|folder| !folder.is_dir()) {
        return Ok(());
    }
    let value = match content {
        Content::Edits(text) => return write_edits(path, text),
        Content::Settings(settings) => serde_json::to_value(settings),
        Content::Project(kept) => serde_json::to_value(kept),
    };
    let value = value.unwrap_or_default(); // plain data: it can always be written
    let text = format!(
        "{:#}\n",
        json!({ "version": VERSION, content.key(): value })
    );
    whole_file::write_bytes(path, text.as_bytes())
}

/// Writes the edits, or removes their file where there are none.
fn write_edits(path: &Path, text: &str) -> Result<()> {
    if !text.is_empty() {
        return whole_file::write_bytes(path, text.as_bytes());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove the edits", path, error))
        }
        _ => Ok(()),
    }
}

/// Reads the settings in the folder for data. What cannot be read is as at the first start; the sentence says so.
pub(crate) fn settings(data: Option<&Path>) -> (Settings, Option<String>) {
    let read = data.map(|data| read(&data.join(SETTINGS), "settings", "The settings"));
    let (settings, said) = read.unwrap_or_default();
    (settings.unwrap_or_default(), said)
}

/// Reads the state of the screens of the project in a folder, if there is any. The sentence says what was wrong with it.
pub(crate) fn project(folder: &Path) -> (Option<Kept>, Option<String>) {
    read(&folder.join(WINDOW), "window", "What was on the screens")
}

fn read<T: DeserializeOwned>(path: &Path, key: &str, what: &str) -> (Option<T>, Option<String>) {
    let Ok(bytes) = std::fs::read(path) else {
        return (None, None); // the first start
    };
    match parsed(&bytes, key) {
        Ok(value) => (Some(value), None),
        Err(why) => {
            let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
            let aside = match set_aside(path) {
                Some(aside) => format!("it is now {}", name(&aside)),
                None => "it is replaced with the next change".to_owned(),
            };
            let said = format!(
                "{what} could not be restored: {} {why}; {aside}",
                path.display()
            );
            (None, Some(said))
        }
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8], key: &str) -> Result<T, String> {
    let damaged = |error: serde_json::Error| format!("is damaged ({error})");
    let mut value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            return Err(format!(
                "is of version {other}, this program reads version {VERSION}"
            ));
        }
        None => return Err("is damaged (it has no version)".to_owned()),
    }
    let inner = value.get_mut(key).map(Value::take).unwrap_or_default();
    serde_json::from_value(inner).map_err(damaged)
}

/// Renames a file to a free name beside it; nothing if that fails.
fn set_aside(path: &Path) -> Option<PathBuf> {
    let mut names = (1..100).map(|i| path.with_extension(format!("damaged-{i}.json")));
    let aside = names.find(|aside| !aside.exists())?;
    std::fs::rename(path, &aside).ok()?;
    Some(aside)
}
