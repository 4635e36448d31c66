//! What is this feature?

use super::View;
use crate::commands::{Commands, navigation};
use crate::shell::empty;
use crate::state::AppState;
use crate::views::ViewId;

/// What is this feature?
#[derive(Debug, Default)]
pub struct FeatureView {}

impl View for FeatureView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        if empty::state_ui(
            ui,
            "Here stands the page of the feature you choose.",
            "Choose a feature",
        ) {
            commands.send(navigation::Command::Go(ViewId::Features));
        }
    }
}
