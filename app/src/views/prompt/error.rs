//! The dictionary's error on the sentence: what colours its tokens by it, and the unexplained share of one token.

use egui::{Align2, Button, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use umbra_core::prompt::Reading;

use super::model::ColourBy;
use crate::state::AppState;
use crate::state::dark_matter::places::Part;
use crate::theme::{Hue, Theme, caption, mono_caption, size, space};
use crate::widgets::number::{number, percent};

/// Definition of the unexplained share.
pub(crate) const UNEXPLAINED: &str = "Share of the activation's squared norm in the dictionary's error, ||x − x̂||² / ||x||²; it can exceed 100 %";

/// Draws the choice of a part of the error as what colours the tokens; nothing where the error is not known.
pub(super) fn colour_ui(ui: &mut Ui, state: &AppState, reading: &Reading, by: &mut ColourBy) {
    let errors = state.errors_on(reading);
    let Some((_, split)) = errors else {
        if matches!(by, ColourBy::Error(_)) {
            let words = match state.dark_matter.places.sentence.errors.failure() {
                Some(why) => format!("The error is not known: {why}"),
                None => "Reading the error…".to_owned(),
            };
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.add(egui::Label::new(caption(words).color(secondary)).wrap());
        }
        return;
    };
    for part in Part::ALL {
        let words = match part {
            Part::Total => "Error",
            Part::Linear => "Linear error",
            Part::Nonlinear => "Nonlinear error",
        };
        let button = Button::selectable(*by == ColourBy::Error(part), words);
        let enabled = split || part == Part::Total;
        let help = format!("Colours each token by {}", part.meaning());
        let response = ui.add_enabled(enabled, button).on_hover_text(help);
        let remedy = "Fit the linear probe in Dark matter to split the error";
        if response.on_disabled_hover_text(remedy).clicked() {
            *by = ColourBy::Error(part);
            ui.ctx().request_repaint(); // the text above is drawn already
        }
    }
}

/// Draws the unexplained share of a token with the norms of its parts; whether it was clicked.
pub(super) fn row_ui(ui: &mut Ui, state: &AppState, (reading, at): (&Reading, usize)) -> bool {
    let Some((errors, split)) = state.errors_on(reading) else {
        return false;
    };
    let (Some(share), Some(norms)) = (errors.unexplained(at), errors.norms.get(at)) else {
        return false;
    };
    let theme = Theme::from_ui(ui);
    let room = vec2(ui.available_width(), space::TABLE_ROW);
    let (rect, response) = ui.allocate_exact_size(room, Sense::click());
    let figure = percent(share);
    response.widget_info(|| {
        let name = format!("Unexplained {figure}, colour by the error");
        WidgetInfo::labeled(Role::Button, true, name)
    });
    let painter = ui.painter_at(rect);
    if response.hovered() || response.has_focus() {
        painter.rect_filled(rect, space::CORNER, theme.surface.hover);
    }
    let middle = rect.center().y;
    let font = FontId::proportional(size::BODY);
    let at = pos2(rect.left() + space::CONTROL, middle);
    let ink = theme.ink.primary;
    let name = painter.text(at, Align2::LEFT_CENTER, "Unexplained", font, ink);
    let at = pos2(rect.right(), middle);
    let font = FontId::monospace(size::BODY);
    let value = painter.text(at, Align2::RIGHT_CENTER, &figure, font, ink);
    let track = Rect::from_min_max(
        pos2(name.right() + space::CONTROL, rect.top() + 8.0),
        pos2(value.left() - space::CONTROL, rect.bottom() - 8.0),
    );
    if track.width() > 0.0 {
        painter.rect_filled(track, 2.0, theme.surface.hover);
        let long = (track.width() * share.clamp(0.0, 1.0) as f32).max(1.0);
        let bar = Rect::from_min_size(track.min, vec2(long, track.height()));
        painter.rect_filled(bar, 2.0, theme.hue(Hue::Error));
    }
    let clicked = response.clicked();
    let mut help = format!(
        "{UNEXPLAINED}.\nNorm of the activation {}, of the error {}",
        number(f64::from(norms.activation)),
        number(f64::from(norms.total))
    );
    if split {
        help = format!(
            "{help}, of its linear part {}, of its nonlinear part {}",
            number(f64::from(norms.linear)),
            number(f64::from(norms.nonlinear))
        );
    }
    response.on_hover_text(format!(
        "{help}.\nClick to colour the sentence by the error"
    ));
    clicked
}

/// Draws the unexplained share of a token in its hover card.
pub(super) fn card_ui(ui: &mut Ui, state: &AppState, reading: &Reading, at: usize) {
    let errors = state.errors_on(reading);
    let Some(share) = errors.and_then(|(errors, _)| errors.unexplained(at)) else {
        return;
    };
    let theme = Theme::from_ui(ui);
    ui.horizontal(|ui| {
        ui.label(caption("Unexplained"));
        ui.label(mono_caption(percent(share)).color(theme.hue(Hue::Error)));
    });
}
