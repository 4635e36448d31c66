//! How is the dictionary coming along?

use super::View;
use crate::commands::{Commands, navigation};
use crate::shell::empty;
use crate::state::AppState;
use crate::views::ViewId;

/// How is the dictionary coming along?
#[derive(Debug, Default)]
pub struct TrainingView {}

impl View for TrainingView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        if empty::state_ui(
            ui,
            "Here you train a dictionary on a model's activations.",
            "Open a model",
        ) {
            commands.send(navigation::Command::Go(ViewId::Library));
        }
    }
}
