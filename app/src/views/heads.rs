//! What does each attention head write?

use super::View;
use crate::commands::{Commands, navigation};
use crate::shell::empty;
use crate::state::AppState;
use crate::views::ViewId;

/// What does each attention head write?
#[derive(Debug, Default)]
pub struct HeadsView {}

impl View for HeadsView {
    fn ui(&mut self, ui: &mut egui::Ui, _state: &AppState, commands: &mut Commands) {
        if empty::state_ui(
            ui,
            "Here stands a grid of layers and heads, from dictionaries on attn.hook_z.",
            "Open a dictionary",
        ) {
            commands.send(navigation::Command::Go(ViewId::Library));
        }
    }
}
