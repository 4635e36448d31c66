//! A project: `umbra.toml` (which model, dictionaries, indexes, texts, saved prompts), what is computed once and kept beside it, and
//! `labels.sqlite`. Loads none of what it names.

mod copies;
mod file;
mod kept;
mod labels;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::corpus::CorpusSpec;
use crate::error::{Error, Notes, Result};
use crate::models::Opening;

pub use copies::Overlaid;
pub use kept::KeptFigures;
pub(crate) use labels::prefix_query;
pub use labels::{Label, Labels};

/// Name of the file of labels.
const LABELS: &str = "labels.sqlite";

/// A dictionary a project knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The SAE's folder.
    pub sae: PathBuf,
    /// Its index, if built.
    pub index: Option<PathBuf>,
}

/// What `umbra.toml` names and the disk lacks just now (a drive not mounted, a folder moved): left out, yet kept in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// The model.
    pub model: Option<PathBuf>,
    /// Dictionaries, and indexes whose dictionary is there.
    pub entries: Vec<Entry>,
    /// Text to train on.
    pub train_text: Vec<PathBuf>,
    /// Text no dictionary was trained on.
    pub held_out_text: Vec<PathBuf>,
}

/// A folder that says what belongs together. Paths are absolute here and relative to the folder on disk where they can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    /// The project's folder.
    pub folder: PathBuf,
    /// The read-only project this one lies over, if any.
    pub origin: Option<PathBuf>,
    /// Name shown.
    pub name: String,
    /// The model, if one was chosen.
    pub model: Option<PathBuf>,
    /// How it is opened: how its weights are held and processed.
    pub opening: Opening,
    /// Dictionaries.
    pub entries: Vec<Entry>,
    /// Text to train on.
    pub train_text: Vec<PathBuf>,
    /// Text no dictionary was trained on.
    pub held_out_text: Vec<PathBuf>,
    /// Whether the texts are to be unwrapped.
    pub unwrap: bool,
    /// Whether folders in folders of text are read.
    pub recursive: bool,
    /// Column or field of the texts to read; none: the usual ones.
    pub text_column: Option<String>,
    /// Saved prompts.
    pub prompts: Vec<String>,
    /// What was named and not found.
    pub missing: Missing,
}

impl Project {
    /// Whether `folder` holds a project.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(file::NAME).is_file()
    }

    /// Reads `umbra.toml` of `folder`; entries whose files are missing are left out, said in the notes.
    pub fn open(folder: &Path) -> Result<(Self, Notes)> {
        Ok(file::read(&absolute(folder)?, None)?.without_missing())
    }

    /// A new, empty project, written at once; an error where there is one.
    pub fn create(folder: &Path, name: &str) -> Result<Self> {
        if Self::is_in(folder) {
            return Err(Error::input(
                "a project is already there, open it instead or choose another folder",
                folder,
            ));
        }
        let project = Self {
            folder: absolute(folder)?,
            name: name.to_owned(),
            ..Self::default()
        };
        project.save()?;
        Ok(project)
    }

    /// How texts at `paths` are read.
    pub fn corpus(&self, paths: &[PathBuf]) -> CorpusSpec {
        CorpusSpec {
            paths: paths.to_vec(),
            recursive: self.recursive,
            unwrap: self.unwrap,
            column: self.text_column.clone(),
        }
    }

    /// Writes `umbra.toml`, whole or not at all.
    pub fn save(&self) -> Result<()> {
        file::write(self)
    }

    /// The project's labels to read, if it has any: nothing is written, so a project that cannot be written can be read.
    pub fn labels_there(&self) -> Result<Option<Labels>> {
        Labels::there(&self.labels_path())
    }

    /// The project's labels, to be changed; their file is made where there is none.
    pub fn labels(&self) -> Result<Labels> {
        Labels::open(&self.labels_path())
    }

    fn labels_path(&self) -> PathBuf {
        self.folder.join(LABELS)
    }

    /// Moves what the disk lacks to `missing`, with a note each.
    fn without_missing(mut self) -> (Self, Notes) {
        let mut notes = Notes::default();
        let mut there = |what: &str, path: &Path| {
            let found = path.exists();
            if !found {
                notes.add(format!(
                    "The {what} was not found and is left out: {}",
                    path.display()
                ));
            }
            found
        };
        if self.model.as_deref().is_some_and(|m| !there("model", m)) {
            self.missing.model = self.model.take();
        }
        for text in std::mem::take(&mut self.train_text) {
            let found = there("training text", &text);
            if found {
                &mut self.train_text
            } else {
                &mut self.missing.train_text
            }
            .push(text);
        }
        for text in std::mem::take(&mut self.held_out_text) {
            let found = there("held-out text", &text);
            if found {
                &mut self.held_out_text
            } else {
                &mut self.missing.held_out_text
            }
            .push(text);
        }
        for mut entry in std::mem::take(&mut self.entries) {
            if !there("dictionary", &entry.sae) {
                self.missing.entries.push(entry);
                continue;
            }
            if entry.index.as_deref().is_some_and(|i| !there("index", i)) {
                self.missing.entries.push(entry.clone());
                entry.index = None;
            }
            self.entries.push(entry);
        }
        (self, notes)
    }
}

fn absolute(folder: &Path) -> Result<PathBuf> {
    std::path::absolute(folder)
        .map_err(|source| Error::io("cannot find the folder", folder, source))
}
