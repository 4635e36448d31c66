//! Files that appear whole or not at all: a temporary name beside the target, sync, rename. Links are followed, never replaced; pipes and devices are written
//! as they are. The temporary name lies in the folder that is written, so that no rename leaves its disk.

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

/// Beginning of temporary names.
const PREFIX: &str = ".umbra-";

/// Writes `path` through `fill`; on any failure nothing is left behind and an older file stays as it was. Into a pipe or a device `fill` writes directly.
pub fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |source| Error::io("cannot write the file", path, plain(source));
    let target = match Place::of(path)? {
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
        // The file alone may be written, not its folder.
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

/// Writes bytes as `path`, whole or not at all.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, |out| out.write_all(bytes))
}

/// Writes `path` whole or not at all through `fill`, which gets the path of an empty temporary file and may say that nothing is to be written (`false`). For
/// what writes files by their names, such as a database; a pipe or a device is refused.
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

/// Fills the folder `path`, whose links are followed: `fill` writes into a temporary folder inside it, and each file that is written then replaces its
/// namesake, all else stays. If `fill` fails nothing is left, nor a folder that was made for it.
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
    // Every place is looked at before the first is changed.
    let places: Vec<Place> = names
        .iter()
        .map(|name| Place::of(&path.join(name)))
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

/// Gives a written temporary file its name, once it is on the disk.
fn settle(temporary: NamedTempFile, target: &Path) -> std::io::Result<()> {
    if let Ok(older) = std::fs::metadata(target) {
        // A file that others may not read stays so.
        drop(temporary.as_file().set_permissions(older.permissions()));
    }
    temporary.as_file().sync_all()?;
    match temporary.persist(target) {
        Ok(_file) => {
            sync_folder(folder_of(target));
            Ok(())
        }
        // A file that is mounted by itself has no other place.
        Err(refused) if target.exists() && is_bound(&refused.error) => {
            let mut bytes = Vec::new();
            File::open(refused.file.path())?.read_to_end(&mut bytes)?;
            overwrite(target, &bytes)
        }
        Err(refused) => Err(refused.error),
    }
}

/// Writes `bytes` over a file that can only be changed in its place; what was there is put back if they do not fit.
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

/// A temporary file in `folder` that, once renamed, is as readable as any other new file.
fn temporary_in(folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask takes away what it takes away from every file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// A pipe, a device or an open file, to be written where it stands.
fn opened(target: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).open(target)
}

/// Whether `path` is the standard output of this program, as `/dev/stdout` is.
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

/// Whether `path` is the standard output of this program: it has no path here.
#[cfg(all(not(unix), feature = "cli"))]
pub(crate) fn is_standard_output(_: &Path) -> bool {
    false
}

/// Checks that [`write`] can write `path`, before long work is done for it. Leaves nothing behind.
pub fn check(path: &Path) -> Result<()> {
    match Place::of(path)? {
        Place::Stream(_) => Ok(()),
        Place::File(target) => check_file(path, &target),
    }
}

/// The same of a file that other code reads back or writes by its name: a pipe or a device is refused.
pub(crate) fn check_regular(path: &Path) -> Result<()> {
    check_file(path, &regular(path)?)
}

/// `path` with its links followed; an error where a pipe or a device is.
fn regular(path: &Path) -> Result<PathBuf> {
    match Place::of(path)? {
        Place::File(target) => Ok(target),
        Place::Stream(_) => {
            let what = "is a pipe or a device, and this file is read again: name a regular file";
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

/// Checks that [`write_folder`] can write into `path`, before long work is done for it. Leaves nothing behind.
pub fn check_folder(path: &Path) -> Result<()> {
    let target = place::folder(path)?;
    try_in(&target).map_err(|e| Error::io("cannot write the folder", path, plain(e)))
}

/// Writes a few bytes into `folder`, or into the nearest folder above that is there, and takes them away again.
fn try_in(folder: &Path) -> std::io::Result<()> {
    let there = nearest(folder);
    if !std::fs::metadata(there)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let temporary = temporary_in(there)?;
    temporary.as_file().write_all(&[0; 4_096])
}

/// The nearest of `path` and the folders above it that is there.
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

/// Makes `folder` and those above it, links followed; the first that was made, if any.
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

/// The path that `path` and every other spelling of it share: links followed as far as they lead, `.` and `..` taken out.
pub(crate) fn identity(path: &Path) -> PathBuf {
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

/// The folder that a file lies in.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes renames in `folder` last; where folders cannot be synced, they last as files do.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        // File systems without that refuse it, and no bytes are at stake.
        drop(File::open(folder).and_then(|folder| folder.sync_all()));
    }
}

/// Whether a folder takes no new file.
fn refuses_new(e: &std::io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// Whether a file cannot be replaced by a rename: it is a mount point of its own, lies on another disk, or is another's in a folder of many.
fn is_bound(e: &std::io::Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::CrossesDevices | ErrorKind::ResourceBusy | ErrorKind::PermissionDenied
    )
}

/// The system's own words, without the temporary name that stands behind them.
fn plain(source: std::io::Error) -> std::io::Error {
    let text = source.to_string();
    match text.split_once(" at path ") {
        Some((words, _path)) => std::io::Error::new(source.kind(), words.to_owned()),
        None => source,
    }
}

/// An error about `fresh` or a file under it as one about what it was to become.
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
