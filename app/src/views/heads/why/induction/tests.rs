//! The lab offers its measurements, shows them for the chosen head, and lets heads and features be chosen.

use egui_kittest::kittest::Queryable as _;
use umbra_core::ids::{FeatureId, Head, Layer};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::induction::Event as Lab;
use crate::state::heads::step::{Shown, Step, Tab};
use crate::state::requests::heads::induction::Command;
use crate::state::requests::navigation;
use crate::state::selection::Event as Selected;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing;
use crate::widgets::number;

fn show(state: &mut AppState, tab: Tab) {
    let step = Step::Why;
    state.apply(Event::Selection(Selected::Shown(Shown { step, tab })));
}

#[test]
fn before_it_is_measured_the_lab_says_what_it_does_and_offers_it() {
    let mut state = testing::with_model();
    show(&mut state, Tab::Induction);
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label_contains("An induction head attends to what followed");
    harness.state_mut().commands.take();
    harness.get_by_label("Measure all heads").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(sent.contains(&Command::Measure.into()), "{sent:?}");
}

#[test]
fn curves_and_text_are_those_of_the_chosen_head_and_another_can_be_chosen() {
    let mut state = testing::with_model();
    testing::induction::measured(&mut state);
    show(&mut state, Tab::Induction);
    state.apply(Event::Selection(Selected::Head(Layer(0), Head(1))));
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label("L0H1 by length of the copy, other heads behind");
    harness.get_by_label_contains("Heads by copy length: 32 points, L0H1 at 0.0120, 0.0120");
    harness.get_by_label_contains("No pair of this head has a copy");
    harness.state_mut().commands.take();
    // The strongest head first.
    harness.get_by_label("L3H6  0.500").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&Command::Select(Layer(3), Head(6)).into()),
        "{sent:?}"
    );
    let state = &mut harness.state_mut().state;
    state.apply(Event::Selection(Selected::Head(Layer(3), Head(6))));
    harness.run();
    harness.get_by_label("Attention to the right source: L3H6 0.700");
    harness.get_by_label_contains("Mean of 50 pairs");
}

#[test]
fn sentences_with_two_names_list_features_and_both_baselines() {
    let mut state = testing::with_model();
    show(&mut state, Tab::Names);
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.state_mut().commands.take();
    harness.get_by_label_contains("Measure with ").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&Command::Names(DictionaryId(0), None).into()),
        "{sent:?}"
    );
    testing::induction::measured(&mut harness.state_mut().state);
    harness.run();
    harness.get_by_label_contains("100 sentences: the logit of the right name is 7.25 above");
    // (6.5 − 1) / (7.25 − 1) and (6.5 + 2) / (7.25 + 2).
    harness.get_by_label_contains("A keeps 88.0");
    harness.state_mut().commands.take();
    harness
        .get_by_label_contains("Feature 7 at the repeated name")
        .click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let want = navigation::Command::SelectFeature(Some(FeatureId(7)));
    assert!(sent.contains(&want.into()), "{sent:?}");
}

#[test]
fn an_earlier_layer_is_the_default_and_the_last_one_is_said_not_to_matter() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let mut state = std::mem::take(&mut desk.state);
    show(&mut state, Tab::Names);
    state.apply(Event::Selection(Selected::Head(Layer(3), Head(3))));
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label("Measure with attn-2");
    harness.get_by_label_contains("It reads 100 sentences");
    let state = &mut harness.state_mut().state;
    let all = &state.catalogue.dictionaries;
    let last = all.iter().find(|one| one.name == "attn-3").unwrap().id;
    state.apply(Event::Heads(Heads::Induction(Lab::Dictionary(last))));
    harness.run();
    harness.get_by_label("Measure with attn-3");
    harness.get_by_label_contains("Nothing set at the repeated name in the last layer reaches");
}

#[test]
fn the_cost_is_said_before_and_that_it_was_stopped_after() {
    let mut state = testing::with_model();
    show(&mut state, Tab::Induction);
    let mut harness = testing::harness(ViewId::Heads, state);
    let all = number::count(3_600);
    harness.get_by_label_contains(&format!("It reads {all} sequences once each"));
    let of = |load| {
        let lab = Lab::Synthetic("model".to_owned(), load);
        Event::Heads(Heads::Induction(lab))
    };
    let state = &mut harness.state_mut().state;
    state.apply(of(Load::Loading));
    state.apply(of(Load::Absent));
    harness.run();
    harness.get_by_label_contains("The measurement was stopped; nothing of it was kept.");
}
