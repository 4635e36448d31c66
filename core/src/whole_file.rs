//! Files that appear whole or not at all: a temporary name beside the target, sync, rename.

use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `path` through `fill`; on any failure nothing is left behind and an older file stays as it was.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)
        .map_err(|source| Error::io("cannot create the folder", folder, source))?;
    let failed = |source| Error::io("cannot write the file", path, source);
    let temporary = temporary_in(folder).map_err(failed)?;
    let mut out = BufWriter::new(temporary);
    fill(&mut out).map_err(failed)?;
    let temporary = out
        .into_inner()
        .map_err(|refused| failed(refused.into_error()))?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(path)
        .map_err(|refused| failed(refused.error))?;
    Ok(())
}

/// A temporary file in `folder` that, once renamed, is as readable as any other new file.
pub(crate) fn temporary_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".umbra-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask takes away what it takes away from every file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Writes bytes as `path`, whole or not at all.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, |out| out.write_all(bytes))
}

/// Fills the folder `path`: `fill` writes into a temporary folder beside it. A new folder then appears whole by one rename; in a folder
/// that exists each written file replaces its namesake and everything else stays.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent)
        .map_err(|source| Error::io("cannot create the folder", parent, source))?;
    let failed = |source| Error::io("cannot write the folder", path, source);
    let temporary = tempfile::Builder::new()
        .prefix(".umbra-")
        .tempdir_in(parent)
        .map_err(failed)?;
    let fresh = temporary.path().join("new");
    std::fs::create_dir(&fresh).map_err(failed)?;
    fill(&fresh).map_err(|error| renamed(error, &fresh, path))?;
    if !path.exists() {
        return std::fs::rename(&fresh, path).map_err(failed);
    }
    for entry in std::fs::read_dir(&fresh).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        std::fs::rename(entry.path(), path.join(entry.file_name())).map_err(failed)?;
    }
    Ok(())
}

/// An error about a file under `fresh` as one about the file it was to become.
fn renamed(error: Error, fresh: &Path, path: &Path) -> Error {
    match error {
        Error::Io {
            what,
            path: of,
            source,
        } => {
            let of = match of.strip_prefix(fresh) {
                Ok(inside) => path.join(inside),
                Err(_elsewhere) => of,
            };
            // The system's own words name the temporary file.
            let source = source
                .raw_os_error()
                .map_or(source, std::io::Error::from_raw_os_error);
            Error::Io {
                what,
                path: of,
                source,
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_older_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_bytes(&path, b"old").unwrap();
        let full = |_: &mut dyn Write| {
            Err(std::io::Error::new(
                std::io::ErrorKind::StorageFull,
                "no space left on device",
            ))
        };
        let refused = write(&path, full).unwrap_err().to_string();
        assert!(
            refused.contains("no space left") && refused.contains("a.json"),
            "{refused}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_appears_whole_and_keeps_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("sae");
        write_folder(&path, |to| write_bytes(&to.join("a"), b"1")).unwrap();
        write_folder(&path, |to| write_bytes(&to.join("b"), b"2")).unwrap();
        assert!(path.join("a").exists() && path.join("b").exists());
        let refused = write_folder(&path, |_| Err(Error::setting("x", "refused")));
        assert!(refused.is_err() && path.join("b").exists());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
