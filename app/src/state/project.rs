//! The open project, the labels it holds, and undo for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::ids::FeatureId;
use umbra_core::project::{Label, Project};

use super::{AppState, Load};

/// A label that was set, so that it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelChange {
    /// Name of the dictionary.
    pub sae: String,
    /// Feature.
    pub feature: FeatureId,
    /// Text before; empty for none.
    pub before: String,
    /// Text after; empty for none.
    pub after: String,
}

/// The project and what people called its features.
#[derive(Debug, Default)]
pub struct ProjectState {
    /// The project.
    pub load: Load<Arc<Project>>,
    /// Whether this is the bundled demo (opened over a user folder).
    pub demo: bool,
    /// Labels by dictionary and feature.
    labels: BTreeMap<String, BTreeMap<FeatureId, String>>,
    /// Changes of labels, oldest first.
    pub label_changes: Vec<LabelChange>,
    /// Counts changes of labels; a key for memos.
    pub labels_revision: u64,
}

impl ProjectState {
    /// The project if one is open.
    pub fn open(&self) -> Option<&Arc<Project>> {
        self.load.ready()
    }

    /// Its folder.
    pub fn folder(&self) -> Option<&Path> {
        Some(&self.open()?.folder)
    }

    /// A label.
    pub fn label(&self, sae: &str, feature: FeatureId) -> Option<&str> {
        Some(self.labels.get(sae)?.get(&feature)?.as_str())
    }

    /// All labels of one dictionary, by feature.
    pub fn labels(&self, sae: &str) -> impl Iterator<Item = (FeatureId, &str)> {
        let of = self.labels.get(sae).into_iter().flatten();
        of.map(|(feature, text)| (*feature, text.as_str()))
    }
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// A project is being opened.
    Asked(PathBuf),
    /// It opened; `demo` says whether it is the bundled one.
    Opened {
        /// The project.
        project: Arc<Project>,
        /// Its labels.
        labels: Vec<Label>,
        /// Whether it is the bundled one.
        demo: bool,
    },
    /// It did not open: one sentence.
    Failed(String),
    /// It changed on disk by our own doing (an entry, a prompt).
    Changed(Arc<Project>),
    /// A label was set.
    LabelSet(LabelChange),
    /// The last change of a label was taken back.
    LabelUndone,
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let project = &mut state.project;
    match event {
        Event::Asked(_) => project.load = Load::Loading,
        Event::Opened {
            project: opened,
            labels,
            demo,
        } => {
            *project = ProjectState {
                load: Load::Ready(opened),
                demo,
                labels_revision: project.labels_revision + 1,
                ..ProjectState::default()
            };
            for label in labels {
                let of = project.labels.entry(label.sae).or_default();
                of.insert(label.feature, label.text);
            }
        }
        Event::Failed(sentence) => project.load = Load::Failed(sentence),
        Event::Changed(changed) => project.load = Load::Ready(changed),
        Event::LabelSet(change) => {
            set(project, &change.sae, change.feature, &change.after);
            project.label_changes.push(change);
        }
        Event::LabelUndone => {
            if let Some(change) = project.label_changes.pop() {
                set(project, &change.sae, change.feature, &change.before);
            }
        }
    }
}

fn set(project: &mut ProjectState, sae: &str, feature: FeatureId, text: &str) {
    project.labels_revision += 1;
    let of = project.labels.entry(sae.to_owned()).or_default();
    if text.is_empty() {
        of.remove(&feature);
    } else {
        of.insert(feature, text.to_owned());
    }
}
