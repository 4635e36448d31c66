//! The curves of one run, or of several over one another.

use egui::{Color32, Ui, vec2};

use crate::state::training::{Curves, Points};
use crate::theme::{Theme, caption, space};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::number;

/// Height of one plot.
const PLOT: f32 = 148.0;

/// Width from which plots stand in two columns.
const TWO_COLUMNS: f32 = 560.0;

/// Letters of a run's name at the end of its line.
const NAME: usize = 12;

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overlay<'a> {
    /// Its name, shown where there are several.
    pub(super) name: &'a str,
    /// Its curves.
    pub(super) curves: &'a Curves,
}

/// One plot.
struct Chart {
    title: &'static str,
    name: &'static str,
    of: fn(&Curves) -> &Points,
    format: fn(f64) -> String,
    definition: &'static str,
    /// The colour of a line alone; several are told apart by those of the runs.
    colour: fn(&Theme) -> Color32,
}

const LEARNING: [Chart; 4] = [
    Chart {
        title: "Loss (share of variance)",
        name: "Loss",
        of: |curves| &curves.loss,
        format: number::number,
        definition: "Loss of a step over the variance of its batch, so that runs at different hooks compare",
        colour: |theme| theme.series(0),
    },
    Chart {
        title: "FVU (share of variance)",
        name: "FVU",
        of: |curves| &curves.fvu,
        format: number::number,
        definition: "Fraction of variance unexplained: squared error of the reconstruction over the variance of the activations; 0 is perfect",
        colour: |theme| theme.error,
    },
    Chart {
        title: "L0 (features per token)",
        name: "L0",
        of: |curves| &curves.l0,
        format: number::number,
        definition: "Mean number of features active on a token",
        colour: |theme| theme.activation,
    },
    Chart {
        title: "Dead (share of features)",
        name: "Dead",
        of: |curves| &curves.dead,
        format: number::percent,
        definition: "Share of features that were active on none of the latest tokens (the setting Dead after)",
        colour: |theme| theme.series(1),
    },
];

const SPEED: Chart = Chart {
    title: "Speed (activations per second)",
    name: "Speed",
    of: |curves| &curves.speed,
    format: number::number,
    definition: "Activations trained on in a second, over the latest steps",
    colour: |theme| theme.series(2),
};

/// Returns the number of plots side by side, and the width of each.
pub(super) fn columns(ui: &Ui) -> (usize, f32) {
    let columns = if ui.available_width() >= TWO_COLUMNS {
        2
    } else {
        1
    };
    let width = (ui.available_width() - (columns - 1) as f32 * space::GROUP) / columns as f32;
    (columns, width)
}

/// Draws what a run learns.
pub(super) fn curves_ui(ui: &mut Ui, runs: &[Overlay<'_>]) {
    charts_ui(ui, &LEARNING, runs);
}

/// Draws how fast it does.
pub(super) fn speed_ui(ui: &mut Ui, runs: &[Overlay<'_>]) {
    charts_ui(ui, &[SPEED], runs);
}

fn charts_ui(ui: &mut Ui, charts: &[Chart], runs: &[Overlay<'_>]) {
    let (columns, width) = columns(ui);
    let group = ui.scope_id().with("curves");
    for row in charts.chunks(columns) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            for chart in row {
                ui.allocate_ui(vec2(width, PLOT), |ui| {
                    ui.set_width(width);
                    chart_ui(ui, chart, runs, group);
                });
            }
        });
    }
}

fn chart_ui(ui: &mut Ui, chart: &Chart, runs: &[Overlay<'_>], group: egui::Id) {
    let theme = Theme::from_ui(ui);
    let names: Vec<String> = runs.iter().map(|run| short(run.name)).collect();
    let series: Vec<Series<'_>> = (runs.iter().zip(&names).enumerate())
        .map(|(i, (run, name))| Series {
            name: if runs.len() == 1 { chart.name } else { name },
            colour: if runs.len() == 1 {
                (chart.colour)(theme)
            } else {
                theme.series(i)
            },
            points: (chart.of)(run.curves),
        })
        .collect();
    ui.vertical(|ui| {
        ui.label(caption(chart.title).color(theme.ink.secondary));
        let plot = CurvePlot {
            name: chart.name,
            y: "",
            x: "Activations seen",
            series: &series,
            faint: &[],
            height: PLOT - 20.0,
            group: Some(group),
            format: chart.format,
            definition: chart.definition,
        };
        plot.ui(ui);
    });
}

/// A name that leaves room for the line.
fn short(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    let begin = name.chars().take(NAME - 1);
    begin.chain(['…']).collect()
}
