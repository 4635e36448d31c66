//! Result files in SAEBench's schema.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::cli::Console;
use crate::error::{Error, Result};
use crate::whole_file;

/// Returns the milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Writes each result into `folder` under the name of its file. An error if two dictionaries have one name.
pub(super) fn write(folder: &Path, results: &[(String, Value)], console: &Console) -> Result<()> {
    let names: Vec<&String> = results.iter().map(|(file, _)| file).collect();
    for (number, name) in names.iter().enumerate() {
        if names[..number].contains(name) {
            let what = format!(
                "two dictionaries would be written into {name}: give them different folder names, or measure one at a time"
            );
            return Err(Error::setting("--out", what));
        }
    }
    std::fs::create_dir_all(folder)
        .map_err(|cause| Error::io("cannot create the folder", folder, cause))?;
    for (file, result) in results {
        let path = folder.join(file);
        whole_file::write_bytes(&path, format!("{result:#}\n").as_bytes())?;
        console.note(&format!("Wrote {}", path.display()));
    }
    Ok(())
}
