//! The centre: tiles with tabs, each pane with its title, purpose line and view.

use egui_tiles::{Behavior, SimplificationOptions, TileId, UiResponse};

use super::Views;
use super::layout::Layout;
use crate::commands::{Commands, shell};
use crate::state::AppState;
use crate::theme::{self, Theme, icons, space};
use crate::views::ViewId;

/// Draws the tiles; the pane that is clicked becomes the active one.
pub(super) fn tiles_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    views: &mut Views,
    layout: &mut Layout,
    commands: &mut Commands,
) {
    let mut panes = Panes {
        state,
        views,
        commands,
        active: layout.active,
    };
    layout.tree.ui(&mut panes, ui);
    layout.active = panes.active;
}

struct Panes<'a> {
    state: &'a AppState,
    views: &'a mut Views,
    commands: &'a mut Commands,
    active: Option<TileId>,
}

impl Behavior<ViewId> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, tile: TileId, view: &mut ViewId) -> UiResponse {
        let pressed = ui.input(|input| input.pointer.any_pressed());
        if pressed && ui.rect_contains_pointer(ui.max_rect()) {
            self.active = Some(tile);
        }
        let fill = Theme::of(ui).surface.panel;
        egui::Frame::new()
            .fill(fill)
            .inner_margin(space::PANEL)
            .show(ui, |ui| {
                head_ui(ui, *view, self.state, self.commands);
                self.views.get(*view).ui(ui, self.state, self.commands);
                ui.take_available_space();
            });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, view: &ViewId) -> egui::WidgetText {
        view.about().title.into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            all_panes_must_have_tabs: true,
            ..SimplificationOptions::default()
        }
    }
}

/// Title and purpose line.
fn head_ui(ui: &mut egui::Ui, view: ViewId, state: &AppState, commands: &mut Commands) {
    let about = view.about();
    ui.label(theme::page_title(about.title));
    if !state.settings.purposes_dismissed.contains(&view) {
        ui.horizontal(|ui| {
            ui.label(egui::RichText::new(about.purpose).color(Theme::of(ui).ink.secondary));
            let close = egui::Button::new(theme::icon(icons::X)).frame(false);
            if ui
                .add(close)
                .on_hover_text("Do not show this again")
                .clicked()
            {
                commands.send(shell::Command::DismissPurpose(view));
            }
        });
    }
    ui.add_space(space::CONTROL);
}
