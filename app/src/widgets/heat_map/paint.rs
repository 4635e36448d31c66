//! Draws the cells, their frames and the names along the sides.

use egui::text::{LayoutJob, TextWrapping};
use egui::{Align2, Color32, FontId, Painter, Rect, Stroke, StrokeKind, pos2, vec2};

use super::{Cell, HEADER, HeatMap, Layout, Scale, WITH_WORDS};
use crate::theme::{Hue, Theme, Tinted, size, space};
use crate::widgets::number;

/// Width and height from which a cell shows its number.
const WITH_NUMBER: egui::Vec2 = vec2(38.0, 14.0);

/// Room beside a number in its cell.
const EDGE: f32 = 0.5;

/// Height from which words stand above a number.
const TWO_LINES: f32 = 32.0;

/// Width and height from which a letter stands for a kind.
const WITH_LETTER: egui::Vec2 = vec2(11.0, 13.0);

/// Least distance of the names of two rows.
const NAME: f32 = 13.0;

impl HeatMap<'_> {
    /// Paints a cell; returns whether a letter stands for its kind.
    pub(super) fn paint_cell(
        &self,
        painter: &Painter,
        layout: &Layout,
        (row, column): (usize, usize),
        theme: &Theme,
    ) -> bool {
        let rect = layout.rect(row, column);
        match self.cell(row, column) {
            Cell::Value(value) => {
                let tinted = match self.scale {
                    Scale::Diverging | Scale::Shares => theme.diverging_tint(value / self.range.1),
                    Scale::Sequential(hue) => theme.tint(hue, 0.08 + 0.92 * self.share(value)),
                    Scale::Kinds(..) => theme.tint(Hue::Model, 0.0),
                };
                let at = row * layout.columns + column;
                let label = self.labels.get(at).copied().flatten();
                let text = match self.scale {
                    // Whole percents fit a narrow cell; adding 0 leaves no sign of a negative 0.
                    Scale::Shares => format!("{} %", (100.0 * value).round() + 0.0),
                    _ => fitted(painter, f64::from(value), rect.width()),
                };
                paint_words(painter, rect, (label, None, text), tinted)
            }
            Cell::Kind(kind, value) => {
                let tinted = theme.kind_tint(kind, 0.08 + 0.92 * self.share(value));
                let kind = match self.scale {
                    Scale::Kinds(kinds, _) => kinds.get(kind),
                    Scale::Sequential(_) | Scale::Diverging | Scale::Shares => None,
                };
                let label = self.labels.get(row * layout.columns + column);
                let label = label.copied().flatten();
                let words = (label, label.and(kind).map(|kind| kind.letter));
                let text = fitted(painter, f64::from(value), rect.width());
                paint_words(painter, rect, (words.0, words.1, text), tinted)
            }
            Cell::Unknown => {
                painter.rect_filled(rect, 2.0, theme.surface.hover);
                false
            }
            Cell::Picture => {
                let part = vec2(1.0 / layout.columns as f32, 1.0 / layout.rows as f32);
                let min = pos2(column as f32 * part.x, row as f32 * part.y);
                let uv = Rect::from_min_size(min, part);
                if let Some(pictures) = self.pictures {
                    painter.image(pictures, rect, uv, Color32::WHITE);
                }
                let stroke = Stroke::new(1.0, theme.line.hair);
                painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
                false
            }
        }
    }

    pub(super) fn paint_frame(
        &self,
        painter: &Painter,
        layout: &Layout,
        pointed: Option<(usize, usize)>,
        theme: &Theme,
    ) {
        let all = layout.all();
        if let Some((row, column)) = pointed {
            let stroke = Stroke::new(1.0, theme.ink.secondary);
            let of = layout.rect(row, column);
            let across = Rect::from_x_y_ranges(all.x_range(), of.y_range());
            let down = Rect::from_x_y_ranges(of.x_range(), all.y_range());
            for band in [across, down] {
                painter.rect_stroke(band, 2.0, stroke, StrokeKind::Outside);
            }
        }
        if let Some((row, column)) = self.selected {
            let rect = layout.rect(row, column);
            let stroke = Stroke::new(2.0, theme.ink.primary);
            painter.rect_stroke(rect, 2.0, stroke, StrokeKind::Inside);
        }
        self.paint_names(painter, layout, pointed, theme);
    }

    fn paint_names(
        &self,
        painter: &Painter,
        layout: &Layout,
        pointed: Option<(usize, usize)>,
        theme: &Theme,
    ) {
        let font = FontId::proportional(size::CAPTION);
        let ink = |lit: bool| {
            if lit {
                theme.ink.primary
            } else {
                theme.ink.secondary
            }
        };
        let lit = pointed.or(self.selected);
        let all = layout.all();
        let title = all.left_top() - vec2(0.0, HEADER);
        let secondary = theme.ink.secondary;
        painter.text(
            title,
            Align2::LEFT_TOP,
            self.columns.title,
            font.clone(),
            secondary,
        );
        let corner = pos2(all.left() - space::CONTROL, all.top() - 6.0);
        painter.text(
            corner,
            Align2::RIGHT_BOTTOM,
            self.rows.title,
            font.clone(),
            secondary,
        );
        let every = names_every(layout.cell);
        for (column, name) in self.columns.names.iter().enumerate() {
            let lit_column = lit.map(|(_, column)| column);
            let beside =
                lit_column.is_some_and(|lit| lit != column && lit.abs_diff(column) < every);
            if lit_column == Some(column) || (column.is_multiple_of(every) && !beside) {
                let at = layout.rect(0, column).center_top() - vec2(0.0, 6.0);
                let is_lit = lit_column == Some(column);
                let mut job = LayoutJob::simple_singleline(name.clone(), font.clone(), ink(is_lit));
                // Beside a lit name, which is whole, the others have the room of their cells.
                if !is_lit {
                    let room = every as f32 * layout.cell - 2.0;
                    job.wrap = TextWrapping::truncate_at_width(room.max(NAME));
                }
                let galley = painter.layout_job(job);
                let size = galley.size();
                painter.galley(at - vec2(size.x / 2.0, size.y), galley, ink(is_lit));
            }
        }
        let every = (NAME / layout.height).ceil().max(1.0) as usize;
        for (row, name) in self.rows.names.iter().enumerate() {
            let lit_row = lit.map(|(row, _)| row);
            // A lit name takes the place of those beside it.
            let beside = lit_row.is_some_and(|lit| lit != row && lit.abs_diff(row) < every);
            if lit_row == Some(row) || (row.is_multiple_of(every) && !beside) {
                let at = layout.rect(row, 0).left_center() - vec2(space::CONTROL, 0.0);
                let ink = ink(lit_row == Some(row));
                let mut job = LayoutJob::simple_singleline(name.clone(), font.clone(), ink);
                job.wrap = TextWrapping::truncate_at_width(layout.gutter - space::CONTROL);
                let galley = painter.layout_job(job);
                let size = galley.size();
                painter.galley(at - vec2(size.x, size.y / 2.0), galley, ink);
            }
        }
    }
}

/// Paints the ground of a cell and, as far as there is room, words above a number, the number alone, or a letter; returns whether it is the letter.
fn paint_words(
    painter: &Painter,
    rect: Rect,
    (words, letter, number): (Option<&str>, Option<&str>, String),
    tinted: Tinted,
) -> bool {
    painter.rect_filled(rect, 2.0, tinted.fill);
    let line = |text: &str, mono: bool| {
        let font = if mono {
            FontId::monospace(size::CAPTION)
        } else {
            FontId::proportional(size::CAPTION)
        };
        painter.layout_no_wrap(text.to_owned(), font, tinted.ink)
    };
    let put = |galley: std::sync::Arc<egui::Galley>, share: f32| {
        let at = pos2(rect.center().x, rect.top() + share * rect.height());
        painter.galley(at - galley.size() / 2.0, galley, tinted.ink);
    };
    let room = rect.width() - 4.0;
    let has_number = rect.width() >= WITH_NUMBER.x && rect.height() >= WITH_NUMBER.y;
    if rect.width() >= WITH_WORDS - 1.0 && rect.height() >= TWO_LINES {
        let above = words.map(|words| line(words, false));
        if let Some(above) = above.filter(|above| above.size().x <= room) {
            put(above, 0.32);
            put(line(&number, true), 0.70);
            return false;
        }
    }
    if let Some(letter) =
        letter.filter(|_| rect.width() >= WITH_LETTER.x && rect.height() >= WITH_LETTER.y)
    {
        let both = format!("{letter} {number}");
        let both = line(&both, true);
        let fits = has_number && both.size().x <= room;
        put(if fits { both } else { line(letter, true) }, 0.5);
        return true;
    }
    if has_number {
        put(line(&number, true), 0.5);
    }
    false
}

/// Writes `value` with as many of three digits as a cell of this width has room for.
fn fitted(painter: &Painter, value: f64, width: f32) -> String {
    let room = width - 2.0 * EDGE;
    let fits = |text: &String| {
        let font = FontId::monospace(size::CAPTION);
        let galley = painter.layout_no_wrap(text.clone(), font, Color32::WHITE);
        galley.size().x <= room
    };
    let texts = [
        number::number(value),
        digits(value, 2),
        digits(value, 1),
        "≈0".to_owned(),
    ];
    let is_small = value.abs() < 0.005;
    let some = if is_small { 4 } else { 3 };
    texts.into_iter().take(some).find(fits).unwrap_or_default()
}

/// Writes `value` with this many significant digits, without a power of ten.
fn digits(value: f64, many: i32) -> String {
    let first = if value == 0.0 {
        0.0
    } else {
        value.abs().log10().floor()
    };
    let places = (many - 1 - first as i32).max(0);
    format!("{value:.*}", places as usize).replace('-', "−")
}

/// Every how many columns a name fits.
fn names_every(cell: f32) -> usize {
    (22.0 / cell).ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_fewer_digits_where_its_cell_is_narrow() {
        let written = std::cell::RefCell::new(Vec::new());
        let ctx = egui::Context::default();
        crate::theme::install(&ctx);
        drop(ctx.run_ui(egui::RawInput::default(), |ui| {
            for value in [0.103, 0.0197, 0.001_39, -0.001_39, 0.000_012, 12.0, 0.0] {
                let texts = [200.0, 40.0].map(|width| fitted(ui.painter(), value, width));
                written.borrow_mut().push(texts);
            }
        }));
        let mut narrow = Vec::new();
        for [wide, text] in written.into_inner() {
            assert!(!wide.is_empty());
            narrow.push(text);
        }
        let want = ["0.103", "0.020", "0.001", "≈0", "≈0", "12.0", "0"];
        assert_eq!(narrow, want);
    }
}
