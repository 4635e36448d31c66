//! What a person can do on a sentence, by names; on the bundled model with a made-up dictionary.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::ids::{FeatureId, TokenId};
use umbra_core::models::Model;
use umbra_core::prompt::{NextToken, Reading};
use umbra_core::sae::Latents;

use super::tints;
use crate::commands::{Command, Commands, navigation, prompt};
use crate::state::catalogue::{self, DictionaryId, LoadedModel};
use crate::state::{AppState, Event, Load, prompt as area};
use crate::testing::{self, Stage};
use crate::views::ViewId;

fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    let open = || {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
        Arc::new(Model::open(&path).unwrap().0)
    };
    Arc::clone(MODEL.get_or_init(open))
}

fn reading() -> Reading {
    let texts = ["<|endoftext|>", "The", " king"];
    let next = NextToken {
        id: TokenId(7),
        text: " said".to_owned(),
        probability: 0.25,
    };
    Reading {
        tokens: (0..3).map(TokenId).collect(),
        texts: texts.iter().map(|t| (*t).to_owned()).collect(),
        latents: Latents {
            offsets: vec![0, 1, 2, 4],
            features: vec![3, 3, 3, 8],
            acts: vec![50.0, 1.0, 2.0, 4.0],
        },
        next: vec![vec![next]; 3],
        cut: 0,
    }
}

/// The sentence "The king", read.
fn read() -> AppState {
    let mut state = testing::typical();
    state.apply(Event::Selection(crate::state::selection::Event::Feature(
        None,
    )));
    let path = std::path::PathBuf::from("model");
    state.apply(Event::Catalogue(catalogue::Event::ModelNamed(path.clone())));
    let loaded = LoadedModel {
        model: model(),
        notes: umbra_core::error::Notes::default(),
        size_bytes: 1,
    };
    let ready = Box::new(Load::Ready(loaded));
    state.apply(Event::Catalogue(catalogue::Event::Model(path, ready)));
    let text = "The king".to_owned();
    state.apply(Event::Prompt(area::Event::Text {
        text: text.clone(),
        typed: false,
    }));
    for load in [Load::Loading, Load::Ready(Arc::new(reading()))] {
        let event = area::Event::Reading(DictionaryId(0), text.clone(), load);
        state.apply(Event::Prompt(event));
    }
    state
}

fn harness() -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Prompt, read());
    harness.run();
    harness
}

fn taken(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    harness.state_mut().commands.take()
}

#[test]
fn a_clicked_token_is_selected_and_shows_its_features_and_what_comes_next() {
    let mut harness = harness();
    harness.get_by_label("The, token 1").click();
    harness.run();
    let select = navigation::Command::SelectToken(Some(1));
    assert_eq!(taken(&mut harness), [select.into()]);
    let selected = crate::state::selection::Event::Token(Some(2));
    harness.state_mut().state.apply(Event::Selection(selected));
    harness.run();
    harness.get_by_label("Feature 8, no label");
    harness.get_by_label("said, 25.0\u{202F}%");
    harness.get_by_label("Colour by feature 3, 2.00").click();
    harness.run();
    let colour = navigation::Command::SelectFeature(Some(FeatureId(3)));
    assert_eq!(taken(&mut harness), [colour.into()]);
}

#[test]
fn typing_asks_for_another_sentence() {
    let mut harness = harness();
    harness
        .get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Sentence")
        .focus();
    harness.run();
    harness
        .get_by_role_and_label(egui::accesskit::Role::MultilineTextInput, "Sentence")
        .type_text("!");
    harness.run();
    let typed = prompt::Command::Typed("The king!".to_owned());
    assert!(taken(&mut harness).contains(&typed.into()));
}

#[test]
fn a_sentence_is_read_once_nobody_types() {
    let mut state = read();
    let mut commands = Commands::default();
    let read = Command::from(prompt::Command::Read);
    prompt::follow(&state, &mut commands);
    assert!(!commands.take().contains(&read), "it is read already");
    let event = |typed| {
        Event::Prompt(area::Event::Text {
            text: "Another".to_owned(),
            typed,
        })
    };
    state.apply(event(true));
    prompt::follow(&state, &mut commands);
    assert!(!commands.take().contains(&read), "somebody types");
    state.apply(event(false));
    prompt::follow(&state, &mut commands);
    assert!(commands.take().contains(&read));
}

#[test]
fn tints_leave_the_first_position_out_of_their_scale() {
    let reading = reading();
    let strongest = tints(&reading, None, None);
    assert_eq!(strongest.values, [50.0, 1.0, 4.0]);
    assert_eq!(strongest.most, 4.0);
    let one = tints(&reading, Some(FeatureId(3)), Some(8.0));
    assert_eq!((one.values, one.most), (vec![50.0, 1.0, 2.0], 8.0));
    assert_eq!(tints(&reading, Some(FeatureId(9)), None).most, 1.0);
}
