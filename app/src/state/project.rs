//! The open project and the labels it holds.

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

/// Where a project comes from, and so what may be written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A folder that a person chose.
    #[default]
    Own,
    /// The bundled demo, opened over a folder of the person's.
    Demo,
    /// Not saved by the person yet: it lies in the program's own folder until it is.
    Unsaved,
}

/// The project and what people called its features.
#[derive(Debug, Default)]
pub struct ProjectState {
    /// The project.
    pub load: Load<Arc<Project>>,
    /// Where it comes from.
    pub kind: Kind,
    /// The folder that is open or was asked for.
    pub asked: Option<PathBuf>,
    /// Whether writing `umbra.toml` failed; it is not tried again by itself.
    pub unwritable: bool,
    /// What opening it decided or left out.
    pub notes: Notes,
    /// Labels by dictionary and feature.
    labels: BTreeMap<String, BTreeMap<FeatureId, String>>,
    /// Counts changes of labels; a key for memos.
    pub labels_revision: u64,
}

impl ProjectState {
    /// The project if one is open.
    pub fn open(&self) -> Option<&Arc<Project>> {
        self.load.ready()
    }

    /// Its name, with what a title bar has to add.
    pub fn title(&self) -> Option<String> {
        let name = &self.open()?.name;
        Some(match self.kind {
            Kind::Own | Kind::Demo => name.clone(),
            Kind::Unsaved => format!("{name} (not saved)"),
        })
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
    /// Where it comes from.
    pub kind: Kind,
    /// The sentence in Prompt; none for the first that the project keeps.
    pub sentence: Option<String>,
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
    /// It was saved in a folder that a person chose, with everything that lay beside it.
    Saved(Arc<Project>),
    /// A label was set.
    LabelSet(LabelChange),
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
        Event::Saved(saved) => save(state, saved),
        Event::LabelSet(change) => set(project, &change.sae, change.feature, &change.after),
    }
}

fn open(state: &mut AppState, opened: Opened) {
    super::catalogue::open(state, &opened.project, opened.evaluations);
    for note in opened.notes.iter() {
        state.log.line(note);
    }
    if opened.kind != Kind::Demo {
        let folder = opened.project.folder.clone();
        let unsaved = opened.kind == Kind::Unsaved;
        super::settings::apply(state, super::settings::Event::Opened(folder, unsaved));
    }
    state.features = super::features::FeaturesState::default();
    state.prompt = super::prompt::PromptState::default();
    state.lens = super::lens::LensState::default();
    state.attention = super::attention::AttentionState::default();
    state.dark_matter = super::dark_matter::DarkMatterState::default();
    state.heads = super::heads::HeadsState::default();
    state.steering = super::steering::SteeringState::default();
    state.history = super::history::HistoryState::default();
    if let Some(text) = opened.sentence.as_ref().or(opened.project.prompts.first()) {
        state.prompt.text.clone_from(text);
    }
    let project = &mut state.project;
    *project = ProjectState {
        asked: Some(opened.project.folder.clone()),
        load: Load::Ready(opened.project),
        kind: opened.kind,
        notes: opened.notes,
        labels_revision: project.labels_revision + 1,
        ..ProjectState::default()
    };
    for label in opened.labels {
        let of = project.labels.entry(label.sae).or_default();
        of.insert(label.feature, label.text);
    }
}

/// The open project lies elsewhere now: what was loaded from its former folder is that of the new one.
fn save(state: &mut AppState, saved: Arc<Project>) {
    let folder = saved.folder.clone();
    if let Some(former) = state.project.folder().map(Path::to_path_buf) {
        super::catalogue::moved(state, &former, &folder);
    }
    super::settings::apply(state, super::settings::Event::Opened(folder.clone(), false));
    let project = &mut state.project;
    project.asked = Some(folder);
    project.load = Load::Ready(saved);
    project.kind = Kind::Own;
    project.unwritable = false;
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
