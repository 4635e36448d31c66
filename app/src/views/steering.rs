//! What happens when this feature is turned up?

use super::View;
use crate::commands::{Commands, navigation};
use crate::shell::empty;
use crate::state::AppState;
use crate::views::ViewId;

/// What happens when this feature is turned up?
#[derive(Debug, Default)]
pub struct SteeringView {}

impl View for SteeringView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        if empty::state_ui(
            ui,
            "Here two texts stream side by side: untouched, and with one feature turned up.",
            "Choose a feature",
        ) {
            commands.send(navigation::Command::Go(ViewId::Features));
        }
    }
}
