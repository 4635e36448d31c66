//! Which features fire on this sentence?

use super::View;
use crate::commands::{Commands, navigation};
use crate::shell::empty;
use crate::state::AppState;
use crate::views::ViewId;

/// Which features fire on this sentence?
#[derive(Debug, Default)]
pub struct PromptView {}

impl View for PromptView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        if empty::state_ui(
            ui,
            "Here you type a sentence and see the features on its tokens.",
            "Open a model and a dictionary",
        ) {
            commands.send(navigation::Command::Go(ViewId::Library));
        }
    }
}
