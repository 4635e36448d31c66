//! The error along the text: one slot per token, the linear part above the line, the nonlinear part below.

use egui::{Align2, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use umbra_core::dark_matter::ErrorNorms;

use super::text::{Shown, card_ui};
use crate::theme::{Hue, Theme, size};
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::{csv, number};

/// Height of the whole.
const HEIGHT: f32 = 72.0;

/// Room for the numbers of the axis.
const NUMBERS: f32 = 44.0;

/// Definition of the bars.
const DEFINITION: &str = "L2 norm of the dictionary's error on each token: above the line the part that a linear probe predicts from the activation, below it the rest";

/// The ends of the axis and its zero.
fn numbers(ui: &Ui, place: Rect, middle: f32, [above, below]: [f32; 2]) {
    let theme = Theme::from_ui(ui);
    let write = |y: f32, anchor: Align2, text: String| {
        let font = FontId::monospace(size::CAPTION);
        let at = pos2(place.right() - 6.0, y);
        ui.painter()
            .text(at, anchor, text, font, theme.ink.secondary);
    };
    let end = |value: f32| number::number(f64::from(value));
    write(place.top(), Align2::RIGHT_TOP, end(above));
    write(middle, Align2::RIGHT_CENTER, "0".to_owned());
    write(place.bottom(), Align2::RIGHT_BOTTOM, end(below));
}

fn menu(response: &egui::Response, shown: &Shown<'_>, (pointed, place): (Option<usize>, Rect)) {
    let norms = &shown.errors.norms;
    let value = pointed.and_then(|token| norms.get(token));
    let value = value.map(|norms| format!("{}\t{}", norms.linear, norms.nonlinear));
    let csv = || {
        let tokens = shown.errors.texts.iter().zip(norms).enumerate();
        let lines = tokens.map(|(i, (token, norms))| {
            let token = token.as_str().into();
            [i.into(), token, norms.linear.into(), norms.nonlinear.into()]
        });
        let titles = ["Position", "Token", "Linear part", "Nonlinear part"];
        csv::table::<[csv::Value; 4]>(&titles, lines)
    };
    let meaning = Meaning::new("Error along the text", DEFINITION);
    let meaning = meaning.value(value.as_deref()).csv(&csv).picture(place);
    meaning::menu(response, &meaning);
}

/// The ends of the axis, above and below its zero: the longest bar of each half, or a third of the other where that is more.
fn ends(norms: &[ErrorNorms], counts: &[bool]) -> [f32; 2] {
    let counted = norms.iter().zip(counts).filter(|(_, counts)| **counts);
    let [above, below] = counted.fold([0.0_f32; 2], |[above, below], (norms, _)| {
        [above.max(norms.linear), below.max(norms.nonlinear)]
    });
    if above.max(below) > 0.0 {
        [above.max(below / 3.0), below.max(above / 3.0)]
    } else {
        [1.0; 2]
    }
}

/// Draws it; answers with the token that was clicked.
pub(super) fn profile_ui(ui: &mut Ui, shown: &Shown<'_>) -> Option<usize> {
    let [above, below] = ends(&shown.errors.norms, &shown.errors.counts);
    let theme = Theme::from_ui(ui);
    let many = shown.errors.norms.len().max(1);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::click());
    let name = "Linear part above the line, nonlinear part below, token by token";
    response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, name));
    let scale = rect.with_max_x(rect.left() + NUMBERS);
    let whole = rect;
    let rect = rect.with_min_x(scale.right());
    let slot = (rect.width() / many as f32).min(24.0);
    let gap = if slot >= 4.0 { 1.0 } else { 0.0 };
    let painter = ui.painter_at(rect.expand(1.0));
    // One scale for both halves.
    let unit = (HEIGHT - 4.0) / (above + below);
    let middle = rect.top() + 2.0 + above * unit;
    let pointed = response
        .hover_pos()
        .filter(|at| at.x >= rect.left())
        .map(|at| ((at.x - rect.left()) / slot) as usize)
        .filter(|token| *token < many);
    let counted = shown.errors.norms.iter().zip(&shown.errors.counts);
    for (token, (norms, _)) in counted.enumerate().filter(|(_, (_, counts))| **counts) {
        let x = rect.left() + token as f32 * slot;
        let column = Rect::from_min_max(pos2(x, rect.top()), pos2(x + slot - gap, rect.bottom()));
        if pointed == Some(token) || shown.token == Some(token) {
            painter.rect_filled(column, 0.0, theme.surface.hover);
        }
        let length = |value: f32| value.max(0.0) * unit;
        if shown.split {
            let up =
                Rect::from_x_y_ranges(column.x_range(), middle - length(norms.linear)..=middle);
            painter.rect_filled(up, 0.0, theme.mark(Hue::Error, 0.5));
        }
        let down =
            Rect::from_x_y_ranges(column.x_range(), middle..=middle + length(norms.nonlinear));
        painter.rect_filled(down, 0.0, theme.mark(Hue::Error, 1.0));
        if shown.token == Some(token) {
            let stroke = Stroke::new(1.0, theme.ink.primary);
            painter.rect_stroke(column, 0.0, stroke, StrokeKind::Outside);
        }
    }
    painter.hline(rect.x_range(), middle, Stroke::new(1.0, theme.line.strong));
    numbers(ui, scale, middle, [above, below]);
    menu(&response, shown, (pointed, whole));
    let clicked = response.clicked();
    if let Some(token) = pointed {
        response.on_hover_ui_at_pointer(|ui| card_ui(ui, shown, token));
    }
    pointed.filter(|_| clicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_the_longest_bars_of_tokens_that_count() {
        let norms = [(90.0, 80.0), (2.0, 5.0), (4.0, 9.0)].map(|(linear, nonlinear)| ErrorNorms {
            activation: 100.0,
            total: 50.0,
            linear,
            nonlinear,
        });
        assert_eq!(ends(&norms, &[false, true, true]), [4.0, 9.0]);
        let short = ends(&norms[1..2], &[true]);
        assert_eq!(short, [2.0, 5.0]);
        assert_eq!(ends(&norms, &[false; 3]), [1.0; 2]);
    }
}
