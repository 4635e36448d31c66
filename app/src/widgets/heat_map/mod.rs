//! A grid of numbers as colours: crisp cells, row and column of the pointed cell highlighted, a read-out, a scale with numbers. One stop of the Tab key:
//! arrow keys walk, Enter chooses; every cell has a name for the screen reader and for tests. Knows nothing of what the numbers are.

mod paint;

use egui::{FontId, Pos2, Rect, Response, RichText, Role, Sense, TextureId, Ui, WidgetInfo, vec2};

use super::csv::{self, Value};
use super::meaning::{self, Meaning};
use super::{legend, number, walk};
use crate::theme::{Hue, Theme, caption, size, space};
use crate::widgets::focus;

/// Content of one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    /// A number on the scale.
    Value(f32),
    /// One of the kinds of [`Scale::Kinds`], and how strongly.
    Kind(usize, f32),
    /// Being computed, or not defined here.
    Unknown,
    /// Its part of [`HeatMap::pictures`].
    Picture,
}

/// A kind of cell with a colour of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kind<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Sign for the name in a small cell.
    pub(crate) letter: &'a str,
    /// Its definition.
    pub(crate) definition: &'a str,
    /// Value from which a cell bears the name.
    pub(crate) from: f64,
}

/// Meaning of the colours.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale<'a> {
    /// From the lower end of the range to the upper one.
    Sequential(Hue),
    /// Suppressed below 0 and promoted above, over a range that is the same on both sides.
    Diverging,
    /// Diverging, for shares: the legend has a mark at 1, the whole.
    Shares,
    /// A colour for each kind, full at the upper end of the range, and the meaning of the numbers.
    Kinds(&'a [Kind<'a>], &'a str),
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
    /// Colours of the scale.
    pub(crate) scale: Scale<'a>,
    /// Words in cells with room for them, row after row; none are drawn if it is empty.
    pub(crate) labels: &'a [Option<&'a str>],
    /// The chosen cell.
    pub(crate) selected: Option<(usize, usize)>,
    /// One picture of all cells in their grid, for [`Cell::Picture`].
    pub(crate) pictures: Option<TextureId>,
    /// Height that grid, scale and read-out may take; cells shrink to it as far as they can.
    pub(crate) most: Option<f32>,
    /// Definition of the numbers.
    pub(crate) definition: &'a str,
    /// Entry of the menu that does what a click on the cell does.
    pub(crate) open: Option<&'a str>,
}

/// The user's action on the grid.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Answer {
    /// The cell that was clicked, or on which Enter was pressed.
    pub(crate) clicked: Option<(usize, usize)>,
    /// The cell that an arrow key went to.
    pub(crate) walked: Option<(usize, usize)>,
    /// The pointer is on this cell.
    pub(crate) pointed: Option<(usize, usize)>,
    /// Place of the selected cell, else of the first one, on screen.
    pub(crate) entry: Option<Rect>,
}

/// Room for the names of rows: at least, at most, and the share of the width that longer names may take.
const GUTTER: [f32; 2] = [64.0, 180.0];
const GUTTER_SHARE: f32 = 0.35;

/// Height of the names of columns and of the title above them.
const HEADER: f32 = 36.0;

/// Height of scale and read-out below the cells.
const FOOT: f32 = 64.0;

/// Words in the place of the read-out while no cell is pointed at or chosen.
const HINT: &str = "Point at a cell to read it";

/// Widest cell, and widest one that has room for words.
const WIDEST: [f32; 2] = [52.0, 120.0];

/// Highest cell without words, and with words above a number.
const HIGHEST: [f32; 2] = [34.0, 44.0];

/// Least width of a cell.
const LEAST: f32 = 7.0;

/// Height of all cells to which they shrink at most, and the least and greatest height of one that is shrunk so far; the place around them scrolls.
const LEAST_ALL: f32 = 300.0;
const LOWEST: [f32; 2] = [12.0, 24.0];

/// Width from which a cell has words above its number.
const WITH_WORDS: f32 = 64.0;

/// The grid's measures on screen.
#[derive(Debug, Clone, Copy)]
struct Layout {
    origin: Pos2,
    /// Room for the names of rows.
    gutter: f32,
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

    fn cell_at(&self, pos: Pos2) -> Option<(usize, usize)> {
        let at = pos - self.origin;
        let cell = ((at.y / self.height) as usize, (at.x / self.cell) as usize);
        let inside = self.all().contains(pos) && cell.0 < self.rows && cell.1 < self.columns;
        inside.then_some(cell)
    }
}

impl HeatMap<'_> {
    /// Draws the grid; `describe` names a cell in words, for the pointer, the screen reader and tests.
    pub(crate) fn ui(&self, ui: &mut Ui, describe: &dyn Fn(usize, usize) -> String) -> Answer {
        let gutter = self.gutter(ui);
        let (cell, height) = self.cell_size(ui, gutter);
        let (rows, columns) = (self.rows.names.len(), self.columns.names.len());
        let size = vec2(
            gutter + cell * columns as f32,
            HEADER + height * rows as f32,
        );
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let layout = Layout {
            origin: (rect.min + vec2(gutter, HEADER)).round(),
            gutter,
            cell,
            height,
            rows,
            columns,
        };
        let id = ui
            .scope_id()
            .with((self.rows.title, self.columns.title, "cells"));
        let whole = ui.interact(layout.all(), id, Sense::click());
        focus::main(&whole);
        let entry = self
            .selected
            .filter(|(row, column)| *row < rows && *column < columns);
        let at = entry.unwrap_or((0, 0));
        let pointed = whole.hover_pos().and_then(|pos| layout.cell_at(pos));
        let by_key = whole.clicked() && pointed.is_none();
        let mut answer = Answer {
            clicked: pointed.filter(|_| whole.clicked()).or(by_key.then_some(at)),
            walked: walk::walked(ui, &whole, at, (rows, columns)),
            pointed,
            entry: (rows * columns > 0).then(|| layout.rect(at.0, at.1).intersect(ui.clip_rect())),
        };
        if answer.clicked.is_some() {
            whole.request_focus();
        }
        let painter = ui.painter().clone();
        let mut letters = false;
        for row in 0..rows {
            for column in 0..columns {
                let theme = Theme::from_ui(ui);
                letters |= self.paint_cell(&painter, &layout, (row, column), theme);
                self.name_cell(ui, &layout, (row, column), describe);
            }
        }
        self.paint_frame(&painter, &layout, pointed, Theme::from_ui(ui));
        let words = pointed.or(entry).map(|(row, column)| describe(row, column));
        whole.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Image, true, self.title);
            info.current_text_value.clone_from(&words);
            info
        });
        self.foot_ui(ui, words, (letters, gutter));
        let opened = self.menu(ui, &whole, (rect, pointed.or(entry)));
        answer.clicked = answer.clicked.or(opened);
        answer
    }

    /// Room for the names of rows, as wide as the widest where there is room.
    fn gutter(&self, ui: &Ui) -> f32 {
        let ink = Theme::from_ui(ui).ink.secondary;
        let width = |name: &String| {
            let font = FontId::proportional(size::CAPTION);
            let galley = ui.painter().layout_no_wrap(name.clone(), font, ink);
            galley.size().x + space::CONTROL
        };
        let widest = self.rows.names.iter().map(width).fold(0.0, f32::max);
        let most = (GUTTER_SHARE * ui.available_width()).min(GUTTER[1]);
        widest.min(most).max(GUTTER[0])
    }

    /// Width and height of a cell in the place that there is.
    fn cell_size(&self, ui: &Ui, gutter: f32) -> (f32, f32) {
        let (rows, columns) = (self.rows.names.len(), self.columns.names.len());
        let has_words = !self.labels.is_empty() || matches!(self.scale, Scale::Kinds(..));
        let room = ui.available_width() - gutter;
        let cell = (room / columns.max(1) as f32).floor();
        let cell = cell.clamp(LEAST, WIDEST[usize::from(has_words)]);
        let height = match self.pictures {
            Some(_) => cell,
            None if has_words && cell >= WITH_WORDS => HIGHEST[1],
            None => cell.min(HIGHEST[0]),
        };
        let Some(most) = self.most else {
            return (cell, height);
        };
        let rows = rows.max(1) as f32;
        let least = (LEAST_ALL / rows).clamp(LOWEST[0], LOWEST[1]).min(height);
        let fits = ((most - HEADER - FOOT) / rows).floor();
        (cell, fits.clamp(least, height))
    }

    /// The menu of the whole grid; returns the cell that was opened by it.
    fn menu(
        &self,
        ui: &Ui,
        whole: &Response,
        (rect, at): (Rect, Option<(usize, usize)>),
    ) -> Option<(usize, usize)> {
        let value = at.and_then(|(row, column)| match self.cell(row, column) {
            Cell::Value(value) | Cell::Kind(_, value) => Some(value.to_string()),
            Cell::Unknown | Cell::Picture => None,
        });
        let numbers = self.pictures.is_none();
        let csv = || self.csv();
        let mut meaning = Meaning::new(self.title, self.definition).value(value.as_deref());
        if numbers {
            meaning = meaning.csv(&csv);
        }
        // With the scale below, without the read-out under it.
        let below = ui.cursor().top() - ui.text_style_height(&egui::TextStyle::Body);
        let place = rect.with_max_y(below - ui.spacing().item_spacing.y);
        let asked = whole.id.with("asked cell");
        // The cell on which the menu opened: later the pointer is on the menu.
        if !egui::Popup::is_id_open(ui.ctx(), egui::Popup::default_response_id(whole)) {
            ui.data_mut(|data| data.insert_temp(asked, at));
        }
        let at = ui.data(|data| data.get_temp::<Option<(usize, usize)>>(asked));
        let at = at.flatten();
        let opens = std::cell::Cell::new(false);
        if let Some(title) = self.open.filter(|_| at.is_some()) {
            meaning = meaning.entry(title, &opens);
        }
        meaning::menu(whole, &meaning.picture(place));
        at.filter(|_| opens.get())
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

    fn name_cell(
        &self,
        ui: &Ui,
        layout: &Layout,
        (row, column): (usize, usize),
        describe: &dyn Fn(usize, usize) -> String,
    ) {
        let id = ui
            .scope_id()
            .with((self.rows.title, self.columns.title, row, column));
        let rect = layout.rect(row, column).intersect(ui.clip_rect());
        let response = ui.interact(rect, id, Sense::hover());
        let selected = self.selected == Some((row, column));
        response.widget_info(|| {
            let words = describe(row, column);
            WidgetInfo::selected(Role::ListItem, ui.is_enabled(), selected, words)
        });
    }

    /// The scale with its numbers, and the read-out of the pointed or the chosen cell below it. The grid says it to a screen reader; here it is only drawn.
    fn foot_ui(&self, ui: &mut Ui, read_out: Option<String>, (letters, gutter): (bool, f32)) {
        ui.add_space(space::CHIP);
        let inset = legend::inset(ui, gutter);
        let indented = |ui: &mut Ui, content: &mut dyn FnMut(&mut Ui)| {
            ui.horizontal_wrapped(|ui| {
                ui.add_space(inset);
                content(ui);
            });
        };
        match self.scale {
            Scale::Sequential(hue) => indented(ui, &mut |ui| {
                legend::between(ui, self.title, hue, self.range);
            }),
            Scale::Diverging => indented(ui, &mut |ui| {
                legend::diverging(ui, self.title, f64::from(self.range.1));
            }),
            Scale::Shares => indented(ui, &mut |ui| {
                legend::shares(ui, self.title, f64::from(self.range.1));
            }),
            Scale::Kinds(kinds, note) => indented(ui, &mut |ui| {
                self.kinds_ui(ui, (kinds, note), letters);
            }),
        }
        let theme = Theme::from_ui(ui);
        let (text, ink) = match read_out {
            Some(text) => (text, theme.ink.primary),
            None => (HINT.to_owned(), theme.ink.secondary),
        };
        ui.horizontal(|ui| {
            ui.add_space(inset);
            let label = egui::Label::new(RichText::new(text).color(ink));
            let (at, galley, _) = label.wrap().selectable(false).layout_in_ui(ui);
            ui.painter().galley(at, galley, ink);
        });
    }

    /// Draws the meaning of each colour.
    fn kinds_ui(&self, ui: &mut Ui, (kinds, note): (&[Kind<'_>], &str), letters: bool) {
        let theme = Theme::from_ui(ui);
        let words = format!("{}: {note}", self.title);
        ui.label(caption(words).color(theme.ink.secondary))
            .on_hover_text(self.definition);
        for (i, kind) in kinds.iter().enumerate() {
            let words = if letters {
                format!("{} {}", kind.letter, kind.name)
            } else {
                kind.name.to_owned()
            };
            let colour = theme.kind_tint(i, 1.0).fill;
            let from = number::number(kind.from);
            let help = format!("{}. A cell is named so from {from}", kind.definition);
            mark_ui(ui, colour, &words).on_hover_text(help);
        }
    }

    /// The whole grid as comma-separated values.
    fn csv(&self) -> String {
        csv(
            self.rows,
            self.columns,
            &|row, column| match (self.cell(row, column), self.scale) {
                (Cell::Kind(kind, _), Scale::Kinds(kinds, _)) => kinds
                    .get(kind)
                    .map_or(Value::Nothing, |kind| kind.name.into()),
                (Cell::Value(value) | Cell::Kind(_, value), _) => value.into(),
                (Cell::Unknown | Cell::Picture, _) => Value::Nothing,
            },
        )
    }
}

/// A square of a colour with its words: one thing that wraps as a whole.
fn mark_ui(ui: &mut Ui, colour: egui::Color32, words: &str) -> Response {
    const SQUARE: f32 = 8.0;
    let ink = Theme::from_ui(ui).ink.secondary;
    let font = FontId::proportional(size::CAPTION);
    let galley = ui.painter().layout_no_wrap(words.to_owned(), font, ink);
    let extent = vec2(SQUARE + 6.0 + galley.size().x, galley.size().y);
    let (rect, response) = ui.allocate_exact_size(extent, Sense::hover());
    let square = Rect::from_min_size(rect.left_center(), egui::Vec2::splat(SQUARE));
    let square = square.translate(vec2(0.0, -SQUARE / 2.0));
    ui.painter().rect_filled(square, 2.0, colour);
    let at = rect.left_top() + vec2(SQUARE + 6.0, 0.0);
    ui.painter().galley(at, galley, ink);
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, words));
    response
}

/// A grid as comma-separated values, a line per row.
pub(super) fn csv(
    rows: Side<'_>,
    columns: Side<'_>,
    cell: &dyn Fn(usize, usize) -> Value,
) -> String {
    let corner = format!("{} \\ {}", rows.title, columns.title);
    let titles: Vec<&str> = std::iter::once(corner.as_str())
        .chain(columns.names.iter().map(String::as_str))
        .collect();
    let lines = rows.names.iter().enumerate().map(|(row, name)| {
        let values = (0..columns.names.len()).map(move |column| cell(row, column));
        std::iter::once(Value::from(name.as_str())).chain(values)
    });
    csv::table(&titles, lines)
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
            Cell::Unknown,
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
                    scale: Scale::Sequential(Hue::Activation),
                    labels: &[],
                    selected: *clicked,
                    pictures: None,
                    most: None,
                    definition: "Heads that a feature spreads over",
                    open: Some("Open this head"),
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
        // The chosen cell, which the read-out shows too, has one name.
        harness.get_by_label("Head 1.2");
        harness.get_by_label("Head 0.1").click_secondary();
        harness.run();
        harness.get_by_label("Open this head").click();
        harness.run();
        assert_eq!(*harness.state(), Some((0, 1)));
    }
}
