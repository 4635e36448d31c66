//! Files of tensors: safetensors, NumPy's archives and PyTorch's checkpoints. Headers are checked against the file's length before anything is read or
//! allocated by them; files are mapped, not read whole; stored numbers convert to f32 and back. This module knows neither models nor stores.

pub(crate) mod array;
pub(crate) mod header;
pub(crate) mod later;
pub(crate) mod npz;
#[cfg(test)]
pub(crate) mod npz_tests;
pub(crate) mod pickle;
pub(crate) mod safe;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod torch_zip;
mod values;
mod zip;
#[cfg(test)]
pub(crate) mod zip_tests;

use std::path::Path;

use memmap2::Mmap;

pub(crate) use self::values::{Float, narrow, narrowed, widen, widened};
pub(crate) use self::zip::Archive;
use crate::error::{Error, Result};

/// Names of a model's weights, as PyTorch's libraries save them: one file, and the index of several files, in the order in which they are looked for.
pub(crate) const WEIGHTS: [[&str; 2]; 2] = [
    ["model.safetensors", "model.safetensors.index.json"],
    ["pytorch_model.bin", "pytorch_model.bin.index.json"],
];

/// Maps a file of `format` without reading it.
pub(crate) fn map(path: &Path, format: &str) -> Result<Mmap> {
    let file = std::fs::File::open(path).map_err(|e| Error::io("cannot open the file", path, e))?;
    let length = file
        .metadata()
        .map_err(|e| Error::io("cannot open the file", path, e))?
        .len();
    if length == 0 {
        return Err(Error::input(
            format!("is not a complete {format} file (it is empty): copy or download it again"),
            path,
        ));
    }
    #[expect(
        unsafe_code,
        reason = "mapping a file is unsafe because others may change it while it is read"
    )]
    // SAFETY: every reader checks the file's header against its length first.
    unsafe { Mmap::map(&file) }.map_err(|e| Error::io("cannot map the file", path, e))
}

/// Shortens a name from a file for use in a sentence; a hostile name may be megabytes long or contain line breaks.
pub(crate) fn short(name: &str) -> String {
    let shown = name.chars().filter(|c| !c.is_control());
    shown.take(60).collect()
}

/// Returns whether `name` is a plain file name that cannot lead out of the folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(std::path::Component::Normal(_)), None)
    )
}
