//! Draws one sample of every custom-painted widget.

mod forms;
mod plots;
mod tokens;

use egui::{Frame, Ui, Vec2, vec2};
use egui_kittest::{Harness, SnapshotResults};
use umbra_core::features::Name;
use umbra_core::ids::FeatureId;

use self::forms::settings_form;
use self::tokens::{token_editor, token_grid, token_strips};
use super::{OF_WIDGET, THEMES, compare, names, renderer};
use crate::theme::{Hue, Theme, Tinted, icons, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::cell_grid::{CellGrid, Rows};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::density_histogram::DensityHistogram;
use crate::widgets::empty_state::{empty_state, failure_line, failure_state};
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::grid;
use crate::widgets::heat_map::{Cell, HeatMap, Kind, Scale, Side};
use crate::widgets::histogram::HistogramPlot;
use crate::widgets::legend;
use crate::widgets::matrix_map::MatrixMap;
use crate::widgets::number;
use crate::widgets::rank_plot::{RankPlot, RankPoint};
use crate::widgets::scatter_plot::{ScatterPlot, ScatterPoint};
use crate::widgets::stack_plot::{Part, StackPlot};
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};
use crate::widgets::token_strip::Tint;

/// Content of a picture.
pub(super) struct Sample {
    /// Name of the file.
    pub(super) name: &'static str,
    /// Extent of the picture.
    size: Vec2,
    /// Position of the pointer, if it is on the widget.
    pointer: Option<Vec2>,
    draw: fn(&mut Ui),
}

const fn sample(name: &'static str, size: (f32, f32), draw: fn(&mut Ui)) -> Sample {
    Sample {
        name,
        size: Vec2::new(size.0, size.1),
        pointer: None,
        draw,
    }
}

impl Sample {
    const fn pointed(mut self, x: f32, y: f32) -> Self {
        self.pointer = Some(Vec2::new(x, y));
        self
    }
}

/// All samples.
pub(super) const SAMPLES: [Sample; 28] = [
    sample("band_plot", (360.0, 380.0), plots::band_plots).pointed(150.0, 90.0),
    sample("bars", (360.0, 320.0), bars),
    sample("cell_grid", (420.0, 260.0), cell_grid).pointed(190.0, 120.0),
    sample("curve_plot", (420.0, 260.0), curve_plot).pointed(200.0, 90.0),
    sample("density_histogram", (380.0, 190.0), density_histogram),
    sample("empty_state", (460.0, 460.0), states),
    sample("feature_chip", (420.0, 300.0), names::feature_chips),
    sample("heat_map", (420.0, 300.0), heat_map).pointed(190.0, 100.0),
    sample("heads_of_4_layers", (1000.0, 420.0), |ui| {
        head_map(ui, (4, 8));
    }),
    sample("heads_of_12_layers", (1000.0, 560.0), |ui| {
        head_map(ui, (12, 12));
    }),
    sample("heads_of_32_layers", (560.0, 420.0), |ui| {
        head_map(ui, (32, 32));
    }),
    sample("histogram", (360.0, 380.0), histograms),
    sample("legend", (300.0, 190.0), legends),
    sample("level_plot", (360.0, 340.0), plots::level_plots).pointed(100.0, 110.0),
    sample("matrix_map", (420.0, 460.0), matrix_map).pointed(190.0, 190.0),
    sample("matrix_map_large", (420.0, 460.0), matrix_map_large),
    sample("rank_plot", (420.0, 260.0), rank_plot).pointed(200.0, 90.0),
    sample("scatter_plot", (420.0, 280.0), scatter_plot),
    sample("settings_form", (512.0, 380.0), settings_form),
    sample("scales", (460.0, 260.0), scales),
    sample("snippet", (420.0, 130.0), names::snippets),
    sample("stacked_bars", (420.0, 250.0), stacked_bars),
    sample("stack_plot", (420.0, 290.0), stack_plot).pointed(230.0, 120.0),
    sample("token_editor", (420.0, 200.0), token_editor),
    sample("table", (460.0, 240.0), grid::tests::picture),
    sample("table_narrow", (190.0, 240.0), grid::tests::picture),
    sample("token_grid", (480.0, 220.0), token_grid),
    sample("token_strip", (420.0, 300.0), token_strips),
];

#[test]
fn every_widget_looks_as_stored() {
    let Some(renderer) = renderer() else {
        return;
    };
    let mut harness = Harness::builder()
        .with_max_steps(16)
        .with_render_cursor(false)
        .with_context_setup(crate::theme::install)
        .renderer(renderer)
        .build_ui_state(
            |ui, at: &mut usize| {
                let fill = Theme::from_ui(ui).surface.panel;
                let sample = &SAMPLES[*at];
                Frame::new().fill(fill).inner_margin(12).show(ui, |ui| {
                    ui.push_id(sample.name, |ui| (sample.draw)(ui));
                    ui.take_available_space();
                });
            },
            0,
        );
    let mut results = SnapshotResults::new();
    for (theme, named) in THEMES {
        harness.ctx.set_theme(theme);
        for (at, sample) in SAMPLES.iter().enumerate() {
            *harness.state_mut() = at;
            harness.set_size(sample.size);
            harness.remove_cursor();
            harness.run();
            if let Some(pointer) = sample.pointer {
                harness.hover_at(pointer.to_pos2());
                harness.run();
            }
            let name = format!("widgets/{}.{named}", sample.name);
            compare(&mut harness, (&name, OF_WIDGET), &mut results);
        }
    }
}

/// Returns a number between 0 and 1 that looks random and is the same on every machine.
fn noise(i: usize) -> f32 {
    ((i * 7919 + 104_729) % 1009) as f32 / 1009.0
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Bars of two parts with intervals in a wide and in a narrow place, and bars of one part that may be below 0.
fn stacked_bars(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    let kinds = [("linear error", 0.5), ("nonlinear error", 1.0)].map(|(name, share)| Portion {
        name,
        colour: theme.mark(Hue::Error, share),
    });
    let bar = |label: &str, parts: &[f64], interval: Option<[f64; 2]>| StackedBar {
        label: label.to_owned(),
        parts: parts.to_vec(),
        text: number::percent(parts.iter().sum()),
        interval,
        marks: Vec::new(),
        hover: String::new(),
    };
    let classes = [
        bar("word start", &[0.02, 0.07], Some([0.08, 0.1])),
        bar("punctuation", &[0.05, 0.11], Some([0.14, 0.18])),
        bar("first in document", &[0.01, 0.02], None),
    ];
    let shown = StackedBars {
        name: "Unexplained by class",
        title: "Class",
        kinds: &kinds,
        list: &classes,
        most: None,
        format: number::percent,
        clickable: false,
        definition: "",
    };
    shown.show(ui);
    ui.add_space(space::GROUP);
    ui.scope(|ui| {
        ui.set_max_width(200.0);
        let list = [
            bar("activation", &[0.79], Some([0.7, 0.85])),
            bar("loss", &[-0.1], None),
        ];
        let (name, kinds) = ("R²", &kinds[1..]);
        StackedBars {
            name,
            kinds,
            list: &list,
            most: Some(1.0),
            ..shown
        }
        .show(ui);
    });
}

fn bars(ui: &mut Ui) {
    let next = [
        Bar::new(" king", 2.31),
        Bar::new(" old fox", 1.07),
        Bar::new("\n", -0.42).text("−42 %"),
        Bar::new(" never", -1.9),
    ];
    Bars::new("logits", &next, Fill::Signed).tokens().show(ui);
    ui.add_space(space::GROUP);
    let shares = ["0.0", "0.1", "0.2", "0.3"];
    let shares = shares.iter().enumerate().map(|(i, head)| {
        let share = f64::from(noise(i));
        Bar::new(format!("Head {head}"), share).text(number::percent(share))
    });
    let shares: Vec<Bar> = shares.collect();
    let fill = Fill::Hue(Hue::Activation);
    Bars::new("heads", &shares, fill).clickable().show(ui);
    ui.add_space(space::GROUP);
    let sizes = [
        Bar::new("A label that is longer than its room", 12.0),
        Bar::new("", 0.0),
    ];
    Bars::new("sizes", &sizes, Fill::Neutral)
        .label_width(120.0)
        .most(20.0)
        .show(ui);
}

fn curve_plot(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    let curve = |start: f64, end: f64| -> Vec<[f64; 2]> {
        let at = |i: usize| {
            let falls = (-(i as f64) / 12.0).exp();
            let shaken = f64::from(noise(i)) * 0.02;
            [i as f64 * 100_000.0, end + (start - end) * falls + shaken]
        };
        (0..60).map(at).collect()
    };
    let (first, second) = (curve(0.9, 0.11), curve(0.8, 0.24));
    CurvePlot {
        name: "FVU",
        y: "FVU",
        x: "Activations seen",
        series: &[
            Series {
                name: "resid-2",
                colour: theme.series(0),
                points: &first,
            },
            Series {
                name: "attn-1",
                colour: theme.series(1),
                points: &second[..45],
            },
        ],
        faint: &[],
        height: 230.0,
        group: None,
        format: number::number,
        definition: "Fraction of variance unexplained",
    }
    .ui(ui);
}

fn density_histogram(ui: &mut Ui) {
    let densities = (0..900).map(|i| 10_f64.powf(-4.5 * f64::from(noise(i)) - 0.4));
    let counted = DensityHistogram::new(&densities.collect::<Vec<_>>(), 61);
    counted.ui(ui, "Densities", vec2(350.0, 160.0));
}

fn states(ui: &mut Ui) {
    let words = "Here you train a dictionary on a model's activations and watch it learn.";
    empty_state(ui, icons::CHART_LINE_UP, words, Some("Open a model"));
    let why = "index.sqlite: is of 1,024 features, the dictionary has 2,048; build it again";
    failure_state(ui, "The index did not open", why, Some("Try again"));
    ui.add_space(space::GROUP);
    failure_line(ui, "z-0 failed", "the disk is full; make room and go on");
}

fn heat_map(ui: &mut Ui) {
    let (rows, columns) = (
        strings(&["0", "1", "2", "3"]),
        strings(&["0", "1", "2", "3", "4", "5"]),
    );
    let cell = |i| match i {
        8 => Cell::Unknown,
        _ => Cell::Value(noise(i) * 6.0),
    };
    let cells: Vec<Cell> = (0..24).map(cell).collect();
    let side = |title, names| Side { title, names };
    HeatMap {
        title: "Spread (heads)",
        rows: side("Layer", &rows),
        columns: side("Head", &columns),
        cells: &cells,
        range: (0.0, 6.0),
        scale: Scale::Sequential(Hue::Activation),
        labels: &[],
        selected: Some((1, 4)),
        pictures: None,
        most: None,
        definition: "Heads that a feature spreads over",
        open: None,
    }
    .ui(ui, &|row, column| format!("Head {row}.{column}"));
}

/// Kinds of cells, the clear ones named.
pub(in crate::testing) fn head_map(ui: &mut Ui, (layers, heads): (usize, usize)) {
    const KINDS: [(&str, &str); 5] = [
        ("Previous token", "P"),
        ("Induction", "I"),
        ("Duplicate token", "D"),
        ("Same token", "S"),
        ("First token", "F"),
    ];
    let kinds = KINDS.map(|(name, letter)| Kind {
        name,
        letter,
        definition: "",
        from: 0.6,
    });
    let names = |many: usize| -> Vec<String> { (0..many).map(|i| i.to_string()).collect() };
    let (rows, columns) = (names(layers), names(heads));
    let strength = |i: usize| noise(i) * 0.95;
    let cells = (0..layers * heads).map(|i| Cell::Kind(i * 7 % 5, strength(i)));
    let label = |i: usize| (strength(i) > 0.6).then_some(KINDS[i * 7 % 5].0);
    let labels: Vec<Option<&str>> = (0..layers * heads).map(label).collect();
    let side = |title, names| Side { title, names };
    HeatMap {
        title: "Behaviour",
        rows: side("Layer", &rows),
        columns: side("Head", &columns),
        cells: &cells.collect::<Vec<_>>(),
        range: (0.0, 1.0),
        scale: Scale::Kinds(&kinds, "share of attention, strongest behaviour"),
        labels: &labels,
        selected: Some((3, 6)),
        pictures: None,
        most: Some(ui.available_height()),
        definition: "What a head attends to",
        open: Some("Open this head"),
    }
    .ui(ui, &|row, column| format!("L{row}H{column}"));
}

fn histograms(ui: &mut Ui) {
    let edges: Vec<f64> = (0..=30).map(|i| f64::from(i) * 0.4).collect();
    let falling: Vec<u64> = (0..30).map(|i| 4_u64.pow(8 - i / 4) + i as u64).collect();
    HistogramPlot::new("Activations", &edges, &falling)
        .mark(Some(8.3))
        .show(ui);
    let around: Vec<f64> = (0..=30).map(|i| f64::from(i - 15) * 0.02).collect();
    let even: Vec<u64> = (0..30).map(|i| 20 + (noise(i) * 30.0) as u64).collect();
    HistogramPlot::new("Logits", &around, &even)
        .of_logits()
        .show(ui);
    HistogramPlot::new("Spark", &edges, &falling)
        .size(vec2(90.0, 20.0))
        .sparkline(ui);
    HistogramPlot::new("Nothing", &[], &[])
        .size(vec2(160.0, 50.0))
        .show(ui);
}

/// Three causes of an error over four widths, with their law.
fn stack_plot(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    let widths = [256.0, 512.0, 1024.0, 2048.0];
    let names = ["256", "512", "1 024", "2 048"].map(str::to_owned);
    let law = |width: f64| 0.12 + 6.0 * width.powf(-0.7);
    let (nonlinear, linear) = ([0.08; 4], [0.04; 4]);
    let unlearnt = widths.map(|width| law(width) - 0.12);
    let part = |name, share, heights| Part {
        name,
        colour: theme.mark(Hue::Error, share),
        heights,
    };
    let parts = [
        part("Nonlinear error", 1.0, &nonlinear[..]),
        part("Linear error", 0.6, &linear),
        part("Features not yet learnt", 0.3, &unlearnt),
    ];
    StackPlot {
        name: "Error by width",
        definition: "",
        x: "features",
        y: "FVU",
        at: &widths,
        names: &names,
        parts: &parts,
        intervals: &widths.map(|width| Some([0.95 * law(width), 1.05 * law(width)])),
        curve: Some((&law, "Power law")),
        level: Some(0.12),
        height: 220.0,
    }
    .show(ui);
}

/// Every scale in eleven steps, with what is written on them.
fn scales(ui: &mut Ui) {
    let theme = Theme::from_ui(ui);
    let hues = [Hue::Activation, Hue::Error, Hue::Edit, Hue::Model];
    let sequential = hues.map(|hue| -> Vec<Tinted> {
        (0..=10)
            .map(|step| theme.tint(hue, step as f32 / 10.0))
            .collect()
    });
    let diverging: Vec<Tinted> = (0..=10)
        .map(|step| theme.diverging_tint(step as f32 / 5.0 - 1.0))
        .collect();
    ui.spacing_mut().item_spacing = vec2(2.0, space::CHIP);
    for steps in sequential.into_iter().chain([diverging]) {
        ui.horizontal(|ui| {
            for (step, tinted) in steps.into_iter().enumerate() {
                let (rect, _) = ui.allocate_exact_size(vec2(36.0, 32.0), egui::Sense::hover());
                ui.painter().rect_filled(rect, 2.0, tinted.fill);
                ui.painter().text(
                    rect.center(),
                    egui::Align2::CENTER_CENTER,
                    step * 10,
                    egui::FontId::monospace(13.0),
                    tinted.ink,
                );
            }
        });
    }
}

fn legends(ui: &mut Ui) {
    legend::sequential(ui, "activation", Hue::Activation, 12.34);
    legend::diverging(ui, "logit change", 0.5);
    legend::between(ui, "error", Hue::Error, (0.2, 3.0));
    let theme = Theme::from_ui(ui);
    legend::mark(ui, theme.edit, "steered");
    legend::mark(ui, theme.ink.disabled, "dead");
}

fn attention(ui: &mut Ui, names: &[String], name: &str) {
    let many = names.len();
    let weight = |i: usize| {
        let (row, column) = (i / many, i % many);
        if column > row {
            0.0
        } else {
            noise(i) / (1 + row - column) as f32
        }
    };
    let values: Vec<f32> = (0..many * many).map(weight).collect();
    MatrixMap {
        name,
        title: "weight",
        rows: Side {
            title: "looks",
            names,
        },
        columns: Side { title: "at", names },
        values: &values,
        revision: many as u64,
        most: 1.0,
        tint: Tint::Sequential(Hue::Model),
        selected: Some(many / 2),
        side: 260.0,
        definition: "Share of the attention",
    }
    .ui(ui, &|row, column| {
        format!("{} looks at {}", names[row], names[column])
    });
}

fn matrix_map(ui: &mut Ui) {
    let words = [
        "Once", " upon", " a", " time", "\n", " there", " was", " a", " king", ".",
    ];
    attention(ui, &strings(&words), "Pattern");
}

/// Draws more cells than the map paints one by one.
fn matrix_map_large(ui: &mut Ui) {
    let names: Vec<String> = (0..96).map(|i| format!("t{i}")).collect();
    attention(ui, &names, "Large pattern");
}

fn scatter_plot(ui: &mut Ui) {
    let point = |i: usize| ScatterPoint {
        name: format!("L{}H{}", i / 8, i % 8),
        at: [
            0.4 * f64::from(noise(i)).powi(2),
            f64::from(noise(i + 40)).powi(2),
        ],
        chosen: i == 9,
    };
    ScatterPlot {
        name: "Heads",
        x: "Attention after 1 repeated token",
        y: "After 9",
        points: &(0..32).map(point).collect::<Vec<_>>(),
        height: 250.0,
        shares: true,
        definition: "Heads by attention",
    }
    .show(ui);
}

fn rank_plot(ui: &mut Ui) {
    let point = |rank: usize| {
        let law = 0.4 / (rank as f64).powf(0.7);
        let under = if rank.is_multiple_of(9) { 0.2 } else { 1.0 };
        RankPoint {
            rank,
            feature: (rank * 31 % 400) as u32,
            density: law * under * (0.8 + 0.4 * f64::from(noise(rank))),
            law: Some(law),
        }
    };
    let points: Vec<RankPoint> = (1..400).map(point).collect();
    RankPlot {
        name: "Rank and density",
        points: &points,
        tau: 0.5,
        height: 230.0,
    }
    .ui(ui);
}

/// Activations for a grid.
struct Noise;

impl Rows for Noise {
    fn share(&self, row: usize, column: usize) -> f32 {
        (noise(row * 11 + column) - 0.5).max(0.0) * 2.0
    }

    fn words(&self, row: usize, column: usize) -> String {
        format!(
            "feature {row} on token {column}: {:.2}",
            self.share(row, column)
        )
    }

    fn csv(&self) -> String {
        String::new()
    }

    fn name_ui(&mut self, ui: &mut Ui, row: usize) {
        let name = Name {
            label: Some("royal titles"),
            ..Name::default()
        };
        FeatureChip::new(FeatureId(40 + row as u32), name)
            .strength(0.3 + 0.1 * row as f32)
            .max_width(ui.available_width())
            .show(ui, |_| {});
    }
}

fn cell_grid(ui: &mut Ui) {
    let columns = strings(&[
        "<s>", "Once", " upon", " a", " time", " there", "\n", " was",
    ]);
    let grid = CellGrid {
        name: "features",
        definition: "activation",
        rows: 6,
        columns: &columns,
        selected: (Some(2), Some(3)),
        pointed: None,
        reveal: (false, false),
        signed: false,
        gutter: 150.0,
        height: 230.0,
    };
    grid.show(ui, &mut Noise);
}
