//! The log of everything that happened, with times.

use super::view::View;
use crate::state::AppState;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::widgets::empty_state::empty_state;

/// The log of everything that happened, with times.
#[derive(Debug, Default)]
pub(crate) struct LogView {}

impl View for LogView {
    fn ui(&mut self, ui: &mut egui::Ui, state: &AppState, commands: &mut Commands) {
        if state.log.lines.is_empty() {
            let sentence = "No messages yet. This screen lists jobs and messages.";
            if empty_state(ui, icons::SCROLL, sentence, Some("Go to Library")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
            return;
        }
        lines_ui(ui, state);
    }
}

fn lines_ui(ui: &mut egui::Ui, state: &AppState) {
    let lines = &state.log.lines;
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.spacing_mut().interact_size.y = space::TABLE_ROW;
    egui::ScrollArea::vertical()
        .auto_shrink(false)
        .stick_to_bottom(true)
        .show_rows(ui, space::TABLE_ROW, lines.len(), |ui, range| {
            for line in &lines[range] {
                ui.horizontal(|ui| {
                    let seconds = line.at.duration_since(state.log.began).as_secs();
                    let time = format!("{:02}:{:02}", seconds / 60, seconds % 60);
                    ui.label(theme::mono(time).color(Theme::from_ui(ui).ink.secondary));
                    ui.add(egui::Label::new(&line.text).truncate());
                });
            }
        });
}
