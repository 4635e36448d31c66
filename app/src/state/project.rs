//! The open project and the labels it holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::error::Notes;
use umbra_core::ids::FeatureId;
use umbra_core::project::{Given, Label, Project};
use umbra_core::steer::Switched;

use super::catalogue::Evaluation;
use super::kept::Kept;
use super::load::Load;

/// A label that was set, so that it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LabelChange {
    /// Name of the dictionary.
    pub(crate) sae: String,
    /// Feature.
    pub(crate) feature: FeatureId,
    /// Label before; its text is empty for none.
    pub(crate) before: Given,
    /// Label after; its text is empty for none.
    pub(crate) after: Given,
}

/// Origin of a project, which decides what may be written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// A folder that a person chose.
    #[default]
    Own,
    /// The bundled demo, opened over a folder of the person's.
    Demo,
    /// A project that is not saved yet: it stays in the program's own folder until then.
    Unsaved,
}

/// The project and what people called its features.
#[derive(Debug, Default)]
pub(crate) struct ProjectState {
    /// The project.
    pub(crate) load: Load<Arc<Project>>,
    /// Its origin.
    pub(crate) kind: Kind,
    /// The folder that is open or was asked for.
    pub(crate) asked: Option<PathBuf>,
    /// Whether writing `umbra.toml` failed; it is not tried again by itself.
    pub(crate) unwritable: bool,
    /// Notes on opening it.
    pub(crate) notes: Notes,
    /// Labels by dictionary and feature.
    pub(super) labels: BTreeMap<String, BTreeMap<FeatureId, Given>>,
    /// Counts changes of labels; a key for memos.
    pub(crate) labels_revision: u64,
}

impl ProjectState {
    /// The project if one is open.
    pub(crate) fn open(&self) -> Option<&Arc<Project>> {
        self.load.ready()
    }

    /// Its name, with what a title bar has to add.
    pub(crate) fn title(&self) -> Option<String> {
        let name = &self.open()?.name;
        Some(match self.kind {
            Kind::Own | Kind::Demo => name.clone(),
            Kind::Unsaved => format!("{name} (not saved)"),
        })
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> Option<&Path> {
        Some(&self.open()?.folder)
    }

    /// A label.
    pub(crate) fn label(&self, sae: &str, feature: FeatureId) -> Option<&str> {
        Some(self.given(sae, feature)?.text.as_str())
    }

    /// A label with its origin.
    pub(crate) fn given(&self, sae: &str, feature: FeatureId) -> Option<&Given> {
        self.labels.get(sae)?.get(&feature)
    }

    /// All labels of one dictionary, by feature.
    pub(crate) fn labels(&self, sae: &str) -> impl Iterator<Item = (FeatureId, &str)> {
        let of = self.labels.get(sae).into_iter().flatten();
        of.map(|(feature, given)| (*feature, given.text.as_str()))
    }
}

/// A project just opened, with what is kept beside it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The project.
    pub(crate) project: Arc<Project>,
    /// Its labels.
    pub(crate) labels: Vec<Label>,
    /// Kept figures by folder of the dictionary.
    pub(crate) evaluations: Vec<(PathBuf, Evaluation)>,
    /// Notes on opening it.
    pub(crate) notes: Notes,
    /// Its origin.
    pub(crate) kind: Kind,
    /// The sentence in Prompt; none for the one that was in it last, or the first that the project keeps.
    pub(crate) sentence: Option<String>,
    /// State of the screens when the project was open last.
    pub(crate) kept: Option<Box<Kept>>,
    /// Edits of the project's file, where nothing else was kept of Steering.
    pub(crate) edits: Vec<Switched>,
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// A project is being opened.
    Asked(PathBuf),
    /// The project is open.
    Opened(Box<Opened>),
    /// Opening it failed: one sentence.
    Failed(String),
    /// The window changed its file (an entry, a prompt).
    Changed(Arc<Project>),
    /// The dictionary could not be saved.
    Unwritable,
    /// The project was saved in a chosen folder, with all its files.
    Saved(Arc<Project>),
    /// Labels were set.
    LabelsSet(Vec<LabelChange>),
}
