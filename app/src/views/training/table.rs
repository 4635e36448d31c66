//! Tables of runs: a mark of the colour that a run's lines have, a row that is clicked.

use egui::{Ui, vec2};

use crate::theme::Theme;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Grid, Rows, Selection};

/// Width of a colour's mark.
const MARK: f32 = 12.0;

/// Least width of a name, and the width before a person gave one.
const NAME: (f32, f32) = (84.0, 140.0);

/// One column behind the name.
pub(super) struct Column<T> {
    pub(super) title: &'static str,
    pub(super) definition: &'static str,
    /// Width before a person gave one.
    pub(super) width: f32,
    pub(super) is_number: bool,
    /// The value as it is shown.
    pub(super) text: fn(&T) -> String,
    /// The exact value, where the text is not.
    pub(super) exact: Option<fn(&T) -> Value>,
}

/// Mark and name of a row.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    /// Its name for screen readers.
    pub(super) words: String,
    /// Colour of its lines, where they are shown.
    pub(super) colour: Option<usize>,
    pub(super) selected: bool,
}

/// Rows in the order in force.
struct Shown<'a, 'b, T> {
    columns: &'b [Column<T>],
    items: &'b [T],
    order: Vec<usize>,
    row_of: &'b dyn Fn(usize) -> Row<'a>,
}

fn value<'a, T>(
    (columns, items): (&[Column<T>], &[T]),
    row_of: &dyn Fn(usize) -> Row<'a>,
    (at, column): (usize, &str),
) -> Value {
    if column == "name" {
        return row_of(at).name.into();
    }
    let Some(of) = columns.iter().find(|of| of.title == column) else {
        return Value::Nothing;
    };
    match of.exact {
        Some(exact) => exact(&items[at]),
        None => (of.text)(&items[at]).into(),
    }
}

impl<T> Rows for Shown<'_, '_, T> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.order[row] as u64
    }

    fn words(&self, row: usize) -> String {
        (self.row_of)(self.order[row]).words
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let of = (self.columns, self.items);
        value(of, self.row_of, (self.order[row], column))
    }

    fn text(&self, row: usize, column: &str) -> String {
        let at = self.order[row];
        match self.columns.iter().find(|of| of.title == column) {
            Some(of) => (of.text)(&self.items[at]),
            None => (self.row_of)(at).name.to_owned(),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        if column != "mark" {
            return false;
        }
        mark_ui(ui, (self.row_of)(self.order[row]).colour);
        true
    }
}

/// A table of `items` named `name` in the settings, at most `height` high; the index of a row that was clicked.
pub(super) fn table_ui<'a, T>(
    ui: &mut Ui,
    (name, height): (&str, f32),
    columns: &[Column<T>],
    items: &[T],
    row_of: &dyn Fn(usize) -> Row<'a>,
) -> Option<usize> {
    let mut heads = vec![
        grid::Column::text("mark", "")
            .width(MARK, MARK)
            .unsorted()
            .always(),
        grid::Column::text("name", "Name")
            .definition("Folder of its dictionary")
            .width(NAME.0, NAME.1)
            .fills()
            .always(),
    ];
    heads.extend(columns.iter().map(|column| {
        let head = if column.is_number {
            grid::Column::number(column.title, column.title)
        } else {
            grid::Column::text(column.title, column.title)
        };
        head.definition(column.definition)
            .width(column.width, column.width)
    }));
    let sort = grid::sort(ui.ctx(), name);
    let of = (columns, items);
    let order = grid::order(items.len(), sort.as_ref(), |at, column| {
        value(of, row_of, (at, column))
    });
    let id = ui.scope_id().with(("selection", name));
    let mut selection: Selection = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let selected = (0..items.len()).filter(|at| row_of(*at).selected);
    selection.select(selected.map(|at| at as u64));
    let mut rows = Shown {
        columns,
        items,
        order,
        row_of,
    };
    let reply = Grid::new(name, &heads)
        .most(height)
        .show(ui, &mut rows, &mut selection);
    ui.data_mut(|data| data.insert_temp(id, selection));
    let picked = reply.clicked.or(reply.entered);
    picked.map(|row| rows.order[row])
}

/// The colour of a run's lines, once it is shown.
fn mark_ui(ui: &Ui, colour: Option<usize>) {
    let theme = Theme::from_ui(ui);
    let rect = egui::Rect::from_center_size(ui.max_rect().center(), vec2(8.0, 8.0));
    if let Some(i) = colour {
        ui.painter().rect_filled(rect, 2.0, theme.series(i));
    } else {
        let stroke = egui::Stroke::new(1.0, theme.line.strong);
        ui.painter()
            .rect_stroke(rect, 2.0, stroke, egui::StrokeKind::Inside);
    }
}
