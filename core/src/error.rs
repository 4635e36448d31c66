//! The crate's one error type, and `Notes` for what was decided or left out on the way to a success.
//!
//! Every variant names its subject first (the file, tensor, hook or setting), then the problem, then what to do. Nothing here prints.

mod key;

use std::fmt::Display;
use std::path::{Path, PathBuf};

pub use key::{Key, keys, worded};

/// Result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder does not hold what was expected of it.
    #[error("{}{what}", subject(path, what))]
    Input {
        /// The problem and the remedy: what the file does (`is no TOML`), or a sentence of its own (`the text is not UTF-8`).
        what: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// A file or folder lacks something named: a tensor, a key.
    #[error("{name} is missing from {}: {remedy}", path.display())]
    Missing {
        /// The tensor or key.
        name: String,
        /// The file or folder.
        path: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// A setting has a value that cannot be used.
    #[error("{setting}: {what}")]
    Setting {
        /// Key of the setting ([`Key`] has those that a front end words); the command line's own errors name a flag.
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
        "{what} needs {needed} bytes of memory, {available} are free: choose a smaller batch, dictionary or model"
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
    #[error("{}: {what}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An SQLite file (index or labels) refused.
    #[error("{}: {what}: {source}", path.display())]
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

    /// An [`Error::Missing`] from borrowed parts.
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

    /// An [`Error::Unsupported`] of what this build of the library leaves out; `feature` adds it.
    #[cfg(not(all(feature = "hub", feature = "parquet", feature = "zstd")))]
    pub(crate) fn left_out(what: impl Into<String>, feature: &str) -> Self {
        Self::Unsupported {
            what: what.into(),
            remedy: format!("build umbra-core with its feature `{feature}`"),
        }
    }

    /// One word for what kind of problem it is, for programs.
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
            Self::Tensor(_) => "tensor",
        }
    }

    /// Settings that the sentence names: its subject and its remedies, in order.
    pub fn keys(&self) -> Vec<Key> {
        let subject = match self {
            Self::Setting { setting, .. } => Key::named(setting),
            _ => None,
        };
        let inside = keys(&self.to_string());
        subject.into_iter().chain(inside).collect()
    }

    /// The sentence with `words` in place of each setting that it names.
    pub fn worded<W: Display>(&self, words: impl Fn(Key) -> W) -> String {
        if let Self::Setting { setting, what } = self
            && let Some(key) = Key::named(setting)
        {
            let subject = words(key);
            return format!("{subject}: {}", worded(what, words));
        }
        worded(&self.to_string(), words).into_owned()
    }

    /// The file or folder that it is about, if it is about one.
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

/// Words that say something of a file, which then is the sentence's subject.
const PREDICATES: &[&str] = &[
    "is", "has", "holds", "lacks", "names", "says", "claims", "does", "was", "needs", "cannot",
];

/// `path` as the subject of `what`, or before it where `what` has a subject of its own.
fn subject(path: &Path, what: &str) -> String {
    let first = what.split(' ').next().unwrap_or_default();
    let between = if PREDICATES.contains(&first) {
        " "
    } else {
        ": "
    };
    format!("{}{between}", path.display())
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
            &Error::input("is no TOML, write it anew", "a/run.toml"),
            "a/run.toml is no TOML, write it anew",
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
