//! Drives the table by the names of its controls; 100,000 rows stay within a frame.

use std::time::{Duration, Instant};

use egui::{Key, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::ids::FeatureId;

use crate::state::requests::{Command, features, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, catalogue};
use crate::testing::{self, Stage};

fn taken(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    harness.state_mut().commands.take()
}

#[test]
fn a_click_selects_and_a_double_click_opens() {
    let mut harness = testing::harness(ViewId::Features, testing::typical());
    harness.get_by_label("Row of feature 12, no label").click();
    harness.run();
    let select = navigation::Command::SelectFeature(Some(FeatureId(12)));
    assert_eq!(taken(&mut harness), [select.into()]);
}

#[test]
fn a_head_sorts_and_enter_opens_what_was_walked_to() {
    let mut harness = testing::harness(ViewId::Features, testing::typical());
    harness.get_by_label("Sort by feature").click();
    harness.run();
    harness.get_by_label("Row of feature 0, no label").click();
    harness.run();
    taken(&mut harness);
    harness.key_press(Key::ArrowDown);
    harness.run();
    let select = navigation::Command::SelectFeature(Some(FeatureId(1)));
    assert_eq!(taken(&mut harness), [select.into()]);
    harness.key_press(Key::Enter);
    harness.run();
    let open = navigation::Command::Feature {
        feature: FeatureId(0),
        beside: false,
    };
    assert_eq!(taken(&mut harness), [open.into()]);
}

#[test]
fn a_filter_leaves_what_matches_and_can_be_cleared() {
    let mut harness = testing::harness(ViewId::Features, testing::typical());
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.focus();
    edit.type_text("#7");
    harness.run();
    harness.get_by_label("1 of 64 features");
    harness.get_by_label("Row of feature 7, no label");
    assert!(
        harness
            .query_by_label("Row of feature 8, no label")
            .is_none()
    );
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.type_text("999");
    harness.run();
    harness.get_by_label("No feature matches “#7999”.");
    harness.get_by_label("Show all features").click();
    harness.run();
    harness.get_by_label("64 features");
}

#[test]
fn without_an_index_one_button_builds_it() {
    let mut state = AppState::default();
    let added = catalogue::Event::Added("z0".into(), None);
    state.apply(Event::Catalogue(added));
    let mut harness = testing::harness(ViewId::Features, state);
    harness.get_by_label("Open the model").click();
    harness.run();
    let go = navigation::Command::Go(ViewId::Library);
    assert_eq!(taken(&mut harness), [go.into()]);
}

#[test]
fn a_hundred_thousand_rows_stay_within_a_frame() {
    let mut harness = testing::harness(ViewId::Features, testing::huge());
    harness.run();
    let mut frames: Vec<(&str, Duration)> = vec![];
    let mut step = |harness: &mut Harness<'_, Stage>, what| {
        let before = Instant::now();
        harness.step();
        frames.push((what, before.elapsed()));
    };
    for _ in 0..20 {
        harness.hover_at(egui::pos2(400.0, 500.0));
        harness.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: egui::vec2(0.0, -40_000.0),
            phase: egui::TouchPhase::Move,
            modifiers: egui::Modifiers::NONE,
            source: egui::MouseWheelSource::Wheel,
        });
        step(&mut harness, "scroll");
    }
    for column in ["Sort by density", "Sort by top token", "Sort by label"] {
        harness.get_by_label(column).click();
        step(&mut harness, "sort");
        step(&mut harness, "sort");
        step(&mut harness, "sort");
    }
    let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
    edit.focus();
    for letter in ["m", "a", "x", ">", "5"] {
        let edit = harness.get_by_role_and_label(Role::TextInput, "Filter");
        edit.type_text(letter);
        step(&mut harness, "filter");
    }
    for what in ["scroll", "sort", "filter"] {
        let of = frames.iter().filter(|(of, _)| *of == what);
        let mut times: Vec<_> = of.map(|(_, time)| *time).collect();
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!("100,000 rows, {what}: median frame {median:.1?}, worst {worst:.1?}");
        assert!(median < Duration::from_millis(16), "{what}: {median:?}");
    }
    harness.run();
    let search = features::Command::Search("a".to_owned());
    assert!(
        !taken(&mut harness).contains(&search.into()),
        "there is no index to search"
    );
}
