//! The error by token of the vocabulary, as a table.

use egui::Ui;
use umbra_core::dark_matter::places::{ByToken, OFTEN, Places};

use crate::theme::{Theme, caption};
use crate::widgets::csv::Value;
use crate::widgets::feature_chip::quoted;
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
const TABLE: &str = "error by token";

/// Draws the table, least explained first unless a person ordered it otherwise.
pub(super) fn tokens_ui(ui: &mut Ui, found: &Places, (selection, height): (&mut Selection, f32)) {
    let columns = [
        Column::text("token", "Token")
            .width(72.0, 96.0)
            .mono()
            .fills(),
        Column::number("count", "Occurrences")
            .definition("Occurrences in the held-out text")
            .width(72.0, 92.0),
        Column::number("fvu", "Unexplained")
            .definition("Σ‖x − x̂‖² / Σ‖x − mean x‖² over the occurrences, the mean over all tokens measured")
            .width(76.0, 96.0),
        Column::number("linear", "Linear")
            .definition("What adding the linear part of the error takes away of it")
            .width(64.0, 84.0),
        Column::number("nonlinear", "Nonlinear")
            .definition("What reconstruction and linear part leave of it together")
            .width(72.0, 92.0),
        Column::number("norm", "Error")
            .unit("norm")
            .definition("Mean of ‖x − x̂‖ over the occurrences")
            .width(64.0, 84.0),
        Column::number("of_error", "Of all error")
            .definition("Share of these occurrences in Σ‖x − x̂‖² of all tokens")
            .width(76.0, 96.0),
    ];
    let first = grid::arrangement::Sort::new("fvu", true);
    let sort = grid::sort(ui.ctx(), TABLE).unwrap_or(first);
    let order = grid::order(found.by_token.len(), Some(&sort), |row, column| {
        cell(&found.by_token[row], column)
    });
    let list: Vec<&ByToken> = order.into_iter().map(|row| &found.by_token[row]).collect();
    let grid = Grid::new(TABLE, &columns)
        .title("Error by token")
        .most(height)
        .ordered_by("fvu", true);
    grid.show(ui, &mut Rows { list: &list }, selection);
    let secondary = Theme::from_ui(ui).ink.secondary;
    let words = format!(
        "Of the tokens seen {OFTEN} times or more: those explained least, those explained best, and those with the largest share of the error"
    );
    ui.add(egui::Label::new(caption(words).color(secondary)).wrap());
}

fn cell(of: &ByToken, column: &str) -> Value {
    let share = &of.share;
    match column {
        "token" => Value::from(of.text.as_str()),
        "count" => Value::Count(share.tokens),
        "fvu" => Value::Number(share.fvu),
        "linear" => Value::Number(share.fvu_linear()),
        "nonlinear" => Value::Number(share.fvu_nonlinear),
        "norm" => Value::Number(share.norm),
        "of_error" => Value::Number(share.of_error),
        _ => Value::Nothing,
    }
}

struct Rows<'a> {
    list: &'a [&'a ByToken],
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.list.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.list[row].id.0)
    }

    fn words(&self, row: usize) -> String {
        let of = self.list[row];
        let share = number::percent(of.share.fvu);
        format!("{:?}, {share} unexplained", of.text)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        cell(self.list[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("token", Value::Text(text)) => quoted(&text),
            ("fvu" | "linear" | "nonlinear" | "of_error", Value::Number(share)) => {
                number::percent(share)
            }
            (_, value) => grid::short(&value),
        }
    }
}
