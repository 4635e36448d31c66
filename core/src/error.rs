//! The crate's one error type, and `Notes` for what was decided or left out on the way to a success.
//!
//! Every variant names the file, tensor, hook or flag, and what to do. Nothing here prints.

use std::path::{Path, PathBuf};

/// What every fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder does not hold what was expected of it.
    #[error("{what}: {}", path.display())]
    Input {
        /// The problem and the remedy.
        what: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// A setting or flag has a value that cannot be used.
    #[error("{setting}: {what}")]
    Setting {
        /// The setting's key or the flag.
        setting: String,
        /// The problem and the remedy.
        what: String,
    },
    /// A tensor has another shape than the formula needs.
    #[error("{op}: {what}")]
    Shape {
        /// The operation that refused.
        op: &'static str,
        /// Which tensor, what was expected, what came.
        what: String,
    },
    /// A hook that this model lacks or that cannot be used for this.
    #[error("hook `{hook}`: {what}")]
    Hook {
        /// The hook as it was named.
        hook: String,
        /// The problem and the remedy.
        what: String,
    },
    /// Files that are whole and do not belong together.
    #[error("{what}")]
    Mismatch {
        /// Which, by what, and the remedy.
        what: String,
    },
    /// Something real that this version does not do.
    #[error("{what} is not supported: {remedy}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What to do instead.
        remedy: String,
    },
    /// A computation gave no usable number.
    #[error("{what}")]
    Numeric {
        /// What became NaN or infinite, where, and what to do.
        what: String,
    },
    /// The machine has too little memory.
    #[error(
        "{what} needs {needed} bytes of memory, {available} are free: choose a smaller batch or model"
    )]
    OutOfMemory {
        /// What was about to be allocated.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
    },
    /// The operating system refused a file operation.
    #[error("{what}: {source}: {}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An SQLite file (index or labels) refused.
    #[error("{what}: {source}: {}", path.display())]
    Database {
        /// What was being done.
        what: &'static str,
        /// The database file.
        path: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// A tensor operation of candle failed; a bug of ours unless memory ran out.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An [`Error::Input`] from borrowed parts.
    pub fn input(what: impl Into<String>, path: impl AsRef<Path>) -> Self {
        Self::Input {
            what: what.into(),
            path: path.as_ref().to_path_buf(),
        }
    }

    /// An [`Error::Setting`] from borrowed parts.
    pub fn setting(setting: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Setting {
            setting: setting.into(),
            what: what.into(),
        }
    }

    /// An [`Error::Hook`] from borrowed parts.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers name the hook in passing"
    )]
    pub fn hook(hook: impl ToString, what: impl Into<String>) -> Self {
        Self::Hook {
            hook: hook.to_string(),
            what: what.into(),
        }
    }

    /// An [`Error::Io`] from borrowed parts.
    pub fn io(what: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            what,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// An [`Error::Database`] from borrowed parts.
    pub fn database(what: &'static str, path: impl AsRef<Path>, source: rusqlite::Error) -> Self {
        Self::Database {
            what,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }
}

/// Sentences about what was decided, assumed or left out while something succeeded, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(Vec<String>);

impl Notes {
    /// Adds one sentence (sentence case, no full stop).
    pub fn add(&mut self, note: impl Into<String>) {
        self.0.push(note.into());
    }

    /// Adds all of another's.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The sentences in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
