//! The left rail: nine screens as icons with words, collapsible to icons; the log and the collapse button below.

use egui::{
    Align2, Frame, Margin, PointerButton, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    vec2,
};

use super::shortcuts;
use super::tour::Pill;
use crate::state::AppState;
use crate::state::layout::Layout;
use crate::state::requests::{Commands, navigation, shell};
use crate::state::view::ViewId;
use crate::theme::{self, Theme, icons, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::menu;

const WIDE: f32 = 160.0;
const NARROW: f32 = 48.0;

/// Height of an entry, the least of one where there is little room, and the distance between two.
const ENTRY: f32 = 32.0;
const LOW: f32 = 24.0;
const GAP: f32 = 2.0;

/// Draws the rail; without room it shows icons alone. Whether the tour's entry was pressed.
pub(super) fn rail_ui(
    ui: &mut Ui,
    (state, layout): (&AppState, &Layout),
    tour: Option<&Pill>,
    commands: &mut Commands,
) -> bool {
    let words = state.settings.rail_words && layout.is_roomy();
    let mut pressed = false;
    let frame = Frame::new()
        .fill(Theme::from_ui(ui).surface.window)
        .inner_margin(Margin::symmetric(6, 8));
    egui::Panel::left("rail")
        .exact_size(if words { WIDE } else { NARROW })
        .resizable(false)
        .frame(frame)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = GAP;
            let pill = tour.is_some().then_some(space::CHIP);
            let entries = ViewId::RAIL.len() + 1 + usize::from(layout.is_roomy());
            let height = entry_height(ui.available_height(), entries, pill);
            let shown = |chosen| Shown {
                chosen,
                words,
                height,
            };
            let active = layout.view();
            for view in ViewId::RAIL {
                // a feature's page belongs to Features
                let chosen =
                    active == view || (active, view) == (ViewId::Feature, ViewId::Features);
                let keys = shortcuts::shown(shortcuts::Does::Go(view));
                let hint = format!("{} ({keys})", view.about().title);
                screen_ui(ui, view, &hint, shown(chosen), commands);
            }
            ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
                if layout.is_roomy() {
                    collapse_ui(ui, shown(false), commands);
                }
                let log = shown(active == ViewId::Log);
                screen_ui(ui, ViewId::Log, "Log", log, commands);
                if let Some(pill) = tour {
                    pressed = pill_ui(ui, pill, shown(false));
                }
            });
        });
    pressed
}

/// Returns the height at which `entries` fit into `room`, with one more for the way back to the tour below its gap `pill`, where that is drawn.
fn entry_height(room: f32, entries: usize, pill: Option<f32>) -> f32 {
    let entries = entries + usize::from(pill.is_some());
    let height = (room - pill.unwrap_or(0.0)) / entries as f32 - GAP;
    height.floor().clamp(LOW, ENTRY)
}

/// Draws the way back to the tour; whether it was pressed.
fn pill_ui(ui: &mut Ui, pill: &Pill, shown: Shown) -> bool {
    ui.add_space(space::CHIP);
    let entry = entry_ui(ui, icons::COMPASS, &pill.title, shown);
    let strong = Theme::from_ui(ui).ink.secondary;
    ui.painter().rect_stroke(
        entry.rect.shrink(1.0),
        space::CORNER,
        Stroke::new(1.0, strong),
        StrokeKind::Inside,
    );
    entry.on_hover_text(&pill.hint).clicked()
}

#[derive(Clone, Copy)]
struct Shown {
    chosen: bool,
    words: bool,
    height: f32,
}

fn screen_ui(ui: &mut Ui, view: ViewId, hint: &str, shown: Shown, commands: &mut Commands) {
    let about = view.about();
    let response = entry_ui(ui, about.icon, about.title, shown);
    if let Some(at) = ViewId::RAIL.iter().position(|one| *one == view) {
        Anchor::Screen(at).mark(&response);
    }
    let response = response.on_hover_text(hint);
    if response.clicked() {
        commands.send(navigation::Command::Go(view));
    } else if response.clicked_by(PointerButton::Middle) {
        commands.send(navigation::Command::Beside(view));
    }
    menu::context(&response, |ui| {
        if ui.button("Open").clicked() {
            commands.send(navigation::Command::Go(view));
            ui.close();
        }
        if ui.button("Open beside").clicked() {
            commands.send(navigation::Command::Beside(view));
            ui.close();
        }
    });
}

fn collapse_ui(ui: &mut Ui, shown: Shown, commands: &mut Commands) {
    let (icon, name) = if shown.words {
        (icons::CARET_DOUBLE_LEFT, "Collapse")
    } else {
        (icons::CARET_DOUBLE_RIGHT, "Expand")
    };
    if entry_ui(ui, icon, name, shown)
        .on_hover_text("Show or hide the rail's labels (Ctrl+B)")
        .clicked()
    {
        commands.send(shell::Command::RailWords(!shown.words));
    }
}

fn entry_ui(ui: &mut Ui, icon: &str, title: &str, shown: Shown) -> egui::Response {
    let size = vec2(ui.available_width(), shown.height);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, shown.chosen, title));
    let theme = Theme::from_ui(ui);
    let painter = ui.painter();
    if shown.chosen || response.hovered() {
        painter.rect_filled(rect, space::CORNER, theme.surface.hover);
    }
    if shown.chosen {
        let bar = Rect::from_min_size(
            rect.left_top() + vec2(0.0, 8.0),
            vec2(2.0, shown.height - 16.0),
        );
        painter.rect_filled(bar, 1.0, theme.ink.primary);
    }
    let ink = if shown.chosen || response.hovered() {
        theme.ink.primary
    } else {
        theme.ink.secondary
    };
    let middle = rect.left_center() + vec2(18.0, 0.0);
    painter.text(middle, Align2::CENTER_CENTER, icon, theme::icon_font(), ink);
    if shown.words {
        let at = rect.left_center() + vec2(36.0, 0.0);
        let font = egui::TextStyle::Body.resolve(ui.style());
        painter.text(at, Align2::LEFT_CENTER, title, font, ink);
    }
    response
}
