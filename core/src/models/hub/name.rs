//! Names of models on the hub: `owner/name`, `owner/name/file.gguf`, either with `@revision`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Letters of the longest part of a name.
const LONGEST: usize = 96;

/// A model on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// `owner/name`.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// The one file that is meant, of several GGUF files.
    pub file: Option<String>,
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (path, revision) = text.split_once('@').unwrap_or((text, "main"));
        let mut parts = path.splitn(3, '/');
        let (owner, name, file) = (parts.next(), parts.next(), parts.next());
        let usable = [owner, name]
            .into_iter()
            .chain(file.into_iter().flat_map(|file| file.split('/')).map(Some))
            .chain(revision.split('/').map(Some))
            .all(|part| part.is_some_and(is_part));
        let is_file = |file: &str| file.to_ascii_lowercase().ends_with(".gguf");
        match (owner, name) {
            (Some(owner), Some(name)) if usable && file.is_none_or(is_file) => Ok(Self {
                repo: format!("{owner}/{name}"),
                revision: revision.to_owned(),
                file: file.map(str::to_owned),
            }),
            _ => Err(Error::setting(
                "model",
                format!(
                    "`{text}` is no name on the hub, one is like openai-community/gpt2 or owner/name/file.gguf"
                ),
            )),
        }
    }
}

/// Whether `part` may stand between two slashes: nothing that leads elsewhere in a path or an address.
pub(super) fn is_part(part: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "._-+=".contains(c);
    !part.is_empty()
        && part.len() <= LONGEST
        && part.chars().all(letters)
        && !part.starts_with(['.', '-'])
        && !part.contains("..")
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        if let Some(file) = &self.file {
            write!(f, "/{file}")?;
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
