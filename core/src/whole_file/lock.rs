//! Locks a folder that only one program may write. The system releases the lock when the program ends for any reason, so a killed program leaves no lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the locked file.
const NAME: &str = ".lock";
/// Attempts before a lock counts as held: checking whether it is held holds it for an instant.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Lock of a folder, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Locks `folder`, which must exist; none if another program, or another part of this one, holds the lock. File systems without locks always grant it.
    pub(crate) fn take(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            let mut how = OpenOptions::new();
            how.read(true).write(true).create(true).truncate(false);
            let file = how.open(&path)?;
            match file.try_lock() {
                // The previous holder removed the file that was just locked: lock the new one.
                Ok(()) if !is_there(&file, &path) => {}
                Ok(()) => return Ok(Some(Self { file, path })),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) if is_unsupported(&e) => {
                    return Ok(Some(Self { file, path }));
                }
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
        Ok(None)
    }

    /// Returns whether `folder` is locked; true if that cannot be determined.
    pub(crate) fn is_held(folder: &Path) -> bool {
        match File::open(folder.join(NAME)) {
            Ok(file) => file.try_lock_shared().is_err(),
            Err(e) => e.kind() != ErrorKind::NotFound,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Unix: remove the file while it is locked, so that nobody else's lock is removed. Other systems cannot remove an open file.
        if cfg!(unix) && is_there(&self.file, &self.path) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn is_unsupported(e: &Error) -> bool {
    e.kind() == ErrorKind::Unsupported
}

/// Returns whether `path` still names `file`.
#[cfg(unix)]
fn is_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |file: &File| {
        let (a, b) = (file.metadata()?, std::fs::metadata(path)?);
        Ok::<bool, Error>((a.dev(), a.ino()) == (b.dev(), b.ino()))
    };
    same(file).unwrap_or(false)
}

#[cfg(not(unix))]
fn is_there(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_lock_that_is_free_again_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(folder.path()));
        let lock = Lock::take(folder.path()).unwrap();
        assert!(lock.is_some() && Lock::is_held(folder.path()));
        assert!(Lock::take(folder.path()).unwrap().is_none());
        drop(lock);
        assert!(!Lock::is_held(folder.path()));
        // A killed program leaves a file that nobody has locked.
        std::fs::write(folder.path().join(NAME), "").unwrap();
        assert!(!Lock::is_held(folder.path()));
        assert!(Lock::take(folder.path()).unwrap().is_some());
    }
}
