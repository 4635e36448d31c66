//! Points, clicks and walks in a grid; only what is in view exists.

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use super::*;
use crate::widgets::staged;

/// A cell on each third place.
struct Thirds;

impl Rows for Thirds {
    fn share(&self, row: usize, column: usize) -> f32 {
        match (row + column) % 3 {
            0 => 0.7,
            1 if row == 1 => -0.3,
            _ => 0.0,
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        format!("row {row} column {column}")
    }

    fn csv(&self) -> String {
        "row,column\r\n".to_owned()
    }

    fn name_ui(&mut self, ui: &mut Ui, row: usize) {
        ui.label(format!("name {row}"));
    }
}

type Chosen = (Option<usize>, Option<usize>);

/// Frames during which the chosen column is brought into view.
const REVEALED: u64 = 20;

fn harness(rows: usize, columns: usize, selected: Chosen) -> Harness<'static, Chosen> {
    let tokens: Vec<String> = (0..columns).map(|i| format!(" w{i}")).collect();
    let mut harness = staged(
        move |ui, chosen: &mut Chosen| {
            let reply = CellGrid {
                name: "grid",
                definition: "a made-up number",
                rows,
                columns: &tokens,
                selected: *chosen,
                pointed: None,
                reveal: (false, ui.ctx().cumulative_frame_nr() < REVEALED),
                signed: true,
                gutter: 90.0,
                height: 300.0,
            }
            .show(ui, &mut Thirds);
            if let Some((row, column)) = reply.chosen {
                *chosen = (Some(row), Some(column));
            }
        },
        selected,
    );
    harness.run_steps(30);
    harness
}

#[test]
fn a_click_chooses_row_and_column_of_active_and_silent_cells() {
    let mut harness = harness(5, 10, (None, None));
    harness.get_by_label("name 4");
    harness.get_by_label("row 1 column 2").click();
    harness.run();
    assert_eq!(*harness.state(), (Some(1), Some(2)));
    // The neighbour is silent: no name of its own, but it can be clicked.
    assert!(harness.query_by_label("row 2 column 2").is_none());
    let at = harness.get_by_label("row 1 column 2").rect().center() + vec2(0.0, ROW);
    harness.hover_at(at);
    harness.run();
    harness.get_by_label("row 2 column 2");
    harness.drag_at(at);
    harness.drop_at(at);
    harness.run();
    assert_eq!(*harness.state(), (Some(2), Some(2)));
}

#[test]
fn a_right_click_says_what_a_number_is() {
    let mut harness = harness(5, 10, (None, None));
    harness.get_by_label("row 1 column 2").click_secondary();
    harness.run();
    harness
        .get_by_label_contains("What is this number")
        .click_accesskit();
    harness.run();
    harness.get_by_label_contains("made-up number");
}

#[test]
fn arrow_keys_walk_and_stop_at_the_edges() {
    let mut harness = harness(3, 4, (None, None));
    harness.get_by_label("grid").focus();
    harness.run();
    let keys = [
        (Key::ArrowRight, (0, 1)),
        (Key::ArrowDown, (1, 1)),
        (Key::End, (1, 3)),
        (Key::ArrowRight, (1, 3)),
        (Key::ArrowUp, (0, 3)),
        (Key::ArrowUp, (0, 3)),
        (Key::Home, (0, 0)),
    ];
    for (key, (row, column)) in keys {
        harness.key_press(key);
        harness.run();
        assert_eq!(*harness.state(), (Some(row), Some(column)), "{key:?}");
    }
}

#[test]
fn the_chosen_column_is_brought_into_view_and_only_what_is_seen_is_drawn() {
    let harness = harness(2000, 2000, (Some(0), Some(999)));
    harness.get_by_label("row 0 column 999");
    for far in ["row 0 column 0", "row 0 column 900", "row 0 column 1101"] {
        assert!(harness.query_by_label(far).is_none(), "{far}");
    }
    assert!(harness.query_by_label("name 100").is_none());
    let cells = harness.output().shapes.len();
    assert!((1..10_000).contains(&cells), "{cells} shapes are painted");
}
