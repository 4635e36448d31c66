//! All figures of a head, and where it stands among the heads of the model.

use egui::Ui;
use umbra_core::heads::survey::{FIGURES, Figure, HeadRow};
use umbra_core::ids::{Head, Layer};

use super::features::tall_ui;
use crate::state::AppState;
use crate::theme::{Theme, caption, panel_title, space};
use crate::views::heads::map;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Rows, Selection};
use crate::widgets::number;

/// Rows that are seen; the others scroll.
const SEEN: usize = 8;

/// Name of the table in the settings.
const NAME: &str = "head figures";

const COLUMNS: [Column<'static>; 4] = [
    Column::text("figure", "Figure").width(120.0, 190.0).fills().always(),
    Column::number("value", "Value").width(56.0, 76.0),
    Column::text("unit", "Unit").width(48.0, 64.0),
    Column::number("rank", "Rank")
        .definition("Place of this head among all heads of the model that have the figure, the largest first; equals share the first place of theirs")
        .width(56.0, 84.0),
];

struct Measured {
    figure: &'static Figure,
    value: f64,
    rank: usize,
    of: usize,
}

struct Shown {
    figures: Vec<Measured>,
}

/// The figures that this head has, with its places among `rows`.
fn measured(rows: &[HeadRow], row: &HeadRow) -> Vec<Measured> {
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

fn value(of: &Measured, column: &str) -> Value {
    match column {
        "figure" => of.figure.title.into(),
        "value" => of.value.into(),
        "unit" => of.figure.unit.name().into(),
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
            _ => grid::short(&self.value(row, column)),
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
    let mut shown = Shown {
        figures: order
            .into_iter()
            .filter_map(|at| figures[at].take())
            .collect(),
    };
    let mut selection = Selection::default();
    let grid = Grid::new(NAME, &COLUMNS)
        .title("Figures of the head")
        .most(SEEN as f32 * space::TABLE_ROW);
    let width = ui.available_width();
    tall_ui(ui, (width, SEEN), |ui| {
        grid.show(ui, &mut shown, &mut selection);
    });
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
