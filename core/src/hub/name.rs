//! Names on the hub: models as `owner/name` and `owner/name/file.gguf`, data sets as `hf://datasets/owner/name` and `hf://datasets/owner/name/path`, each
//! followed by `@revision` unless `main` is meant.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Most characters of a part of a name.
const LONGEST: usize = 96;
/// Most characters of the name of a file.
const LONGEST_FILE: usize = 255;

/// Prefix of the name of a data set.
const DATASETS: &str = "hf://datasets/";

/// Kind of repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A model.
    Model,
    /// A data set.
    Dataset,
    /// A dictionary, in a repository of models.
    Dictionary,
}

impl Kind {
    /// Returns the part of the hub's addresses.
    #[cfg(feature = "hub")]
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Model | Self::Dictionary => "models",
            Self::Dataset => "datasets",
        }
    }
}

/// Name of a model or a data set on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Kind of repository.
    pub kind: Kind,
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// File that is meant, of several GGUF files; of a data set, a file or a folder.
    pub file: Option<String>,
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, named) = match text.strip_prefix(DATASETS) {
            Some(named) => (Kind::Dataset, named),
            None => (Kind::Model, text),
        };
        let (path, revision) = named.split_once('@').unwrap_or((named, "main"));
        let mut parts = path.splitn(3, '/');
        let (owner, name, file) = (parts.next(), parts.next(), parts.next());
        let usable = [owner, name]
            .into_iter()
            .chain(file.into_iter().flat_map(|file| file.split('/')).map(Some))
            .chain(revision.split('/').map(Some))
            .all(|part| part.is_some_and(is_part));
        let is_file =
            |file: &str| kind == Kind::Dataset || file.to_ascii_lowercase().ends_with(".gguf");
        match (owner, name) {
            (Some(owner), Some(name)) if usable && file.is_none_or(is_file) => Ok(Self {
                kind,
                repo: format!("{owner}/{name}"),
                revision: revision.to_owned(),
                file: file.map(str::to_owned),
            }),
            _ => {
                let (setting, like) = match kind {
                    Kind::Model | Kind::Dictionary => {
                        ("model", "openai-community/gpt2 or owner/name/file.gguf")
                    }
                    Kind::Dataset => ("corpus", "hf://datasets/owner/name/data/train.parquet"),
                };
                let what = format!("`{text}` is not a name on the hub, such as {like}");
                Err(Error::setting(setting, what))
            }
        }
    }
}

impl Name {
    /// Parses the name of a dictionary, `owner/name` or `owner/name:path`, where the path is a folder or a file of the repository; `hf://` may precede it.
    pub fn of_dictionary(text: &str) -> Result<Self> {
        let wrong = || {
            let what = format!(
                "`{text}` is neither a local dictionary nor the name of one on the hub, such as google/gemma-scope-2b-pt-res:layer_20/width_16k/average_l0_71"
            );
            Error::setting("sae", what)
        };
        let named = text.strip_prefix("hf://").unwrap_or(text);
        let (path, revision) = named.split_once('@').unwrap_or((named, "main"));
        let (repo, file) = match path.split_once(':') {
            Some((repo, file)) => (repo, Some(file.trim_end_matches('/'))),
            None => (path, None),
        };
        let (owner, name) = repo.split_once('/').ok_or_else(wrong)?;
        let usable = [owner, name]
            .into_iter()
            .chain(revision.split('/'))
            .all(is_part)
            && file.is_none_or(is_path);
        if !usable {
            return Err(wrong());
        }
        Ok(Self {
            kind: Kind::Dictionary,
            repo: repo.to_owned(),
            revision: revision.to_owned(),
            file: file.map(str::to_owned),
        })
    }

    /// Names the dictionary at `path` of the repository; the path may be empty.
    pub fn of_dictionary_in(repo: &str, path: &str) -> Result<Self> {
        if repo.contains(['@', ':']) || path.contains('@') {
            let what = format!("`{repo}:{path}` is not the name of a dictionary on the hub");
            return Err(Error::setting("sae", what));
        }
        if path.is_empty() {
            return Self::of_dictionary(repo);
        }
        Self::of_dictionary(&format!("{repo}:{path}"))
    }
}

/// Whether `path` may be that of a file or a folder of a repository. Parts may have a colon, as those that began as artefacts of W&B (`name:v1`).
pub(super) fn is_path(path: &str) -> bool {
    path.split('/')
        .all(|part| part.len() <= LONGEST_FILE && is_plain(part, "._-+=:"))
}

/// Whether `part` may stand between two slashes: nothing that leads elsewhere in a path or an address.
pub(super) fn is_part(part: &str) -> bool {
    part.len() <= LONGEST && is_plain(part, "._-+=")
}

fn is_plain(part: &str, marks: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    !part.is_empty()
        && part.chars().all(letters)
        && !part.starts_with(['.', '-'])
        && !part.contains("..")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Dataset {
            f.write_str(DATASETS)?;
        }
        f.write_str(&self.repo)?;
        if let Some(file) = &self.file {
            let between = if self.kind == Kind::Dictionary {
                ':'
            } else {
                '/'
            };
            write!(f, "{between}{file}")?;
        }
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_dictionaries_are_read_and_printed_back() {
        for (text, repo, file) in [
            (
                "google/gemma-scope-2b-pt-res:layer_20/width_16k/average_l0_71",
                "google/gemma-scope-2b-pt-res",
                Some("layer_20/width_16k/average_l0_71"),
            ),
            (
                "EleutherAI/sae-pythia-160m-32k:layers.5.mlp",
                "EleutherAI/sae-pythia-160m-32k",
                Some("layers.5.mlp"),
            ),
            ("a/b@refs/pr/1", "a/b", None),
            ("a/b:run:v1", "a/b", Some("run:v1")),
        ] {
            let name = Name::of_dictionary(text).unwrap();
            assert_eq!((name.repo.as_str(), name.file.as_deref()), (repo, file));
            assert_eq!(name.to_string(), text);
            let with_scheme = Name::of_dictionary(&format!("hf://{text}")).unwrap();
            assert_eq!(with_scheme, name);
        }
        for text in [
            "", "a", "a/b/c", "a/b:../c", "a/b:/c", "/a/b", "a/b:", "./a/b:c", "a/b:c@", "a/b:c?d",
        ] {
            let said = Name::of_dictionary(text).unwrap_err().to_string();
            assert!(
                said.starts_with("sae:") && said.lines().count() == 1,
                "{said}"
            );
        }
    }

    #[test]
    fn names_are_read_and_printed_back() {
        for (text, repo, revision, file) in [
            (
                "openai-community/gpt2",
                "openai-community/gpt2",
                "main",
                None,
            ),
            ("google/gemma-2-2b@v1.0", "google/gemma-2-2b", "v1.0", None),
            (
                "a/b/q/c.Q4_K_M.gguf",
                "a/b",
                "main",
                Some("q/c.Q4_K_M.gguf"),
            ),
            ("a/b/c.GGUF@refs/pr/1", "a/b", "refs/pr/1", Some("c.GGUF")),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!(
                (name.repo.as_str(), name.revision.as_str()),
                (repo, revision)
            );
            assert_eq!(name.file.as_deref(), file);
            assert_eq!(name.to_string(), text);
        }
    }

    #[test]
    fn data_sets_are_told_by_their_prefix() {
        for (text, repo, file) in [
            ("hf://datasets/a/b", "a/b", None),
            (
                "hf://datasets/a/b/data/train.parquet",
                "a/b",
                Some("data/train.parquet"),
            ),
            (
                "hf://datasets/a/b/data@refs/convert/parquet",
                "a/b",
                Some("data"),
            ),
        ] {
            let name: Name = text.parse().unwrap();
            assert_eq!((name.kind, name.repo.as_str()), (Kind::Dataset, repo));
            assert_eq!(name.file.as_deref(), file);
            assert_eq!(name.to_string(), text);
        }
        for text in ["hf://datasets/a", "hf://datasets/a/../b", "hf://spaces/a/b"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for text in [
            "",
            "gpt2",
            "/",
            "a/",
            "/b",
            "./models",
            "../b",
            "a/..",
            "a/b/../c.gguf",
            "a/b/c",
            "a/b@",
            "a/b@..",
            "a b/c",
            "a/b?x",
            "a/b#x",
            "a/b@main/",
            "C:\\a/b",
            "a/b%2e",
            "~/model",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        assert!(format!("a/{}", "b".repeat(97)).parse::<Name>().is_err());
    }
}
