//! All figures of a head, and where it stands among the heads of the model.

use egui::Ui;
use umbra_core::heads::survey::{FIGURES, Figure, HeadRow};
use umbra_core::ids::{Head, Layer};

use super::features::tall_ui;
use crate::state::AppState;
use crate::theme::{Theme, caption, panel_title};
use crate::views::heads::map;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number;

/// Rows that are shown until a person asks for all.
const FIRST: usize = 8;

/// Name of the table in the settings.
const NAME: &str = "head figures";

const COLUMNS: [Column<'static>; 3] = [
    Column::text("figure", "Figure").width(120.0, 190.0).fills().always(),
    Column::number("value", "Value").width(56.0, 76.0),
    Column::number("rank", "Rank")
        .definition("Place of this head among all heads of the model that have the figure, the largest first; equals share the first place of theirs")
        .width(56.0, 84.0),
];

/// A figure of a head, and its place among the `of` heads that have it.
pub(super) struct Measured {
    pub(super) figure: &'static Figure,
    pub(super) value: f64,
    pub(super) rank: usize,
    pub(super) of: usize,
}

struct Shown {
    figures: Vec<Measured>,
}

/// The figures that this head has, with its places among `rows`.
pub(super) fn measured(rows: &[HeadRow], row: &HeadRow) -> Vec<Measured> {
    static ALL: &[Figure] = &FIGURES;
    let one = |figure: &'static Figure| {
        let value = (figure.get)(row)?;
        let others = rows.iter().filter_map(figure.get);
        let (larger, of) = others.fold((0, 0), |(larger, of), other| {
            (larger + usize::from(other > value), of + 1)
        });
        Some(Measured {
            figure,
            value,
            rank: larger + 1,
            of,
        })
    };
    ALL.iter().filter_map(one).collect()
}

/// Title with the unit, where there is one.
fn title(figure: &Figure) -> String {
    match figure.unit.name() {
        "" => figure.title.to_owned(),
        unit => format!("{} ({unit})", figure.title),
    }
}

fn value(of: &Measured, column: &str) -> Value {
    match column {
        "figure" => Value::Text(title(of.figure)),
        "value" => of.value.into(),
        _ => of.rank.into(),
    }
}

impl Rows for Shown {
    fn count(&self) -> usize {
        self.figures.len()
    }

    fn words(&self, row: usize) -> String {
        let of = &self.figures[row];
        let value = number::number(of.value);
        format!(
            "{} {value}, {} of {} heads",
            of.figure.title, of.rank, of.of
        )
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(&self.figures[row], column)
    }

    fn text(&self, row: usize, column: &str) -> String {
        match column {
            "rank" => format!("{} of {}", self.figures[row].rank, self.figures[row].of),
            _ => map::figure_text(&self.value(row, column)),
        }
    }

    fn has_cards(&self) -> bool {
        true
    }

    fn card_ui(&mut self, ui: &mut Ui, row: usize) {
        ui.label(self.figures[row].figure.title);
        let definition = caption(self.figures[row].figure.definition);
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(egui::Label::new(definition.color(secondary)).wrap());
    }
}

/// Draws the panel; nothing without a survey.
pub(super) fn figures_ui(ui: &mut Ui, state: &AppState, head: (Layer, Head)) {
    let (Some(survey), Some(row)) = (map::kept(state), map::row(state, head)) else {
        return;
    };
    ui.label(panel_title("Figures"));
    let figures = measured(&survey.heads, row);
    let sort = grid::sort(ui.ctx(), NAME);
    let order = grid::order(figures.len(), sort.as_ref(), |at, column| {
        value(&figures[at], column)
    });
    let mut figures: Vec<Option<Measured>> = figures.into_iter().map(Some).collect();
    let id = ui.scope_id().with("all figures");
    let all = ui
        .data(|data| data.get_temp::<bool>(id))
        .unwrap_or_default();
    let rows = if all {
        figures.len()
    } else {
        figures.len().min(FIRST)
    };
    let mut shown = Shown {
        figures: order
            .into_iter()
            .take(rows)
            .filter_map(|at| figures[at].take())
            .collect(),
    };
    let mut selection = Selection::default();
    let grid = Grid::new(NAME, &COLUMNS).title("Figures of the head");
    let width = ui.available_width();
    tall_ui(ui, (width, rows), |ui| {
        grid.show(ui, &mut shown, &mut selection);
    });
    if figures.len() > FIRST {
        let title = if all {
            "Show fewer figures".to_owned()
        } else {
            format!("Show all {} figures", figures.len())
        };
        if ui.button(title).clicked() {
            ui.data_mut(|data| data.insert_temp(id, !all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_heads_share_the_first_place_and_heads_without_a_figure_do_not_count() {
        let row = |previous: f64, copying: Option<f64>| HeadRow {
            previous,
            copying,
            ..HeadRow::default()
        };
        let rows = [
            row(0.5, Some(1.0)),
            row(0.5, None),
            row(0.9, Some(-1.0)),
            row(0.1, None),
        ];
        let place = |row: &HeadRow, key: &str| {
            let all = measured(&rows, row);
            let found = all.iter().find(|of| of.figure.key == key);
            found.map(|of| (of.rank, of.of))
        };
        assert_eq!(place(&rows[0], "previous"), Some((2, 4)));
        assert_eq!(place(&rows[1], "previous"), Some((2, 4)));
        assert_eq!(place(&rows[2], "previous"), Some((1, 4)));
        assert_eq!(place(&rows[2], "copying"), Some((2, 2)));
        assert_eq!(place(&rows[1], "copying"), None);
    }
}
