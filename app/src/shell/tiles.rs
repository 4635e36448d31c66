//! The centre: tiles with tabs (once there are two), each pane with its title, purpose line and view.

use egui::{Color32, Frame, ScrollArea, Stroke, Visuals};
use egui_tiles::{
    Behavior, EditAction, SimplificationOptions, TabState, TileId, Tiles, UiResponse,
};

use super::guide_window::about_screen_ui;
use super::views::Views;
use crate::state::AppState;
use crate::state::history::Pair;
use crate::state::layout::Layout;
use crate::state::requests::{Commands, shell};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::widgets::focus;
use crate::widgets::parts::inline_icon_button;

/// Draws the tiles; the pane that is clicked becomes the active one.
pub(super) fn tiles_ui(
    ui: &mut egui::Ui,
    state: &AppState,
    views: &mut Views,
    layout: &mut Layout,
    commands: &mut Commands,
) {
    focus::activate(ui.ctx(), screen(layout.view()));
    let (before, many) = (layout.saved(), layout.panes());
    let mut panes = Panes {
        state,
        views,
        commands,
        active: layout.active,
        split: layout.is_split(),
        edited: None,
    };
    layout.tree.ui(&mut panes, ui);
    layout.active = panes.active;
    let edited = panes.edited;
    let how = if layout.panes() < many {
        Some("closed one")
    } else {
        edited
    };
    if let Some(how) = how {
        let after = layout.saved();
        let pair = Box::new(Pair { before, after });
        commands.send(shell::Command::Tiles(how, pair));
    }
}

/// Identifies a screen for the focus.
pub(super) fn screen(view: ViewId) -> egui::Id {
    egui::Id::unique("screen").with(view)
}

struct Panes<'a> {
    state: &'a AppState,
    views: &'a mut Views,
    commands: &'a mut Commands,
    active: Option<TileId>,
    split: bool,
    /// The user's change of the tiles in this frame.
    edited: Option<&'static str>,
}

impl Panes<'_> {
    fn scrolled_ui(&mut self, ui: &mut egui::Ui, view: ViewId) {
        let area = ScrollArea::both().id_salt("small pane");
        area.auto_shrink(false).show(ui, |ui| {
            let least = self.views.get(view).least();
            let size = ui.available_size().max(least);
            ui.allocate_ui(size, |ui| {
                ui.set_min_size(size);
                self.views.get(view).ui(ui, self.state, self.commands);
            });
        });
    }
}

impl Behavior<ViewId> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut egui::Ui, tile: TileId, view: &mut ViewId) -> UiResponse {
        let pressed = ui.input(|input| input.pointer.any_pressed());
        if pressed && ui.rect_contains_pointer(ui.max_rect()) {
            self.active = Some(tile);
        }
        let theme = Theme::from_ui(ui);
        Frame::new()
            .fill(theme.surface.panel)
            .inner_margin(egui::Margin::symmetric(16, 12))
            .show(ui, |ui| {
                head_ui(ui, *view, self.state, self.commands);
                focus::begin(ui.ctx(), screen(*view));
                let body = ui.available_rect_before_wrap();
                let (room, least) = (ui.available_size(), self.views.get(*view).least());
                if room.x < least.x || room.y < least.y {
                    self.scrolled_ui(ui, *view);
                } else {
                    self.views.get(*view).ui(ui, self.state, self.commands);
                }
                focus::end(ui, body);
                ui.take_available_space();
            });
        UiResponse::None
    }

    fn on_edit(&mut self, edit: EditAction) {
        match edit {
            EditAction::TileResized => self.edited = Some(shell::RESIZED),
            EditAction::TileDropped => self.edited = Some("moved one"),
            EditAction::TileDragged | EditAction::TabSelected => {}
        }
    }

    fn tab_title_for_pane(&mut self, view: &ViewId) -> egui::WidgetText {
        view.about().title.into()
    }

    fn is_tab_closable(&self, _tiles: &Tiles<ViewId>, _tile: TileId) -> bool {
        self.split
    }

    fn close_button_outer_size(&self) -> f32 {
        16.0
    }

    fn close_button_inner_margin(&self) -> f32 {
        5.0
    }

    fn tab_bar_height(&self, _style: &egui::Style) -> f32 {
        28.0
    }

    fn is_tab_bar_visible(&self, _tile: TileId, _tabs: &egui_tiles::Tabs) -> bool {
        self.split
    }

    fn min_size(&self) -> f32 {
        260.0
    }

    fn tab_title_spacing(&self, _visuals: &Visuals) -> f32 {
        12.0
    }

    fn tab_bar_color(&self, visuals: &Visuals) -> Color32 {
        Theme::which(visuals.dark_mode).surface.window
    }

    fn tab_outline_stroke(
        &self,
        _visuals: &Visuals,
        _tiles: &Tiles<ViewId>,
        _tile: TileId,
        _state: &TabState,
    ) -> Stroke {
        Stroke::NONE
    }

    fn tab_text_color(
        &self,
        visuals: &Visuals,
        _tiles: &Tiles<ViewId>,
        tile: TileId,
        state: &TabState,
    ) -> Color32 {
        let ink = Theme::which(visuals.dark_mode).ink;
        if state.active && self.active == Some(tile) {
            ink.primary
        } else {
            ink.secondary
        }
    }

    fn resize_stroke(&self, style: &egui::Style, state: egui_tiles::ResizeState) -> Stroke {
        let theme = Theme::which(style.visuals.dark_mode);
        match state {
            egui_tiles::ResizeState::Idle => Stroke::new(1.0, theme.line.hair),
            _ => Stroke::new(2.0, theme.line.strong),
        }
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
    ui.horizontal(|ui| {
        ui.label(theme::page_title(about.title));
        about_screen_ui(ui, view, commands);
    });
    if !state.settings.purposes_dismissed.contains(&view) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.horizontal_top(|ui| {
            let button = space::CONTROL_ROW + space::CONTROL;
            let purpose = egui::RichText::new(about.purpose).color(secondary);
            let widest = ui.available_width() - button;
            ui.vertical(|ui| {
                ui.set_max_width(widest);
                ui.add(egui::Label::new(purpose).wrap());
            });
            if inline_icon_button(ui, icons::X, "Do not show this line again").clicked() {
                commands.send(shell::Command::DismissPurpose(view));
            }
        });
    }
    ui.add_space(space::CONTROL);
}
