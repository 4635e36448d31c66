//! The panel opens on a feature that fires, says what lost the cut-off, and shows sum, bars and map.

use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::dims::Matrix;
use umbra_core::heads::Attribution;
use umbra_core::ids::{FeatureId, Head, Layer, TokenId};
use umbra_core::latents::Latents;
use umbra_core::prompt::{Input, Reading};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::attribution::{Event as Panel, Key, Read};
use crate::state::heads::step::{Shown, Step, Tab};
use crate::state::requests::heads::attribution::Command;
use crate::state::requests::{heads, navigation};
use crate::state::selection::Event as Selected;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing::{self, Stage, Window};

const ID: DictionaryId = DictionaryId(0);

fn key(feature: u32, at: usize) -> Key {
    Key {
        dictionary: ID,
        feature: FeatureId(feature),
        input: Input::Text("a b".to_owned()),
        at,
    }
}

/// The sentence "a b": feature 2 fires at its second token, features 3 and 4 less.
fn reading() -> Reading {
    let act = |feature: u32, act: f32| (FeatureId(feature), act);
    let rows = [vec![act(3, 1.5)], vec![act(2, 3.0), act(4, 0.5)]];
    Reading {
        tokens: vec![TokenId(1), TokenId(2)],
        texts: vec!["a".to_owned(), " b".to_owned()],
        text: "a b".to_owned(),
        spans: vec![0..1, 1..3],
        counts: vec![true, true],
        latents: Latents::from_unsorted(&rows).unwrap(),
        next: vec![Vec::new(), Vec::new()],
        ..Reading::default()
    }
}

fn found(feature: u32, at: usize) -> Attribution {
    Attribution {
        feature: FeatureId(feature),
        at,
        active: true,
        activation: 0.75,
        cut_off: Some(0.5),
        explained: "Explains the pre-activation 0.75.".to_owned(),
        tokens: vec![TokenId(1), TokenId(2)],
        texts: vec!["a".to_owned(), " b".to_owned()],
        by_head_and_source: Matrix::new(2, 2, vec![0.5, -0.25, 0.25, 0.5]).unwrap(),
        pre_activation: 0.75,
        decoder_bias: 0.5,
        encoder_bias: 0.25,
    }
}

fn apply(state: &mut AppState, event: Panel) {
    state.apply(Event::Heads(Heads::Attribution(event)));
}

/// The step *why* with the sentence read; `selected` is the feature in use.
fn read(selected: Option<u32>) -> AppState {
    let mut state = testing::with_model();
    state.prompt.text = "a b".to_owned();
    state.selection.feature = selected.map(FeatureId);
    state.selection.token = None;
    let of = (ID, Input::Text("a b".to_owned()));
    apply(&mut state, Panel::Reading(of.clone(), Load::Loading));
    let ready = Load::Ready(Arc::new(Read::new(reading())));
    apply(&mut state, Panel::Reading(of, ready));
    let shown = Shown {
        step: Step::Why,
        tab: Tab::Attribution,
    };
    state.apply(Event::Selection(Selected::Shown(shown)));
    state
}

fn attributed(mut state: AppState, key: &Key, found: Attribution) -> AppState {
    for load in [Load::Loading, Load::Ready(Arc::new(found))] {
        apply(&mut state, Panel::Attribution(key.clone(), load));
    }
    state
}

fn drawn(state: AppState) -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.set_size(egui::vec2(1200.0, 1400.0));
    harness.run();
    harness
}

/// Requests of the panel that were sent.
fn sent(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    let all = harness.state_mut().commands.take();
    let of_panel = |command| match command {
        crate::state::requests::Command::Heads(heads::Command::Attribution(command)) => {
            Some(command)
        }
        _ => None,
    };
    all.into_iter().filter_map(of_panel).collect()
}

#[test]
fn it_opens_on_the_strongest_feature_and_shows_its_parts_and_sum() {
    let mut harness = drawn(read(None));
    assert!(sent(&mut harness).contains(&Command::Attribute(key(2, 1))));
    let state = attributed(read(None), &key(2, 1), found(2, 1));
    let mut harness = drawn(state);
    harness.get_by_label_contains("the strongest feature on the sentence");
    harness.get_by_label_contains("fires with 0.750");
    harness.get_by_label("Explains the pre-activation 0.75.");
    harness.get_by_label_contains("adds up, residue 0");
    harness.get_by_label("Head 1, +0.750");
    harness.get_by_label("Most comes from “a”, the token before: +0.750");
    harness.get_by_label("Attribution by head and source token");
    sent(&mut harness);
    harness.get_by_label("a, token 0").click();
    harness.run();
    assert!(sent(&mut harness).contains(&Command::Choose(key(2, 0))));
    harness.get_by_label_contains("Feature 3, ").click();
    harness.run();
    assert!(sent(&mut harness).contains(&Command::Choose(key(3, 0))));
    harness.get_by_label("Head 1, +0.750").click();
    harness.run();
    let select = navigation::Command::SelectHead(Layer(0), Head(1));
    let all = harness.state_mut().commands.take();
    assert!(all.contains(&select.into()), "{all:?}");
}

#[test]
fn a_selected_feature_that_is_silent_is_named_and_shown_only_on_request() {
    let mut harness = drawn(read(Some(9)));
    assert!(sent(&mut harness).contains(&Command::Attribute(key(2, 1))));
    harness.get_by_label("#9, which is selected, is silent on this sentence.");
    harness.get_by_label("Attribute #9 anyway").click();
    harness.run();
    assert!(sent(&mut harness).contains(&Command::Choose(key(9, 1))));
    // Once chosen it is shown, below the cut-off.
    let mut state = read(Some(9));
    state.selection.token = Some(1);
    apply(&mut state, Panel::Chosen(key(9, 1)));
    let silent = Attribution {
        active: false,
        activation: 0.0,
        cut_off: Some(1.25),
        ..found(9, 1)
    };
    let harness = drawn(attributed(state, &key(9, 1), silent));
    harness.get_by_label_contains("silent: below the cut-off 1.25");
    assert!(harness.query_by_label_contains("fires with").is_none());
    // A selected feature that fires is shown where it is strongest.
    let mut harness = drawn(read(Some(3)));
    assert!(sent(&mut harness).contains(&Command::Attribute(key(3, 0))));
    assert!(harness.query_by_label_contains("anyway").is_none());
}

#[test]
fn an_open_gate_that_is_silent_is_not_below_the_cut_off_and_a_broken_sum_is_told() {
    let gate = Attribution {
        active: false,
        activation: 0.0,
        cut_off: Some(0.0),
        pre_activation: 0.5,
        ..found(2, 1)
    };
    let harness = drawn(attributed(read(None), &key(2, 1), gate));
    assert!(
        harness
            .query_by_label_contains("below the cut-off")
            .is_none()
    );
    harness.get_by_label_contains("does not add up, residue 0.25");
}

#[test]
fn the_list_of_a_heads_features_can_be_widened_to_all() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, testing::demo(folder.path()));
    harness.state_mut().go(ViewId::Heads);
    Window::settle(&mut harness);
    let desk = &mut harness.state_mut().desk;
    desk.run(heads::Command::Step(Step::Why));
    Window::settle(&mut harness);
    let chips =
        |harness: &Harness<'_, Window>| harness.query_all_by_label_contains("Feature ").count();
    let few = chips(&harness);
    harness.get_by_label("All features").click();
    Window::settle(&mut harness);
    assert!(harness.state().desk.state.heads.attribution.all);
    assert!(chips(&harness) > few, "{few}");
}

/// The demo's sentence, from the first look to a silent feature that a person asks for.
#[test]
fn on_the_demo_a_feature_fires_first_and_a_silent_one_is_below_the_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let id = desk.state.z_dictionary(Layer(1)).unwrap().id;
    desk.run(navigation::Command::SelectDictionary(id));
    desk.run(navigation::Command::SelectFeature(None));
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, desk);
    harness.state_mut().go(ViewId::Heads);
    Window::settle(&mut harness);
    let desk = &mut harness.state_mut().desk;
    desk.run(heads::Command::Step(Step::Why));
    Window::settle(&mut harness);
    // Beside the token and in the sentence on what is explained.
    let fires = |harness: &Harness<'_, Window>| {
        harness.query_all_by_label_contains("fires with").count() == 2
    };
    assert!(fires(&harness));
    harness.get_by_label_contains("adds up, residue");
    let panel = &harness.state().desk.state.heads.attribution;
    let read = Arc::clone(panel.reading.ready().unwrap());
    let active = |feature: &u32| read.firing.iter().any(|f| f.feature.0 == *feature);
    let silent = (0..1024).find(|feature| !active(feature)).unwrap();
    let select = navigation::Command::SelectFeature(Some(FeatureId(silent)));
    harness.state_mut().desk.run(select);
    Window::settle(&mut harness);
    assert!(fires(&harness));
    let anyway = format!("Attribute #{silent} anyway");
    harness.get_by_label(&anyway).click();
    Window::settle(&mut harness);
    harness.get_by_label_contains("silent: below the cut-off");
    harness.get_by_label_contains("adds up, residue");
    let found = &harness.state().desk.state.heads.attribution.load;
    let found = found.ready().unwrap();
    assert!(found.is_below_cut_off() && found.feature.0 == silent);
}
