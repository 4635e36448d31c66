//! Resolves models, dictionaries and data sets by name: configures the hub from the environment and fetches with progress.

use std::env::{home_dir, var_os};
use std::path::{Path, PathBuf};

use super::Console;
use super::registry::{known_at, left_out, registry};
use crate::Flow;
use crate::error::{Error, Result};
use crate::formats::{self, Located, Named};
use crate::hub::{ENDPOINT, Event, Hub, Kind, Name};

/// Configures the hub from the usual variables: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`.
pub fn hub(offline: bool) -> Hub {
    let text = |key: &str| {
        let value = var_os(key)?.into_string().ok()?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let path = |key: &str| {
        var_os(key)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = path("HF_HOME").unwrap_or_else(|| {
        path("XDG_CACHE_HOME")
            .or_else(|| Some(home_dir()?.join(".cache")))
            .unwrap_or_else(|| PathBuf::from(".cache"))
            .join("huggingface")
    });
    let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
    let token = text("HF_TOKEN").or_else(|| {
        let token = std::fs::read_to_string(token_file).ok()?;
        Some(token.trim().to_owned()).filter(|token| !token.is_empty())
    });
    let on = |value: String| ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str());
    Hub {
        endpoint: text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()),
        cache: path("HF_HUB_CACHE").unwrap_or_else(|| home.join("hub")),
        token,
        offline: offline || text("HF_HUB_OFFLINE").is_some_and(on),
    }
}

/// Returns the path of the model: the path given, or one in the hub's cache, fetched if needed.
pub(super) fn path_of(model: &Path, offline: bool, console: &Console) -> Result<PathBuf> {
    let name = model.to_str().and_then(|text| text.parse::<Name>().ok());
    let name = name.filter(|name| name.kind == Kind::Model);
    let (false, Some(name)) = (model.exists(), name) else {
        return Ok(model.to_path_buf());
    };
    let fetched = shown(&name, console, |observe| hub(offline).fetch(&name, observe));
    if fetched.is_err() {
        console.note(&format!(
            "There is no {} here, so it was used as a name on the hub",
            model.display()
        ));
    }
    let path = fetched?.done().ok_or_else(|| unfinished(model))?;
    console.note(&format!("{name} is in the cache at {}", path.display()));
    Ok(path)
}

/// Locates the dictionary: at its path, or in the hub's cache if it is a name on the hub (`owner/name:path`) or in SAELens's registry (`RELEASE:ID`), fetched
/// if needed. Adds what the registry knows about it.
pub(super) fn dictionary_at(sae: &Path, offline: bool, console: &Console) -> Result<Located> {
    let as_it_is = |known| Located {
        path: sae.to_path_buf(),
        known,
    };
    let (false, Some(text)) = (sae.exists(), sae.to_str()) else {
        let (known, notes) = known_at(sae);
        console.notes(&notes);
        return Ok(as_it_is(known));
    };
    let registered = formats::is_registered(text);
    let registry = match registry() {
        Err(cause) if registered => return Err(cause),
        Err(cause) => {
            console.note(&left_out(&cause));
            None
        }
        Ok(registry) => registry,
    };
    let Some(Named { name, known }) = formats::named(text, registry.as_deref())? else {
        return Ok(as_it_is(None));
    };
    let fetched = shown(&name, console, |observe| {
        formats::fetch(&hub(offline), &name, observe)
    });
    if fetched.is_err() && !registered {
        console.note(&format!(
            "There is no {} here, so it was used as a name on the hub",
            sae.display()
        ));
    }
    let path = fetched?.done().ok_or_else(|| unfinished(sae))?;
    console.note(&format!("{name} is in the cache at {}", path.display()));
    let known = known.or_else(|| registry?.known_at(&path));
    Ok(Located { path, known })
}

/// Returns the paths of a corpus: the path given, or files in the hub's cache if it names a data set (`hf://datasets/owner/name/path`), fetched if needed.
pub(super) fn corpus_at(path: &Path, offline: bool, console: &Console) -> Result<Vec<PathBuf>> {
    let Some(text) = path.to_str().filter(|text| text.starts_with("hf://")) else {
        return Ok(vec![path.to_path_buf()]);
    };
    let name: Name = text.parse()?;
    let fetched = shown(&name, console, |observe| {
        hub(offline).fetch_dataset(&name, observe)
    })?;
    let files = fetched.done().ok_or_else(|| unfinished(path))?;
    console.note(&format!(
        "{name} means {} Parquet files in the cache",
        files.len()
    ));
    Ok(files)
}

/// Fetches and shows progress.
fn shown<T>(
    name: &Name,
    console: &Console,
    fetch: impl FnOnce(&mut dyn FnMut(Event<'_>) -> Flow) -> Result<T>,
) -> Result<T> {
    let mut bar = console.bar(&format!("Fetching {name}"));
    fetch(&mut |event| bar.at_with(event.progress.in_megabytes(), event.file))
}

fn unfinished(what: &Path) -> Error {
    Error::input(
        "was not fetched completely; the next run resumes the download",
        what,
    )
}
