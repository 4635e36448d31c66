//! A project: `umbra.toml` (which model, dictionaries, indexes, corpora, saved prompts), figures and fits kept beside it, and `labels.sqlite`.

use std::path::{Path, PathBuf};

use crate::error::{Notes, Result};
use crate::ids::FeatureId;

/// A dictionary a project knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The SAE's folder.
    pub sae: PathBuf,
    /// Its index, if built.
    pub index: Option<PathBuf>,
}

/// A folder that says what belongs together. Paths are absolute here and relative to the folder on disk where they can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The project's folder.
    pub folder: PathBuf,
    /// Name shown.
    pub name: String,
    /// The model, if one was chosen.
    pub model: Option<PathBuf>,
    /// Dictionaries.
    pub entries: Vec<Entry>,
    /// Text to train on.
    pub train_text: Vec<PathBuf>,
    /// Text no dictionary was trained on.
    pub held_out_text: Vec<PathBuf>,
    /// Whether the texts are to be unwrapped.
    pub unwrap: bool,
    /// Saved prompts.
    pub prompts: Vec<String>,
}

impl Project {
    /// Reads `umbra.toml` of `folder`; entries whose files are missing are left out, said in the notes.
    pub fn open(folder: &Path) -> Result<(Self, Notes)> {
        unimplemented!("{}", folder.display())
    }

    /// A new, empty project.
    pub fn create(folder: &Path, name: &str) -> Result<Self> {
        unimplemented!("{} {name}", folder.display())
    }

    /// Writes `umbra.toml`, whole or not at all.
    pub fn save(&self) -> Result<()> {
        unimplemented!()
    }

    /// A read-only project (the bundled demo) as a project whose changes go to `user_folder`: paths keep pointing at the originals.
    pub fn overlay(&self, user_folder: &Path) -> Result<Self> {
        unimplemented!("{}", user_folder.display())
    }

    /// The project's labels.
    pub fn labels(&self) -> Result<Labels> {
        unimplemented!()
    }

    /// Folder for what is computed once and kept with the project (evaluation figures, probe fits).
    pub fn kept(&self) -> PathBuf {
        self.folder.join("kept")
    }
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Name of the dictionary.
    pub sae: String,
    /// Feature.
    pub feature: FeatureId,
    /// What a person called it.
    pub text: String,
}

/// `labels.sqlite`: what people called features, searchable.
#[derive(Debug)]
pub struct Labels {
    _owner: (),
}

impl Labels {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> Result<Self> {
        unimplemented!("{}", path.display())
    }

    /// Sets a label; an empty text removes it. Returns the former text.
    pub fn set(&self, sae: &str, feature: FeatureId, text: &str) -> Result<String> {
        unimplemented!("{sae} {feature} {text}")
    }

    /// All labels of one dictionary, by feature.
    pub fn all(&self, sae: &str) -> Result<Vec<Label>> {
        unimplemented!("{sae}")
    }

    /// Labels whose words begin with the words of `query`, any dictionary.
    pub fn search(&self, query: &str) -> Result<Vec<Label>> {
        unimplemented!("{query}")
    }
}
