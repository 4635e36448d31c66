//! Transfer of one file from the hub into the cache: resumes an earlier attempt and checks the whole file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::name::Name;
use super::remote::{Bytes, Facts, Remote};
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow};

/// Bytes between two calls of the observer.
const CHUNK: usize = 1 << 18;
/// Most attempts in a row that bring nothing.
const ATTEMPTS: u32 = 4;
/// Pause before the second attempt; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(250);

/// File to fetch, and its destination.
pub(super) struct Order<'a> {
    pub(super) name: &'a Name,
    pub(super) commit: &'a str,
    pub(super) file: &'a str,
    pub(super) facts: &'a Facts,
    /// Path of the whole file.
    pub(super) blob: &'a Path,
}

/// Fetches the file; `observe` gets the number of bytes so far and may stop the transfer, which a later attempt resumes.
pub(super) fn fetch(
    remote: &Remote,
    order: &Order<'_>,
    observe: &mut dyn FnMut(u64) -> Flow,
) -> Result<Ended<()>> {
    let partial = partial_of(order.blob);
    let failed = |e| Error::io("cannot write to the hub's cache", &partial, e);
    if let Some(parent) = partial.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&partial)
        .map_err(failed)?;
    if file.try_lock().is_err() {
        return Err(Error::input(
            format!("another program is fetching {}, wait for it", order.file),
            order.name.to_string(),
        ));
    }
    let size = order.facts.size;
    if std::fs::metadata(order.blob).is_ok_and(|blob| blob.len() == size) {
        // Another program was done in the meantime.
        std::fs::remove_file(&partial).map_err(failed)?;
        return Ok(Ended::Done(()));
    }
    if file.metadata().map_err(failed)?.len() > size {
        file.set_len(0).map_err(failed)?;
    }
    let mut fruitless = 0;
    loop {
        let before = file.seek(SeekFrom::End(0)).map_err(failed)?;
        if before == size {
            break;
        }
        let attempt = remote
            .bytes(order.name, (order.commit, order.file), before)
            .and_then(|bytes| append(bytes, &mut file, &partial, size, observe));
        let there = file.metadata().map_err(failed)?.len();
        match attempt {
            Ok(Ended::Stopped(())) => return Ok(Ended::STOPPED),
            Ok(Ended::Done(())) if there == size => break,
            other => {
                fruitless = if there > before { 0 } else { fruitless + 1 };
                if fruitless == ATTEMPTS {
                    return Err(other.err().unwrap_or_else(|| broken_off(order, there)));
                }
                std::thread::sleep(PAUSE * (1 << fruitless.min(4)));
            }
        }
    }
    check(&mut file, order).inspect_err(|_| drop(std::fs::remove_file(&partial)))?;
    std::fs::rename(&partial, order.blob).map_err(failed)?;
    Ok(Ended::Done(()))
}

/// Returns the path of a growing file, by huggingface_hub's name, so that either program resumes the other's download.
fn partial_of(blob: &Path) -> PathBuf {
    let mut name = blob.file_name().unwrap_or_default().to_owned();
    name.push(".incomplete");
    blob.with_file_name(name)
}

fn broken_off(order: &Order<'_>, there: u64) -> Error {
    Error::input(
        format!(
            "the download of {} broke off after {there} of {} bytes: try again, it resumes there",
            order.file, order.facts.size
        ),
        order.name.to_string(),
    )
}

/// Appends arriving bytes. An end before the file's end is no error here.
fn append(
    mut bytes: Bytes,
    file: &mut File,
    path: &Path,
    size: u64,
    observe: &mut dyn FnMut(u64) -> Flow,
) -> Result<Ended<()>> {
    let failed = |e| Error::io("cannot write to the hub's cache", path, e);
    file.set_len(bytes.start).map_err(failed)?;
    let mut there = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        if observe(there).is_break() {
            return Ok(Ended::STOPPED);
        }
        let room = usize::try_from(size - there).unwrap_or(CHUNK).min(CHUNK);
        if room == 0 {
            return Ok(Ended::Done(()));
        }
        match bytes.reader.read(&mut buffer[..room]) {
            Ok(0) | Err(_) => return Ok(Ended::Done(())),
            Ok(read) => {
                file.write_all(&buffer[..read]).map_err(failed)?;
                there += read as u64;
            }
        }
    }
}

/// Whether the bytes are those that the hub identified by SHA-256 or Git's SHA-1; true where it gives neither.
fn check(file: &mut File, order: &Order<'_>) -> Result<()> {
    if order.facts.etag.len() != 64 {
        return Ok(());
    }
    let failed = |e| Error::io("cannot read from the hub's cache", order.blob, e);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut hash = Sha256::new();
    std::io::copy(file, &mut hash).map_err(failed)?;
    if format!("{:x}", hash.finalize()) == order.facts.etag {
        return Ok(());
    }
    Err(Error::input(
        format!(
            "{} arrived damaged, its checksum is not the hub's: try again",
            order.file
        ),
        order.name.to_string(),
    ))
}
