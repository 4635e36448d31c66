//! Drives the search by text by the names of its controls, on the demo.

use std::sync::Arc;

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::features::fires::Rank;
use umbra_core::prompt::Input;

use crate::state::catalogue::{DictionaryId, Event as Catalogued};
use crate::state::requests::search::Command;
use crate::state::requests::{Command as Any, navigation, prompt};
use crate::state::search::{Event as Area, Found};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing::{self, Desk, Stage};

const TEXT: &str = "The old king looked at the fox";

/// The demo after a search.
fn searched(folder: &std::path::Path) -> Desk {
    let mut desk = testing::demo(folder);
    desk.run(Command::Sentence(TEXT.to_owned()));
    desk.run(Command::Read);
    desk
}

fn found(state: &AppState) -> &Arc<Found> {
    state.search.last.as_ref().expect("a result")
}

fn taken(harness: &mut Harness<'_, Stage>) -> Vec<Any> {
    harness.state_mut().commands.take()
}

/// Rows of the list, without the heads.
fn listed(harness: &Harness<'_, Stage>) -> usize {
    harness.get_all_by_role(Role::Link).count()
}

#[test]
fn a_sentence_lists_the_features_of_all_dictionaries_and_a_click_opens_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = searched(folder.path());
    assert_eq!(desk.view(), ViewId::Search);
    assert_eq!(desk.state.prompt.input(), Some(Input::from(TEXT)));
    let all = Arc::clone(found(&desk.state));
    assert_eq!(
        all.dictionaries.len(),
        desk.state.catalogue.dictionaries.len()
    );
    // Features of the dictionary that reads the sentence in Prompt are those of its reading.
    let of = desk.state.selection.dictionary.unwrap();
    let at = all.dictionaries.iter().position(|id| *id == of).unwrap();
    let reading = desk.state.prompt.reading.ready().unwrap();
    let own = all.fires.found.iter().filter(|one| one.dictionary == at);
    for fired in own.clone() {
        let read = reading.latents.get(fired.at, fired.feature);
        assert!((read - fired.max).abs() <= 1e-4 * fired.max.abs());
    }
    assert!(own.count() > 20);
    let first = all.fires.ranked(Rank::TfIdf)[0].clone();
    let id = all.dictionaries[first.dictionary];
    let name = desk.state.catalogue.get(id).unwrap().name.clone();
    let mut harness = testing::harness(ViewId::Search, std::mem::take(&mut desk.state));
    harness.run();
    assert!(
        !taken(&mut harness).contains(&Command::Read.into()),
        "it is searched already"
    );
    harness.get_by_label(&format!("Coloured by #{} of {name}", first.feature));
    let link = format!("Feature {} of {name}", first.feature);
    harness.get_by_role_and_label(Role::Link, &link).click();
    harness.run();
    let open = navigation::Command::Feature {
        feature: first.feature,
        beside: false,
    };
    let sent = taken(&mut harness);
    assert!(
        sent.contains(&navigation::Command::FollowDictionary(id).into()),
        "{sent:?}"
    );
    assert!(sent.contains(&open.into()), "{sent:?}");
}

#[test]
fn dictionaries_and_tokens_narrow_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = searched(folder.path());
    let all = Arc::clone(found(&desk.state));
    let keep = all.dictionaries.len() - 1;
    for id in &all.dictionaries[..keep] {
        desk.run(Command::List(*id, false));
    }
    let id = all.dictionaries[keep];
    let name = desk.state.catalogue.get(id).unwrap().name.clone();
    let of = |fired: &&umbra_core::features::fires::Fired| fired.dictionary == keep;
    let count = all.fires.found.iter().filter(of).count();
    let mut harness = testing::harness(ViewId::Search, std::mem::take(&mut desk.state));
    harness.set_size(egui::vec2(1000.0, 9000.0)); // all rows are drawn
    harness.run();
    assert_eq!(listed(&harness), count);
    let toggle = format!("{name} ({count})");
    harness.get_by_label(&toggle).click();
    harness.run();
    assert!(taken(&mut harness).contains(&Command::List(id, false).into()));

    // The token before the caret: the last one.
    let at = all.fires.tokens.len() - 1;
    let on = |fired: &&umbra_core::features::fires::Fired| {
        of(fired) && fired.active.iter().any(|(t, _)| *t == at)
    };
    let on_it = all.fires.found.iter().filter(on).count();
    assert!(0 < on_it && on_it < count);
    harness
        .get_by_role_and_label(Role::MultilineTextInput, "Sentence")
        .focus();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::ALT, egui::Key::ArrowUp);
    harness.run();
    harness.get_by_label("Only on “fox”").click();
    harness.run();
    assert_eq!(listed(&harness), on_it);
}

#[test]
fn typing_changes_the_sentence_and_the_search_waits_for_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = searched(folder.path());
    let mut harness = testing::harness(ViewId::Search, std::mem::take(&mut desk.state));
    harness.run();
    taken(&mut harness);
    let field = harness.get_by_role_and_label(Role::MultilineTextInput, "Sentence");
    field.focus();
    harness.run();
    harness.event(egui::Event::Text("x".to_owned()));
    harness.run();
    let sent = taken(&mut harness);
    let typed = sent
        .iter()
        .any(|one| matches!(one, Any::Prompt(prompt::Command::Typed(text)) if text.contains('x')));
    assert!(typed, "{sent:?}");
    let event = crate::state::prompt::Event::Text {
        text: "Another".to_owned(),
        typed: true,
    };
    harness.state_mut().state.apply(Event::Prompt(event));
    harness.run_ok();
    assert!(!taken(&mut harness).contains(&Command::Read.into()));
    std::thread::sleep(crate::state::prompt::PAUSE);
    harness.run_ok();
    assert!(taken(&mut harness).contains(&Command::Read.into()));
}

#[test]
fn results_of_another_sentence_and_another_model_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = searched(folder.path());
    let before = Arc::clone(found(&desk.state));
    let asked = desk.state.search.of.clone().unwrap();
    assert!(!desk.state.search.known.is_empty());
    desk.run(prompt::Command::Text("A fox".to_owned()));
    desk.run(Command::Read);
    let late = Load::Ready(Arc::clone(&before));
    let event = Area::Search(Box::new(asked), late);
    desk.state.apply(Event::Search(event));
    assert!(!Arc::ptr_eq(found(&desk.state), &before));
    let path = desk.state.catalogue.model_path.clone().unwrap();
    let opening = desk.state.catalogue.model_opening;
    let named = Catalogued::ModelNamed(path, opening);
    desk.state.apply(Event::Catalogue(named));
    assert!(desk.state.search.last.is_none() && desk.state.search.known.is_empty());
}

#[test]
fn without_a_model_or_a_sentence_it_says_what_is_missing() {
    let mut harness = testing::harness(ViewId::Search, testing::typical());
    harness.run();
    harness.get_by_label_contains("A model is needed to search by text");
    let mut state = testing::with_model();
    let event = crate::state::prompt::Event::Text {
        text: String::new(),
        typed: false,
    };
    state.apply(Event::Prompt(event));
    let mut harness = testing::harness(ViewId::Search, state);
    harness.run();
    harness.get_by_label("Type a sentence to find the features that fire on it");
    // A dictionary that does not fit is none to search.
    let mut state = testing::with_model();
    state.apply(Event::Catalogue(Catalogued::Removed(DictionaryId(0))));
    let mut harness = testing::harness(ViewId::Search, state);
    harness.run();
    harness.get_by_label_contains("Open or train one that fits the model");
}

#[test]
fn a_failed_search_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let tokens = crate::state::prompt::Tokens {
        ids: [umbra_core::ids::TokenId(5)].into(),
        apart: false,
        of: "a row".to_owned(),
    };
    let event = crate::state::prompt::Event::Tokens {
        tokens,
        text: "x".to_owned(),
        at: 0,
    };
    desk.state.apply(Event::Prompt(event));
    desk.run(Command::Read);
    let mut harness = testing::harness(ViewId::Search, std::mem::take(&mut desk.state));
    harness.run();
    harness.get_by_label_contains("type more words");
}
