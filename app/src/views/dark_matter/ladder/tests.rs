//! The panel with a ladder: its answer, its choice of dictionaries, its figures, and the form that trains another.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::state::AppState;
use crate::state::dark_matter::question::Question;
use crate::state::requests::{self, navigation, training};
use crate::state::view::ViewId;
use crate::testing::ladders::with_ladder;
use crate::testing::{self, Stage};

fn shown(state: AppState) -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::DarkMatter, state);
    harness.set_size(egui::vec2(1200.0, 2400.0));
    harness.run();
    harness.state_mut().commands.take();
    harness
}

#[test]
fn a_ladder_shows_its_answer_its_law_and_every_figure() {
    let mut harness = shown(with_ladder([32.0; 4]));
    let said = "From 256 to 2048 features FVU falls from 0.400 to 0.225";
    assert!(harness.query_all_by_label_contains(said).count() > 0);
    harness.get_by_label_contains("one degree of freedom");
    harness.get_by_label_contains("Error by width: 256 0.400");
    harness.get_by_label_contains("FVU = c + a");
    harness.get_by_label("512 from 256: 0.900");
    harness.get_by_label("What the nonlinear norm adds").click();
    harness.run();
    harness.get_by_label("512 from 256: 0.100");
    harness.get_by_label_contains("L0 of about 32");
    harness.get_by_label_contains("1 of 2 · alice.txt");
    harness.get_by_label("Next passage").click();
    harness.run();
    harness.get_by_label_contains("2 of 2 · girls.txt");
}

#[test]
fn dictionaries_of_several_l0s_become_a_map() {
    let harness = shown(with_ladder([16.0, 16.0, 64.0, 64.0]));
    harness.get_by_label_contains("differ in L0");
    harness.get_by_label("ladder-1024, 1024 features, L0 64.0: FVU 0.250");
    harness.get_by_label("256 features, L0 64.0: no dictionary");
}

#[test]
fn a_hook_with_one_dictionary_offers_to_train_a_ladder() {
    let mut state = testing::with_model();
    state.selection.question = Question::Ladder;
    let mut harness = shown(state);
    harness.get_by_label_contains("This hook has one dictionary");
    harness.get_by_label("Train a ladder…").click();
    harness.run();
    let sent = testing::asked(&mut harness);
    let [
        requests::Command::Training(training::Command::Fill(form)),
        go,
    ] = sent.as_slice()
    else {
        panic!("{sent:?}");
    };
    assert_eq!(*go, navigation::Command::Go(ViewId::Training).into());
    let first: usize = form.settings["features"].parse().unwrap();
    let widths: Vec<usize> = (form.also.iter())
        .map(|draft| draft.settings["features"].parse().unwrap())
        .collect();
    assert_eq!(widths, [2 * first, 4 * first, 8 * first]);
    assert!(form.also.iter().all(|draft| draft.hook() == form.hook()));
}
