//! SAEs in and out of files. The only place that knows other libraries' names and orientation.

mod sae_lens;

use std::path::Path;

use crate::error::{Error, Notes, Result};
use crate::models::{Model, Processing};
use crate::sae::{Provenance, Sae};

/// How weights are stored; `cfg.json` says `float32` either way, since readers compute in what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 4 bytes an entry.
    #[default]
    F32,
    /// 2 bytes an entry.
    F16,
}

/// Reads a dictionary folder; the notes say what was decided.
pub fn open(path: &Path) -> Result<(Sae, Notes)> {
    if !path.exists() {
        return Err(Error::input("no such dictionary folder", path));
    }
    let (sae, notes) = if sae_lens::detect(path) {
        sae_lens::read(path)?
    } else {
        let what =
            "no dictionary here, name a SAELens folder with cfg.json and sae_weights.safetensors";
        return Err(Error::input(what, path));
    };
    Ok((sae, notes))
}

/// Writes a SAELens folder (`cfg.json`, `sae_weights.safetensors`), whole or not at all.
pub fn save(sae: &Sae, folder: &Path, precision: Precision) -> Result<()> {
    sae_lens::write(sae, folder, precision)
}

/// How the model was processed that `sae` was trained on, if its file says so.
pub fn processing(sae: &Sae) -> Option<Processing> {
    sae_lens::kwargs::processing(&sae.provenance).map(|named| named.processing)
}

/// Notes in `provenance` how the model is processed, where SAELens looks for it.
pub fn name_processing(provenance: &mut Provenance, processing: Processing) {
    sae_lens::kwargs::write(provenance, processing);
}

/// An error unless `sae` names a hook that `model` has, of the dictionary's width.
pub fn check_fit(sae: &Sae, model: &Model) -> Result<()> {
    sae.hook()?;
    check_hooks(sae, model)
}

/// The same for a dictionary or a transcoder: both of its hooks.
pub fn check_hooks(sae: &Sae, model: &Model) -> Result<()> {
    let ends = [
        (sae.reads()?, sae.width(), "reads"),
        (sae.writes()?, sae.w_dec.columns(), "writes"),
    ];
    for (hook, wanted, does) in ends {
        let width = model.width(hook)?;
        if width != wanted {
            let what = format!(
                "is {width} wide in {}, the dictionary {} {does} {wanted}: choose the model it was trained on",
                model.name(),
                sae.name
            );
            return Err(Error::hook(hook, what));
        }
    }
    Ok(())
}

/// A dictionary's name is its folder's, even where the path ends in `.`.
fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize();
    let folder = whole.as_deref().unwrap_or(folder);
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}
