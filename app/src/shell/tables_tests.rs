//! A table in the whole window: its columns from a click to the settings and to the next window, and its rows under mouse and keys.

use std::path::Path;

use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, MouseWheelUnit, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::state::settings::Settings;
use crate::state::view::ViewId;
use crate::testing::{self, Window};

/// The library of the demo, whose changes go to `folder`.
fn library(folder: &Path, settings: Settings) -> Harness<'static, Window> {
    let mut desk = testing::demo(folder);
    desk.state.settings = settings;
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, desk);
    harness.state_mut().go(ViewId::Library);
    Window::settle(&mut harness);
    harness
}

#[test]
fn columns_that_a_person_arranged_are_kept_and_shown_by_the_next_window() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut harness = library(folder, Settings::default());
    harness.get_by_label("Sort by FVU").click();
    Window::settle(&mut harness);
    harness.get_by_label("Sort by hook").click_secondary();
    harness.run();
    harness
        .get_by_role_and_label(Role::CheckBox, "Hook")
        .click();
    Window::settle(&mut harness);
    assert!(harness.query_by_label("Sort by hook").is_none());
    let settings = harness.state().desk.state.settings.clone();
    let kept = &settings.tables["dictionaries"];
    assert_eq!(kept.sort.as_ref().unwrap().column, "fvu");
    assert_eq!(kept.shown.get("hook"), Some(&false));
    // What is written and read again.
    let text = serde_json::to_string(&settings).unwrap();
    let again: Settings = serde_json::from_str(&text).unwrap();
    assert_eq!(again, settings);
    let harness = library(folder, again);
    assert!(harness.query_by_label("Sort by hook").is_none());
    harness.get_by_label("Sort by FVU");
    // Settings of an earlier version know no tables.
    let earlier: Settings = serde_json::from_str(r#"{"text_percent":120}"#).unwrap();
    assert!(earlier.tables.is_empty() && earlier.text_percent == 120);
    library(folder, earlier).get_by_label("Sort by hook");
}

/// The features of the demo in a window of this size.
fn features(folder: &Path, size: Vec2) -> Harness<'static, Window> {
    let desk = testing::demo(folder);
    let mut harness = Window::build(Harness::builder().with_size(size), desk);
    harness.state_mut().go(ViewId::Features);
    Window::settle(&mut harness);
    harness
}

/// Moves the mouse there and presses the button, as a window reports it.
fn click_at(harness: &mut Harness<'_, Window>, pos: Pos2) {
    harness.event(Event::PointerMoved(pos));
    harness.run();
    for pressed in [true, false] {
        harness.event(Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
    }
    Window::settle(harness);
}

/// Presses and releases a key within one frame, at whose end no key is held.
fn press(harness: &mut Harness<'_, Window>, modifiers: Modifiers, key: Key) {
    for pressed in [true, false] {
        harness.event(Event::Key {
            key,
            physical_key: None,
            pressed,
            repeat: false,
            modifiers,
        });
    }
    Window::settle(harness);
}

#[test]
fn after_a_click_on_a_row_keys_walk_extend_and_open_its_menu_without_a_card() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = features(folder.path(), Vec2::new(1440.0, 900.0));
    let rows: Vec<_> = harness.get_all_by_role(Role::Row).collect();
    let at = rows[2].rect().left_center() + Vec2::new(30.0, 0.0);
    drop(rows);
    let selected = |harness: &Harness<'_, Window>| harness.state().desk.state.selection.feature;
    click_at(&mut harness, at);
    let first = selected(&harness);
    press(&mut harness, Modifiers::NONE, Key::ArrowDown);
    assert!(first.is_some() && selected(&harness) != first, "walks");
    for _ in 0..2 {
        press(&mut harness, Modifiers::SHIFT, Key::ArrowDown);
    }
    harness.get_by_label("3 selected");
    // The mouse still lies on a row.
    for _ in 0..60 {
        harness.step();
    }
    // The inspector has the one card that is there.
    let cards = harness.query_all_by_label("Card example 0").count();
    assert!(cards <= 1, "a card covers the rows");
    press(&mut harness, Modifiers::SHIFT, Key::F10);
    harness.get_by_label("Copy 3 rows");
}

#[test]
fn the_menu_of_a_row_scrolls_within_a_low_window() {
    let folder = tempfile::tempdir().unwrap();
    // High enough for a few rows below the filter, and lower than the menu.
    let height = 340.0;
    let mut harness = features(folder.path(), Vec2::new(625.0, height));
    let rows: Vec<_> = harness.get_all_by_role(Role::Row).collect();
    // One in the middle is seen whole.
    let at = rows[rows.len() / 2].rect().left_center() + Vec2::new(30.0, 0.0);
    drop(rows);
    click_at(&mut harness, at);
    press(&mut harness, Modifiers::SHIFT, Key::F10);
    let first = harness.get_by_role_and_label(Role::Button, "Open").rect();
    assert!(first.top() > 0.0, "{first}");
    let last = |harness: &Harness<'_, Window>| {
        let last = harness.get_by_label_contains("What is this number?");
        last.rect().bottom()
    };
    assert!(last(&harness) > height, "the menu fits the window");
    harness.event(Event::PointerMoved(first.center()));
    harness.run();
    for _ in 0..20 {
        harness.event(Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: Vec2::new(0.0, -100.0),
            source: egui::MouseWheelSource::Wheel,
            phase: egui::TouchPhase::Move,
            modifiers: Modifiers::NONE,
        });
        harness.run();
    }
    let last = last(&harness);
    assert!(last < height, "{last}");
}

#[test]
fn a_column_hidden_in_a_search_stays_hidden_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = features(folder.path(), Vec2::new(1440.0, 900.0));
    let filter = |harness: &mut Harness<'_, Window>, words: &str| {
        let words = crate::state::requests::features::Command::Filter(words.to_owned());
        harness.state_mut().desk.run(words);
        Window::settle(harness);
    };
    filter(&mut harness, "king");
    harness
        .get_by_role_and_label(Role::ColumnHeader, "Promotes")
        .click_secondary();
    harness.run();
    harness
        .get_by_role_and_label(Role::CheckBox, "Promotes")
        .click();
    Window::settle(&mut harness);
    for words in ["", "king"] {
        filter(&mut harness, words);
        assert!(
            harness
                .query_by_role_and_label(Role::ColumnHeader, "Promotes")
                .is_none(),
            "“{words}”"
        );
    }
}
