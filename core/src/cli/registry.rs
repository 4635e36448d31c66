//! Finds SAELens's registry of dictionaries in the environment and reads it once.

use std::env::var_os;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::error::{Error, Notes, Result};
use crate::formats::{Known, Registry};
use crate::hub;

/// Variable with the registry's path; it takes precedence.
const VARIABLE: &str = "UMBRA_SAE_REGISTRY";
const FILE: &str = "pretrained_saes.yaml";

/// Registry that was read last.
struct Read {
    path: PathBuf,
    changed: Option<SystemTime>,
    registry: Arc<Registry>,
}

/// Returns the available registry, if any: that of `UMBRA_SAE_REGISTRY`, in Umbra's data folder, or of sae-lens in the active Python environment.
pub fn registry() -> Result<Option<Arc<Registry>>> {
    static READ: Mutex<Option<Read>> = Mutex::new(None);
    let Some(path) = place()? else {
        return Ok(None);
    };
    let changed = std::fs::metadata(&path).and_then(|facts| facts.modified());
    let changed = changed.ok();
    let Ok(mut read) = READ.lock() else {
        return Registry::open(&path).map(Arc::new).map(Some);
    };
    let same = |read: &&Read| read.path == path && read.changed == changed;
    if let Some(read) = read.as_ref().filter(same) {
        return Ok(Some(Arc::clone(&read.registry)));
    }
    let registry = Arc::new(Registry::open(&path)?);
    *read = Some(Read {
        path,
        changed,
        registry: Arc::clone(&registry),
    });
    Ok(Some(registry))
}

/// Returns what the available registry knows about the dictionary at `path`. An unreadable registry is skipped with a note. Dictionaries outside the hub's
/// cache do not need it.
pub fn known_at(path: &Path) -> (Option<Known>, Notes) {
    let mut notes = Notes::default();
    let whole = std::path::absolute(path);
    let path = whole.as_deref().unwrap_or(path);
    if hub::place_in(path).is_none() {
        return (None, notes);
    }
    let registry = registry().unwrap_or_else(|cause| {
        notes.add(left_out(&cause));
        None
    });
    (registry.and_then(|registry| registry.known_at(path)), notes)
}

/// Returns the note on an unreadable registry that is not needed.
pub(super) fn left_out(cause: &Error) -> String {
    format!("The registry of dictionaries was skipped: {cause}")
}

/// Returns the error that there is no registry, and where to put one.
pub(super) fn absent() -> Error {
    let here = own().map_or_else(String::new, |path| format!(" at {},", path.display()));
    let what = format!(
        "no registry of dictionaries was found: put {FILE}, a file of the Python package sae-lens,{here} or name its path in this variable"
    );
    Error::setting(VARIABLE, what)
}

fn place() -> Result<Option<PathBuf>> {
    if let Some(path) = var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        if path.is_file() {
            return Ok(Some(path));
        }
        let what = format!(
            "there is no file {}, give the path of a {FILE} or unset it",
            path.display()
        );
        return Err(Error::setting(VARIABLE, what));
    }
    Ok(own().filter(|path| path.is_file()).or_else(|| {
        ["VIRTUAL_ENV", "CONDA_PREFIX"]
            .into_iter()
            .find_map(of_python)
    }))
}

/// Path in Umbra's data folder, next to the window's own files.
fn own() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "umbra")?;
    Some(folders.data_dir().join(FILE))
}

/// Finds the registry of sae-lens in the environment that `variable` names, of the newest Python if there are several.
fn of_python(variable: &str) -> Option<PathBuf> {
    let root = PathBuf::from(var_os(variable).filter(|root| !root.is_empty())?);
    let entries = std::fs::read_dir(root.join("lib"));
    let mut pythons: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    pythons.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("python3")
    });
    // 3.9 comes before 3.12.
    pythons.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    pythons.push(root.join("Lib")); // as Windows has it
    let packages = pythons.iter().rev();
    packages
        .map(|python| python.join("site-packages/sae_lens").join(FILE))
        .find(|path| path.is_file())
}
