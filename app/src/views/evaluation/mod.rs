//! Evaluation: what the dictionaries are worth, in two tabs: their kept numbers side by side, and a task with a known answer.

mod dictionaries;
mod task;
#[cfg(test)]
mod tests;

use egui::{Button, ComboBox, ScrollArea, Ui};

use super::view::View;
use crate::state::AppState;
use crate::state::evaluation::tab::Tab;
use crate::state::requests::{Commands, evaluation, navigation};
use crate::state::view::ViewId;
use crate::theme::{icons, space};
use crate::widgets::empty_state::empty_state;
use crate::widgets::scroll::scroll_ui;

/// Evaluation: what the dictionaries are worth.
#[derive(Debug, Default)]
pub(crate) struct EvaluationView {
    dictionaries: dictionaries::Panel,
    task: task::Panel,
}

impl View for EvaluationView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let shown = state.selection.evaluation;
        tabs_ui(ui, shown, commands);
        ui.add_space(space::CONTROL);
        if shown == Tab::Dictionaries && state.catalogue.dictionaries.is_empty() {
            let sentence = "This screen compares dictionaries: the numbers that are kept of each, and how far their features approximate, control and explain the model on a task with a known answer.";
            if empty_state(ui, icons::GAUGE, sentence, Some("Open a dictionary")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
            return;
        }
        match shown {
            Tab::Dictionaries => {
                let area = ScrollArea::vertical().id_salt("numbers of dictionaries");
                let area = area.auto_shrink(false);
                scroll_ui(ui, "numbers of dictionaries", area, |ui| {
                    self.dictionaries.ui(ui, state, commands);
                });
            }
            Tab::Task => self.task.ui(ui, state, commands),
        }
    }

    fn least(&self) -> egui::Vec2 {
        egui::vec2(400.0, 160.0) // it scrolls by itself
    }
}

/// Draws the tabs.
fn tabs_ui(ui: &mut Ui, shown: Tab, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        for tab in Tab::ALL {
            let button = ui.add(Button::selectable(shown == tab, tab.title()));
            if button.on_hover_text(tab.help()).clicked() {
                commands.send(evaluation::Command::Show(tab));
            }
        }
    });
}

/// Draws a list to choose from behind its label, with `shown` chosen; returns the entry that was clicked.
fn choice_ui(ui: &mut Ui, label: &str, shown: &str, entries: &[String]) -> Option<usize> {
    let mut clicked = None;
    ui.horizontal(|ui| {
        let named = ui.label(label);
        let combo = ComboBox::from_id_salt(("evaluation", label))
            .selected_text(shown)
            .height(400.0)
            .show_ui(ui, |ui| clicked = entries_ui(ui, shown, entries));
        combo.response.labelled_by(named.id);
    });
    clicked
}

fn entries_ui(ui: &mut Ui, shown: &str, entries: &[String]) -> Option<usize> {
    let mut clicked = None;
    for (at, entry) in entries.iter().enumerate() {
        if ui.selectable_label(entry == shown, entry).clicked() {
            clicked = Some(at);
        }
    }
    clicked
}
