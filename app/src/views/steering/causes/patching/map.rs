//! The map of shares and the table beside it, for places and for paths.

use egui::{Label, Ui};

use crate::theme::{Theme, caption, space};
use crate::views::dark_matter::panel::table_room;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};

/// Definition of the shares.
pub(super) const SHARE: &str = "(value − second) / (first − second): the target on the second text with one thing taken from the first, as a share of the way between both texts. 0 changes nothing, 1 brings all of the difference back";

/// Rows of the table without scrolling.
const ROWS: f32 = 8.0;

/// Width of a cell and of the names of rows beside a table, and the least width of that table.
const CELL: f32 = 52.0;
const GUTTER: f32 = 72.0;
const TABLE: f32 = 420.0;

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// Cell of the map.
    pub(super) cell: (usize, usize),
    /// Name of the place or path.
    pub(super) name: String,
    /// Target.
    pub(super) value: f64,
    /// Share recovered.
    pub(super) share: Option<f64>,
}

/// Map and table before they are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares<'a> {
    /// Name of the table in the settings.
    pub(super) name: &'a str,
    /// Title of the columns and their names.
    pub(super) columns: (&'a str, &'a [String]),
    /// Number of layers.
    pub(super) layers: usize,
    /// Shares by layer and column; none where there is none.
    pub(super) by_cell: &'a [Vec<Option<f64>>],
    /// Rows of the table, largest first.
    pub(super) lines: &'a [Line],
    /// The chosen cell.
    pub(super) selected: Option<(usize, usize)>,
    /// Title of the table's first column.
    pub(super) what: &'a str,
}

impl Shares<'_> {
    /// Draws the map and the table; returns the cell that was chosen.
    pub(super) fn ui(
        &self,
        ui: &mut Ui,
        describe: &dyn Fn(usize, usize) -> String,
    ) -> Option<(usize, usize)> {
        let rows: Vec<String> = (0..self.layers).map(|layer| layer.to_string()).collect();
        let shares = self.by_cell.iter().flatten();
        let cells: Vec<Cell> = shares
            .clone()
            .map(|share| share.map_or(Cell::Unknown, |share| Cell::Value(share as f32)))
            .collect();
        let most = shares
            .flatten()
            .fold(1.0_f64, |most, share| most.max(share.abs()));
        let map = HeatMap {
            title: "Share recovered",
            rows: Side {
                title: "Layer",
                names: &rows,
            },
            columns: Side {
                title: self.columns.0,
                names: self.columns.1,
            },
            cells: &cells,
            range: (-most as f32, most as f32),
            scale: Scale::Shares,
            labels: &[],
            selected: self.selected,
            pictures: None,
            most: None,
            definition: SHARE,
            open: None,
        };
        // The table stands beside the map where both have room.
        let wide = GUTTER + CELL * self.columns.1.len() as f32;
        if wide + TABLE > ui.available_width() {
            let answer = map.ui(ui, describe);
            let from_table = self.table_ui(ui);
            return answer.clicked.or(answer.walked).or(from_table);
        }
        ui.horizontal_top(|ui| {
            let left = egui::vec2(wide, 0.0);
            let layout = egui::Layout::top_down(egui::Align::Min);
            let answer = ui.allocate_ui_with_layout(left, layout, |ui| {
                ui.set_width(wide);
                map.ui(ui, describe)
            });
            ui.add_space(space::GROUP);
            let from_table = ui.vertical(|ui| self.table_ui(ui)).inner;
            let answer = answer.inner;
            answer.clicked.or(answer.walked).or(from_table)
        })
        .inner
    }

    fn table_ui(&self, ui: &mut Ui) -> Option<(usize, usize)> {
        let columns = [
            Column::text("place", self.what)
                .width(160.0, 200.0)
                .fills()
                .always(),
            Column::number("target", "Target")
                .definition("Target on the second text with this taken from the first")
                .width(72.0, 96.0),
            Column::number("share", "Recovered")
                .definition(SHARE)
                .width(80.0, 96.0),
        ];
        let sort = grid::sort(ui.ctx(), self.name);
        let order = grid::order(self.lines.len(), sort.as_ref(), |row, column| {
            self.lines[row].value(column)
        });
        let mut shown = Shown {
            lines: self.lines,
            order,
        };
        let mut selection = Selection::default();
        let is_selected = |line: &Line| Some(line.cell) == self.selected;
        let selected = self.lines.iter().position(is_selected);
        selection.select(selected.map(|at| at as u64));
        let grid = Grid::new(self.name, &columns).title(self.what);
        let rows = (self.lines.len(), ROWS);
        let reply = table_room(ui, rows, |ui| grid.show(ui, &mut shown, &mut selection));
        let row = reply.chosen?;
        Some(shown.line(row).cell)
    }
}

impl Line {
    fn value(&self, column: &str) -> Value {
        match column {
            "target" => Value::Number(self.value),
            "share" => self.share.into(),
            _ => Value::Text(self.name.clone()),
        }
    }
}

/// Rows of the table in their order.
struct Shown<'a> {
    lines: &'a [Line],
    order: Vec<usize>,
}

impl Shown<'_> {
    fn line(&self, row: usize) -> &Line {
        &self.lines[self.order[row]]
    }
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.order[row] as u64
    }

    fn words(&self, row: usize) -> String {
        format!("Row of {}", self.line(row).name)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        self.line(row).value(column)
    }
}

/// Draws a sentence in small type.
pub(super) fn note_ui(ui: &mut Ui, words: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}
