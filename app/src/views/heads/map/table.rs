//! All figures of all heads as a table.

use egui::{FontId, Ui};
use umbra_core::heads::survey::{self, FIGURES, HeadRow, Role};
use umbra_core::ids::{Head, Layer};

use super::model::{self, kept_rows};
use crate::state::AppState;
use crate::state::heads::name;
use crate::state::requests::{Commands, heads, navigation};
use crate::theme::size;
use crate::widgets::csv::Value;
use crate::widgets::grid::arrangement::Sort;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};

/// Name of the table in the settings.
const NAME: &str = "heads";

/// Figures that are shown until a person hides them.
const SHOWN: [&str; 10] = [
    "induction_random",
    "induction_excess",
    "previous",
    "same",
    "first",
    "duplicate_excess",
    "entropy",
    "copying",
    "output_norm",
    "ce_increase",
];

/// Numbers below are 0 in a table; the exact value is copied.
const NONE: f64 = 1e-6;

/// Room of the arrow in the head of a column.
const ARROW: f32 = 18.0;

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
        "role" => survey::role(row).map_or(Value::Nothing, |role| model::short(role).into()),
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

    fn text(&self, row: usize, column: &str) -> String {
        short(&self.value(row, column))
    }
}

/// A figure of the survey as a table shows it.
pub(crate) fn short(value: &Value) -> String {
    match value {
        Value::Number(number) if number.abs() < NONE => "0".to_owned(),
        _ => grid::short(value),
    }
}

/// Value by which rows are ordered: roles as they are tried, the others as they are shown.
fn rank(row: &HeadRow, column: &str) -> Value {
    if column != "role" {
        return value(row, column);
    }
    let role = survey::role(row);
    let place = role.and_then(|role| Role::ALL.iter().position(|of| *of == role));
    place.into()
}

/// Places of the rows by `sort`, before a person chose one by role; equals the strongest first.
fn order(rows: &[HeadRow], sort: Option<Sort>) -> Vec<usize> {
    let sort = sort.unwrap_or_else(|| Sort::new("role", false));
    let mut strongest: Vec<usize> = (0..rows.len()).collect();
    if sort.column == "role" {
        let of = |at: usize| strength(&rows[at]).unwrap_or(f64::NEG_INFINITY);
        strongest.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
    }
    let places = grid::order(rows.len(), Some(&sort), |at, column| {
        rank(&rows[strongest[at]], column)
    });
    places.into_iter().map(|at| strongest[at]).collect()
}

/// The figure behind the role of a head that has one.
fn strength(row: &HeadRow) -> Option<f64> {
    let figure = survey::figure_of(survey::role(row)?.figure())?;
    (figure.get)(row)
}

fn key((layer, head): (Layer, Head)) -> u64 {
    u64::from(layer.0) << 32 | u64::from(head.0)
}

/// The columns, as wide as their heads: where they have no room they scroll.
fn columns(ui: &Ui) -> Vec<Column<'static>> {
    let width = |words: &str| {
        let font = FontId::proportional(size::CAPTION);
        let words = words.to_owned();
        let ink = egui::Color32::PLACEHOLDER;
        ui.painter()
            .layout_no_wrap(words, font, ink)
            .size()
            .x
            .ceil()
            + 2.0
    };
    let head = Column::text("head", "Head").width(64.0, 72.0).always();
    let role = Column::text("role", "Role")
        .definition(survey::RULE)
        .width(108.0, 116.0);
    let figures = FIGURES.iter().map(|figure| {
        let words = format!("{}  {}", figure.title, figure.unit.name());
        let least = width(words.trim_end()).max(56.0);
        let column = Column::number(figure.key, figure.title)
            .unit(figure.unit.name())
            .definition(figure.definition)
            .width(least, least + ARROW);
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
    let order = order(rows, sort);
    let mut shown = Shown { rows, order };
    let id = ui.scope_id().with(NAME);
    let mut selection: Selection = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    selection.select(state.head().map(key));
    let columns = columns(ui);
    let grid = Grid::new(NAME, &columns).title("All heads").fill();
    let grid = grid.ordered_by("role", false);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_heads_come_first_the_strongest_of_a_role_before_the_others() {
        let induction = |weight| HeadRow {
            induction_random: Some(weight),
            ..HeadRow::default()
        };
        let previous = |previous| HeadRow {
            previous,
            ..HeadRow::default()
        };
        let rows = [
            previous(0.1),
            previous(0.5),
            induction(0.5),
            previous(0.9),
            induction(0.8),
        ];
        assert_eq!(order(&rows, None), [4, 2, 3, 1, 0]);
        let by_figure = Sort::new("previous", true);
        assert_eq!(order(&rows, Some(by_figure)), [3, 1, 0, 2, 4]);
    }

    #[test]
    fn what_is_next_to_nothing_is_0() {
        assert_eq!(short(&Value::Number(-4e-9)), "0");
        assert_ne!(short(&Value::Number(4e-6)), "0");
    }
}
