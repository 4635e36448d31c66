//! Matrices and maps of a ladder: how far the error of one dictionary predicts that of another, and figures over width and L0.

use egui::{Label, Ui};
use umbra_core::dark_matter::ladder::{Ladder, Rung};

use super::{definition, short_names};
use crate::theme::{Hue, Theme, caption};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};
use crate::widgets::number;

/// Characters of the longest name that a narrow cell has room for.
const LONG: usize = 7;

/// Height of a curve.
const HEIGHT: f32 = 180.0;

/// Figures over width and L0: key of the definition, and name.
const FIGURES: [(&str, &str); 4] = [
    ("fvu", "FVU"),
    ("fvu_nonlinear", "Nonlinear FVU"),
    ("r2_weighted", "R² of the error"),
    ("r2_norm", "R² of its squared norm"),
];

/// Figures that are shown.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Whether the matrix is of what the nonlinear norm adds.
    gain: bool,
    /// Figure over width and L0.
    figure: usize,
}

/// Draws the matrix of R² between the error norms of the dictionaries, or of what nonlinear norms add.
pub(super) fn matrix_ui(ui: &mut Ui, ladder: &Ladder, choice: &mut Choice) {
    let split = !ladder.nonlinear_gain.is_empty();
    if split {
        ui.horizontal_wrapped(|ui| {
            ui.selectable_value(&mut choice.gain, false, "R² of the norms")
                .on_hover_text(definition("token_r2"));
            ui.selectable_value(&mut choice.gain, true, "What the nonlinear norm adds")
                .on_hover_text(definition("nonlinear_gain"));
        });
    }
    let gain = choice.gain && split;
    let (title, key, values) = if gain {
        (
            "Share of the rest",
            "nonlinear_gain",
            &ladder.nonlinear_gain,
        )
    } else {
        ("R² of the error norm", "token_r2", &ladder.token_r2)
    };
    let names = short_names(ladder);
    let cell = |value: &Option<f64>| match value {
        Some(value) => Cell::Value(*value as f32),
        None => Cell::Unknown,
    };
    let cells: Vec<Cell> = values.iter().flatten().map(cell).collect();
    // Cells wide enough for names of dictionaries above the columns.
    let is_long = names.iter().any(|name| name.chars().count() > LONG);
    let labels = vec![None; if is_long { cells.len() } else { 0 }];
    let map = HeatMap {
        title,
        rows: Side {
            title: "From",
            names: &names,
        },
        columns: Side {
            title: "Error norm of",
            names: &names,
        },
        cells: &cells,
        range: (0.0, 1.0),
        scale: Scale::Sequential(Hue::Error),
        labels: &labels,
        selected: None,
        pictures: None,
        most: None,
        definition: definition(key),
        open: None,
    };
    let describe = |row: usize, column: usize| {
        let (from, of) = (&names[row], &names[column]);
        match values[row][column] {
            Some(value) => format!("{of} from {from}: {}", number::number(value)),
            None if gain && row == column => format!("{of} from itself leaves nothing to explain"),
            None => format!("{of} from {from}: not defined, a norm is constant"),
        }
    };
    map.ui(ui, &describe);
}

/// Draws a figure over width and L0: a map where the dictionaries have several L0s, else a line.
pub(super) fn over_ui(ui: &mut Ui, ladder: &Ladder, choice: &mut Choice) {
    if ladder.fit_tokens.is_some() {
        ui.horizontal_wrapped(|ui| {
            for (at, (key, name)) in FIGURES.iter().enumerate() {
                ui.selectable_value(&mut choice.figure, at, *name)
                    .on_hover_text(definition(key));
            }
        });
    } else {
        choice.figure = 0;
    }
    let (key, name) = FIGURES[choice.figure.min(FIGURES.len() - 1)];
    if ladder.is_unequal() {
        map_ui(ui, ladder, (key, name));
    } else {
        let l0 = ladder.rungs.iter().map(|rung| rung.l0).sum::<f64>() / ladder.rungs.len() as f64;
        let words = format!(
            "All dictionaries have an L0 of about {}, so this is a line over width. Add dictionaries of another L0 to see a map.",
            number::number(l0)
        );
        let ink = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(words).color(ink)).wrap());
        line_ui(ui, ladder, (key, name));
    }
}

fn figure(rung: &Rung, key: &str) -> Option<f64> {
    match key {
        "fvu" => Some(rung.fvu),
        "fvu_nonlinear" => rung.linear.map(|of| of.fvu_nonlinear),
        "r2_weighted" => rung.linear.map(|of| of.r2_weighted),
        _ => rung.linear.map(|of| of.r2_norm),
    }
}

fn line_ui(ui: &mut Ui, ladder: &Ladder, (key, name): (&str, &str)) {
    let mut points: Vec<[f64; 2]> = (ladder.rungs.iter())
        .filter_map(|rung| Some([rung.features as f64, figure(rung, key)?]))
        .collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let series = [Series {
        name,
        colour: Theme::from_ui(ui).hue(Hue::Error),
        points: &points,
    }];
    CurvePlot {
        name,
        y: name,
        x: "features",
        series: &series,
        faint: &[],
        height: HEIGHT,
        group: None,
        format: number::number,
        definition: definition(key),
    }
    .ui(ui);
}

/// A map of widths by L0s; L0s within a tenth of each other share a row.
fn map_ui(ui: &mut Ui, ladder: &Ladder, (key, name): (&str, &str)) {
    let mut widths: Vec<usize> = ladder.rungs.iter().map(|rung| rung.features).collect();
    widths.sort_unstable();
    widths.dedup();
    let levels = levels(ladder);
    let at = |row: usize, column: usize| {
        let level = &levels[levels.len() - 1 - row];
        let of = |i: &&usize| ladder.rungs[**i].features == widths[column];
        level.iter().find(of).map(|i| &ladder.rungs[*i])
    };
    let value = |row: usize, column: usize| figure(at(row, column)?, key);
    let all: Vec<Option<f64>> = (0..levels.len())
        .flat_map(|row| (0..widths.len()).map(move |column| (row, column)))
        .map(|(row, column)| value(row, column))
        .collect();
    let most = all.iter().flatten().copied().fold(0.0, f64::max);
    let cells: Vec<Cell> = all
        .iter()
        .map(|value| value.map_or(Cell::Unknown, |value| Cell::Value(value as f32)))
        .collect();
    let mean = |level: &Vec<usize>| {
        level.iter().map(|i| ladder.rungs[*i].l0).sum::<f64>() / level.len() as f64
    };
    let rows: Vec<String> = levels
        .iter()
        .rev()
        .map(|level| number::number(mean(level)))
        .collect();
    let columns: Vec<String> = widths
        .iter()
        .map(|width| number::count(*width as u64))
        .collect();
    let map = HeatMap {
        title: name,
        rows: Side {
            title: "L0",
            names: &rows,
        },
        columns: Side {
            title: "Features",
            names: &columns,
        },
        cells: &cells,
        range: (0.0, most.max(f64::MIN_POSITIVE) as f32),
        scale: Scale::Sequential(Hue::Error),
        labels: &[],
        selected: None,
        pictures: None,
        most: None,
        definition: definition(key),
        open: None,
    };
    let describe = |row: usize, column: usize| {
        let place = format!("{} features, L0 {}", columns[column], rows[row]);
        match (at(row, column), value(row, column)) {
            (Some(rung), Some(value)) => {
                format!("{}, {place}: {name} {}", rung.name, number::number(value))
            }
            _ => format!("{place}: no dictionary"),
        }
    };
    map.ui(ui, &describe);
}

/// Groups the dictionaries by L0, lowest first: each within a tenth of the lowest of its group.
fn levels(ladder: &Ladder) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..ladder.rungs.len()).collect();
    order.sort_by(|a, b| ladder.rungs[*a].l0.total_cmp(&ladder.rungs[*b].l0));
    let mut levels: Vec<Vec<usize>> = Vec::new();
    for i in order {
        match levels.last_mut() {
            Some(level) if ladder.rungs[i].l0 <= 1.1 * ladder.rungs[level[0]].l0 => level.push(i),
            _ => levels.push(vec![i]),
        }
    }
    levels
}
