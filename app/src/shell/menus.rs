//! The menus of project, model and dictionary.

use egui::{RichText, Ui};
use umbra_core::features::Viewer;
use umbra_core::formats::{Precision, Target};
use umbra_core::report::Choice;

use super::parts::shortened;
use crate::commands::{Command, Commands, compare, dictionary, library, navigation, opening};
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, LoadedSae, name_of};
use crate::state::opening::Kind;
use crate::theme::{self, Theme};

const WIDTH: f32 = 250.0;

/// Project: new, open, save, demo, recent.
pub(super) fn project_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.set_min_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 2.0;
    if let Some(folder) = state.project.folder() {
        about_ui(ui, &folder.display().to_string());
    }
    entry_ui(
        ui,
        commands,
        "New project…",
        library::Command::Pick(library::Pick::NewProject),
    );
    entry_ui(
        ui,
        commands,
        "Open a project…",
        library::Command::Pick(library::Pick::Project),
    );
    entry_ui(
        ui,
        commands,
        "Save project as…",
        library::Command::Pick(library::Pick::SaveProject),
    );
    ui.separator();
    entry_ui(ui, commands, "Open the demo", library::Command::OpenDemo);
    entry_ui(
        ui,
        commands,
        "Restore the demo…",
        library::Command::AskToRestore,
    );
    recent_ui(ui, recent_projects(state), commands);
}

/// A recent project or model: its name, where it is, what opens it.
pub(crate) type Recent = (String, String, library::Command);

/// Recent projects but the open one, latest first.
pub(crate) fn recent_projects(state: &AppState) -> Vec<Recent> {
    let settings = &state.settings;
    let open = state.project.folder();
    let others = settings.recent.iter().filter(|r| Some(r.as_path()) != open);
    let recent = others.map(|folder| {
        let mut name = name_of(folder);
        if settings.unsaved.contains(folder) {
            name.push_str(" (not saved)");
        }
        let open = library::Command::OpenProject(folder.clone());
        (name, folder.display().to_string(), open)
    });
    recent.collect()
}

/// Recent models but the open one, latest first.
pub(crate) fn recent_models(state: &AppState) -> Vec<Recent> {
    let open = state.catalogue.model_path.as_ref();
    let models = state.settings.recent_models.iter();
    let recent = models
        .filter(|model| Some(&model.path) != open)
        .map(|model| {
            let command = library::Command::OpenModel(model.path.clone(), model.opening());
            (
                model.name.clone(),
                model.path.display().to_string(),
                command,
            )
        });
    recent.collect()
}

fn recent_ui(ui: &mut Ui, recent: Vec<Recent>, commands: &mut Commands) {
    if recent.is_empty() {
        return;
    }
    ui.separator();
    about_ui(ui, "Recent");
    for (name, place, open) in recent {
        let button = ui.button(shortened(&name, 32)).on_hover_text(place);
        if button.clicked() {
            commands.send(open);
            ui.close();
        }
    }
}

/// Model: open another, recent.
pub(super) fn model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.set_min_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 2.0;
    if let Some(path) = &state.catalogue.model_path {
        about_ui(ui, &path.display().to_string());
    }
    entry_ui(
        ui,
        commands,
        "Open a model…",
        opening::Command::Show(Kind::Model),
    );
    recent_ui(ui, recent_models(state), commands);
}

/// Dictionary: choose, open, evaluate, index, export, report, remove.
pub(super) fn dictionary_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.set_min_width(WIDTH);
    ui.spacing_mut().item_spacing.y = 2.0;
    for dictionary in &state.catalogue.dictionaries {
        let chosen = state.selection.dictionary == Some(dictionary.id);
        let words = shortened(&dictionary.name, 28);
        let button = ui.add(egui::Button::selectable(chosen, words));
        if button.clicked() {
            commands.send(navigation::Command::SelectDictionary(dictionary.id));
            ui.close();
        }
    }
    if !state.catalogue.dictionaries.is_empty() {
        ui.separator();
    }
    entry_ui(
        ui,
        commands,
        "Open a dictionary…",
        opening::Command::Show(Kind::Dictionary),
    );
    entry_ui(
        ui,
        commands,
        "Open an index…",
        library::Command::Pick(library::Pick::Index),
    );
    let Some(dictionary) = state.dictionary() else {
        return;
    };
    ui.separator();
    for (words, command) in actions(state, dictionary) {
        entry_ui(ui, commands, &words, command);
    }
}

/// What can be done with a dictionary; the palette lists the same.
pub(crate) fn actions(state: &AppState, dictionary: &Dictionary) -> Vec<(String, Command)> {
    use dictionary::Command as Do;
    let id = dictionary.id;
    let mut list: Vec<(String, Command)> = vec![
        ("Evaluate".to_owned(), Do::Evaluate(id).into()),
        ("Build index".to_owned(), Do::BuildIndex(id).into()),
        ("Compare…".to_owned(), compare::Command::Show(id).into()),
        (
            "Export for SAELens, f32…".to_owned(),
            Do::PickExport(id, Target::SaeLens, Precision::F32).into(),
        ),
        (
            "Export for SAELens, f16…".to_owned(),
            Do::PickExport(id, Target::SaeLens, Precision::F16).into(),
        ),
        (
            "Export for sparsify…".to_owned(),
            Do::PickExport(id, Target::Sparsify, Precision::F32).into(),
        ),
        (
            "Export for dictionary_learning…".to_owned(),
            Do::PickExport(id, Target::DictionaryLearning, Precision::F32).into(),
        ),
    ];
    let transcodes = |loaded: &LoadedSae| loaded.sae.role.transcodes();
    if dictionary.load.ready().is_some_and(transcodes) {
        list.push((
            "Export for circuit-tracer…".to_owned(),
            Do::PickExport(id, Target::CircuitTracer, Precision::F32).into(),
        ));
    }
    if state.index_of(id).is_some() {
        list.push((
            "Features for Neuronpedia…".to_owned(),
            Do::PickView(id, Viewer::Neuronpedia).into(),
        ));
        list.push((
            "Features for circuit-tracer…".to_owned(),
            Do::PickView(id, Viewer::CircuitTracer).into(),
        ));
        let strongest = Do::PickReport(id, Choice::Top(20));
        list.push((
            "Report of the 20 strongest features…".to_owned(),
            strongest.into(),
        ));
        let labelled: Vec<_> = state.project.labels(&dictionary.name).collect();
        if !labelled.is_empty() {
            let words = format!("Report of the {} labelled features…", labelled.len());
            let these = labelled.into_iter().map(|(feature, _)| feature).collect();
            list.push((words, Do::PickReport(id, Choice::Listed(these)).into()));
        }
        if let Some(feature) = state.selection.feature {
            let words = format!("Report of feature #{feature}…");
            let this = Do::PickReport(id, Choice::Listed(vec![feature]));
            list.push((words, this.into()));
        }
    }
    list.push(("Remove from the project".to_owned(), Do::Remove(id).into()));
    list
}

fn about_ui(ui: &mut Ui, text: &str) {
    let colour = Theme::of(ui).ink.secondary;
    let text = RichText::new(text).color(colour);
    ui.add(egui::Label::new(theme::caption(text.text()).color(colour)).truncate());
}

fn entry_ui(ui: &mut Ui, commands: &mut Commands, words: &str, command: impl Into<Command>) {
    if ui.button(words).clicked() {
        commands.send(command);
        ui.close();
    }
}
