//! Rows of features with a signed bar and figures, for the panels that list what changes or what tells texts apart.

use egui::{Align2, FontId, Rect, Sense, Ui, WidgetInfo, pos2, vec2};
use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::requests::Commands;
use crate::theme::{Theme, size, space};
use crate::views::feature::chips::chip_ui;

/// Room of a figure.
const FIGURE: f32 = 72.0;

/// Share of the row for the feature's name, and its bounds.
const CHIP: (f32, f32, f32) = (0.5, 90.0, 320.0);

fn chip_width(ui: &Ui, figures: usize) -> f32 {
    let (share, least, most) = CHIP;
    ((ui.available_width() - FIGURE * figures as f32) * share).clamp(least, most)
}

/// Draws the titles of the figures, each with its meaning.
pub(super) fn heads_ui(ui: &mut Ui, titles: &[(&str, &str)]) {
    let ink = Theme::from_ui(ui).ink.secondary;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let width = ui.available_width() - FIGURE * titles.len() as f32;
        ui.add_space(width.max(0.0));
        for (title, help) in titles {
            let (rect, response) =
                ui.allocate_exact_size(vec2(FIGURE, space::TABLE_ROW), Sense::hover());
            let at = pos2(rect.right(), rect.center().y);
            let font = FontId::proportional(size::CAPTION);
            ui.painter()
                .text(at, Align2::RIGHT_CENTER, *title, font, ink);
            response.on_hover_text(*help);
        }
    });
}

/// Draws a feature with a bar of `share` (−1 to 1) and its figures; whether the bar was clicked. `does` says what a click does.
pub(super) fn feature_ui(
    ui: &mut Ui,
    state: &AppState,
    commands: &mut Commands,
    (feature, share, figures): (FeatureId, f32, &[String]),
    does: &str,
) -> bool {
    let chip = chip_width(ui, figures.len());
    let mut clicked = false;
    ui.horizontal(|ui| {
        ui.set_min_height(space::TABLE_ROW);
        let left = ui.cursor().left();
        chip_ui(ui, state, commands, feature, (share.abs(), chip));
        let used = ui.cursor().left() - left;
        ui.add_space((chip + space::CONTROL - used).max(0.0));
        let room = vec2(ui.available_width(), space::TABLE_ROW);
        let (rect, response) = ui.allocate_exact_size(room, Sense::click());
        response.widget_info(|| {
            let first = figures.first().map_or("", String::as_str);
            let name = format!("{does} feature {feature}, {first}");
            WidgetInfo::labeled(egui::Role::Button, true, name)
        });
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        if response.hovered() || response.has_focus() {
            painter.rect_filled(rect, space::CORNER, theme.surface.hover);
        }
        let wide = FIGURE * figures.len() as f32;
        let track = rect.with_max_x((rect.right() - wide - space::CHIP).max(rect.left()));
        let track = track.shrink2(vec2(0.0, 8.0));
        let middle = track.center().x;
        let long = track.width() / 2.0 * share.clamp(-1.0, 1.0);
        let bar = Rect::from_x_y_ranges(
            (middle + long.min(0.0))..=(middle + long.max(0.0)).max(middle + 1.0),
            track.y_range(),
        );
        painter.rect_filled(bar, 2.0, theme.side(share));
        let line = egui::Stroke::new(1.0, theme.line.strong);
        painter.vline(middle, rect.y_range().shrink(4.0), line);
        let mut right = rect.right();
        for figure in figures.iter().rev() {
            let at = pos2(right, rect.center().y);
            let font = FontId::monospace(size::BODY);
            painter.text(at, Align2::RIGHT_CENTER, figure, font, theme.ink.primary);
            right -= FIGURE;
        }
        clicked = response.clicked();
        response.on_hover_text(format!("{does} the feature"));
    });
    clicked
}
