//! Opening, saving and labelling a project: these events touch neighbouring areas too.

use std::path::Path;
use std::sync::Arc;

use umbra_core::project::Project;
use umbra_core::workbench::link::Link;

use super::{catalogue, resume};
use crate::state::load::Load;
use crate::state::project::{Event, Kind, LabelChange, Opened, ProjectState};
use crate::state::resume::ResumeState;
use crate::state::steering::Draft;
use crate::state::{
    AppState, attention, dark_matter, evaluation, features, heads, history, lens, prompt, settings,
    steering, texts,
};

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let project = &mut state.project;
    match event {
        Event::Asked(folder) => {
            project.load = Load::Loading;
            project.asked = Some(folder);
        }
        Event::Opened(opened) => open(state, *opened),
        Event::Failed(sentence) => {
            project.load = Load::Failed(sentence);
            state.resume.link = None;
        }
        Event::Changed(changed) => {
            project.load = Load::Ready(changed);
            project.unwritable = false;
        }
        Event::Unwritable => project.unwritable = true,
        Event::Saved(saved) => save(state, saved),
        Event::LabelsSet(changes) => {
            for change in changes {
                set(project, change);
            }
        }
    }
}

fn open(state: &mut AppState, opened: Opened) {
    catalogue::open(state, &opened.project, opened.evaluations);
    for note in opened.notes.iter() {
        state.log.line(note);
    }
    let event = if opened.kind == Kind::Demo {
        settings::Event::DemoOpened
    } else {
        let folder = opened.project.folder.clone();
        settings::Event::Opened(folder, opened.kind == Kind::Unsaved)
    };
    state.settings.apply(event);
    let leads_here = |link: &Link| {
        link.project == opened.project.folder
            || Some(&link.project) == opened.project.origin.as_ref()
    };
    let link = state.resume.link.take().filter(leads_here);
    state.resume = ResumeState {
        link,
        ..ResumeState::default()
    };
    state.features = features::FeaturesState::default();
    state.prompt = prompt::PromptState::default();
    state.texts = texts::TextsState::default();
    state.lens = lens::LensState::default();
    state.attention = attention::AttentionState::default();
    state.dark_matter = dark_matter::DarkMatterState::default();
    state.evaluation = evaluation::EvaluationState::default();
    state.heads = heads::HeadsState::default();
    state.steering = steering::SteeringState::default();
    state.history = history::HistoryState::default();
    let first = opened.project.prompts.first();
    if let Some(text) = first {
        state.prompt.text.clone_from(text);
    }
    if let Some(kept) = opened.kept {
        resume::begin(state, *kept);
    } else if !opened.edits.is_empty() {
        state.steering.draft = Draft::from_switched(&opened.edits);
    }
    if let Some(text) = opened.sentence {
        state.prompt.text = text;
        state.prompt.tokens = None;
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
        let given = label.given();
        let of = project.labels.entry(label.sae).or_default();
        of.insert(label.feature, given);
    }
}

/// The open project lies elsewhere now: what was loaded from its former folder is that of the new one.
fn save(state: &mut AppState, saved: Arc<Project>) {
    let folder = saved.folder.clone();
    if let Some(former) = state.project.folder().map(Path::to_path_buf) {
        catalogue::moved(state, &former, &folder);
    }
    state
        .settings
        .apply(settings::Event::Opened(folder.clone(), false));
    let project = &mut state.project;
    project.asked = Some(folder);
    project.load = Load::Ready(saved);
    project.kind = Kind::Own;
    project.unwritable = false;
}

fn set(project: &mut ProjectState, change: LabelChange) {
    project.labels_revision += 1;
    let of = project.labels.entry(change.sae).or_default();
    if change.after.text.is_empty() {
        of.remove(&change.feature);
    } else {
        of.insert(change.feature, change.after);
    }
}
