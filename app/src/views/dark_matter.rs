//! What does the dictionary leave unexplained here?

use super::View;
use crate::commands::{Commands, navigation};
use crate::shell::empty;
use crate::state::AppState;
use crate::views::ViewId;

/// What does the dictionary leave unexplained here?
#[derive(Debug, Default)]
pub struct DarkMatterView {}

impl View for DarkMatterView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        if empty::state_ui(
            ui,
            "Here stands the error of a dictionary on the sentence in Prompt.",
            "Open a dictionary",
        ) {
            commands.send(navigation::Command::Go(ViewId::Library));
        }
    }
}
