//! Library in a harness: its cards, their buttons, its failures.

use std::sync::Arc;

use egui_kittest::kittest::Queryable as _;
use umbra_core::error::Notes;
use umbra_core::models::Opening;
use umbra_core::project::Project;

use crate::state::catalogue::{self, DictionaryId};
use crate::state::project::Opened;
use crate::state::requests::{Command, dictionary, library, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, project};
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

#[track_caller]
fn click(state: AppState, button: &str, want: &[Command]) {
    let mut harness = testing::harness(ViewId::Library, state);
    harness.get_by_label(button).click();
    harness.run();
    assert_eq!(harness.state_mut().commands.take(), want);
}

#[test]
fn buttons_of_a_card_are_about_that_dictionary() {
    let second = DictionaryId(1);
    click(
        with_dictionaries(),
        "Use: z1",
        &[navigation::Command::SelectDictionary(second).into()],
    );
    click(
        with_dictionaries(),
        "Evaluate: z1",
        &[dictionary::Command::Evaluate(second).into()],
    );
    click(
        with_dictionaries(),
        "Build index: z1",
        &[dictionary::Command::BuildIndex(second).into()],
    );
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
    let harness = testing::harness(ViewId::Library, state);
    harness.get_by_label("sae_weights.safetensors ends early: /z0");
    harness.get_by_label("Evaluate: z1");
    assert!(harness.query_by_label("Evaluate: z0").is_none());
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
        let mut harness = testing::harness(ViewId::Library, state);
        harness.get_by_label(verdict);
        harness.get_by_label("Tensors compared (2)").click();
        harness.run();
        harness.get_by_label("logits");
        harness.get_by_label("Verify").click();
        harness.run();
        let want = library::Command::Verify(None);
        assert!(harness.state_mut().commands.take().contains(&want.into()));
    }
}
