//! All figures of all heads as a table.

use egui::Ui;
use umbra_core::heads::survey::{self, FIGURES, HeadRow};
use umbra_core::ids::{Head, Layer};

use super::model::{kept_rows, short};
use crate::state::AppState;
use crate::state::heads::name;
use crate::state::requests::{Commands, heads, navigation};
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};

/// Name of the table in the settings.
const NAME: &str = "heads";

/// Figures that are shown until a person hides them.
const SHOWN: [&str; 9] = [
    "induction_random",
    "induction_excess",
    "previous",
    "first",
    "duplicate_excess",
    "entropy",
    "copying",
    "output_norm",
    "ce_increase",
];

struct Shown<'a> {
    rows: &'a [HeadRow],
    order: Vec<usize>,
}

impl Shown<'_> {
    fn head(&self, row: usize) -> &HeadRow {
        &self.rows[self.order[row]]
    }
}

fn value(row: &HeadRow, column: &str) -> Value {
    match column {
        "head" => Value::Text(name((row.layer, row.head))),
        "role" => survey::role(row).map_or(Value::Nothing, |role| short(role).into()),
        key => survey::figure_of(key)
            .and_then(|figure| (figure.get)(row))
            .into(),
    }
}

impl Rows for Shown<'_> {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn key(&self, row: usize) -> u64 {
        key((self.head(row).layer, self.head(row).head))
    }

    fn words(&self, row: usize) -> String {
        let row = self.head(row);
        format!("Row of head {}", name((row.layer, row.head)))
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.head(row), column)
    }
}

fn key((layer, head): (Layer, Head)) -> u64 {
    u64::from(layer.0) << 32 | u64::from(head.0)
}

fn columns() -> Vec<Column<'static>> {
    let head = Column::text("head", "Head").width(64.0, 72.0).always();
    let role = Column::text("role", "Role")
        .definition(survey::RULE)
        .width(64.0, 116.0);
    let figures = FIGURES.iter().map(|figure| {
        let column = Column::number(figure.key, figure.title)
            .unit(figure.unit.name())
            .definition(figure.definition)
            .width(56.0, 92.0);
        if SHOWN.contains(&figure.key) {
            column
        } else {
            column.hidden()
        }
    });
    [head, role].into_iter().chain(figures).collect()
}

/// Draws the table; a row that is clicked is selected, one that is opened shows its head.
pub(super) fn table_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let rows = kept_rows(state);
    let sort = grid::sort(ui.ctx(), NAME);
    let order = grid::order(rows.len(), sort.as_ref(), |at, column| {
        value(&rows[at], column)
    });
    let mut shown = Shown { rows, order };
    let id = ui.scope_id().with(NAME);
    let mut selection: Selection = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    selection.select(state.head().map(key));
    let columns = columns();
    let grid = Grid::new(NAME, &columns).title("All heads").fill();
    let reply = grid.show(ui, &mut shown, &mut selection);
    ui.data_mut(|data| data.insert_temp(id, selection));
    let of = |row: usize| (shown.head(row).layer, shown.head(row).head);
    if let Some(row) = reply.opened {
        let (layer, head) = of(row);
        commands.send(heads::Command::Choose(layer, head));
    } else if let Some(row) = reply.chosen {
        let (layer, head) = of(row);
        commands.send(navigation::Command::SelectHead(layer, head));
    }
}
