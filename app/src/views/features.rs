//! Which features are there, and which are interesting?

use super::View;
use crate::commands::{Commands, navigation};
use crate::shell::empty;
use crate::state::AppState;
use crate::views::ViewId;

/// Which features are there, and which are interesting?
#[derive(Debug, Default)]
pub struct FeaturesView {}

impl View for FeaturesView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        if empty::state_ui(
            ui,
            "Here stands the table of a dictionary's features.",
            "Open a dictionary",
        ) {
            commands.send(navigation::Command::Go(ViewId::Library));
        }
    }
}
