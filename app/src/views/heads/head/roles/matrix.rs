//! The matrix of a criterion over the head's features, ordered by cluster.

use egui::Ui;
use umbra_core::heads::roles::{Criterion, HeadRoles, Judged};

use super::definition;
use crate::theme::Hue;
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};
use crate::widgets::number;

/// Draws it.
pub(super) fn matrix_ui(ui: &mut Ui, (roles, judged): (&HeadRoles, &Judged)) {
    let order: Vec<usize> = (judged.clusters.iter())
        .flat_map(|cluster| cluster.members.iter().copied())
        .collect();
    let names: Vec<String> = order
        .iter()
        .map(|at| roles.features[*at].to_string())
        .collect();
    let value =
        |row: usize, column: usize| likeness(roles, judged.criterion, (order[row], order[column]));
    let n = order.len();
    let cells: Vec<Cell> = (0..n * n)
        .map(|at| Cell::Value(value(at / n, at % n) as f32))
        .collect();
    let (title, definition) = match judged.criterion {
        Criterion::Directions => ("Cosine of what is written", definition("cosines")),
        Criterion::Tokens => ("Overlap of tokens", Criterion::Tokens.distance()),
    };
    let map = HeatMap {
        title,
        rows: Side {
            title: "Feature",
            names: &names,
        },
        columns: Side {
            title: "Feature, ordered by cluster",
            names: &names,
        },
        cells: &cells,
        range: (0.0, 1.0),
        scale: Scale::Sequential(Hue::Activation),
        labels: &[],
        selected: None,
        pictures: None,
        most: None,
        definition,
        open: None,
    };
    let describe = |row: usize, column: usize| {
        let (a, b) = (&names[row], &names[column]);
        let value = number::number(value(row, column));
        format!("Features {a} and {b}: {value}")
    };
    map.ui(ui, &describe);
}

fn likeness(roles: &HeadRoles, criterion: Criterion, (a, b): (usize, usize)) -> f64 {
    match criterion {
        Criterion::Directions => roles.cosines[a][b],
        Criterion::Tokens => roles.peak_overlap[a][b].max(roles.before_overlap[a][b]),
    }
}
