//! Columns of a table in the whole window: from a click to the settings, and from the settings to the next window.

use std::path::Path;

use egui::accesskit::Role;
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
