//! Resolves the target of an output: links are followed, a regular file is replaced whole, a pipe or a device is written directly.

use std::fs::{FileType, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Limit on the links followed in a row, as in the kernel.
const LINKS: usize = 40;

/// Target of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Regular file, existing or not; never a link.
    File(PathBuf),
    /// Pipe, terminal or other device, or an open file of this process: written in place.
    Stream(PathBuf),
}

impl Place {
    /// Resolves the file `path`; an error if no file can be written there.
    pub(super) fn resolve(path: &Path) -> Result<Self> {
        let target = followed(path)?;
        let is_open = is_descriptor(&target);
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                Err(Error::input("is a folder, name a file to write", path))
            }
            Ok(found) if found.is_file() && !is_open => Ok(Self::File(target)),
            Ok(found) if found.is_file() || is_stream(found.file_type()) => {
                Ok(Self::Stream(target))
            }
            Ok(found) => {
                let what = format!("is {}, name a file to write", kind(&found));
                Err(Error::input(what, path))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Self::File(target)),
            Err(e) => Err(Error::io("cannot write the file", path, e)),
        }
    }
}

/// Returns the folder `path` with its links followed, existing or not; an error if something else is there.
pub(super) fn folder(path: &Path) -> Result<PathBuf> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(path.to_path_buf()),
        Ok(found) => {
            let what = format!("is {}, name a folder to write", kind(&found));
            Err(Error::input(what, path))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => followed(path),
        Err(e) => Err(Error::io("cannot write the folder", path, e)),
    }
}

/// Follows every link at the end of `path`, even one that leads to nothing yet. The system resolves links in parent folders.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut at = path.to_path_buf();
    for _ in 0..LINKS {
        let is_link = at.symlink_metadata().is_ok_and(|found| found.is_symlink());
        // The link of an open file names a pipe, or a file that may be gone: open it through the link.
        if !is_link || is_descriptor(&at) {
            return Ok(at);
        }
        let to = std::fs::read_link(&at).map_err(|e| Error::io("following the link", &at, e))?;
        at = at.parent().map_or_else(|| to.clone(), |of| of.join(&to));
    }
    Err(Error::input("is a link that leads back to itself", path))
}

/// Returns whether `path` names an open file of a process, as `/dev/stdout` does: `/proc/self/fd/1`.
fn is_descriptor(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd"))
}

#[cfg(unix)]
fn is_stream(of: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    of.is_fifo() || of.is_char_device()
}

#[cfg(not(unix))]
fn is_stream(_: FileType) -> bool {
    false
}

/// Returns the kind of file, for a sentence.
fn kind(found: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let of = found.file_type();
        if of.is_block_device() {
            return "a disk";
        } else if of.is_char_device() {
            return "a device";
        } else if of.is_fifo() {
            return "a pipe";
        } else if of.is_socket() {
            return "a socket";
        }
    }
    if found.is_file() {
        "a file"
    } else {
        "no regular file"
    }
}
