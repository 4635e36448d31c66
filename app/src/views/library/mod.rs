//! What is loaded, what was decided about it, and how good is it?

use super::View;
use crate::commands::{Commands, library};
use crate::shell::empty;
use crate::state::AppState;

/// What is loaded, what was decided about it, and how good is it?
#[derive(Debug, Default)]
pub struct LibraryView {}

impl View for LibraryView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        let sentence =
            "Here stand the model, the dictionaries and the indexes of the open project.";
        if empty::state_ui(ui, sentence, "Open the demo") {
            commands.send(library::Command::OpenDemo);
        }
    }
}
