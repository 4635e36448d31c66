//! Pictures of plots that paint their own axes.

use egui::{Ui, vec2};

use crate::theme::{Hue, Theme};
use crate::widgets::band_plot::{BandPlot, BandPoint};
use crate::widgets::level_plot::LevelPlot;
use crate::widgets::number;

/// A figure on both sides of 0 with a limit, and one of a single place, with a shared pointer.
pub(super) fn band_plots(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    let points: Vec<BandPoint> = (-4..=4)
        .map(|i: i32| {
            let x = f64::from(i) * 4.0;
            let middle = 0.02 * x * x;
            BandPoint {
                x,
                spread: [0.6 * middle, middle, 1.5 * middle + 0.1],
            }
        })
        .collect();
    let marks = [(9.5, "holds to 9.50".to_owned())];
    let plot = BandPlot {
        name: "KL",
        y: "KL (nats)",
        x: "",
        range: [-16.0, 16.0],
        points: &points,
        base: Some(0.0),
        marks: &marks,
        colour: theme.hue(Hue::Edit),
        format: number::number,
        group: egui::Id::unique("strengths"),
        definition: "",
    };
    let size = vec2(330.0, 160.0);
    plot.show(ui, size);
    let plot = BandPlot {
        name: "Probability",
        y: "Probability",
        x: "strength (decoder rows)",
        points: &points[5..6],
        base: Some(0.4),
        marks: &[],
        format: number::percent,
        ..plot
    };
    plot.show(ui, size);
}

/// Counts that span decades, and their parts in the mean.
pub(super) fn level_plots(ui: &mut Ui) {
    let edges: Vec<f64> = (0..=20).map(|i| f64::from(i) * 0.5).collect();
    let counts: Vec<[f64; 2]> = (0..20)
        .map(|i: i32| [f64::from(900 / (i + 1)), f64::from(4000 / (i + 1).pow(3))])
        .collect();
    let parts: Vec<[f64; 2]> = (counts.iter().zip(&edges))
        .map(|([a, b], from)| [a * (from + 0.25) / 9000.0, b * (from + 0.25) / 9000.0])
        .collect();
    let plot = LevelPlot {
        name: "Specificity",
        definition: "",
        edges: &edges,
        heights: &counts,
        kinds: ["predicate holds", "others"],
        title: "active tokens",
        counts: true,
    };
    let size = vec2(330.0, 150.0);
    plot.show(ui, size);
    let plot = LevelPlot {
        name: "Expected value",
        heights: &parts,
        title: "part of the mean activation",
        counts: false,
        ..plot
    };
    plot.show(ui, size);
}
