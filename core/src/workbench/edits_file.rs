//! Edits in a TOML file that a person saves and opens, in the window and on the command line.

use std::path::Path;

use crate::error::{Error, Result};
use crate::models::{Model, read_tensors};
use crate::steer::{self, EditSpec, Switched, edits_from_toml, edits_to_toml};
use crate::whole_file;

/// Name of the file in a project's folder.
pub const NAME: &str = crate::project::EDITS;

/// Reads the edits of a file, those that are switched off too.
pub fn read(path: &Path) -> Result<Vec<Switched>> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io("cannot read edits", path, e))?;
    edits_from_toml(&text).map_err(|error| Error::input(error.to_string(), path))
}

/// Returns the names of the vectors in a file that fit into an edit of `model`; an error if the file was made for another model, or holds none.
pub fn vectors(path: &Path, model: &Model) -> Result<Vec<String>> {
    steer::check_vectors(path, model)?;
    let tensors = read_tensors(path)?;
    let vectors = tensors
        .into_iter()
        .filter(|(_, tensor)| tensor.dims().len() == 1);
    let names: Vec<String> = vectors.map(|(name, _)| name).collect();
    if names.is_empty() {
        let what = "holds no vector: every edit adds a tensor of one dimension";
        return Err(Error::input(what, path));
    }
    Ok(names)
}

/// Writes edits and whether each is in force, whole or not at all.
pub fn save<'a>(path: &Path, edits: impl IntoIterator<Item = (&'a EditSpec, bool)>) -> Result<()> {
    whole_file::write_bytes(path, edits_to_toml(edits).as_bytes())
}
