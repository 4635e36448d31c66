//! Writes files whole or not at all: a temporary file beside the target, sync, rename. Links are followed, never replaced; pipes and devices are written
//! directly. The temporary file lies in the target's folder, so that no rename crosses disks.

mod lock;
mod place;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use self::place::Place;
use crate::error::{Error, Result};

pub(crate) use self::lock::Lock;

/// Prefix of temporary names.
const PREFIX: &str = ".umbra-";

/// Writes `path` through `fill`; on failure nothing is left behind and an older file stays. Pipes and devices are filled directly.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |source| Error::io("cannot write the file", path, plain(source));
    let target = match Place::resolve(path)? {
        Place::Stream(target) => {
            let file = opened(&target).map_err(failed)?;
            let mut out = BufWriter::new(file);
            return fill(&mut out).and_then(|()| out.flush()).map_err(failed);
        }
        Place::File(target) => target,
    };
    let folder = folder_of(&target);
    create_folder(folder)?;
    let temporary = match temporary_in(folder) {
        Ok(temporary) => temporary,
        // The file may be writable in a read-only folder.
        Err(refused) if target.exists() && refuses_new(&refused) => {
            let mut bytes = Vec::new();
            fill(&mut bytes).map_err(failed)?;
            return overwrite(&target, &bytes).map_err(failed);
        }
        Err(refused) => return Err(failed(refused)),
    };
    let mut out = BufWriter::new(temporary.as_file());
    fill(&mut out).and_then(|()| out.flush()).map_err(failed)?;
    drop(out);
    settle(temporary, &target).map_err(failed)
}

/// Writes bytes to `path`, whole or not at all.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, |out| out.write_all(bytes))
}

/// Writes `path` whole or not at all through `fill`, which gets the path of an empty temporary file and may decline to write (`false`). For code that writes
/// files by name, such as a database; a pipe or a device is an error.
pub(crate) fn write_by(path: &Path, fill: impl FnOnce(&Path) -> Result<bool>) -> Result<bool> {
    let target = regular(path)?;
    let folder = folder_of(&target);
    create_folder(folder)?;
    let failed = |source| Error::io("cannot write the file", path, plain(source));
    let temporary = temporary_in(folder).map_err(failed)?;
    if !fill(temporary.path()).map_err(|error| renamed(error, temporary.path(), path))? {
        return Ok(false);
    }
    settle(temporary, &target).map_err(failed)?;
    Ok(true)
}

/// Fills the folder `path`, following links: `fill` writes into a temporary folder inside it, and each file then replaces its namesake; other files stay. If
/// `fill` fails, nothing is left behind, not even a folder made for it.
pub fn write_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let target = place::folder(path)?;
    let made = create_folder(&target)?;
    let written = write_inside((&target, path), fill);
    if let (Err(_), Some(made)) = (&written, made) {
        remove_empty(&target, &made);
    }
    written
}

fn write_inside(
    (target, path): (&Path, &Path),
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let failed = |source| Error::io("cannot write the folder", path, plain(source));
    let temporary = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(target)
        .map_err(failed)?;
    fill(temporary.path()).map_err(|error| renamed(error, temporary.path(), path))?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(temporary.path()).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    // Check every place before changing the first.
    let places: Vec<Place> = names
        .iter()
        .map(|name| Place::resolve(&path.join(name)))
        .collect::<Result<_>>()?;
    for (name, place) in names.iter().zip(places) {
        let from = temporary.path().join(name);
        let named = |source| Error::io("cannot write the file", path.join(name), plain(source));
        put(&from, &place).map_err(named)?;
    }
    sync_folder(target);
    Ok(())
}

/// Moves the finished file `from` to its place, which a link may have put on another disk.
fn put(from: &Path, to: &Place) -> std::io::Result<()> {
    let to = match to {
        Place::Stream(to) => {
            std::io::copy(&mut File::open(from)?, &mut opened(to)?)?;
            return Ok(());
        }
        Place::File(to) => to,
    };
    match std::fs::rename(from, to) {
        Err(refused) if is_bound(&refused) => {
            let temporary = temporary_in(folder_of(to))?;
            std::io::copy(&mut File::open(from)?, &mut temporary.as_file())?;
            settle(temporary, to)
        }
        done => done,
    }
}

/// Renames a written temporary file once it is synced.
fn settle(temporary: NamedTempFile, target: &Path) -> std::io::Result<()> {
    if let Ok(older) = std::fs::metadata(target) {
        // Keep the permissions of a file that others may not read.
        drop(temporary.as_file().set_permissions(older.permissions()));
    }
    temporary.as_file().sync_all()?;
    match temporary.persist(target) {
        Ok(_file) => {
            sync_folder(folder_of(target));
            Ok(())
        }
        // A file that is a mount point can only be changed in place.
        Err(refused) if target.exists() && is_bound(&refused.error) => {
            let mut bytes = Vec::new();
            File::open(refused.file.path())?.read_to_end(&mut bytes)?;
            overwrite(target, &bytes)
        }
        Err(refused) => Err(refused.error),
    }
}

/// Writes `bytes` over a file that can only be changed in place; restores its content if they do not fit.
fn overwrite(target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let older = std::fs::read(target)?;
    let mut file = OpenOptions::new().write(true).open(target)?;
    let mut put = |bytes: &[u8]| {
        std::io::Seek::rewind(&mut file)?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    put(bytes).inspect_err(|_| drop(put(&older)))
}

/// Makes a temporary file in `folder` that, once renamed, has the permissions of any new file.
fn temporary_in(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask applies as to any file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Opens a pipe, a device or an open file to write it in place.
fn opened(target: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).open(target)
}

/// Returns whether `path` is this program's standard output, as `/dev/stdout` is.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn is_standard_output(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place =
        |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino(), found.rdev()));
    match (place(path), place(Path::new("/dev/stdout"))) {
        (Ok(this), Ok(output)) => this == output,
        _ => false,
    }
}

/// Returns false: standard output has no path on this system.
#[cfg(all(not(unix), feature = "cli"))]
pub(crate) fn is_standard_output(_: &Path) -> bool {
    false
}

/// Checks that [`write()`] can write `path`, before long work begins. Leaves nothing behind.
pub fn check(path: &Path) -> Result<()> {
    match Place::resolve(path)? {
        Place::Stream(_) => Ok(()),
        Place::File(target) => check_file(path, &target),
    }
}

/// Checks a file that other code reads back or writes by name: a pipe or a device is an error.
pub(crate) fn check_regular(path: &Path) -> Result<()> {
    check_file(path, &regular(path)?)
}

/// Returns `path` with its links followed; an error for a pipe or a device.
fn regular(path: &Path) -> Result<PathBuf> {
    match Place::resolve(path)? {
        Place::File(target) => Ok(target),
        Place::Stream(_) => {
            let what =
                "is a pipe or a device, and this file must be read back: name a regular file";
            Err(Error::input(what, path))
        }
    }
}

fn check_file(path: &Path, target: &Path) -> Result<()> {
    let failed = |source| Error::io("cannot write the file", path, plain(source));
    match try_in(folder_of(target)) {
        Err(refused) if target.exists() && refuses_new(&refused) => OpenOptions::new()
            .write(true)
            .open(target)
            .map(drop)
            .map_err(failed),
        tried => tried.map_err(failed),
    }
}

/// Checks that [`write_folder`] can write into `path`, before long work begins. Leaves nothing behind.
pub fn check_folder(path: &Path) -> Result<()> {
    let target = place::folder(path)?;
    try_in(&target).map_err(|e| Error::io("cannot write the folder", path, plain(e)))
}

/// Writes and removes a few bytes in `folder`, or in its nearest existing parent.
fn try_in(folder: &Path) -> std::io::Result<()> {
    let there = nearest(folder);
    if !std::fs::metadata(there)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let temporary = temporary_in(there)?;
    temporary.as_file().write_all(&[0; 4_096])
}

/// Returns the nearest of `path` and its parents that exists.
fn nearest(path: &Path) -> &Path {
    let mut above = path.ancestors().map(|at| {
        if at.as_os_str().is_empty() {
            Path::new(".")
        } else {
            at
        }
    });
    above
        .find(|at| at.symlink_metadata().is_ok())
        .unwrap_or(Path::new("."))
}

/// Makes `folder` and its parents, following links; returns the first one made, if any.
pub(crate) fn create_folder(folder: &Path) -> Result<Option<PathBuf>> {
    let target = place::folder(folder)?;
    if target.is_dir() {
        return Ok(None);
    }
    let missing = target
        .ancestors()
        .take_while(|at| !at.as_os_str().is_empty() && !at.exists());
    let first = missing.last().map(Path::to_path_buf);
    std::fs::create_dir_all(&target)
        .map_err(|source| Error::io("cannot create the folder", folder, source))?;
    Ok(first)
}

/// Removes the empty folders from `folder` up to `made`.
pub(crate) fn remove_empty(folder: &Path, made: &Path) {
    let within = folder.ancestors().take_while(|at| at.starts_with(made));
    for empty in within {
        if std::fs::remove_dir(empty).is_err() {
            return;
        }
    }
}

/// Removes what a killed program was writing in `folder`, which must be locked.
pub(crate) fn sweep(folder: &Path) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).map_err(|e| Error::io("cannot list the folder", folder, e))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let path = entry.path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.map_err(|e| Error::io("cannot remove an unfinished file", &path, e))?;
        }
    }
    Ok(())
}

/// Returns the one path that all spellings of `path` share: links followed as far as they lead, `.` and `..` resolved.
pub fn identity(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let target = place::folder(path).unwrap_or_else(|_| path.to_path_buf());
    let absolute = std::path::absolute(&target).unwrap_or(target);
    let mut at = absolute.as_path();
    loop {
        if let Ok(found) = at.canonicalize() {
            let mut whole = found;
            for part in missing.iter().rev() {
                match part {
                    std::path::Component::ParentDir => drop(whole.pop()),
                    other => whole.push(other),
                }
            }
            return whole;
        }
        let (Some(last), Some(above)) = (at.components().next_back(), at.parent()) else {
            return absolute;
        };
        missing.push(last);
        at = above;
    }
}

/// Returns the folder of a file.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Syncs `folder`, so that renames in it last; file systems that cannot sync folders are left alone.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        // Some file systems reject it, and no data are at stake.
        drop(File::open(folder).and_then(|folder| folder.sync_all()));
    }
}

/// Returns whether a folder accepts no new file.
fn refuses_new(e: &std::io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// Returns whether a rename cannot replace a file: a mount point, a file on another disk, or another user's file in a shared folder.
fn is_bound(e: &std::io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::CrossesDevices | ErrorKind::ResourceBusy | ErrorKind::PermissionDenied
    )
}

/// Returns the system's message without the temporary name after it.
fn plain(source: std::io::Error) -> std::io::Error {
    let text = source.to_string();
    match text.split_once(" at path ") {
        Some((words, _path)) => std::io::Error::new(source.kind(), words.to_owned()),
        None => source,
    }
}

/// Rewrites an error about `fresh`, or a file in it, as one about the final path.
fn renamed(error: Error, fresh: &Path, path: &Path) -> Error {
    let place = |of: PathBuf| match of.strip_prefix(fresh) {
        Ok(inside) if inside.as_os_str().is_empty() => path.to_path_buf(),
        Ok(inside) => path.join(inside),
        Err(_elsewhere) => of,
    };
    match error {
        Error::Io {
            what,
            path: of,
            source,
        } => Error::Io {
            what,
            path: place(of),
            source: plain(source),
        },
        Error::Input { what, path: of } => Error::Input {
            what,
            path: place(of),
        },
        other => other,
    }
}
