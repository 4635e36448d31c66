//! Projects: `umbra.toml` (model, dictionaries, indexes, texts, saved prompts), results kept beside it, and `labels.sqlite`. Does not load the files that a
//! project names.

mod copies;
mod file;
mod kept;
mod label_files;
#[cfg(test)]
mod label_tests;
mod labels;
mod origin;
mod studies;
#[cfg(test)]
mod tests;
mod verdicts;

use std::path::{Path, PathBuf};

use crate::corpus::CorpusSpec;
use crate::error::{Error, Notes, Result};
use crate::models::Opening;
use crate::text::chat::Message;

pub use copies::Overlaid;
pub use kept::KeptFigures;
pub use label_files::{
    LabelFile, NeuronpediaPlace, Read as ReadLabels, read as read_labels, write as write_labels,
};
pub use labels::{Label, Labels};
pub use origin::{Detection, Given, Maker, Origin};
pub use studies::{Ingredient, KeptAbout, KeptStudy, MadeWith, study_at, write_study};
pub use verdicts::{HeadVerdict, Verdict};

/// Name of the file in which the window keeps what is on its screens. The core neither reads nor writes it.
pub const WINDOW: &str = "window.json";

/// Name of the file of Steering's edits. The project neither reads nor writes it.
pub const EDITS: &str = "edits.toml";

/// Name of the file of labels.
const LABELS: &str = "labels.sqlite";

/// Dictionary of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Folder of the dictionary.
    pub sae: PathBuf,
    /// Index of the dictionary, if built.
    pub index: Option<PathBuf>,
}

/// Entries of `umbra.toml` whose files are missing (a drive not mounted, a folder moved). They are skipped, but stay in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Model.
    pub model: Option<PathBuf>,
    /// Dictionaries, and indexes of dictionaries that exist.
    pub entries: Vec<Entry>,
    /// Training text.
    pub train_text: Vec<PathBuf>,
    /// Held-out text, which no dictionary was trained on.
    pub held_out_text: Vec<PathBuf>,
}

/// Folder that ties model, dictionaries and texts together. Paths are absolute in memory and, where possible, relative to the folder on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Project {
    /// Folder of the project.
    pub folder: PathBuf,
    /// Read-only project that this one overlays, if any.
    pub origin: Option<PathBuf>,
    /// Displayed name.
    pub name: String,
    /// Model, if one was chosen.
    pub model: Option<PathBuf>,
    /// Opening of the model: how its weights are held and processed.
    pub opening: Opening,
    /// Dictionaries.
    pub entries: Vec<Entry>,
    /// Training text.
    pub train_text: Vec<PathBuf>,
    /// Held-out text, which no dictionary was trained on.
    pub held_out_text: Vec<PathBuf>,
    /// Whether to unwrap the texts.
    pub unwrap: bool,
    /// Whether to read sub-folders of text folders.
    pub recursive: bool,
    /// Column or field that holds the text; none: the usual ones.
    pub text_column: Option<String>,
    /// Saved prompts.
    pub prompts: Vec<String>,
    /// Saved chats.
    pub chats: Vec<Vec<Message>>,
    /// Saved filters of features.
    pub filters: Vec<String>,
    /// Entries whose files are missing.
    pub missing: Missing,
}

impl Project {
    /// Whether `folder` holds a project.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(file::NAME).is_file()
    }

    /// Reads `umbra.toml` of `folder`. Entries whose files are missing are skipped with a note.
    pub fn open(folder: &Path) -> Result<(Self, Notes)> {
        Ok(file::read(&absolute(folder)?, None)?.without_missing())
    }

    /// Creates and writes an empty project; an error if `folder` already holds one.
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

    /// Returns how to read the texts at `paths`.
    pub fn corpus(&self, paths: &[PathBuf]) -> CorpusSpec {
        CorpusSpec {
            paths: paths.to_vec(),
            recursive: self.recursive,
            unwrap: self.unwrap,
            column: self.text_column.clone(),
        }
    }

    /// Returns the folders of its dictionaries, in which the parent of a dictionary of an error is looked for.
    pub fn dictionaries(&self) -> Vec<PathBuf> {
        self.entries.iter().map(|entry| entry.sae.clone()).collect()
    }

    /// Returns the folders of the dictionaries of the nearest project whose folder holds `path`; empty outside any project.
    pub fn dictionaries_around(path: &Path) -> Vec<PathBuf> {
        Self::around(path).map_or_else(Vec::new, |project| project.dictionaries())
    }

    /// Opens the nearest project whose folder holds `path`; none outside any project, or where it cannot be read.
    pub fn around(path: &Path) -> Option<Self> {
        let path = absolute(path).ok()?;
        let folder = path.ancestors().find(|folder| Self::is_in(folder))?;
        Self::open(folder).ok().map(|(project, _)| project)
    }

    /// Writes `umbra.toml`, whole or not at all.
    pub fn save(&self) -> Result<()> {
        file::write(self)
    }

    /// Opens the project's labels for reading, if it has any. Writes nothing, so that a read-only project can be read.
    pub fn labels_there(&self) -> Result<Option<Labels>> {
        Labels::there(&self.labels_path())
    }

    /// Opens the project's labels for writing and creates their file if it is missing.
    pub fn labels(&self) -> Result<Labels> {
        Labels::open(&self.labels_path())
    }

    fn labels_path(&self) -> PathBuf {
        self.folder.join(LABELS)
    }

    /// Moves entries whose files are missing to `missing`, with a note each.
    fn without_missing(mut self) -> (Self, Notes) {
        let mut notes = Notes::default();
        let mut there = |what: &str, path: &Path| {
            let found = path.exists();
            if !found {
                notes.add(format!("Skipped the missing {what}: {}", path.display()));
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
