//! A grid of numbers as colours: crisp cells, row and column of the pointed cell highlighted, a read-out, a scale with numbers, hatching where
//! there is nothing to colour. Every cell is a control with a name, so it is reached by keyboard and by tests. Knows nothing of what the numbers are.

use egui::{
    Align2, Color32, Id, Painter, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, TextureId,
    Ui, WidgetInfo, pos2, vec2,
};

use super::csv::{self, Value};
use super::meaning::{self, Meaning};
use super::{legend, number};
use crate::theme::{Hue, Theme, size, space};
use crate::widgets::focus;

/// Content of one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    /// A number on the scale.
    Value(f32),
    /// Being computed, or not defined here.
    Unknown,
    /// Nothing to show until something else exists.
    Hatched,
    /// Its part of [`HeatMap::pictures`].
    Picture,
}

/// Names along one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    /// Title of the axis.
    pub(crate) title: &'a str,
    /// One name per row or column.
    pub(crate) names: &'a [String],
}

/// The grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeatMap<'a> {
    /// Meaning of the colours, with the unit; shown at the scale.
    pub(crate) title: &'a str,
    /// Downwards.
    pub(crate) rows: Side<'a>,
    /// Across.
    pub(crate) columns: Side<'a>,
    /// Row after row.
    pub(crate) cells: &'a [Cell],
    /// Values at the ends of the scale.
    pub(crate) range: (f32, f32),
    /// Hue of the scale.
    pub(crate) hue: Hue,
    /// The chosen cell.
    pub(crate) selected: Option<(usize, usize)>,
    /// One picture of all cells in their grid, for [`Cell::Picture`].
    pub(crate) pictures: Option<TextureId>,
    /// Definition of the numbers.
    pub(crate) definition: &'a str,
}

/// The user's action on the grid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Answer {
    /// The clicked cell.
    pub(crate) clicked: Option<(usize, usize)>,
    /// The pointer or the focus is on this cell.
    pub(crate) pointed: Option<(usize, usize)>,
    /// Place of the selected cell, else of the first one, on screen.
    pub(crate) entry: Option<Rect>,
}

/// Room for the names of rows.
const GUTTER: f32 = 64.0;

/// Height of the names of columns and of the title above them.
const HEADER: f32 = 36.0;

/// Largest side of a cell.
const CELL_MOST: f32 = 52.0;

/// Width from which a cell shows its number.
const CELL_WITH_NUMBER: f32 = 38.0;

/// The grid's measures on screen.
#[derive(Debug, Clone, Copy)]
struct Layout {
    origin: Pos2,
    cell: f32,
    height: f32,
    rows: usize,
    columns: usize,
}

impl Layout {
    fn rect(&self, row: usize, column: usize) -> Rect {
        let min = self.origin + vec2(column as f32 * self.cell, row as f32 * self.height);
        Rect::from_min_size(min, vec2(self.cell - 1.0, self.height - 1.0))
    }

    fn all(&self) -> Rect {
        let size = vec2(
            self.columns as f32 * self.cell,
            self.rows as f32 * self.height,
        );
        Rect::from_min_size(self.origin, size)
    }
}

impl HeatMap<'_> {
    /// Draws the grid; `describe` names a cell in words, for the pointer, the screen reader and tests.
    pub(crate) fn ui(&self, ui: &mut Ui, describe: &dyn Fn(usize, usize) -> String) -> Answer {
        let (rows, columns) = (self.rows.names.len(), self.columns.names.len());
        let room = ui.available_width() - GUTTER;
        let cell = (room / columns.max(1) as f32)
            .clamp(12.0, CELL_MOST)
            .floor();
        let height = if self.pictures.is_some() {
            cell
        } else {
            cell.min(34.0)
        };
        let size = vec2(
            GUTTER + cell * columns as f32,
            HEADER + height * rows as f32,
        );
        let (rect, whole) = ui.allocate_exact_size(size, Sense::hover());
        let origin = (rect.min + vec2(GUTTER, HEADER)).round();
        let layout = Layout {
            origin,
            cell,
            height,
            rows,
            columns,
        };
        let (mut answer, mut focused) = (Answer::default(), None);
        let painter = ui.painter().clone();
        for row in 0..rows {
            for column in 0..columns {
                self.paint_cell(&painter, &layout, (row, column), Theme::from_ui(ui));
                let response = self.cell_ui(ui, &layout, (row, column), describe);
                if self.selected.unwrap_or((0, 0)) == (row, column) {
                    focus::main(&response);
                    answer.entry = Some(response.interact_rect);
                }
                if response.clicked() {
                    answer.clicked = Some((row, column));
                }
                if response.has_focus() {
                    focused = Some(response.id);
                }
                if response.hovered() || response.has_focus() {
                    answer.pointed = Some((row, column));
                }
            }
        }
        self.paint_frame(&painter, &layout, answer.pointed, Theme::from_ui(ui));
        self.scale_ui(
            ui,
            answer.pointed.map(|(row, column)| describe(row, column)),
        );
        self.menu(ui, &whole, (answer.pointed, focused));
        answer
    }

    /// The menu of the whole grid, also asked for by keyboard on one of its cells.
    fn menu(
        &self,
        ui: &Ui,
        whole: &Response,
        (pointed, focused): (Option<(usize, usize)>, Option<Id>),
    ) {
        let value = pointed.and_then(|(row, column)| match self.cell(row, column) {
            Cell::Value(value) => Some(value.to_string()),
            Cell::Unknown | Cell::Hatched | Cell::Picture => None,
        });
        let numbers = self.pictures.is_none();
        let csv = || self.csv();
        let mut meaning = Meaning::new(self.title, self.definition).value(value.as_deref());
        if numbers {
            meaning = meaning.csv(&csv);
        }
        // With the scale below, without the read-out under it.
        let below = ui.cursor().top() - ui.text_style_height(&egui::TextStyle::Body);
        let place = whole.rect.with_max_y(below - ui.spacing().item_spacing.y);
        meaning::menu_within(whole, focused, &meaning.picture(place));
    }

    fn cell(&self, row: usize, column: usize) -> Cell {
        let at = row * self.columns.names.len() + column;
        self.cells.get(at).copied().unwrap_or(Cell::Unknown)
    }

    fn share(&self, value: f32) -> f32 {
        let (low, high) = self.range;
        let width = (high - low).max(f32::EPSILON);
        ((value - low) / width).clamp(0.0, 1.0)
    }

    fn cell_ui(
        &self,
        ui: &Ui,
        layout: &Layout,
        (row, column): (usize, usize),
        describe: &dyn Fn(usize, usize) -> String,
    ) -> Response {
        let id = ui
            .scope_id()
            .with((self.rows.title, self.columns.title, row, column));
        let rect = layout.rect(row, column);
        let response = ui.interact(rect, id, Sense::click());
        let selected = self.selected == Some((row, column));
        response.widget_info(|| {
            WidgetInfo::selected(
                Role::Button,
                ui.is_enabled(),
                selected,
                describe(row, column),
            )
        });
        response
    }

    fn paint_cell(
        &self,
        painter: &Painter,
        layout: &Layout,
        (row, column): (usize, usize),
        theme: &Theme,
    ) {
        let rect = layout.rect(row, column);
        match self.cell(row, column) {
            Cell::Value(value) => {
                let tinted = theme.tint(self.hue, 0.08 + 0.92 * self.share(value));
                painter.rect_filled(rect, 2.0, tinted.fill);
                if rect.width() >= CELL_WITH_NUMBER {
                    let text = number::number(f64::from(value));
                    let font = egui::FontId::monospace(size::CAPTION);
                    painter.text(rect.center(), Align2::CENTER_CENTER, text, font, tinted.ink);
                }
            }
            Cell::Unknown => {
                painter.rect_filled(rect, 2.0, theme.surface.hover);
            }
            Cell::Hatched => hatch(painter, rect, theme.line.strong),
            Cell::Picture => {
                let part = vec2(1.0 / layout.columns as f32, 1.0 / layout.rows as f32);
                let min = pos2(column as f32 * part.x, row as f32 * part.y);
                let uv = Rect::from_min_size(min, part);
                if let Some(pictures) = self.pictures {
                    painter.image(pictures, rect, uv, Color32::WHITE);
                }
                let stroke = Stroke::new(1.0, theme.line.hair);
                painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
            }
        }
    }

    fn paint_frame(
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
        let font = egui::FontId::proportional(size::CAPTION);
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
            let lit = lit.is_some_and(|(_, c)| c == column);
            if column.is_multiple_of(every) || lit {
                let at = layout.rect(0, column).center_top() - vec2(0.0, 6.0);
                painter.text(at, Align2::CENTER_BOTTOM, name, font.clone(), ink(lit));
            }
        }
        for (row, name) in self.rows.names.iter().enumerate() {
            let lit = lit.is_some_and(|(r, _)| r == row);
            let at = layout.rect(row, 0).left_center() - vec2(space::CONTROL, 0.0);
            painter.text(at, Align2::RIGHT_CENTER, name, font.clone(), ink(lit));
        }
    }

    /// The scale with its numbers, and the read-out of the pointed cell beside it (its place is kept free).
    fn scale_ui(&self, ui: &mut Ui, read_out: Option<String>) {
        ui.add_space(space::CHIP);
        let inset = legend::inset(ui, GUTTER);
        ui.horizontal(|ui| {
            ui.add_space(inset);
            legend::between(ui, self.title, self.hue, self.range);
        });
        let text = read_out.unwrap_or_else(|| " ".to_owned());
        ui.horizontal(|ui| {
            ui.add_space(inset);
            ui.label(text);
        });
    }

    /// The whole grid as comma-separated values.
    fn csv(&self) -> String {
        csv(
            self.rows,
            self.columns,
            &|row, column| match self.cell(row, column) {
                Cell::Value(value) => Some(value),
                Cell::Unknown | Cell::Hatched | Cell::Picture => None,
            },
        )
    }
}

/// A grid as comma-separated values, a line per row.
pub(super) fn csv(
    rows: Side<'_>,
    columns: Side<'_>,
    cell: &dyn Fn(usize, usize) -> Option<f32>,
) -> String {
    let corner = format!("{} \\ {}", rows.title, columns.title);
    let titles: Vec<&str> = std::iter::once(corner.as_str())
        .chain(columns.names.iter().map(String::as_str))
        .collect();
    let lines = rows.names.iter().enumerate().map(|(row, name)| {
        let values = (0..columns.names.len()).map(move |column| cell(row, column).into());
        std::iter::once(Value::from(name.as_str())).chain(values)
    });
    csv::table(&titles, lines)
}

/// Every how many columns a name fits.
fn names_every(cell: f32) -> usize {
    (22.0 / cell).ceil().max(1.0) as usize
}

/// Diagonal lines inside `rect`.
fn hatch(painter: &Painter, rect: Rect, colour: Color32) {
    let inside = painter.with_clip_rect(rect);
    let stroke = Stroke::new(1.0, colour);
    let mut x = rect.left() - rect.height();
    while x < rect.right() {
        let points = [pos2(x, rect.bottom()), pos2(x + rect.height(), rect.top())];
        inside.line_segment(points, stroke);
        x += 6.0;
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    fn names(many: usize) -> Vec<String> {
        (0..many).map(|i| i.to_string()).collect()
    }

    #[test]
    fn a_click_answers_with_its_cell() {
        let (rows, columns) = (names(2), names(3));
        let cells = [
            Cell::Value(1.0),
            Cell::Value(2.0),
            Cell::Value(3.0),
            Cell::Hatched,
            Cell::Unknown,
            Cell::Value(0.5),
        ];
        let mut harness = staged(
            |ui, clicked: &mut Option<(usize, usize)>| {
                let map = HeatMap {
                    title: "Spread (heads)",
                    rows: Side {
                        title: "Layer",
                        names: &rows,
                    },
                    columns: Side {
                        title: "Head",
                        names: &columns,
                    },
                    cells: &cells,
                    range: (0.0, 3.0),
                    hue: Hue::Activation,
                    selected: *clicked,
                    pictures: None,
                    definition: "Heads that a feature spreads over",
                };
                let answer = map.ui(ui, &|row, column| format!("Head {row}.{column}"));
                *clicked = answer.clicked.or(*clicked);
                assert_eq!(map.csv(), "Layer \\ Head,0,1,2\r\n0,1,2,3\r\n1,,,0.5\r\n");
            },
            None,
        );
        harness.get_by_label("Head 1.2").click();
        harness.run();
        assert_eq!(*harness.state(), Some((1, 2)));
    }
}
