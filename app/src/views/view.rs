//! The trait that all screens share.

use std::fmt::Debug;

use crate::state::AppState;
use crate::state::requests::Commands;

/// One screen.
pub(crate) trait View: Debug {
    /// Draws it below its title and purpose line.
    fn ui(&mut self, ui: &mut egui::Ui, state: &AppState, commands: &mut Commands);

    /// Returns the smallest place in which it is laid out; in a smaller one, all of it scrolls.
    fn least(&self) -> egui::Vec2 {
        egui::vec2(400.0, 400.0)
    }
}
