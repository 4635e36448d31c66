//! Checks what all forms share: controls in one column, the main button in view in the smallest window with the largest text.

use egui::{Role, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use super::arranged::dialogs;
use super::{Desk, Window, harness, with_model};
use crate::state::AppState;
use crate::state::steering::EditDraft;
use crate::state::view::ViewId;

/// Size in points of a window of 1000 × 700 with text at 160 %.
const SMALLEST: [f32; 2] = [625.0, 437.5];

/// Checks that the button named `words` stands whole in a window of the smallest size.
#[track_caller]
fn in_view(harness: &Harness<'_, Window>, words: &str) {
    let [width, height] = SMALLEST;
    let all = harness.query_all_by_role_and_label(Role::Button, words);
    let rects: Vec<egui::Rect> = all.map(|node| node.rect()).collect();
    let window = egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(width, height));
    let shown = rects.iter().any(|rect| window.contains_rect(*rect));
    assert!(shown, "{words}: {rects:?}");
}

fn smallest(desk: Desk) -> Harness<'static, Window> {
    let mut harness = Window::build(Harness::builder(), desk);
    harness.set_size(SMALLEST.into());
    harness
}

#[test]
fn the_main_button_of_every_screen_and_dialog_is_in_view() {
    for (view, words) in [
        (ViewId::Training, "Start training"),
        (ViewId::Steering, "Run"),
    ] {
        let mut state = with_model();
        for part in ["training settings", "sampling", "place of edits"] {
            state.settings.unfolded.insert(part.to_owned());
        }
        let mut harness = smallest(Desk::new(state));
        harness.state_mut().go(view);
        Window::draw(&mut harness);
        in_view(&harness, words);
    }
    for (name, desk) in dialogs() {
        let words = match name {
            "settings" => "Done",
            "question" => "Restore",
            "model" | "dictionary" => "Open",
            "path" => "Choose this folder",
            _ => continue,
        };
        let mut harness = smallest(desk);
        let state = &mut harness.state_mut().desk.state;
        state.settings.unfolded.insert("opening options".to_owned());
        Window::draw(&mut harness);
        in_view(&harness, words);
    }
}

/// Left edges of the controls with these roles and labels.
fn lefts(view: ViewId, state: AppState, controls: &[(Role, &str)]) -> Vec<f32> {
    let mut harness = harness(view, state);
    harness.set_size(vec2(1200.0, 2400.0));
    harness.run();
    let left = |(role, label): &(Role, &str)| {
        let found = harness.get_by_role_and_label(*role, label);
        found.rect().left()
    };
    controls.iter().map(left).collect()
}

#[track_caller]
fn in_one_column(view: ViewId, state: AppState, controls: &[(Role, &str)]) {
    let lefts = lefts(view, state, controls);
    let first = lefts[0];
    assert!(
        lefts.iter().all(|left| (left - first).abs() < 0.5),
        "{lefts:?}"
    );
}

#[test]
fn the_controls_of_training_stand_in_one_column() {
    let mut state = with_model();
    state
        .settings
        .unfolded
        .insert("training settings".to_owned());
    let (text, choice, check) = (Role::TextInput, Role::ComboBox, Role::CheckBox);
    let controls = [
        (choice, "Source"),
        (choice, "Start from"),
        (choice, "Hook"),
        (text, "Name"),
        (choice, "Variant"),
        (text, "k"),
        (text, "Training tokens"),
        (text, "Checkpoint every"),
        (text, "Learning rate"),
        (text, "Gradient clip"),
        (text, "EMA"),
        (check, "Geometric median"),
    ];
    in_one_column(ViewId::Training, state, &controls);
}

#[test]
fn the_controls_of_steering_stand_in_columns() {
    let mut state = with_model();
    state.prompt.text = "Once".to_owned();
    for part in ["sampling", "place of edits"] {
        state.settings.unfolded.insert(part.to_owned());
    }
    let draft = &mut state.steering.draft;
    draft.edits.push(EditDraft::new("scale"));
    let (number, choice, text) = (Role::SpinButton, Role::ComboBox, Role::TextInput);
    for controls in [
        &[
            (number, "Temperature"),
            (number, "Top k"),
            (number, "Top p"),
            (number, "Repetition penalty"),
        ][..],
        &[(number, "Length"), (number, "Seed"), (text, "Stop at")],
        &[(choice, "Action of edit 1"), (choice, "Action of edit 2")],
    ] {
        let state = AppState {
            settings: state.settings.clone(),
            ..again(&state)
        };
        in_one_column(ViewId::Steering, state, controls);
    }
}

/// Two edits over the model, as `state` has them.
fn again(state: &AppState) -> AppState {
    let mut fresh = with_model();
    fresh.prompt.text.clone_from(&state.prompt.text);
    fresh.steering.draft = state.steering.draft.clone();
    fresh
}

#[test]
fn an_error_of_training_waits_until_its_field_is_left() {
    let mut harness = harness(ViewId::Training, with_model());
    let field = || (Role::TextInput, "k");
    let (role, label) = field();
    harness.get_by_role_and_label(role, label).focus();
    harness.run();
    harness.get_by_role_and_label(role, label).type_text("many");
    harness.run();
    apply(&mut harness);
    let why = "is not a whole number";
    assert!(harness.query_by_label_contains(why).is_none());
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert!(harness.query_all_by_label_contains(why).count() > 0);
    assert!(
        harness
            .get_by_label("Start training")
            .accesskit_node()
            .is_disabled()
    );
}

/// Fills the form of Training in as it was asked for.
fn apply(harness: &mut Harness<'_, super::Stage>) {
    use crate::state::requests::{Command, training};
    let sent = harness.state_mut().commands.take();
    for command in sent {
        if let Command::Training(training::Command::Fill(form)) = command {
            harness.state_mut().state.training.form = form;
        }
    }
    harness.run();
}
