//! The library: everything that is loaded, what the loader decided, and how good it measured.

mod dictionary_card;
mod figures;
mod model_card;
mod project_card;
#[cfg(test)]
mod tests;
mod verification;

use egui::{RichText, ScrollArea, Ui};
use umbra_core::error::Notes;

use super::view::View;
use crate::state::opening::Kind;
use crate::state::requests::{Commands, library, opening};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, icons, space};
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::words;

/// Narrowest card of a dictionary.
const CARD: f32 = 300.0;

/// The library: everything that is loaded, what the loader decided, and how good it measured.
#[derive(Debug, Default)]
pub(crate) struct LibraryView {}

impl View for LibraryView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        match &state.project.load {
            Load::Absent => {
                let sentence = "This screen lists the model, the dictionaries and the indexes of the open project.";
                if empty_state(ui, icons::BOOKS, sentence, Some("Open the demo")) {
                    commands.send(library::Command::OpenDemo);
                }
            }
            Load::Failed(sentence) => failure_ui(ui, state, sentence, commands),
            Load::Loading => {
                let secondary = Theme::from_ui(ui).ink.secondary;
                ui.label(RichText::new("Opening the project…").color(secondary));
            }
            Load::Ready(_) => {
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    content_ui(ui, state, commands);
                });
            }
        }
    }
}

fn failure_ui(ui: &mut Ui, state: &AppState, sentence: &str, commands: &mut Commands) {
    if failure_state(
        ui,
        "The project could not be opened",
        sentence,
        Some("Open the demo"),
    ) {
        commands.send(library::Command::OpenDemo);
    }
    let demo = state.project.asked.as_ref() == Some(&state.places.demo);
    if demo {
        ui.vertical_centered(|ui| {
            if ui.button("Restore the demo…").clicked() {
                commands.send(library::Command::AskToRestore);
            }
        });
    }
    ui.add_space(space::GROUP);
    project_card::recent_ui(ui, state, commands);
}

fn content_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    if ui.available_width() > 2.0 * CARD + space::CONTROL {
        ui.columns_const(|[left, right]| {
            model_card::card_ui(left, state, commands);
            project_card::card_ui(right, state, commands);
        });
    } else {
        model_card::card_ui(ui, state, commands);
        project_card::card_ui(ui, state, commands);
    }
    ui.add_space(space::CONTROL);
    dictionaries_ui(ui, state, commands);
}

fn dictionaries_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    ui.horizontal(|ui| {
        ui.label(theme::panel_title("Dictionaries"));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if ui.button("Open an index…").clicked() {
                commands.send(library::Command::Pick(library::Pick::Index));
            }
            if ui.button("Open a dictionary…").clicked() {
                commands.send(opening::Command::Show(Kind::Dictionary));
            }
        });
    });
    ui.add_space(space::CHIP);
    let dictionaries = &state.catalogue.dictionaries;
    if dictionaries.is_empty() {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let sentence = "No dictionary yet. Open one, drop its folder here, or train one.";
        ui.label(RichText::new(sentence).color(secondary));
        return;
    }
    let columns = (ui.available_width() / (CARD + space::CONTROL)).floor();
    let columns = (columns as usize).clamp(1, dictionaries.len());
    ui.columns(columns, |columns| {
        let number = columns.len();
        for (i, dictionary) in dictionaries.iter().enumerate() {
            dictionary_card::card_ui(&mut columns[i % number], state, dictionary, commands);
        }
    });
}

/// A card: raised, one hairline, titled.
fn card(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let theme = Theme::from_ui(ui);
    egui::Frame::new()
        .fill(theme.surface.raised)
        .stroke(egui::Stroke::new(1.0, theme.line.hair))
        .corner_radius(6)
        .inner_margin(space::PANEL)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 6.0;
            // a column would stretch the words of a wrapped line
            ui.vertical(content);
        });
}

/// Draws the loader's notes, folded.
fn notes_ui(ui: &mut Ui, notes: &Notes, id: impl egui::AsIdSalt) {
    let number = notes.iter().count();
    if number == 0 {
        return;
    }
    let secondary = Theme::from_ui(ui).ink.secondary;
    let title = theme::caption(format!("Loader notes ({number})")).color(secondary);
    egui::CollapsingHeader::new(title)
        .id_salt(id)
        .show(ui, |ui| {
            for note in notes.iter() {
                ui.add(egui::Label::new(theme::caption(words::said(note))).wrap());
            }
        });
}

/// A link that the system's browser opens; where it leads on hover.
fn link_ui(ui: &mut Ui, words: &str, url: &str) {
    ui.hyperlink_to(theme::caption(words).underline(), url)
        .on_hover_text(url);
}

/// A failed load inside a card: the sentence and "Copy details".
fn failed_ui(ui: &mut Ui, sentence: &str) {
    let failure = Theme::from_ui(ui).failure;
    ui.horizontal_top(|ui| {
        ui.label(theme::icon(icons::WARNING_CIRCLE).color(failure));
        ui.add(egui::Label::new(sentence).wrap());
    });
    if ui.button("Copy details").clicked() {
        ui.ctx().copy_text(sentence.to_owned());
    }
}
