//! Feature chip: `#1234 label` with an activation dot. Click opens its page, middle click opens it beside, hover shows a summary.

use egui::{FontId, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};
use umbra_core::features::Name;
use umbra_core::ids::FeatureId;

use super::{feature_name, focus};
use crate::theme::{Hue, Theme, size, space};

/// Height of a chip.
pub(crate) const HEIGHT: f32 = 22.0;

/// A chip before it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeatureChip<'a> {
    feature: FeatureId,
    name: Name<'a>,
    strength: f32,
    selected: bool,
    width: Option<f32>,
}

/// The user's action on a chip.
#[derive(Debug)]
pub(crate) struct ChipReply {
    /// Opens the page.
    pub(crate) open: bool,
    /// Opens the page beside.
    pub(crate) beside: bool,
    /// Visible part of the chip, on screen.
    pub(crate) seen: Rect,
    /// The chip itself, which can be dragged.
    pub(crate) response: Response,
}

impl<'a> FeatureChip<'a> {
    /// A chip of `feature`, which is called `name`.
    pub(crate) fn new(feature: FeatureId, name: Name<'a>) -> Self {
        Self {
            feature,
            name,
            strength: 1.0,
            selected: false,
            width: None,
        }
    }

    /// Sets the brightness of the dot, 0 to 1.
    #[must_use]
    pub(crate) fn strength(mut self, share: f32) -> Self {
        self.strength = share;
        self
    }

    /// Drawn as the selected one.
    #[must_use]
    pub(crate) fn selected(mut self, selected: bool) -> Self {
        self.selected = selected;
        self
    }

    /// Limits the width; a longer label ends in `…`.
    #[must_use]
    pub(crate) fn max_width(mut self, width: f32) -> Self {
        self.width = Some(width);
        self
    }

    /// Draws it; `card` fills the hover card.
    pub(crate) fn show(self, ui: &mut Ui, card: impl FnOnce(&mut Ui)) -> ChipReply {
        let theme = Theme::from_ui(ui);
        let number = format!("#{}", self.feature);
        let painter = ui.painter();
        let number =
            painter.layout_no_wrap(number, FontId::monospace(size::BODY), theme.ink.primary);
        let before = 18.0 + number.size().x;
        let most = self.width.unwrap_or_else(|| ui.available_width()).max(60.0);
        let room = (most - before - 6.0 - 8.0).max(12.0);
        let label = feature_name::layout(ui, self.name, room);
        let label_width = label.as_ref().map_or(0.0, |label| label.size().x + 6.0);
        let extent = vec2(before + label_width + 8.0, HEIGHT);
        let (rect, response) = ui.allocate_exact_size(extent, Sense::click_and_drag());
        let (feature, text) = (self.feature, self.name.label.unwrap_or("no label"));
        let selected = self.selected;
        response.widget_info(|| {
            WidgetInfo::selected(
                Role::Button,
                true,
                selected,
                format!("Feature {feature}, {text}"),
            )
        });
        if ui.is_rect_visible(rect) {
            self.paint_ground(ui, theme, rect, &response);
            let at = pos2(rect.left() + 18.0, rect.center().y - number.size().y / 2.0);
            let after = at.x + number.size().x + 6.0;
            ui.painter().galley(at, number, theme.ink.primary);
            if let Some(label) = label {
                let at = pos2(after, rect.center().y - label.size().y / 2.0);
                ui.painter().galley(at, label, theme.ink.primary);
            }
        }
        let (open, beside) = (response.clicked(), response.middle_clicked());
        let seen = response.interact_rect;
        let mut response = response.on_hover_cursor(egui::CursorIcon::PointingHand);
        if response.dragged() {
            shadow(ui, theme, &format!("#{}", self.feature));
        } else if !focus::rests(ui.ctx()) {
            response = response.on_hover_ui(card);
        }
        ChipReply {
            open,
            beside,
            seen,
            response,
        }
    }

    fn paint_ground(&self, ui: &Ui, theme: &Theme, rect: Rect, response: &Response) {
        let lit = response.hovered() || response.has_focus() || self.selected;
        let fill = if lit {
            theme.surface.hover
        } else {
            theme.surface.raised
        };
        let line = if response.has_focus() || self.selected {
            theme.ink.secondary
        } else {
            theme.line.strong
        };
        let painter = ui.painter();
        painter.rect(
            rect,
            space::CORNER,
            fill,
            Stroke::new(1.0, line),
            StrokeKind::Inside,
        );
        dot(ui, pos2(rect.left() + 10.0, rect.center().y), self.strength);
    }
}

/// Draws the number of a dragged chip beside the pointer.
fn shadow(ui: &Ui, theme: &Theme, number: &str) {
    let Some(at) = ui.input(|input| input.pointer.interact_pos()) else {
        return;
    };
    ui.ctx().set_cursor_icon(egui::CursorIcon::Grabbing);
    let layer = egui::LayerId::new(egui::Order::Tooltip, egui::Id::unique("dragged chip"));
    let painter = ui.ctx().layer_painter(layer);
    let font = FontId::monospace(size::BODY);
    let number = painter.layout_no_wrap(number.to_owned(), font, theme.ink.primary);
    let least = at + vec2(12.0, 12.0);
    let rect = Rect::from_min_size(least, number.size() + vec2(12.0, 6.0));
    let line = Stroke::new(1.0, theme.edit);
    painter.rect(
        rect,
        space::CORNER,
        theme.surface.raised,
        line,
        StrokeKind::Inside,
    );
    painter.galley(least + vec2(6.0, 3.0), number, theme.ink.primary);
}

/// A token in quotes, its newline visible.
pub(crate) fn quoted(token: &str) -> String {
    format!("“{}”", token.replace('\n', "⏎"))
}

/// The activation dot: brighter and fuller the stronger the feature; a ring where it is silent.
pub(crate) fn dot(ui: &Ui, centre: egui::Pos2, share: f32) {
    let theme = Theme::from_ui(ui);
    let painter = ui.painter();
    let share = share.clamp(0.0, 1.0);
    if share > 0.0 {
        let fill = theme.tint(Hue::Activation, 0.3 + 0.7 * share).fill;
        painter.circle(centre, 3.5, fill, Stroke::new(1.0, theme.activation));
    } else {
        painter.circle_stroke(centre, 3.0, Stroke::new(1.0, theme.ink.disabled));
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;

    #[test]
    fn a_chip_opens_by_click_and_beside_by_middle_click() {
        let mut harness = Harness::builder()
            .with_context_setup(crate::theme::install)
            .build_ui_state(
                |ui, (open, beside): &mut (usize, usize)| {
                    let chip = FeatureChip::new(FeatureId(12), Name::labelled("royal titles"));
                    let reply = chip.max_width(120.0).show(ui, |ui| {
                        ui.label("card");
                    });
                    *open += usize::from(reply.open);
                    *beside += usize::from(reply.beside);
                    FeatureChip::new(FeatureId(3), Name::default()).show(ui, |_| {});
                },
                (0, 0),
            );
        harness.get_by_label("Feature 3, no label");
        harness.get_by_label("Feature 12, royal titles").click();
        harness.run();
        assert_eq!(*harness.state(), (1, 0));
        harness
            .get_by_label("Feature 12, royal titles")
            .click_button(egui::PointerButton::Middle);
        harness.run();
        assert_eq!(*harness.state(), (1, 1));
    }
}
