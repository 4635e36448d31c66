//! The frame around the views: top bar, rail, tiles, inspector, job strip, notifications, palette.

pub mod dialogs;
pub mod empty;
pub mod layout;
mod tiles;

use crate::commands::Commands;
use crate::state::AppState;
use crate::views::{View, ViewId};
use layout::Layout;

/// The views that were opened, kept so that each keeps what only it needs.
#[derive(Debug, Default)]
pub struct Views {
    made: std::collections::BTreeMap<ViewId, Box<dyn View>>,
}

impl Views {
    /// A view, made when first asked for.
    pub fn get(&mut self, id: ViewId) -> &mut dyn View {
        self.made.entry(id).or_insert_with(|| id.make()).as_mut()
    }
}

/// Draws the whole window.
pub fn window_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    views: &mut Views,
    layout: &mut Layout,
    commands: &mut Commands,
) {
    egui::CentralPanel::no_frame().show(ui, |ui| {
        tiles::tiles_ui(ui, state, views, layout, commands);
    });
}
