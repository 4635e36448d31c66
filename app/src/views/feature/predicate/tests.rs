//! Drives the test of a predicate by the names of its controls.

use egui::Key as Press;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::ids::FeatureId;

use super::ready_made;
use crate::state::catalogue::DictionaryId;
use crate::state::families::{Event as Changed, Key};
use crate::state::requests::{Command, families, prompt};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing::{self, Stage};

fn harness(state: AppState) -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.set_size(egui::vec2(1440.0, 2600.0)); // a click needs its target in view
    harness.run();
    harness
}

fn taken(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    harness.state_mut().commands.take()
}

/// The page of feature 0 with this text in the field, and no test.
fn with_text(text: &str) -> AppState {
    let mut state = testing::with_model();
    state.families = crate::state::families::FamiliesState::default();
    state.apply(Event::Families(Changed::Predicate(text.to_owned())));
    state
}

fn key(predicate: &str) -> Key {
    Key {
        dictionary: DictionaryId(0),
        feature: FeatureId(0),
        predicate: predicate.to_owned(),
    }
}

#[test]
fn a_predicate_is_typed_and_run_by_its_button_or_enter() {
    let mut harness = harness(with_text("repeats(fuzzy)"));
    taken(&mut harness);
    harness.get_by_label("Predicate").focus();
    harness.run();
    harness.get_by_label("Predicate").type_text(" and digit");
    harness.run();
    let typed = taken(&mut harness);
    let [Command::Families(families::Command::Predicate(text))] = typed.as_slice() else {
        panic!("{typed:?}");
    };
    assert!(text.contains(" and digit"), "{text}");
    let run: Command = families::Command::Test(key("repeats(fuzzy)")).into();
    harness.key_press(Press::Enter);
    harness.run();
    assert!(taken(&mut harness).contains(&run));
    harness.get_by_label("Test").click();
    harness.run();
    assert!(taken(&mut harness).contains(&run));
}

#[test]
fn a_wrong_predicate_says_where_and_does_not_run() {
    let mut harness = harness(with_text("repeats(fuzy)"));
    harness.get_by_label_contains("At character 9, repeats needs `exact` or `fuzzy`");
    harness.get_by_label("Predicate").focus();
    harness.run();
    taken(&mut harness);
    harness.key_press(Press::Enter);
    harness.run();
    let tests =
        |command: &Command| matches!(command, Command::Families(families::Command::Test(_)));
    assert!(!taken(&mut harness).iter().any(tests));
}

#[test]
fn an_answer_shows_figures_plots_and_the_tokens_that_were_missed() {
    let mut harness = harness(testing::with_model());
    harness.get_by_label_contains("Specificity: ");
    harness.get_by_label_contains("Expected value: ");
    harness.get_by_label_contains("Missed: 77");
    harness.get_by_label("94.2\u{202F}%"); // 113 of 120
    harness.get_by_label_contains("Over 200 041 tokens of girls.txt");
    let missed = harness.get_all_by_label_contains("Missed token").count();
    assert!(missed >= 1);
    harness.get_by_label("Show 8 more").click();
    harness.run();
    taken(&mut harness);
    // A missed token opens in Prompt, at its place.
    {
        let mut tokens = harness.get_all_by_label("Rabbit, token 2");
        let first = tokens.next().expect("the first missed token");
        first.click();
    }
    harness.run();
    let opens =
        |command: &Command| matches!(command, Command::Prompt(prompt::Command::Example { .. }));
    assert!(taken(&mut harness).iter().any(opens));
}

#[test]
fn a_running_and_a_stopped_test_say_so() {
    let mut state = with_text("digit");
    state.apply(Event::Families(Changed::Answer(
        key("digit"),
        Load::Loading,
    )));
    harness(state).get_by_label_contains("Testing…");
    let mut state = with_text("digit");
    for load in [Load::Loading, Load::Absent] {
        state.apply(Event::Families(Changed::Answer(key("digit"), load)));
    }
    harness(state).get_by_label("The test was stopped");
}

#[test]
fn the_first_ready_made_predicate_of_an_induction_feature_is_its_own() {
    let state = testing::typical();
    let table = state.features.table_for(DictionaryId(0)).unwrap();
    let of = |feature| ready_made(table.measured(FeatureId(feature)));
    assert_eq!(of(0)[0].1, "repeats(fuzzy) and next_is(\" rabbit\")");
    assert_eq!(of(1)[0].1, "repeats(fuzzy)");
}
