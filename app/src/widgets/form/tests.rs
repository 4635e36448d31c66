//! Drives the grid of forms: columns, marks, errors, folds and footers.

use egui::{Role, TextEdit, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::*;
use crate::widgets::staged;

fn edit_ui(ui: &mut Ui, text: &mut String, width: f32) -> Response {
    ui.add(TextEdit::singleline(text).desired_width(width))
}

/// Two rows; the error of the first depends on both values.
#[derive(Default)]
struct Two {
    values: [String; 2],
    reset: bool,
}

fn two_ui(ui: &mut Ui, two: &mut Two) {
    let error = |i: usize| (two.values[i].len() > 3).then_some("write at most three letters");
    let errors = [error(0), error(1)];
    let labels = ["k", "Checkpoint every"];
    for i in 0..2 {
        let row = Row {
            label: labels[i],
            unit: if i == 0 { "features" } else { "min" },
            reset: (i == 0).then_some("24"),
            error: errors[i],
            ..Row::default()
        };
        two.reset |= row.ui(ui, |ui, width| edit_ui(ui, &mut two.values[i], width));
    }
}

#[test]
fn labels_controls_and_units_stand_in_columns() {
    let harness = staged(two_ui, Two::default());
    let left = |role: Role, label: &str| harness.get_by_role_and_label(role, label).rect().left();
    let input = Role::TextInput;
    assert!((left(input, "k") - left(input, "Checkpoint every")).abs() < 0.5);
    assert!((left(Role::Label, "k") - left(Role::Label, "Checkpoint every")).abs() < 0.5);
    assert!((left(Role::Label, "features") - left(Role::Label, "min")).abs() < 0.5);
}

#[test]
fn only_a_changed_value_has_a_reset_button() {
    let mut harness = staged(two_ui, Two::default());
    assert!(
        harness
            .query_by_label_contains("Reset Checkpoint")
            .is_none()
    );
    harness.get_by_label("Reset k to 24").click();
    harness.run();
    assert!(harness.state().reset);
}

#[test]
fn an_error_waits_until_its_field_is_left() {
    let words = "write at most three letters";
    let mut harness = staged(two_ui, Two::default());
    let field = |harness: &egui_kittest::Harness<'_, Two>, label: &str| {
        harness
            .get_by_role_and_label(Role::TextInput, label)
            .focus();
    };
    field(&harness, "k");
    harness.run();
    harness
        .get_by_role_and_label(Role::TextInput, "k")
        .type_text("many");
    harness.run();
    assert_eq!(harness.state().values[0], "many");
    assert!(harness.query_by_label_contains(words).is_none());
    field(&harness, "Checkpoint every");
    harness.run();
    harness.get_by_label_contains(words);
    // What is written in another field neither hides it nor brings up a second one.
    harness
        .get_by_role_and_label(Role::TextInput, "Checkpoint every")
        .type_text("often");
    harness.run();
    assert_eq!(harness.query_all_by_label_contains(words).count(), 1);
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert_eq!(harness.query_all_by_label_contains(words).count(), 2);
}

#[test]
fn a_fold_says_what_is_in_it_and_unfolds() {
    let mut harness = staged(
        |ui, open: &mut bool| {
            if fold(ui, *open, "Sampling", "temperature 0.8") {
                *open = !*open;
            }
        },
        false,
    );
    harness.get_by_label("temperature 0.8");
    harness.get_by_label("Sampling").click();
    harness.run();
    assert!(*harness.state());
    assert!(harness.query_by_label("temperature 0.8").is_none());
}

fn long_ui(ui: &mut Ui, lines: usize, pressed: &mut bool) {
    with_footer(ui, "form", |ui, part| {
        if part == Part::Footer {
            *pressed |= main_button(ui, true, icons::PLAY, "Start").clicked();
            return reason(ui, &"a reason that is long enough for two lines ".repeat(6));
        }
        for i in 0..lines {
            ui.label(format!("Line {i}"));
        }
    });
}

#[test]
fn a_footer_stays_in_view_under_content_that_scrolls() {
    for long in [false, true] {
        let lines = if long { 80 } else { 2 };
        let mut harness = staged(move |ui, pressed| long_ui(ui, lines, pressed), false);
        harness.set_size(vec2(420.0, 240.0));
        harness.run();
        let button = harness.get_by_label("Start").rect();
        let bottom = harness.get_by_label_contains("a reason").rect().bottom();
        assert!(
            button.top() > 100.0 && bottom <= 240.0,
            "{button:?} {bottom}"
        );
        harness.get_by_label("Start").click();
        harness.run();
        assert!(*harness.state());
    }
}

#[test]
fn a_disabled_main_button_is_named_and_disabled() {
    let harness = staged(
        |ui, (): &mut ()| {
            main_button(ui, false, icons::PLAY, "Run");
        },
        (),
    );
    assert!(harness.get_by_label("Run").accesskit_node().is_disabled());
}
