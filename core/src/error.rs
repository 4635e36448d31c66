//! Error type of the crate, and `Notes` on decisions and omissions of a successful operation.
//!
//! Every variant names its subject first (file, tensor, hook or setting), then the problem, then what to do. This module never prints.

mod key;

use std::fmt::Display;
use std::path::{Path, PathBuf};

pub use key::{Key, keys, worded};

/// Result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of this crate, by who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder has unexpected content.
    #[error("{}{what}", subject(path, what))]
    Input {
        /// Problem and remedy: a predicate of the file (`is not TOML`), or a clause of its own (`the text is not UTF-8`).
        what: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// A file or folder lacks a tensor or a key.
    #[error("{name} is missing from {}: {remedy}", path.display())]
    Missing {
        /// Name of the tensor or key.
        name: String,
        /// The file or folder.
        path: PathBuf,
        /// Remedy.
        remedy: String,
    },
    /// A setting has an unusable value.
    #[error("{setting}: {what}")]
    Setting {
        /// Key of the setting ([`Key`] has those that a front end words); the command line's own errors name a flag.
        setting: String,
        /// Problem and remedy.
        what: String,
    },
    /// A tensor has the wrong shape.
    #[error("{op}: {what}")]
    Shape {
        /// Operation that failed.
        op: &'static str,
        /// Tensor, expected shape, actual shape.
        what: String,
    },
    /// The model lacks a hook, or the hook is unsuitable.
    #[error("hook `{hook}`: {what}")]
    Hook {
        /// Hook as it was named.
        hook: String,
        /// Problem and remedy.
        what: String,
    },
    /// Files are valid but do not belong together.
    #[error("{what}")]
    Mismatch {
        /// The files, the reason and the remedy.
        what: String,
    },
    /// This version does not support the request.
    #[error("{what} is not supported: {remedy}")]
    Unsupported {
        /// Request.
        what: String,
        /// Alternative.
        remedy: String,
    },
    /// A computation gave NaN, infinity or another unusable number.
    #[error("{what}")]
    Numeric {
        /// The value, where it occurred, and what to do.
        what: String,
    },
    /// A GPU failed, or cannot do what was asked.
    #[error("{device} {what}")]
    Device {
        /// Name of the adapter, or the setting's value.
        device: String,
        /// Predicate: the problem and the remedy.
        what: String,
    },
    /// The machine has too little memory.
    #[error(
        "{what} needs {needed} bytes of memory, {available} are free: choose a smaller batch, dictionary or model"
    )]
    OutOfMemory {
        /// Allocation that failed.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
    },
    /// A file operation failed.
    #[error("{}: {what}: {source}", path.display())]
    Io {
        /// Operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Reason given by the operating system.
        source: std::io::Error,
    },
    /// An operation on an SQLite file (index or labels) failed.
    #[error("{}: {what}: {source}", path.display())]
    Database {
        /// Operation.
        what: &'static str,
        /// Path of the database.
        path: PathBuf,
        /// Reason given by SQLite.
        source: rusqlite::Error,
    },
    /// A tensor operation of candle failed; a bug in Umbra unless memory ran out.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Creates an [`Error::Input`].
    pub fn input(what: impl Into<String>, path: impl AsRef<Path>) -> Self {
        Self::Input {
            what: what.into(),
            path: path.as_ref().to_path_buf(),
        }
    }

    /// Creates an [`Error::Missing`].
    pub fn missing(
        name: impl Into<String>,
        path: impl AsRef<Path>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Missing {
            name: name.into(),
            path: path.as_ref().to_path_buf(),
            remedy: remedy.into(),
        }
    }

    /// Creates an [`Error::Setting`].
    pub fn setting(setting: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Setting {
            setting: setting.into(),
            what: what.into(),
        }
    }

    /// Creates an [`Error::Hook`].
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

    /// Creates an [`Error::Io`].
    pub fn io(what: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            what,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// Creates an [`Error::Database`].
    pub fn database(what: &'static str, path: impl AsRef<Path>, source: rusqlite::Error) -> Self {
        Self::Database {
            what,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }

    /// Creates an [`Error::Unsupported`] for a part that this build of the library leaves out; `feature` adds it.
    #[cfg(not(all(feature = "hub", feature = "parquet", feature = "zstd")))]
    pub(crate) fn left_out(what: impl Into<String>, feature: &str) -> Self {
        Self::Unsupported {
            what: what.into(),
            remedy: format!("build umbra-core with its feature `{feature}`"),
        }
    }

    /// Returns one word for the kind of problem, for programs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Input { .. } => "input",
            Self::Missing { .. } => "missing",
            Self::Setting { .. } => "setting",
            Self::Shape { .. } => "shape",
            Self::Hook { .. } => "hook",
            Self::Unsupported { .. } => "unsupported",
            Self::Numeric { .. } => "numeric",
            Self::OutOfMemory { .. } => "memory",
            Self::Io { .. } => "io",
            Self::Database { .. } => "database",
            Self::Mismatch { .. } => "mismatch",
            Self::Device { .. } => "device",
            Self::Tensor(_) => "tensor",
        }
    }

    /// Returns the settings that the sentence names: its subject and its remedies, in order.
    pub fn keys(&self) -> Vec<Key> {
        let subject = match self {
            Self::Setting { setting, .. } => Key::named(setting),
            _ => None,
        };
        let inside = keys(&self.to_string());
        subject.into_iter().chain(inside).collect()
    }

    /// Returns the sentence with `words` in place of each setting that it names.
    pub fn worded<W: Display>(&self, words: impl Fn(Key) -> W) -> String {
        if let Self::Setting { setting, what } = self
            && let Some(key) = Key::named(setting)
        {
            let subject = words(key);
            return format!("{subject}: {}", worded(what, words));
        }
        worded(&self.to_string(), words).into_owned()
    }

    /// Returns the file or folder that the error is about, if any.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Input { path, .. }
            | Self::Missing { path, .. }
            | Self::Io { path, .. }
            | Self::Database { path, .. } => Some(path),
            _ => None,
        }
    }
}

/// Verbs whose subject is the file.
const PREDICATES: &[&str] = &[
    "is", "has", "holds", "lacks", "names", "says", "claims", "does", "was", "needs", "cannot",
];

/// Writes `path` as the subject of `what`, or before it where `what` has its own subject.
fn subject(path: &Path, what: &str) -> String {
    let first = what.split(' ').next().unwrap_or_default();
    let between = if PREDICATES.contains(&first) {
        " "
    } else {
        ": "
    };
    format!("{}{between}", path.display())
}

/// Sentences on decisions, assumptions and omissions of a successful operation, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(Vec<String>);

impl Notes {
    /// Adds one sentence (sentence case, no full stop).
    pub fn add(&mut self, note: impl Into<String>) {
        self.0.push(note.into());
    }

    /// Adds all sentences of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns the sentences in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is no sentence.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_with_what_it_is_about() {
        #[track_caller]
        fn check(error: &Error, want: &str) {
            assert_eq!(error.to_string(), want);
        }
        check(
            &Error::input("is not TOML, write it again", "a/run.toml"),
            "a/run.toml is not TOML, write it again",
        );
        check(
            &Error::input("the text is not UTF-8 at byte 3, convert the file", "a.txt"),
            "a.txt: the text is not UTF-8 at byte 3, convert the file",
        );
        check(
            &Error::missing("lm_head.weight", "model.safetensors", "download it again"),
            "lm_head.weight is missing from model.safetensors: download it again",
        );
        let source = std::io::Error::other("no such device");
        check(
            &Error::io("cannot read the file", "a.txt", source),
            "a.txt: cannot read the file: no such device",
        );
        check(
            &Error::setting("k", "0 is too little"),
            "k: 0 is too little",
        );
    }

    #[test]
    fn a_setting_is_named_by_its_key_until_someone_words_it() {
        let flag = |key: Key| format!("--{}", key.name());
        let remedy = format!("holds a run, give {} to replace it", Key::Overwrite);
        let error = Error::input(remedy, "runs/a");
        let plain = "runs/a holds a run, give setting `overwrite` to replace it";
        assert_eq!(error.to_string(), plain);
        assert_eq!(error.keys(), [Key::Overwrite]);
        let said = "runs/a holds a run, give --overwrite to replace it";
        assert_eq!(error.worded(flag), said);
        let error = Error::setting(Key::Context, format!("too long by {}", Key::Positions));
        let plain = "context: too long by setting `positions`";
        assert_eq!(error.to_string(), plain);
        assert_eq!(error.worded(flag), "--context: too long by --positions");
        assert_eq!(error.keys(), [Key::Context, Key::Positions]);
        let other = Error::setting("k", "0 is too little");
        assert_eq!(
            (other.worded(flag), other.keys()),
            (other.to_string(), vec![])
        );
    }

    #[test]
    fn a_program_is_told_kind_and_path() {
        let missing = Error::missing("W_enc", "sae/w.safetensors", "save it again");
        assert_eq!(missing.kind(), "missing");
        assert_eq!(missing.path(), Some(Path::new("sae/w.safetensors")));
        let setting = Error::setting("k", "0 is too little");
        assert_eq!((setting.kind(), setting.path()), ("setting", None));
    }
}
