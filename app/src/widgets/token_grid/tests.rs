//! Drives cells by name; only visible cells exist.

use egui_kittest::kittest::Queryable as _;

use super::*;
use crate::widgets::staged;

struct Numbers;

impl Cells for Numbers {
    fn cell(&self, _: usize, column: usize) -> TokenCell<'_> {
        TokenCell {
            text: " king",
            share: column as f32 / 100.0,
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        format!("row {row} column {column}")
    }

    fn card_ui(&self, ui: &mut Ui, row: usize, column: usize) {
        ui.label(format!("card of {row} {column}"));
    }
}

/// The clicked cell, and whether the chosen column is still to be scrolled into view.
type Stage = (Option<(usize, usize)>, bool);

fn harness(selected: Option<usize>) -> egui_kittest::Harness<'static, Stage> {
    let rows: Vec<String> = (0..40).map(|i| i.to_string()).collect();
    let columns: Vec<String> = (0..500).map(|i| format!(" w{i}")).collect();
    let mut harness = staged(
        move |ui, (clicked, reveal): &mut Stage| {
            let grid = TokenGrid {
                name: "grid",
                rows: &rows,
                rows_title: "layer",
                columns: &columns,
                selected,
                reveal: *reveal,
                hue: Hue::Model,
                height: 300.0,
            };
            *clicked = grid.ui(ui, &Numbers).or(*clicked);
            *reveal = false;
        },
        (None, true),
    );
    harness.run();
    harness
}

#[test]
fn a_cell_in_view_is_clicked_by_name_and_shows_its_card() {
    let mut harness = harness(None);
    assert!(harness.query_by_label("row 39 column 499").is_none());
    harness.get_by_label("row 2 column 3").click();
    harness.run();
    assert_eq!(harness.state().0, Some((2, 3)));
    harness.get_by_label("row 1 column 1").hover();
    harness.run();
    harness.get_by_label("card of 1 1");
}

#[test]
fn the_chosen_column_is_brought_into_view() {
    let mut harness = harness(Some(300));
    harness.run_steps(30);
    harness.get_by_label("row 0 column 300");
    assert!(harness.query_by_label("row 0 column 0").is_none());
}

#[test]
fn only_what_is_between_is_in_view() {
    assert_eq!(range(0.0, 50.0, 24.0, 9), 0..3);
    assert_eq!(range(30.0, 60.0, 24.0, 2), 1..2);
    assert_eq!(range(500.0, 600.0, 24.0, 9), 9..9);
}
