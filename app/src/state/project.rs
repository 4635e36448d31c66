//! The open project, the labels it holds, and undo for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::error::Notes;
use umbra_core::ids::FeatureId;
use umbra_core::project::{Label, Project};

use super::catalogue::Evaluation;
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
    /// The folder that is open or was asked for.
    pub asked: Option<PathBuf>,
    /// Whether writing `umbra.toml` failed; it is not tried again by itself.
    pub unwritable: bool,
    /// What opening it decided or left out.
    pub notes: Notes,
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

/// A project just opened, with what is kept beside it.
#[derive(Debug)]
pub struct Opened {
    /// The project.
    pub project: Arc<Project>,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Kept figures by folder of the dictionary.
    pub evaluations: Vec<(PathBuf, Evaluation)>,
    /// What opening it decided or left out.
    pub notes: Notes,
    /// Whether it is the bundled one.
    pub demo: bool,
}

/// What can change here.
#[derive(Debug)]
pub enum Event {
    /// A project is being opened.
    Asked(PathBuf),
    /// It opened.
    Opened(Box<Opened>),
    /// It did not open: one sentence.
    Failed(String),
    /// It changed on disk by our own doing (an entry, a prompt).
    Changed(Arc<Project>),
    /// It could not be written.
    Unwritable,
    /// A label was set.
    LabelSet(LabelChange),
    /// The last change of a label was taken back.
    LabelUndone,
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let project = &mut state.project;
    match event {
        Event::Asked(folder) => {
            project.load = Load::Loading;
            project.asked = Some(folder);
        }
        Event::Opened(opened) => open(state, *opened),
        Event::Failed(sentence) => project.load = Load::Failed(sentence),
        Event::Changed(changed) => {
            project.load = Load::Ready(changed);
            project.unwritable = false;
        }
        Event::Unwritable => project.unwritable = true,
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

fn open(state: &mut AppState, opened: Opened) {
    super::catalogue::open(state, &opened.project, opened.evaluations);
    for note in opened.notes.iter() {
        state.log.line(note.to_owned());
    }
    if !opened.demo {
        let folder = opened.project.folder.clone();
        super::settings::apply(state, super::settings::Event::Opened(folder));
    }
    state.features = super::features::FeaturesState::default();
    state.prompt = super::prompt::PromptState::default();
    state.lens = super::lens::LensState::default();
    state.attention = super::attention::AttentionState::default();
    state.dark_matter = super::dark_matter::DarkMatterState::default();
    state.heads = super::heads::HeadsState::default();
    state.steering = super::steering::SteeringState::default();
    if let Some(text) = opened.project.prompts.first() {
        state.prompt.text.clone_from(text);
    }
    let project = &mut state.project;
    *project = ProjectState {
        asked: Some(opened.project.folder.clone()),
        load: Load::Ready(opened.project),
        demo: opened.demo,
        notes: opened.notes,
        labels_revision: project.labels_revision + 1,
        ..ProjectState::default()
    };
    for label in opened.labels {
        let of = project.labels.entry(label.sae).or_default();
        of.insert(label.feature, label.text);
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
