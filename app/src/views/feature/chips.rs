//! Feature chips over the application's state: label, hover card, and where a click leads. Every screen shows features through these.

use egui::{FontId, Rect, Sense, Ui, pos2, vec2};
use umbra_core::ids::FeatureId;

use super::card::card_ui;
use crate::state::AppState;
use crate::state::requests::{Commands, navigation};
use crate::state::steering::Dragged;
use crate::theme::{Hue, Theme, size, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::feature_chip::{ChipReply, FeatureChip};
use crate::widgets::number::number;

/// `#12 label`, or `#12 the[ king] said`.
pub(crate) fn title(state: &AppState, feature: FeatureId) -> String {
    format!("#{feature} {}", state.name(feature))
        .trim_end()
        .to_owned()
}

/// A chip of a feature of the selected dictionary, `strength` (0 to 1) in its dot: hover shows the card, click opens the page, middle click opens it
/// beside.
pub(crate) fn chip_ui(
    ui: &mut Ui,
    state: &AppState,
    commands: &mut Commands,
    feature: FeatureId,
    (strength, width): (f32, f32),
) -> ChipReply {
    let chip = FeatureChip::new(feature, state.name(feature))
        .strength(strength)
        .selected(state.selection.feature == Some(feature))
        .max_width(width);
    let reply = chip.show(ui, |ui| card_ui(ui, state, commands, feature));
    if let Some(dictionary) = state.selection.dictionary {
        let dragged = Dragged {
            dictionary,
            feature,
        };
        reply.response.dnd_set_drag_payload(dragged);
    }
    if reply.open || reply.beside {
        commands.send(navigation::Command::Feature {
            feature,
            beside: reply.beside,
        });
    }
    reply
}

/// Draws the hover card of a feature of the selected dictionary.
pub(crate) fn hover_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands, feature: FeatureId) {
    card_ui(ui, state, commands, feature);
}

/// Features with a bar and a value each, on the scale of sizes 0 to `most`. A click on a bar answers its feature.
pub(crate) fn chip_bars_ui(
    ui: &mut Ui,
    state: &AppState,
    commands: &mut Commands,
    features: &[(FeatureId, f32)],
    most: f32,
) -> Option<FeatureId> {
    let mut chosen = None;
    let width = ui.available_width();
    let chip = (width * 0.55).clamp(90.0, 260.0);
    ui.spacing_mut().item_spacing.y = 2.0;
    for (feature, value) in features {
        let share = if most > 0.0 { value.abs() / most } else { 0.0 };
        ui.horizontal(|ui| {
            ui.set_min_height(space::TABLE_ROW);
            let left = ui.cursor().left();
            let reply = chip_ui(ui, state, commands, *feature, (share, chip));
            Anchor::Feature.mark_at(ui.ctx(), reply.seen);
            let used = ui.cursor().left() - left;
            ui.add_space((chip + space::CONTROL - used).max(0.0));
            let room = vec2(ui.available_width(), space::TABLE_ROW);
            let (rect, response) = ui.allocate_exact_size(room, Sense::click());
            let written = number(f64::from(*value));
            response.widget_info(|| {
                let name = format!("Colour by feature {feature}, {written}");
                egui::WidgetInfo::labeled(egui::Role::Button, true, name)
            });
            let colour = if *value < 0.0 {
                Theme::from_ui(ui).suppressed
            } else {
                Theme::from_ui(ui).hue(Hue::Activation)
            };
            paint_bar(ui, rect, (share, colour), &written, response.hovered());
            if response.clicked() {
                chosen = Some(*feature);
            }
            response.on_hover_text(
                "Activation on this token. Click to colour the tokens by this feature",
            );
        });
    }
    chosen
}

fn paint_bar(
    ui: &Ui,
    rect: Rect,
    (share, colour): (f32, egui::Color32),
    written: &str,
    hovered: bool,
) {
    let theme = Theme::from_ui(ui);
    let painter = ui.painter();
    if hovered {
        painter.rect_filled(rect, space::CORNER, theme.surface.hover);
    }
    let number_width = 52.0_f32.min(rect.width());
    let track = rect
        .with_max_x(rect.right() - number_width)
        .shrink2(vec2(0.0, 8.0));
    let length = track.width() * share.clamp(0.0, 1.0);
    let bar = Rect::from_min_size(track.min, vec2(length.max(1.0), track.height()));
    painter.rect_filled(bar, 2.0, colour);
    painter.text(
        pos2(rect.right(), rect.center().y),
        egui::Align2::RIGHT_CENTER,
        written,
        FontId::monospace(size::BODY),
        theme.ink.primary,
    );
}
