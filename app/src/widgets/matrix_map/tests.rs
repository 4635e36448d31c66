//! Pointing, zooming and walking by hand; CSV and SVG as text.

use egui::Key;
use egui_kittest::kittest::Queryable as _;

use super::*;
use crate::theme::Hue;

struct Stage {
    side: usize,
    answer: Answer,
    chosen: Option<(usize, usize)>,
}

/// A map of `side` × `side` whose cell is its own number, and the test's harness.
fn harness(side: usize) -> egui_kittest::Harness<'static, Stage> {
    let names: Vec<String> = (0..side).map(|i| format!("t{i}")).collect();
    let values: Vec<f32> = (0..side * side).map(|i| i as f32).collect();
    let stage = Stage {
        side,
        answer: Answer::default(),
        chosen: None,
    };
    let mut harness = egui_kittest::Harness::builder()
        .with_size((600.0, 400.0))
        .with_step_dt(0.02) // two clicks are a double click
        .with_max_steps(64)
        .with_context_setup(crate::theme::install)
        .build_ui_state(
            move |ui, stage: &mut Stage| {
                let map = map(&names, &values);
                stage.answer = map.ui(ui, &|row, column| format!("cell {row} {column}"));
                stage.chosen = stage.answer.chosen.or(stage.chosen);
            },
            stage,
        );
    harness.run();
    harness
}

fn map<'a>(names: &'a [String], values: &'a [f32]) -> MatrixMap<'a> {
    MatrixMap {
        name: "Pattern",
        title: "weight",
        rows: Side {
            title: "looks",
            names,
        },
        columns: Side { title: "at", names },
        values,
        revision: 1,
        most: values.len() as f32,
        tint: Tint::Sequential(Hue::Model),
        selected: None,
        side: 240.0,
        definition: "Share of the attention",
    }
}

fn rect(harness: &egui_kittest::Harness<'_, Stage>) -> Rect {
    harness.get_by_label("Pattern").rect()
}

/// Centre of a cell while everything is seen.
fn centre(harness: &egui_kittest::Harness<'_, Stage>, row: usize, column: usize) -> Pos2 {
    let rect = rect(harness);
    let cell = rect.width() / harness.state().side as f32;
    rect.min + vec2(column as f32 + 0.5, row as f32 + 0.5) * cell
}

fn click(harness: &egui_kittest::Harness<'_, Stage>, pos: Pos2) {
    for pressed in [true, false] {
        harness.event(egui::Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
    }
}

#[test]
fn a_click_chooses_the_cell_under_the_pointer_and_arrow_keys_walk_from_it() {
    let mut harness = harness(6);
    let at = centre(&harness, 4, 2);
    harness.hover_at(at);
    harness.run();
    assert_eq!(harness.state().answer.pointed, Some((4, 2)));
    harness.get_by_label("cell 4 2");
    click(&harness, at);
    harness.run();
    assert_eq!(harness.state().chosen, Some((4, 2)));
    harness.key_press(Key::ArrowUp);
    harness.run();
    assert_eq!(harness.state().chosen, Some((3, 2)));
    harness.key_press(Key::ArrowRight);
    harness.run();
    assert_eq!(harness.state().chosen, Some((3, 3)));
}

#[test]
fn the_wheel_zooms_about_the_pointer_and_a_double_click_shows_everything_again() {
    // 120 cells of 2 points: more than are painted one by one.
    let mut harness = harness(120);
    let at = centre(&harness, 90, 30);
    harness.hover_at(at);
    harness.run();
    assert_eq!(harness.state().answer.pointed, Some((90, 30)));
    let wheel = |harness: &mut egui_kittest::Harness<'_, Stage>| {
        harness.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: vec2(0.0, 400.0),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Unknown,
            modifiers: egui::Modifiers::NONE,
        });
        harness.run();
    };
    wheel(&mut harness);
    assert_eq!(
        harness.state().answer.pointed,
        Some((90, 30)),
        "it stays under the pointer"
    );
    let beside = at + vec2(12.0, 0.0);
    harness.hover_at(beside);
    harness.run();
    let (row, column) = harness.state().answer.pointed.unwrap();
    assert_eq!(row, 90);
    assert!(
        (31..36).contains(&column),
        "whole, it would be cell 36: {column}"
    );
    for _ in 0..2 {
        click(&harness, beside);
    }
    harness.run();
    assert_eq!(harness.state().answer.pointed, Some((90, 36)));
}

#[test]
fn names_keep_their_distance_and_the_lit_one_is_there() {
    assert_eq!(named(0..6, 20.0, Some(3)), [0, 1, 2, 3, 4, 5]);
    assert_eq!(named(0..40, 1.3, None), [0, 10, 20, 30]);
    assert_eq!(named(5..40, 1.3, Some(23)), [10, 23]);
}

#[test]
fn csv_and_svg_hold_every_value_that_is_seen() {
    let names = ["a".to_owned(), "<b>".to_owned()];
    let values = [0.25, 0.0, 0.5, 1.0];
    let map = MatrixMap {
        most: 1.0,
        ..map(&names, &values)
    };
    assert_eq!(map.csv(), "looks \\ at,a,<b>\r\na,0.25,0\r\n<b>,0.5,1\r\n");
    let svg = map.svg(Theme::which(false));
    let cells = svg.matches("width=\"13\"").count();
    assert_eq!(cells, 3, "0 is the ground: {svg}");
    assert!(svg.contains("&lt;b&gt;") && svg.contains("weight 1.00") && svg.ends_with("</svg>\n"));
}

#[test]
fn a_diverging_map_shows_what_is_below_0_in_the_other_colour() {
    let names = ["a".to_owned(), "b".to_owned()];
    let values = [0.5, -0.5, 0.0, 0.25];
    let map = MatrixMap {
        most: 0.5,
        tint: Tint::Diverging,
        ..map(&names, &values)
    };
    for dark in [true, false] {
        let theme = Theme::which(dark);
        assert_eq!(map.colour(theme, 0.5), theme.diverging_tint(1.0).fill);
        assert_eq!(map.colour(theme, -0.5), theme.diverging_tint(-1.0).fill);
        assert_ne!(map.colour(theme, 0.5), map.colour(theme, -0.5));
    }
    let svg = map.svg(Theme::which(false));
    assert_eq!(svg.matches("width=\"13\"").count(), 3, "{svg}");
    assert!(svg.contains("weight −0.500"), "{svg}");
}
