//! The tokens with the largest errors, beside the text.

use egui::Ui;

use super::text::Shown;
use crate::state::dark_matter::places::Part;
use crate::widgets::csv::Value;
use crate::widgets::feature_chip::quoted;
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
const TABLE: &str = "largest errors";

/// Draws the table of tokens, largest error first unless a person ordered it otherwise; returns the token that was clicked or walked to.
pub(super) fn largest_ui(
    ui: &mut Ui,
    shown: &Shown<'_>,
    part: Part,
    (selection, height): (&mut Selection, f32),
) -> Option<usize> {
    let columns = [
        Column::number("position", "Position")
            .definition("Position of the token in the text, from 0")
            .width(56.0, 64.0),
        Column::text("token", "Token")
            .width(72.0, 96.0)
            .mono()
            .fills(),
        Column::number("error", "Error")
            .unit("norm")
            .definition(part.meaning())
            .width(64.0, 84.0),
        Column::number("share", "Share of ||x||²")
            .definition(
                "Squared norm of this part of the error divided by the squared norm of the activation",
            )
            .width(72.0, 92.0),
    ];
    let tokens: Vec<usize> = (shown.errors.counts.iter().enumerate())
        .filter_map(|(token, counts)| counts.then_some(token))
        .collect();
    let first = grid::arrangement::Sort::new("error", true);
    let sort = grid::sort(ui.ctx(), TABLE).unwrap_or(first);
    let order = grid::order(tokens.len(), Some(&sort), |row, column| {
        cell(shown, part, tokens[row], column)
    });
    let tokens: Vec<usize> = order.into_iter().map(|row| tokens[row]).collect();
    match shown.token {
        Some(token) if selection.cursor() != Some(token as u64) => selection.only(token as u64),
        None => selection.clear(),
        Some(_) => {}
    }
    let reveal = shown
        .token
        .and_then(|token| tokens.iter().position(|one| *one == token));
    let mut rows = Rows {
        shown,
        part,
        tokens: &tokens,
    };
    let changed = ui.data_mut(|data| {
        let kept = data.get_temp_mut_or_default::<Option<usize>>(egui::Id::unique(TABLE));
        std::mem::replace(kept, shown.token) != shown.token
    });
    let grid = Grid::new(TABLE, &columns)
        .title("Largest errors")
        .most(height);
    let grid = grid
        .ordered_by("error", true)
        .reveal(reveal.filter(|_| changed));
    let reply = grid.show(ui, &mut rows, selection);
    reply.chosen.and_then(|row| tokens.get(row)).copied()
}

struct Rows<'a> {
    shown: &'a Shown<'a>,
    part: Part,
    tokens: &'a [usize],
}

fn cell(shown: &Shown<'_>, part: Part, token: usize, column: &str) -> Value {
    let norms = &shown.errors.norms[token];
    let error = part.value(norms);
    match column {
        "position" => Value::from(token),
        "token" => Value::from(shown.errors.texts[token].as_str()),
        "error" => Value::Single(error),
        "share" if norms.activation > 0.0 => Value::Single((error / norms.activation).powi(2)),
        _ => Value::Nothing,
    }
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.tokens.len()
    }

    fn key(&self, row: usize) -> u64 {
        self.tokens[row] as u64
    }

    fn words(&self, row: usize) -> String {
        let token = self.tokens[row];
        format!(
            "Error at token {token}, {:?}",
            self.shown.errors.texts[token]
        )
    }

    fn value(&self, row: usize, column: &str) -> Value {
        cell(self.shown, self.part, self.tokens[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match (column, self.value(row, column)) {
            ("token", Value::Text(text)) => quoted(&text),
            ("share", Value::Single(share)) => number::percent(f64::from(share)),
            (_, value) => grid::short(&value),
        }
    }
}
