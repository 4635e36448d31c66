//! Reads and writes `umbra.toml`: version 1, paths with `/`, relative inside the project's folder, `{origin}/…` inside the project it overlays,
//! absolute elsewhere.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Entry, Project};
use crate::error::{Error, Result};
use crate::models::{BosWish, Form, Opening, Processing};
use crate::text::chat::Message;
use crate::whole_file;

/// Name of the file.
pub(super) const NAME: &str = "umbra.toml";

const VERSION: u32 = 1;
const ORIGIN: &str = "{origin}";

#[derive(Deserialize)]
struct Versioned {
    version: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the keys of a file, each of its own"
)]
struct Stored {
    version: u32,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    keep_quantised: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    no_bos: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    keep_double_bos: bool,
    #[serde(default)]
    train_text: Vec<String>,
    #[serde(default)]
    held_out_text: Vec<String>,
    #[serde(default)]
    unwrap: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recursive: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text_column: Option<String>,
    #[serde(default)]
    prompts: Vec<String>,
    #[serde(default, rename = "chat", skip_serializing_if = "Vec::is_empty")]
    chats: Vec<StoredChat>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filters: Vec<String>,
    #[serde(default, rename = "dictionary")]
    dictionaries: Vec<StoredEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredChat {
    messages: Vec<Message>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry {
    sae: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<String>,
}

/// Reads the file of `folder` (absolute); `origin` replaces the origin that it names.
pub(super) fn read(folder: &Path, origin: Option<&Path>) -> Result<Project> {
    let path = folder.join(NAME);
    if folder.is_dir() && !path.exists() {
        return Err(Error::input(
            "the folder has no umbra.toml: choose the folder of a project, or create one",
            folder,
        ));
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|source| Error::io("cannot read the project", &path, source))?;
    let broken = |refused: toml::de::Error| {
        let line = refused.span().map_or(1, |span| {
            1 + text[..span.start.min(text.len())].matches('\n').count()
        });
        let what = format!("line {line} is invalid ({})", refused.message());
        Error::input(what, &path)
    };
    let versioned: Versioned = toml::from_str(&text).map_err(broken)?;
    match versioned.version {
        Some(VERSION) => {}
        Some(other) => {
            let what = format!(
                "has version {other}, this program reads version {VERSION}: use a newer Umbra"
            );
            return Err(Error::input(what, path));
        }
        None => {
            return Err(Error::input(
                "has no `version`, so it is not an Umbra project",
                path,
            ));
        }
    }
    let stored: Stored = toml::from_str(&text).map_err(broken)?;
    let origin = origin
        .map(Path::to_path_buf)
        .or_else(|| stored.origin.map(PathBuf::from));
    let place = |text: String| match (text.strip_prefix(ORIGIN), &origin) {
        (Some(rest), Some(origin)) => origin.join(rest.trim_start_matches('/')),
        _ => folder.join(text),
    };
    let places = |texts: Vec<String>| texts.into_iter().map(place).collect();
    let processing = stored.process.as_deref().map(str::parse::<Processing>);
    let processing = processing
        .transpose()
        .map_err(|refused| Error::input(refused.to_string(), &path))?;
    Ok(Project {
        folder: folder.to_path_buf(),
        name: stored.name,
        model: stored.model.map(place),
        opening: Opening {
            form: if stored.keep_quantised {
                Form::Stored
            } else {
                Form::F32
            },
            processing: processing.unwrap_or_default(),
            bos: BosWish {
                left_out: stored.no_bos,
                doubled: stored.keep_double_bos,
            },
        },
        entries: stored
            .dictionaries
            .into_iter()
            .map(|entry| Entry {
                sae: place(entry.sae),
                index: entry.index.map(place),
            })
            .collect(),
        train_text: places(stored.train_text),
        held_out_text: places(stored.held_out_text),
        unwrap: stored.unwrap,
        recursive: stored.recursive,
        text_column: stored.text_column,
        prompts: stored.prompts,
        chats: stored.chats.into_iter().map(|chat| chat.messages).collect(),
        filters: stored.filters,
        missing: super::Missing::default(),
        origin: origin.clone(),
    })
}

/// Writes the file, missing entries included.
pub(super) fn write(project: &Project) -> Result<()> {
    let Project {
        folder, missing, ..
    } = project;
    let path = folder.join(NAME);
    let place = |path: &PathBuf| place_text(path, folder, project.origin.as_deref());
    let places = |here: &[PathBuf], missing: &[PathBuf]| {
        here.iter()
            .chain(missing)
            .map(place)
            .collect::<Result<Vec<_>>>()
    };
    let absent_index = |entry: &Entry| {
        let same = missing.entries.iter().find(|m| m.sae == entry.sae);
        same.and_then(|m| m.index.clone())
    };
    let mut dictionaries = Vec::new();
    for entry in &project.entries {
        let index = entry.index.clone().or_else(|| absent_index(entry));
        dictionaries.push(StoredEntry {
            sae: place(&entry.sae)?,
            index: index.as_ref().map(place).transpose()?,
        });
    }
    for entry in &missing.entries {
        if project.entries.iter().any(|e| e.sae == entry.sae) {
            continue;
        }
        dictionaries.push(StoredEntry {
            sae: place(&entry.sae)?,
            index: entry.index.as_ref().map(place).transpose()?,
        });
    }
    let model = project.model.as_ref().or(missing.model.as_ref());
    let chats = project.chats.iter().cloned();
    let chats = chats.map(|messages| StoredChat { messages });
    let stored = Stored {
        version: VERSION,
        name: project.name.clone(),
        origin: project.origin.as_deref().map(utf8).transpose()?,
        model: model.map(place).transpose()?,
        keep_quantised: project.opening.form == Form::Stored,
        process: (!project.opening.processing.is_none())
            .then(|| project.opening.processing.to_string()),
        no_bos: project.opening.bos.left_out,
        keep_double_bos: project.opening.bos.doubled,
        train_text: places(&project.train_text, &missing.train_text)?,
        held_out_text: places(&project.held_out_text, &missing.held_out_text)?,
        unwrap: project.unwrap,
        recursive: project.recursive,
        text_column: project.text_column.clone(),
        prompts: project.prompts.clone(),
        chats: chats.collect(),
        filters: project.filters.clone(),
        dictionaries,
    };
    let text = toml::to_string_pretty(&stored).map_err(|refused| {
        Error::input(format!("the project cannot be written ({refused})"), &path)
    })?;
    whole_file::write_bytes(&path, text.as_bytes())
}

fn place_text(path: &Path, folder: &Path, origin: Option<&Path>) -> Result<String> {
    if let Ok(inside) = path.strip_prefix(folder) {
        return with_slashes(inside);
    }
    if let Some(inside) = origin.and_then(|origin| path.strip_prefix(origin).ok()) {
        return Ok(format!("{ORIGIN}/{}", with_slashes(inside)?));
    }
    utf8(path)
}

fn with_slashes(path: &Path) -> Result<String> {
    let parts: Result<Vec<_>> = path
        .components()
        .filter(|c| *c != Component::CurDir)
        .map(|c| utf8(Path::new(c.as_os_str())))
        .collect();
    Ok(parts?.join("/"))
}

fn utf8(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| {
        Error::input(
            "the path is not UTF-8, which umbra.toml needs: rename the file or folder",
            path,
        )
    })?;
    Ok(text.to_owned())
}
