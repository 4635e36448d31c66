//! The menus of project, model and dictionary.

use egui::{RichText, Ui};

use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::opening::Kind;
use crate::state::requests::{Command, Commands, library, navigation, opening};
use crate::theme::{self, Theme};
use crate::views::actions::{REMOVE, Recent, dictionary_actions, recent_models, recent_projects};
use crate::widgets::number;
use crate::widgets::parts::shortened;

const WIDTH: f32 = 250.0;
/// Width of the menu of dictionaries.
const WIDE: f32 = 340.0;

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
    ui.set_width(WIDE);
    ui.spacing_mut().item_spacing.y = 2.0;
    for dictionary in &state.catalogue.dictionaries {
        let chosen = state.selection.dictionary == Some(dictionary.id);
        if dictionary_entry_ui(ui, dictionary, chosen) {
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
    for (words, command) in dictionary_actions(state, dictionary) {
        if words == REMOVE {
            ui.separator();
        }
        entry_ui(ui, commands, &words, command);
    }
}

/// A dictionary to choose, with its hook and FVU; whether it was clicked.
fn dictionary_entry_ui(ui: &mut Ui, dictionary: &Dictionary, chosen: bool) -> bool {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let hook = dictionary.hook().map(|hook| hook.to_string());
    let evaluation = dictionary.evaluation.ready();
    let fvu = evaluation.map(|of| format!("FVU {}", number::number(of.figures.fvu)));
    let facts: Vec<String> = hook.into_iter().chain(fvu).collect();
    let facts = theme::mono_caption(facts.join("  ")).color(secondary);
    let name = shortened(&dictionary.name, 28);
    let button = egui::Button::selectable(chosen, name.as_str()).right_text(facts);
    let response = ui.add(button.min_size(egui::vec2(ui.available_width(), 0.0)));
    let response = response.on_hover_text("FVU: fraction of variance unexplained");
    response.clicked()
}

fn about_ui(ui: &mut Ui, text: &str) {
    let colour = Theme::from_ui(ui).ink.secondary;
    let text = RichText::new(text).color(colour);
    ui.add(egui::Label::new(theme::caption(text.text()).color(colour)).truncate());
}

fn entry_ui(ui: &mut Ui, commands: &mut Commands, words: &str, command: impl Into<Command>) {
    if ui.button(words).clicked() {
        commands.send(command);
        ui.close();
    }
}
