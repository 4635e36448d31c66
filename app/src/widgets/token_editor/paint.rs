//! Paints the tokens behind the text: tints, outlines, marks, signs of newlines.

use std::sync::Arc;

use egui::{
    Align2, Color32, CornerRadius, FontId, Galley, Painter, Pos2, Rect, Shape, Stroke, StrokeKind,
    Ui, pos2, vec2,
};

use super::{Placed, TokenEditor};
use crate::theme::{Theme, size, space};

/// Number of different marks.
pub(crate) const SHAPES: usize = 5;

/// Height of all bands below a token.
const BANDS: f32 = 9.0;

/// Width of a mark.
const MARK: f32 = 6.0;

/// Returns mark `number` around `centre`: disc, square, triangle, diamond, bar.
pub(crate) fn mark(number: usize, centre: Pos2, colour: Color32) -> Shape {
    let r = MARK / 2.0;
    let polygon = |points: Vec<Pos2>| Shape::convex_polygon(points, colour, Stroke::NONE);
    let at = |x: f32, y: f32| centre + vec2(x * r, y * r);
    match number % SHAPES {
        0 => Shape::circle_filled(centre, r, colour),
        1 => {
            let rect = Rect::from_center_size(centre, vec2(MARK - 1.0, MARK - 1.0));
            Shape::rect_filled(rect, CornerRadius::ZERO, colour)
        }
        2 => polygon(vec![at(0.0, -1.1), at(1.1, 0.9), at(-1.1, 0.9)]),
        3 => polygon(vec![
            at(0.0, -1.2),
            at(1.2, 0.0),
            at(0.0, 1.2),
            at(-1.2, 0.0),
        ]),
        _ => {
            let rect = Rect::from_center_size(centre, vec2(MARK, 2.0));
            Shape::rect_filled(rect, CornerRadius::ZERO, colour)
        }
    }
}

impl TokenEditor<'_> {
    /// Grounds behind the text.
    pub(super) fn shapes(
        &self,
        ui: &Ui,
        (placed, chips): (&[Placed], &[Arc<Galley>]),
        pointed: Option<usize>,
    ) -> Vec<Shape> {
        let theme = Theme::from_ui(ui);
        let mut shapes = vec![];
        for place in placed {
            let rect = place.rect.shrink2(vec2(0.5, 0.0));
            let Some(piece) = self.pieces.get(place.token) else {
                continue;
            };
            let chip = chips.get(place.token);
            let fill = piece.tint.map(|tint| tint.fill);
            let fill = chip.map(|_| theme.surface.hover).or(fill);
            if let Some(fill) = fill {
                shapes.push(Shape::rect_filled(rect, space::CORNER, fill));
            }
            if piece.negative {
                let y = rect.bottom() - 1.0;
                let x = rect.x_range().shrink(2.0);
                shapes.push(Shape::hline(x, y, Stroke::new(2.0, theme.suppressed)));
            }
            let outline = if self.selected == Some(place.token) {
                Some(Stroke::new(1.5, theme.ink.primary))
            } else {
                (pointed == Some(place.token)).then(|| Stroke::new(1.0, theme.ink.secondary))
            };
            if let Some(stroke) = outline {
                let kind = StrokeKind::Inside;
                shapes.push(Shape::Rect(egui::epaint::RectShape::stroke(
                    rect,
                    space::CORNER,
                    stroke,
                    kind,
                )));
            }
            if let Some(chip) = chip {
                let at = rect.center() - chip.size() / 2.0;
                shapes.push(Shape::galley(at, Arc::clone(chip), theme.ink.secondary));
            }
            shapes.extend(marks(theme, &piece.marks, rect));
            shapes.extend(bands(theme, &piece.bands, rect));
        }
        shapes
    }
}

/// Paints the sign of a newline at the end of each line that has one.
pub(super) fn newlines(ui: &Ui, galley: &Galley, origin: Pos2) {
    let ink = Theme::from_ui(ui).ink.disabled;
    let painter: &Painter = ui.painter();
    let clip = ui.clip_rect();
    for row in galley.rows.iter().filter(|row| row.ends_with_newline) {
        let rect = row.rect().translate(origin.to_vec2());
        if rect.intersects(clip) {
            let at = pos2(rect.right() + 2.0, rect.center().y);
            let font = FontId::monospace(size::BODY);
            painter.text(at, Align2::LEFT_CENTER, "⏎", font, ink);
        }
    }
}

/// The bands below a token, one below the other.
fn bands(theme: &Theme, bands: &[(usize, f32)], rect: Rect) -> Vec<Shape> {
    let mut top = rect.bottom() + 1.0;
    let one = |(number, part): &(usize, f32)| {
        let bottom = top + part * BANDS;
        let band = Rect::from_x_y_ranges(rect.x_range(), top..=bottom);
        top = bottom;
        Shape::rect_filled(band, CornerRadius::ZERO, theme.series(*number))
    };
    bands.iter().map(one).collect()
}

/// The marks below a token, side by side, closer where it is short.
fn marks(theme: &Theme, marks: &[usize], rect: Rect) -> Vec<Shape> {
    let between = marks.len().saturating_sub(1) as f32;
    let step = ((rect.width() - MARK) / between.max(1.0)).clamp(4.0, MARK + 2.0);
    let left = rect.center().x - step * between / 2.0;
    let y = rect.bottom() + 1.0 + MARK / 2.0;
    let one = |(i, number): (usize, &usize)| {
        let centre = pos2(left + step * i as f32, y);
        mark(*number, centre, theme.series(*number))
    };
    marks.iter().enumerate().map(one).collect()
}
