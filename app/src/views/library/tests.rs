//! Library in a harness: its table, the drawer and its buttons, its failures.

use std::sync::Arc;

use egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::corpus::Positions;
use umbra_core::error::Notes;
use umbra_core::eval::Figures;
use umbra_core::models::Opening;
use umbra_core::project::Project;

use crate::state::catalogue::{self, DictionaryId};
use crate::state::opening::Kind;
use crate::state::project::Opened;
use crate::state::requests::{Command, compare, dictionary, library, navigation, opening};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, project, selection};
use crate::testing;

fn open_project(state: &mut AppState) {
    let opened = Opened {
        project: Arc::new(Project {
            folder: "/projects/mine".into(),
            name: "Mine".to_owned(),
            ..Project::default()
        }),
        labels: vec![],
        evaluations: vec![],
        notes: Notes::default(),
        kind: project::Kind::Own,
        sentence: None,
        kept: None,
        edits: vec![],
    };
    state.apply(Event::Project(project::Event::Opened(Box::new(opened))));
}

/// A project with two loaded dictionaries, the first selected.
fn with_dictionaries() -> AppState {
    let mut state = AppState::default();
    open_project(&mut state);
    for (id, name) in [(0, "z0"), (1, "z1")] {
        let added = catalogue::Event::Added(name.into(), None);
        state.apply(Event::Catalogue(added));
        let sae = testing::sae(64);
        let loaded = catalogue::LoadedSae::new(sae, Notes::default(), 2_000_000);
        let ready = catalogue::Event::Sae(DictionaryId(id), Load::Ready(loaded));
        state.apply(Event::Catalogue(ready));
    }
    state
}

/// The library over `state`, with room for the drawer beside the table.
fn wide(state: AppState) -> Harness<'static, testing::Stage> {
    let mut harness = testing::harness(ViewId::Library, state);
    harness.set_size(vec2(1400.0, 1200.0));
    harness.run();
    harness
}

#[track_caller]
fn click(state: AppState, button: &str, want: &[Command]) {
    let mut harness = wide(state);
    harness.get_by_label(button).click();
    harness.run();
    assert_eq!(harness.state_mut().commands.take(), want);
}

fn figures(fvu: f64) -> Figures {
    Figures {
        l0: 2.0,
        fvu,
        dead_fraction: 0.25,
        rare_fraction: 0.25,
        ce_clean: 3.0,
        ce_sae: 3.1,
        ce_zero: 9.0,
        ce_mean: 8.0,
        ce_recovered_zero: 0.98,
        ce_recovered_mean: 0.97,
        tokens: 12_345,
        positions: Positions::Text,
        left_out: Some(0),
        nearness: None,
        pair: None,
    }
}

fn evaluated(state: &mut AppState, id: u32, fvu: f64) {
    let evaluation = catalogue::Evaluation {
        figures: figures(fvu),
        text: "alice.txt".to_owned(),
        device: "CPU · 2 threads".to_owned(),
    };
    let event = catalogue::Event::Evaluation(DictionaryId(id), Load::Ready(evaluation));
    state.apply(Event::Catalogue(event));
}

#[test]
fn the_drawer_and_its_buttons_are_about_the_row_that_was_clicked() {
    let second = DictionaryId(1);
    let mut harness = wide(with_dictionaries());
    assert!(harness.query_by_label("Evaluate…: z1").is_none());
    harness.get_by_label("Evaluate…: z0");
    harness.get_by_label("Dictionary z1").click();
    harness.run();
    harness.run();
    assert!(harness.query_by_label("Evaluate…: z0").is_none());
    for (button, want) in [
        (
            "Use: z1",
            Command::from(navigation::Command::SelectDictionary(second)),
        ),
        (
            "Evaluate…: z1",
            dictionary::Command::Evaluate(second).into(),
        ),
        (
            "Build index…: z1",
            dictionary::Command::BuildIndex(second).into(),
        ),
        ("Compare…: z1", compare::Command::Show(second).into()),
    ] {
        harness.get_by_label(button).click();
        harness.run();
        assert_eq!(harness.state_mut().commands.take(), [want], "{button}");
    }
}

#[test]
fn a_dictionary_that_is_put_to_use_comes_into_the_drawer() {
    let mut harness = wide(with_dictionaries());
    let choose = selection::Event::Dictionary(DictionaryId(1));
    harness.state_mut().state.apply(Event::Selection(choose));
    harness.run();
    harness.get_by_label("Evaluate…: z1");
}

#[test]
fn every_row_has_its_verdict_in_words() {
    let mut state = with_dictionaries();
    evaluated(&mut state, 0, 1.25);
    let harness = wide(state);
    // In the table and in the drawer.
    let words = "does not reconstruct: FVU above 1";
    assert_eq!(harness.get_all_by_label(words).count(), 2);
    harness.get_by_label("no model");
    harness.get_by_label_contains("12\u{202F}345 tokens of alice.txt");
    harness.get_by_label_contains("computed on CPU · 2 threads");
    let mut state = with_dictionaries();
    let event = catalogue::Event::Evaluation(DictionaryId(1), Load::Loading);
    state.apply(Event::Catalogue(event));
    wide(state).get_by_label("being evaluated");
}

#[test]
fn fifty_dictionaries_with_long_names_are_drawn_as_they_are_seen() {
    let mut state = AppState::default();
    open_project(&mut state);
    for i in 0..50 {
        let name =
            format!("a-dictionary-with-a-name-that-says-everything-about-its-training-{i:02}");
        let added = catalogue::Event::Added(name.into(), None);
        state.apply(Event::Catalogue(added));
    }
    let mut harness = testing::harness(ViewId::Library, state);
    harness.run();
    let row = |i: usize| {
        format!(
            "Dictionary a-dictionary-with-a-name-that-says-everything-about-its-training-{i:02}"
        )
    };
    harness.get_by_label(&row(0));
    assert!(harness.query_by_label(&row(49)).is_none());
    // Both ends of a name are shown: as the row's name and as the text in it.
    assert_eq!(harness.get_all_by_label_contains("g-07").count(), 2);
}

#[test]
fn without_a_dictionary_there_are_two_ways_on() {
    let mut state = AppState::default();
    open_project(&mut state);
    let open = opening::Command::Show(Kind::Dictionary);
    click(state, "Open a dictionary…", &[open.into()]);
    let mut state = AppState::default();
    open_project(&mut state);
    let train = navigation::Command::Go(ViewId::Training);
    click(state, "Train a dictionary…", &[train.into()]);
}

#[test]
fn nothing_open_offers_the_demo_and_a_failure_says_its_sentence() {
    click(
        testing::empty(),
        "Open the demo",
        &[library::Command::OpenDemo.into()],
    );
    let mut state = testing::empty();
    let sentence = "no umbra.toml in this folder: /nowhere";
    state.apply(Event::Project(project::Event::Failed(sentence.to_owned())));
    let harness = testing::harness(ViewId::Library, state);
    harness.get_by_label(sentence);
    harness.get_by_label("Copy details");
}

#[test]
fn a_failed_dictionary_says_why_and_leaves_the_others_usable() {
    let mut state = with_dictionaries();
    let failed = Load::Failed("sae_weights.safetensors ends early: /z0".to_owned());
    let event = catalogue::Event::Sae(DictionaryId(0), failed);
    state.apply(Event::Catalogue(event));
    let mut harness = wide(state);
    harness.get_by_label("sae_weights.safetensors ends early: /z0");
    assert_eq!(harness.get_all_by_label("did not load").count(), 2);
    assert!(harness.query_by_label("Evaluate…: z0").is_none());
    harness.get_by_label("Dictionary z1").click();
    harness.run();
    harness.run();
    harness.get_by_label("Evaluate…: z1");
}

#[test]
fn a_verification_gives_one_verdict_and_its_tensors() {
    use umbra_core::models::verify::{Row, Verification};

    let row = |name: &str, difference| Row {
        name: name.to_owned(),
        against: "the reference".to_owned(),
        shape: vec![1, 3, 8],
        difference,
        largest: 2.0,
        problem: None,
    };
    for (difference, verdict) in [
        (
            2e-5,
            "2 of 2 tensors agree; the largest difference (logits) is 10.0\u{202F}% of the tolerance",
        ),
        (
            2e-2,
            "1 of 2 tensors agree; the largest difference (logits) is 100 times the tolerance",
        ),
    ] {
        let mut state = with_dictionaries();
        let model = testing::with_model()
            .catalogue
            .model
            .ready()
            .unwrap()
            .clone();
        state.apply(Event::Catalogue(catalogue::Event::ModelNamed(
            "m".into(),
            Opening::default(),
        )));
        let ready = Box::new(Load::Ready(model));
        state.apply(Event::Catalogue(catalogue::Event::Model("m".into(), ready)));
        let rows = vec![row("hook_embed", 0.0), row("logits", difference)];
        let verified = Load::Ready(Arc::new(Verification { rows }));
        state.apply(Event::Catalogue(catalogue::Event::Verification(
            "m".into(),
            verified,
        )));
        let mut harness = wide(state);
        harness.get_by_label(verdict);
        let details = "Model: details, loader notes and verification";
        harness.get_by_label(details).click();
        harness.run();
        harness.get_by_label("Tensors compared (2)").click();
        harness.run();
        harness.get_by_label("logits");
        harness.get_by_label("Verify").click();
        harness.run();
        let want = library::Command::Verify(None);
        assert!(harness.state_mut().commands.take().contains(&want.into()));
    }
}

#[test]
fn details_unfold_below_the_table_and_leave_its_rows_in_view() {
    let mut harness = wide(with_dictionaries());
    harness.set_size(vec2(1000.0, 700.0));
    harness.run();
    let row = harness.get_by_label("Dictionary z1").rect();
    harness
        .get_by_label("Project: texts and how they are read")
        .click();
    harness.run();
    harness.run();
    assert_eq!(harness.get_by_label("Dictionary z1").rect(), row);
    let sentence = harness.get_by_label("Joins lines").rect();
    assert!(sentence.top() > row.bottom(), "{sentence:?} below {row:?}");
    harness.get_by_label_contains("Training text: none yet. Held-out text: ");
}
