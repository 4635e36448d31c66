//! Sentences and buttons for what a screen misses: no dictionary, one of another model, an index of another dictionary.

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::opening::Kind;
use crate::state::requests::library::{Command as Library, Pick};
use crate::state::requests::{Commands, dictionary, navigation, opening};
use crate::theme::{Theme, icons};
use crate::widgets::empty_state::failure_state;

/// Says on a screen that works without a dictionary that none reads here, why, and what can be done all the same; nothing where one does.
pub(crate) fn without_dictionary_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    still: &str,
    commands: &mut Commands,
) {
    let Some(None) = state.reader() else {
        return;
    };
    if let Some(why) = state.misfit() {
        misfit_ui(ui, state, &format!("{why}. Without it, {still}."), commands);
        return;
    }
    let failed = state.dictionary().and_then(|d| d.load.failure());
    let words = match failed {
        Some(why) => format!("The dictionary did not load: {why}. Without it, {still}."),
        None => format!("No dictionary is open: {still}; features need a dictionary."),
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(egui::RichText::new(words).color(Theme::from_ui(ui).ink.secondary));
        if ui.button("Open a dictionary…").clicked() {
            commands.send(opening::Command::Show(Kind::Dictionary));
        }
    });
}

/// One sentence that the index is of another dictionary or model, and the ways on.
pub(crate) fn foreign_index_ui(
    ui: &mut egui::Ui,
    id: DictionaryId,
    why: &str,
    commands: &mut Commands,
) {
    let title = "The index belongs to another dictionary or model";
    if failure_state(ui, title, why, Some("Build index…")) {
        commands.send(dictionary::Command::BuildIndex(id));
    }
    ui.vertical_centered(|ui| {
        if ui.button("Open an index…").clicked() {
            commands.send(Library::Pick(Pick::Index));
        }
    });
}

/// One sentence that the selected dictionary belongs to another model, and the ways on.
pub(crate) fn misfit_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    sentence: &str,
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_top(|ui| {
        ui.label(crate::theme::icon(icons::WARNING).color(theme.warning));
        ui.vertical(|ui| {
            if let Some(dictionary) = state.dictionary() {
                let title = format!("{} does not fit the open model", dictionary.name);
                ui.label(crate::theme::body_strong(title));
            }
            ui.add(egui::Label::new(sentence).wrap());
            ui.horizontal_wrapped(|ui| {
                if let Some(other) = state.fitting().next()
                    && ui.button(format!("Use {}", other.name)).clicked()
                {
                    commands.send(navigation::Command::SelectDictionary(other.id));
                }
                if ui.button("Open a dictionary…").clicked() {
                    commands.send(opening::Command::Show(Kind::Dictionary));
                }
                if ui.button("Open a model…").clicked() {
                    commands.send(opening::Command::Show(Kind::Model));
                }
            });
        });
    });
}
