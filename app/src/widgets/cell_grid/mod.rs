//! A grid of numbers as crisp cells: rows with a name of their own kind, the tokens of a text across. Only what is in view is drawn; names stay while the
//! cells scroll. One control with a read-out: the pointer or the arrow keys go from cell to cell. Knows nothing of what the numbers are.

#[cfg(test)]
mod tests;

use std::ops::Range;

use egui::epaint::TextShape;
use egui::{
    FontId, Pos2, Rect, Response, Role, ScrollArea, Sense, Stroke, StrokeKind, Ui, UiBuilder, Vec2,
    WidgetInfo, pos2, vec2,
};

use super::meaning::{self, Meaning};
use super::walk;
use crate::theme::{Hue, Theme, size, space};

/// Height of a row.
const ROW: f32 = space::TABLE_ROW;

/// Height of the tokens above the cells, which are vertical.
const HEADER: f32 = 72.0;

/// Widths of a cell.
const COLUMN: std::ops::RangeInclusive<f32> = 16.0..=30.0;

/// Least height of the cells.
const LEAST: f32 = 4.0 * ROW;

/// The grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CellGrid<'a> {
    /// Unique within its place; names saved files.
    pub(crate) name: &'a str,
    /// Meaning of a cell's number.
    pub(crate) definition: &'a str,
    /// Number of rows.
    pub(crate) rows: usize,
    /// Tokens of the text.
    pub(crate) columns: &'a [String],
    /// The chosen row and column.
    pub(crate) selected: (Option<usize>, Option<usize>),
    /// A column that is pointed at elsewhere.
    pub(crate) pointed: Option<usize>,
    /// Whether the chosen row and column are brought into view.
    pub(crate) reveal: (bool, bool),
    /// Whether some values are negative, so that the scale diverges.
    pub(crate) signed: bool,
    /// Room for the names of rows.
    pub(crate) gutter: f32,
    /// Greatest height.
    pub(crate) height: f32,
}

/// Source of the cells and of the names of rows.
pub(crate) trait Rows {
    /// Strength of a cell, −1 to 1; 0 where there is nothing.
    fn share(&self, row: usize, column: usize) -> f32;
    /// The cell in words.
    fn words(&self, row: usize, column: usize) -> String;
    /// All cells that are not 0, as comma-separated values.
    fn csv(&self) -> String;
    /// Draws the name of a row.
    fn name_ui(&mut self, ui: &mut Ui, row: usize);
}

/// The user's action on the grid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GridReply {
    /// The cell that was clicked or walked to.
    pub(crate) chosen: Option<(usize, usize)>,
    /// The cell under the pointer.
    pub(crate) pointed: Option<(usize, usize)>,
    /// Whether the keyboard chose.
    walked: bool,
}

/// How far a grid is scrolled, and the cell that the keyboard went to.
#[derive(Debug, Clone, Copy, Default)]
struct Scrolled {
    offset: Vec2,
    walked: Option<(usize, usize)>,
}

/// Measures on screen.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Corner of the first cell.
    origin: Pos2,
    column: f32,
    rows: usize,
    columns: usize,
}

impl Place {
    fn rect(&self, row: usize, column: usize) -> Rect {
        let min = self.origin + vec2(column as f32 * self.column, row as f32 * ROW);
        Rect::from_min_size(min, vec2(self.column - 1.0, ROW - 1.0))
    }

    fn cell_at(&self, pos: Pos2) -> Option<(usize, usize)> {
        let at = pos - self.origin;
        let cell = ((at.y / ROW) as usize, (at.x / self.column) as usize);
        let inside = at.x >= 0.0 && at.y >= 0.0 && cell.0 < self.rows && cell.1 < self.columns;
        inside.then_some(cell)
    }
}

impl CellGrid<'_> {
    /// Draws the grid.
    pub(crate) fn show(&self, ui: &mut Ui, rows: &mut dyn Rows) -> GridReply {
        let bar = ui.spacing().scroll.bar_width + 2.0 * space::CHIP;
        let most = (self.height - HEADER).max(LEAST);
        let all = ROW * self.rows as f32;
        let high = (all + bar).min(most);
        let beside = if all + bar > most { bar } else { 0.0 }; // a bar for the rows
        let room = ui.available_width() - self.gutter - beside;
        let column = (room / self.columns.len().max(1) as f32).floor();
        let column = column.clamp(*COLUMN.start(), *COLUMN.end());
        let content = vec2(column * self.columns.len() as f32, all);
        let extent = vec2(ui.available_width(), HEADER + high);
        let (rect, _) = ui.allocate_exact_size(extent, Sense::hover());
        let body = Rect::from_min_max(rect.min + vec2(self.gutter, HEADER), rect.max);
        let mut inside = ui.new_child(UiBuilder::new().max_rect(body));
        let mut reply = GridReply::default();
        let id = ui.make_persistent_id((self.name, "scrolled"));
        let kept = ui.data(|data| data.get_temp::<Scrolled>(id));
        let kept = kept.unwrap_or_default();
        let area = ScrollArea::both().id_salt(self.name).auto_shrink(false);
        let shown = self
            .revealing(area, kept, (column, body.size() - Vec2::splat(bar)))
            .show_viewport(&mut inside, |ui, view| {
                ui.set_min_size(content);
                let place = Place {
                    origin: ui.max_rect().min,
                    column,
                    rows: self.rows,
                    columns: self.columns.len(),
                };
                // An area around this one may show a part of it.
                let view = view.intersect(ui.clip_rect().translate(-place.origin.to_vec2()));
                reply = self.cells_ui(ui, &place, view, rows);
                place
            });
        let offset = shown.state.clamped_offset();
        let place = Place {
            origin: body.min - offset,
            ..shown.inner
        };
        let walked = reply.chosen.filter(|_| reply.walked);
        ui.data_mut(|data| data.insert_temp(id, Scrolled { offset, walked }));
        if let Some((row, column)) = walked {
            ui.request_repaint(); // it is brought into view in the next frame
            let cell = place.rect(row, column);
            let seen = ui.clip_rect();
            if !seen.y_range().contains(cell.bottom()) || !seen.y_range().contains(cell.top()) {
                ui.scroll_to_rect(cell.with_min_x(seen.left()).with_max_x(seen.right()), None);
            }
        }
        let in_view = body.y_range().intersection(ui.clip_rect().y_range());
        let (from, to) = (in_view.min - body.top(), in_view.max - body.top());
        let names =
            Rect::from_x_y_ranges(rect.left()..=body.left() - space::CONTROL, body.y_range());
        for row in between(offset.y + from, offset.y + to, ROW, self.rows) {
            let line = place.rect(row, 0);
            let line = Rect::from_x_y_ranges(names.x_range(), line.y_range());
            let mut name = ui.new_child(UiBuilder::new().id_salt(("name", row)).max_rect(line));
            name.set_clip_rect(names.expand(1.0).intersect(ui.clip_rect()));
            rows.name_ui(&mut name, row);
        }
        self.header_ui(
            ui,
            (rect, body),
            &place,
            reply.pointed.map(|(_, column)| column),
        );
        reply
    }

    /// Scrolls `area` so that what is to be seen is in view, with some columns around it: no farther than that needs, in this frame.
    fn revealing(
        &self,
        area: ScrollArea,
        kept: Scrolled,
        (column, room): (f32, Vec2),
    ) -> ScrollArea {
        let (row, at) = (
            self.selected.0.filter(|_| self.reveal.0),
            self.selected.1.filter(|_| self.reveal.1),
        );
        let row = row.or(kept.walked.map(|(row, _)| row));
        let at = at.or(kept.walked.map(|(_, at)| at));
        let area = match at {
            Some(at) => {
                let all = (column, self.columns.len());
                let offset = nearest(kept.offset.x, at, all, (2.0 * column, room.x));
                area.horizontal_scroll_offset(offset)
            }
            None => area,
        };
        match row {
            Some(row) => {
                let offset = nearest(kept.offset.y, row, (ROW, self.rows), (0.0, room.y));
                area.vertical_scroll_offset(offset)
            }
            None => area,
        }
    }

    fn cells_ui(&self, ui: &Ui, place: &Place, view: Rect, rows: &dyn Rows) -> GridReply {
        let id = ui.make_persistent_id((self.name, "cells"));
        let size = vec2(place.column * place.columns as f32, ROW * place.rows as f32);
        let whole = Rect::from_min_size(place.origin, size);
        let seen = whole.intersect(ui.clip_rect());
        let response = ui.interact(seen, id, Sense::click());
        let pointed = response.hover_pos().and_then(|pos| place.cell_at(pos));
        let walked = self.walked(ui, &response);
        let columns = between(view.left(), view.right(), place.column, place.columns);
        let lines = between(view.top(), view.bottom(), ROW, place.rows);
        self.paint(ui, place, (lines.clone(), columns.clone()), rows);
        for row in lines {
            for column in columns
                .clone()
                .filter(|column| rows.share(row, *column) != 0.0)
            {
                let rect = place.rect(row, column).intersect(seen);
                let cell = ui.interact(rect, id.with((row, column)), Sense::hover());
                cell.widget_info(|| {
                    let selected = self.selected == (Some(row), Some(column));
                    let words = rows.words(row, column);
                    WidgetInfo::selected(Role::ListItem, true, selected, words)
                });
            }
        }
        self.outline(ui, place, &response, pointed);
        let chosen = response.clicked().then_some(pointed).flatten().or(walked);
        let told = pointed.or(match self.selected {
            (Some(row), Some(column)) if row < self.rows => Some((row, column)),
            _ => None,
        });
        let words = told.map(|(row, column)| rows.words(row, column));
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Image, true, self.name);
            info.current_text_value.clone_from(&words);
            info
        });
        let csv = || rows.csv();
        let meaning = Meaning::new(self.name, self.definition).value(words.as_deref());
        meaning::menu(&response, &meaning.csv(&csv).picture(response.rect));
        if let (Some(_), Some(words)) = (pointed, words) {
            response.on_hover_text_at_pointer(words);
        }
        GridReply {
            chosen,
            pointed,
            walked: walked.is_some(),
        }
    }

    /// The cell that an arrow key goes to.
    fn walked(&self, ui: &Ui, response: &Response) -> Option<(usize, usize)> {
        let (row, column) = self.selected;
        let from = (row.unwrap_or(0), column.unwrap_or(0));
        walk::walked(ui, response, from, (self.rows, self.columns.len()))
    }

    fn paint(
        &self,
        ui: &Ui,
        place: &Place,
        (lines, columns): (Range<usize>, Range<usize>),
        rows: &dyn Rows,
    ) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        for row in lines {
            let (first, last) = (
                place.rect(row, columns.start),
                place.rect(row, columns.end.max(1) - 1),
            );
            let chosen = self.selected.0 == Some(row);
            let ground = if chosen {
                theme.surface.hover
            } else {
                theme.surface.window
            };
            painter.rect_filled(first.union(last), 0.0, ground);
            for column in columns.clone() {
                let share = rows.share(row, column);
                let fill = match share {
                    0.0 => continue,
                    _ if self.signed => theme.diverging_tint(share).fill,
                    _ => theme.tint(Hue::Activation, share).fill,
                };
                painter.rect_filled(place.rect(row, column), 0.0, fill);
            }
        }
    }

    fn outline(
        &self,
        ui: &Ui,
        place: &Place,
        response: &Response,
        pointed: Option<(usize, usize)>,
    ) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        let column = |column: usize| {
            place
                .rect(0, column)
                .union(place.rect(place.rows.max(1) - 1, column))
        };
        let strong = Stroke::new(1.0, theme.ink.secondary);
        if let Some(at) = self.selected.1.filter(|at| *at < place.columns) {
            painter.rect_stroke(column(at), 0.0, strong, StrokeKind::Outside);
        }
        let hair = Stroke::new(1.0, theme.line.strong);
        if let Some(at) = self.pointed.filter(|at| *at < place.columns) {
            painter.rect_stroke(column(at), 0.0, hair, StrokeKind::Outside);
        }
        if let Some((row, at)) = pointed {
            painter.rect_stroke(column(at), 0.0, hair, StrokeKind::Outside);
            let stroke = Stroke::new(1.5, theme.ink.primary);
            painter.rect_stroke(place.rect(row, at), 0.0, stroke, StrokeKind::Outside);
        }
        if let (Some(row), Some(at)) = self.selected
            && response.has_focus()
            && row < place.rows
        {
            let stroke = Stroke::new(1.5, theme.ink.primary);
            painter.rect_stroke(place.rect(row, at), 0.0, stroke, StrokeKind::Outside);
        }
    }

    /// Draws the tokens above their columns.
    fn header_ui(
        &self,
        ui: &Ui,
        (rect, body): (Rect, Rect),
        place: &Place,
        pointed: Option<usize>,
    ) {
        let theme = Theme::from_ui(ui);
        let offset = body.left() - place.origin.x;
        let above = Rect::from_x_y_ranges(body.x_range(), rect.top()..=body.top());
        let painter = ui.painter().with_clip_rect(above.intersect(ui.clip_rect()));
        for column in between(offset, offset + body.width(), place.column, place.columns) {
            let cell = place.rect(0, column);
            let lit = [self.selected.1, self.pointed, pointed].contains(&Some(column));
            let ink = if lit {
                theme.ink.primary
            } else {
                theme.ink.secondary
            };
            let text = self.columns[column].replace('\n', "⏎");
            let text = text.trim().to_owned();
            let text = if text.is_empty() {
                "·".to_owned()
            } else {
                text
            };
            let font = FontId::monospace(size::CAPTION);
            let mut job = egui::text::LayoutJob::simple_singleline(text, font, ink);
            job.wrap = egui::text::TextWrapping::truncate_at_width(HEADER - 8.0);
            let galley = painter.layout_job(job);
            let left = (cell.center().x - galley.size().y / 2.0).round();
            let shape = TextShape::new(pos2(left, body.top() - space::CHIP), galley, ink);
            painter.add(shape.with_angle(-std::f32::consts::FRAC_PI_2));
        }
    }
}

/// The offset nearest to `now` at which the one at `at`, of `all` that are `long` each, is in view with `around` on either side.
fn nearest(now: f32, at: usize, (long, all): (f32, usize), (around, room): (f32, f32)) -> f32 {
    let (first, last) = (at as f32 * long, (at + 1) as f32 * long);
    let offset = now.max(last + around - room).min(first - around);
    offset.clamp(0.0, (all as f32 * long - room).max(0.0))
}

/// Returns the indices of what lies between `from` and `to`, each `length` long, of `all`.
fn between(from: f32, to: f32, length: f32, all: usize) -> Range<usize> {
    let first = ((from / length).floor().max(0.0) as usize).min(all);
    first..((to / length).ceil().max(0.0) as usize).clamp(first, all)
}
