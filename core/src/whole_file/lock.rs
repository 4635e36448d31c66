//! The lock of a folder that one program alone may write. The system gives it back when the program ends, however it does, so a killed program locks nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file that is locked.
const NAME: &str = ".lock";
/// Tries before a lock counts as another's: whoever asks whether it is held holds it for an instant.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// A folder's lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Locks `folder`, which is there; none if another program, or another part of this one, has locked it. On a file system without locks all is free.
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
                // The holder before removed the file that was just locked: lock the one that is there.
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

    /// Whether `folder` is locked; where that cannot be told, it counts as locked.
    pub(crate) fn is_held(folder: &Path) -> bool {
        match File::open(folder.join(NAME)) {
            Ok(file) => file.try_lock_shared().is_err(),
            Err(e) => e.kind() != ErrorKind::NotFound,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held, so that nobody's lock is taken away. Elsewhere an open file cannot be removed.
        if cfg!(unix) && is_there(&self.file, &self.path) {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

fn is_unsupported(e: &Error) -> bool {
    e.kind() == ErrorKind::Unsupported
}

/// Whether `path` still names `file`.
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
        // What a killed program leaves: a file that nobody has locked.
        std::fs::write(folder.path().join(NAME), "").unwrap();
        assert!(!Lock::is_held(folder.path()));
        assert!(Lock::take(folder.path()).unwrap().is_some());
    }
}
