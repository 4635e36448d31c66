//! The menu of every plot by kittest: what it copies, what it saves, what it says, by pointer and by keyboard.

use egui::{Key, Modifiers, Role, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::theme::{Hue, Theme};
use crate::widgets::band_plot::{BandPlot, BandPoint};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::curve_plot::{CurvePlot, Series};
use crate::widgets::density_histogram::DensityHistogram;
use crate::widgets::focus::Keyboard;
use crate::widgets::heat_map::{Cell, HeatMap, Scale, Side};
use crate::widgets::histogram::HistogramPlot;
use crate::widgets::matrix_map::MatrixMap;
use crate::widgets::named_plot::{Axis, NamedPlot, NamedPoint, PointKind, Shape};
use crate::widgets::number;
use crate::widgets::rank_plot::{RankPlot, RankPoint};
use crate::widgets::scatter_plot::{ScatterPlot, ScatterPoint};
use crate::widgets::stack_plot::{Part, StackPlot};
use crate::widgets::stacked_bars::{Portion, StackedBar, StackedBars};
use crate::widgets::to_save::{self, ToSave};
use crate::widgets::token_grid::{Cells, TokenCell, TokenGrid};
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{csv, staged};

/// Draws a plot.
pub(crate) type Draw = fn(&mut egui::Ui);

/// A plot, the label of what is right-clicked in it, what its CSV begins with, and the value there, if it has one.
struct Case {
    draw: Draw,
    on: &'static str,
    csv: &'static str,
    value: Option<&'static str>,
    file: &'static str,
}

const CASES: [Case; 14] = [
    Case {
        draw: |ui| {
            let point = |x: f64, middle: f64| BandPoint {
                x,
                spread: [middle / 2.0, middle, 2.0 * middle],
            };
            let plot = BandPlot {
                name: "KL",
                y: "KL (nats)",
                x: "strength",
                range: [-8.0, 8.0],
                points: &[point(-8.0, 1.0), point(0.0, 0.0), point(8.0, 2.0)],
                base: Some(0.0),
                marks: &[],
                colour: Theme::from_ui(ui).hue(Hue::Edit),
                format: number::number,
                group: egui::Id::unique("strengths"),
                definition: DEFINITION,
            };
            plot.show(ui, vec2(ui.available_width().min(300.0), 160.0));
        },
        on: "KL: 1.00 at −8.00, 2.00 at 8.00",
        csv: "Strength,10 %,Median,90 %\r\n-8,0.5,1,2\r\n0,0,0,0\r\n8,1,2,4\r\n",
        value: None,
        file: "kl",
    },
    Case {
        draw: |ui| {
            HistogramPlot::new("Activations", &[0.0, 0.5, 1.0, 1.5], &[7, 30_000, 1])
                .size(vec2(ui.available_width().min(300.0), 140.0))
                .show(ui);
        },
        on: "Activations, 30\u{202F}008 active tokens",
        csv: "Activation from,Activation to,active tokens\r\n0,0.5,7\r\n0.5,1,30000\r\n1,1.5,1\r\n",
        value: Some("30000"),
        file: "activations",
    },
    Case {
        draw: |ui| {
            let counted = DensityHistogram::new(&[0.1, 0.01, 0.012], 4);
            let width = ui.available_width().min(300.0);
            counted.ui(ui, "Densities", vec2(width, 160.0));
        },
        on: "Densities: 3 fire, 4 dead",
        csv: "Density from,Density to,Features\r\ndead,,4\r\n",
        value: None,
        file: "densities",
    },
    Case {
        draw: |ui| {
            let bars = [Bar::new(" king", 0.123_456_789), Bar::new("a,b", -0.5)];
            Bars::new("Next tokens", &bars, Fill::Signed)
                .tokens()
                .definition(DEFINITION)
                .show(ui);
        },
        on: "king, 0.123",
        csv: "Label,Next tokens\r\n king,0.123456789\r\n\"a,b\",-0.5\r\n",
        value: Some("0.123456789"),
        file: "next-tokens",
    },
    Case {
        draw: |ui| {
            let names = ["0".to_owned(), "1".to_owned()];
            let side = |title| Side {
                title,
                names: &names,
            };
            let cells = [0.1_f32, 0.2, 0.3, 0.4].map(Cell::Value);
            HeatMap {
                title: "Spread (heads)",
                rows: side("Layer"),
                columns: side("Head"),
                cells: &cells,
                range: (0.0, 1.0),
                scale: Scale::Sequential(Hue::Activation),
                labels: &[],
                selected: Some((1, 0)),
                pictures: None,
                most: None,
                definition: DEFINITION,
                open: None,
            }
            .ui(ui, &|row, column| format!("Head {row}.{column}"));
        },
        on: "Head 1.0",
        csv: "Layer \\ Head,0,1\r\n0,0.1,0.2\r\n1,0.3,0.4\r\n",
        value: Some("0.3"),
        file: "spread-heads",
    },
    Case {
        draw: |ui| {
            let names = ["a".to_owned(), "b".to_owned()];
            let side = |title| Side {
                title,
                names: &names,
            };
            MatrixMap {
                name: "Pattern",
                title: "weight",
                rows: side("looks"),
                columns: side("at"),
                values: &[1.0, 0.0, 0.25, 0.75],
                revision: 1,
                most: 1.0,
                tint: Tint::Sequential(Hue::Model),
                selected: None,
                side: 200.0,
                definition: DEFINITION,
            }
            .ui(ui, &|row, column| format!("{row} looks at {column}"));
        },
        on: "Pattern",
        csv: "looks \\ at,a,b\r\na,1,0\r\nb,0.25,0.75\r\n",
        value: Some("0.75"),
        file: "pattern",
    },
    Case {
        draw: |ui| {
            let tokens = ["Once".to_owned(), " upon".to_owned()];
            TokenStrip::new("Sentence", &tokens)
                .values(&[0.5, 1.0 / 3.0], 1.0)
                .show(ui);
        },
        on: "upon, token 1",
        csv: "Position,Token,Activation\r\n0,Once,0.5\r\n1, upon,0.33333334\r\n",
        value: Some("0.33333334"),
        file: "sentence",
    },
    Case {
        draw: |ui| {
            let rows = ["0".to_owned(), "1".to_owned()];
            let columns = ["Once".to_owned()];
            let grid = TokenGrid {
                name: "Logit lens",
                rows: &rows,
                rows_title: "after layer",
                columns: &columns,
                selected: None,
                reveal: false,
                hue: Hue::Model,
                height: 200.0,
            };
            grid.ui(ui, &Guesses);
        },
        on: "row 1 column 0",
        csv: "after layer,Position,Token,Cell,Value\r\n0,0,Once, king,0\r\n1,0,Once, king,0.1\r\n",
        value: Some("0.1"),
        file: "logit-lens",
    },
    Case {
        draw: |ui| {
            let points = [[0.0, 1.0], [10.0, 0.3], [20.0, 0.1 + 0.2]];
            let series = [Series {
                name: "FVU",
                colour: Theme::from_ui(ui).series(0),
                points: &points,
            }];
            CurvePlot {
                name: "FVU",
                y: "FVU (share)",
                x: "Activations",
                series: &series,
                faint: &[],
                height: 160.0,
                group: None,
                format: number::number,
                definition: DEFINITION,
            }
            .ui(ui);
        },
        on: "FVU: FVU 0.300",
        csv: "series,Activations,FVU (share)\r\nFVU,0,1\r\nFVU,10,0.3\r\nFVU,20,0.30000000000000004\r\n",
        value: Some("0.3"),
        file: "fvu",
    },
    Case {
        draw: |ui| {
            let point = |rank: usize| RankPoint {
                rank,
                feature: rank as u32 + 7,
                density: 0.5 / rank as f64,
                law: None,
            };
            let points: Vec<RankPoint> = (1..=100).map(point).collect();
            RankPlot {
                name: "Density by rank",
                points: &points,
                tau: 0.5,
                height: 160.0,
            }
            .ui(ui);
        },
        on: "Density by rank: 50.0\u{202F}% at rank 1 to 0.500\u{202F}% at rank 100",
        csv: "Rank,Feature,Density,Law\r\n1,8,0.5,\r\n2,9,0.25,\r\n",
        value: None,
        file: "density-by-rank",
    },
    Case {
        draw: |ui| {
            let point = |i: u32| ScatterPoint {
                name: format!("L0H{i}"),
                at: [0.1 * f64::from(i), 0.25],
                chosen: i == 2,
            };
            let points: Vec<ScatterPoint> = (0..3).map(point).collect();
            let plot = ScatterPlot {
                name: "Heads",
                x: "short",
                y: "long",
                points: &points,
                height: 160.0,
                shares: true,
                definition: DEFINITION,
            };
            plot.show(ui);
        },
        on: "Heads: 3 points, L0H2 at 0.200, 0.250",
        csv: "name,short,long\r\nL0H0,0,0.25\r\nL0H1,0.1,0.25\r\n",
        value: None,
        file: "heads",
    },
    Case {
        draw: |ui| {
            let kinds = [("autoencoder", Shape::Circle), ("baseline", Shape::Diamond)];
            let kinds = kinds.map(|(name, shape)| PointKind {
                name,
                colour: Theme::from_ui(ui).series(0),
                shape,
            });
            let point = |name: &str, kind| NamedPoint {
                name: name.to_owned(),
                at: [32.0, 0.25],
                kind,
                chosen: kind == 0,
            };
            let axis = |title, log| Axis {
                title,
                log,
                ends: Some([0.1, 64.0]),
            };
            let plot = NamedPlot {
                name: "Front",
                axes: [axis("L0", true), axis("FVU", false)],
                kinds: &kinds,
                points: &[point("z0", 0), point("pca", 1)],
                lines: &[],
                height: 160.0,
                definition: DEFINITION,
            };
            plot.show(ui);
        },
        on: "Front: 2 points, z0 at 32.0, 0.250",
        csv: "name,kind,L0,FVU\r\nz0,autoencoder,32,0.25\r\n",
        value: None,
        file: "front",
    },
    Case {
        draw: |ui| {
            let names = ["256".to_owned(), "512".to_owned()];
            let parts = [Part {
                name: "Error",
                colour: Theme::from_ui(ui).hue(Hue::Error),
                heights: &[0.5, 0.25],
            }];
            StackPlot {
                name: "Error by width",
                definition: DEFINITION,
                x: "features",
                y: "FVU",
                at: &[256.0, 512.0],
                names: &names,
                parts: &parts,
                intervals: &[],
                curve: None,
                level: None,
                height: 160.0,
            }
            .show(ui);
        },
        on: "Error by width: 256 0.500, 512 0.250",
        csv: "features,Part,FVU\r\n256,Error,0.5\r\n512,Error,0.25\r\n",
        value: None,
        file: "error-by-width",
    },
    Case {
        draw: |ui| {
            let theme = Theme::from_ui(ui);
            let kinds = [("linear", 0.5), ("nonlinear", 1.0)].map(|(name, share)| Portion {
                name,
                colour: theme.mark(Hue::Error, share),
            });
            let list = [StackedBar {
                label: "digit".to_owned(),
                parts: vec![0.125, 0.25],
                text: "0.375".to_owned(),
                interval: Some([0.25, 0.5]),
                marks: Vec::new(),
                hover: String::new(),
            }];
            let bars = StackedBars {
                name: "Error by class",
                title: "Class",
                kinds: &kinds,
                list: &list,
                most: None,
                format: number::number,
                clickable: false,
                definition: DEFINITION,
            };
            bars.show(ui);
        },
        on: "digit, 0.375, 0.250 to 0.500",
        csv: "Class,linear,nonlinear,Whole,From,To\r\ndigit,0.125,0.25,0.375,0.25,0.5\r\n",
        value: Some("0.375"),
        file: "error-by-class",
    },
];

/// Every plot, by the label that it has.
pub(crate) fn plots() -> impl Iterator<Item = (&'static str, Draw)> {
    CASES.iter().map(|case| (case.on, case.draw))
}

const DEFINITION: &str = "What these numbers are";

struct Guesses;

impl Cells for Guesses {
    fn cell(&self, _: usize, _: usize) -> TokenCell<'_> {
        TokenCell {
            text: " king",
            share: 0.5,
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        format!("row {row} column {column}")
    }

    fn card_ui(&self, _: &mut egui::Ui, _: usize, _: usize) {}

    fn value(&self, row: usize, _: usize) -> csv::Value {
        (row as f64 / 10.0).into()
    }

    fn definition(&self) -> &'static str {
        DEFINITION
    }
}

fn asked(case: &Case) -> Harness<'static, Draw> {
    let mut harness = staged(|ui, draw: &mut Draw| draw(ui), case.draw);
    harness.run();
    harness.get_by_label(case.on).click_secondary();
    harness.run();
    harness
}

/// Clicks an entry; the text that it copies, if any.
fn click(harness: &mut Harness<'_, Draw>, entry: &str) -> Option<String> {
    harness.get_by_label(entry).click();
    let mut copied = None;
    for _ in 0..6 {
        harness.step();
        let commands = &harness.output().platform_output.commands;
        copied = copied.or_else(|| {
            commands.iter().find_map(|command| match command {
                egui::OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            })
        });
    }
    copied
}

fn saved(harness: &mut Harness<'_, Draw>, entry: &str) -> ToSave {
    click(harness, entry);
    to_save::take(&harness.ctx).expect("the entry leaves a file")
}

#[test]
fn every_plot_copies_the_exact_value_and_all_of_its_data() {
    for case in &CASES {
        let text = click(&mut asked(case), "Copy as CSV").unwrap();
        assert!(text.starts_with(case.csv), "{}: {text}", case.on);
        if let Some(value) = case.value {
            let copied = click(&mut asked(case), "Copy value");
            assert_eq!(copied.as_deref(), Some(value), "{}", case.on);
        }
    }
}

#[test]
fn every_plot_is_saved_as_a_picture_of_what_it_shows() {
    for case in &CASES {
        let svg = saved(&mut asked(case), "Save as SVG…");
        assert_eq!(svg.name, format!("{}.svg", case.file));
        let text = std::str::from_utf8(&svg.bytes).unwrap();
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert!(!text.contains("Copy value"), "no part of the menu: {text}");
        let marks = text.matches("fill=\"#").count();
        assert!(marks > 2, "{}: {text}", case.on);
        let png = saved(&mut asked(case), "Save as PNG…");
        assert_eq!(png.name, format!("{}.png", case.file));
        let image = image::load_from_memory(&png.bytes).unwrap().to_rgba8();
        let ground = image.get_pixel(0, 0);
        let painted = image.pixels().filter(|pixel| *pixel != ground).count();
        assert!(painted > 100, "{}: {painted} pixels", case.on);
    }
}

#[test]
fn every_plot_says_what_its_numbers_are() {
    for case in &CASES {
        let mut harness = asked(case);
        // The definition opens beside the entry, as soon as the pointer rests on it.
        harness
            .get_by_label_contains("What is this number?")
            .hover();
        harness.run();
        let before = harness.query_all_by_label_contains("Copy").count();
        assert!(before >= 1, "the menu stays open: {}", case.on);
        let words = [
            DEFINITION,
            "counted by",
            "Features by rank",
            "Activation of the feature",
        ];
        let said = words
            .iter()
            .any(|words| harness.query_by_label_contains(words).is_some());
        assert!(said, "{} says nothing", case.on);
    }
}

#[test]
fn the_keyboard_opens_the_menu_of_what_has_the_focus_and_gets_it_back() {
    let mut harness = staged(|ui, draw: &mut Draw| draw(ui), CASES[0].draw);
    harness.run();
    harness.key_press(Key::Tab);
    harness.run();
    harness.key_press_modifiers(Modifiers::SHIFT, Key::F10);
    harness.run();
    harness.run();
    harness.get_by_label("Copy as CSV");
    harness.key_down(Key::Enter);
    let mut copied = false;
    for _ in 0..6 {
        harness.step();
        let commands = &harness.output().platform_output.commands;
        copied |= commands
            .iter()
            .any(|command| matches!(command, egui::OutputCommand::CopyText(_)));
    }
    assert!(copied, "the first entry had the focus");
    assert!(harness.query_by_label("Copy as CSV").is_none());
    assert!(harness.get_by_label(CASES[0].on).is_focused());
}

#[test]
fn the_menu_key_of_the_window_opens_the_same_menu_on_a_piece_of_a_plot() {
    let grid = CASES.iter().find(|case| case.on == "Head 1.0").unwrap();
    let mut harness = staged(|ui, draw: &mut Draw| draw(ui), grid.draw);
    harness.ctx.add_plugin(Keyboard::default());
    harness.run();
    let whole = harness.get_by_role_and_label(Role::Image, "Spread (heads)");
    whole.focus();
    harness.run();
    harness.key_press(Key::Menu);
    harness.run();
    harness.run();
    let copied = click(&mut harness, "Copy value");
    assert_eq!(copied.as_deref(), grid.value);
}
