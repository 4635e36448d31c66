//! Drives the Prompt screen by the names of its controls, on the bundled model with a made-up dictionary.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::ids::{FeatureId, Head, Layer, TokenId};
use umbra_core::latents::Latents;
use umbra_core::models::{Model, Opening};
use umbra_core::prompt::{Input, NextToken, Reading};

use super::features::tints;
use crate::state::catalogue::{self, DictionaryId, LoadedModel};
use crate::state::requests::{Command, Commands, attention, lens, navigation, prompt};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, prompt as area};
use crate::testing::{self, Stage};

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
        counts: vec![false, true, true],
        texts: texts.iter().map(|t| (*t).to_owned()).collect(),
        latents: Latents {
            offsets: vec![0, 1, 2, 4],
            features: vec![3, 3, 3, 8],
            acts: vec![50.0, 1.0, 2.0, 4.0],
        },
        next: vec![vec![next]; 3],
        cut: 0,
        bos: None,
    }
}

/// The sentence "The king", read.
fn read() -> AppState {
    let mut state = testing::fitting();
    state.apply(Event::Selection(crate::state::selection::Event::Feature(
        None,
    )));
    let path = std::path::PathBuf::from("model");
    state.apply(Event::Catalogue(catalogue::Event::ModelNamed(
        path.clone(),
        Opening::default(),
    )));
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
        let event = area::Event::Reading(Some(DictionaryId(0)), Input::Text(text.clone()), load);
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
    crate::commands::prompt::follow(&state, &mut commands);
    assert!(!commands.take().contains(&read), "it is read already");
    let event = |typed| {
        Event::Prompt(area::Event::Text {
            text: "Another".to_owned(),
            typed,
        })
    };
    state.apply(event(true));
    crate::commands::prompt::follow(&state, &mut commands);
    assert!(!commands.take().contains(&read), "somebody types");
    state.apply(event(false));
    crate::commands::prompt::follow(&state, &mut commands);
    assert!(commands.take().contains(&read));
}

#[test]
fn another_model_reads_the_sentence_again() {
    let mut state = read();
    let named = catalogue::Event::ModelNamed("other".into(), Opening::default());
    state.apply(Event::Catalogue(named));
    assert!(state.prompt.reading.is_absent() && state.prompt.last.is_none());
}

#[test]
fn tints_leave_the_first_position_out_of_their_scale() {
    let reading = reading();
    let strongest = tints(&reading, None, None, false);
    assert_eq!(strongest.values, [50.0, 1.0, 4.0]);
    assert_eq!((strongest.scale.most, strongest.scale.signed), (4.0, false));
    let one = tints(&reading, Some(FeatureId(3)), Some(8.0), false);
    assert_eq!((one.values, one.scale.most), (vec![50.0, 1.0, 2.0], 8.0));
    assert_eq!(
        tints(&reading, Some(FeatureId(9)), None, true).scale.most,
        1.0
    );
}

/// "The king", with the demo's model alone, after `command` was carried out.
fn computed(command: impl Into<Command>) -> AppState {
    let mut state = testing::with_model();
    state.apply(Event::Prompt(area::Event::Text {
        text: "The king".to_owned(),
        typed: false,
    }));
    let mut desk = testing::Desk::new(state);
    desk.run(command);
    desk.state
}

fn shown(mut state: AppState, side: area::Side) -> Harness<'static, Stage> {
    state.apply(Event::Prompt(area::Event::Side(side)));
    let mut harness = testing::harness(ViewId::Prompt, state);
    harness.run();
    harness
}

#[test]
fn a_tab_shows_another_side_which_asks_for_what_it_needs_once() {
    let mut harness = harness();
    harness.get_by_label("Logit lens").click();
    harness.run();
    let show = prompt::Command::Show(area::Side::Lens);
    assert_eq!(taken(&mut harness), [show.into()]);
    let mut harness = shown(read(), area::Side::Lens);
    assert!(taken(&mut harness).contains(&lens::Command::Read.into()));
    let mut harness = shown(computed(lens::Command::Read), area::Side::Lens);
    assert!(!taken(&mut harness).contains(&lens::Command::Read.into()));
}

#[test]
fn the_lens_shows_layers_down_to_the_models_own_prediction_and_a_cell_selects_its_token() {
    let state = computed(lens::Command::Read);
    let found = Arc::clone(state.lens.load.ready().unwrap());
    let own = read_features(&state);
    let last = found.hooks.len() - 1;
    assert_eq!(
        found.guess(last, 2).top[0],
        own.next[2][0],
        "as the next-token list has it"
    );
    let mut harness = shown(state, area::Side::Lens);
    let word = &found.guess(last, 2).top[0].text;
    let cell = format!("Layer 3, position 2: {word:?}");
    harness.get_by_label_contains(&cell).hover();
    harness.run();
    harness.get_by_label_contains("KL to the model 0 nats");
    harness
        .get_by_label_contains("Layer embed, position 1")
        .click();
    harness.run();
    let select = navigation::Command::SelectToken(Some(1));
    assert!(taken(&mut harness).contains(&select.into()));
    harness.get_by_label("Entropy").click();
    harness.run();
    harness.get_by_label_contains("entropy (nats) from 0 to");
}

/// The reading of the same sentence by a dictionary as wide as the model.
fn read_features(state: &AppState) -> Reading {
    let model = &state.model().unwrap().model;
    let width = model.config().d_model;
    let mut sae = testing::sae(4);
    let weights = umbra_core::dims::Matrix::zeros(4, width);
    (sae.w_enc, sae.w_dec, sae.b_dec) = (weights.clone(), weights, vec![0.0; width]);
    sae.provenance.hook = "blocks.1.hook_resid_post".parse().ok();
    umbra_core::prompt::read(model, sae.autoencoder().unwrap(), &state.prompt.text, 5).unwrap()
}

#[test]
fn heads_are_chosen_by_their_pictures_and_tell_where_a_token_looks() {
    let mut state = computed(attention::Command::Overview);
    let mut desk = testing::Desk::new(std::mem::take(&mut state));
    desk.run(navigation::Command::SelectHead(Layer(2), Head(5)));
    desk.run(attention::Command::Patterns(Layer(2)));
    let patterns = Arc::clone(desk.state.attention.patterns.ready().unwrap());
    let mut harness = shown(desk.state, area::Side::Attention);
    assert_eq!(taken(&mut harness), [], "everything is there");
    harness.get_by_label("Head 2.5");
    let image = egui::accesskit::Role::Image;
    harness.get_by_role_and_label(image, "Pattern of head 2.5");
    // The last token is described while none is selected.
    let (source, weight) = umbra_core::attention::strongest(patterns.sources(Head(5), 2), 1)[0];
    let words = format!(
        "{}, {}",
        patterns.texts[source].trim(),
        crate::widgets::number::number(f64::from(weight))
    );
    harness.get_all_by_label(&words).next().unwrap();
    harness
        .get_by_label_contains("Head 1.3: previous token")
        .click();
    harness.run();
    let select = navigation::Command::SelectHead(Layer(1), Head(3));
    assert!(taken(&mut harness).contains(&select.into()));
}

#[test]
fn another_model_or_sentence_is_computed_anew_and_late_results_are_dropped() {
    let mut state = computed(lens::Command::Read);
    let of = state.sentence().unwrap();
    state.apply(Event::Prompt(area::Event::Text {
        text: "Another".to_owned(),
        typed: false,
    }));
    assert_ne!(state.lens.of.as_ref(), Some(&state.sentence().unwrap()));
    let now = state.sentence().unwrap();
    let event = |of, load| Event::Lens(crate::state::lens::Event::Lens(of, load));
    state.apply(event(now.clone(), Load::Loading));
    state.apply(event(of, Load::Failed("late".to_owned())));
    assert!(state.lens.load.is_loading());
    assert!(
        state.lens.shown(&now).is_some(),
        "the last one stays until then"
    );
    let other = Arc::new((*state.model().unwrap().model).clone());
    let other = area::Sentence::new(Input::Text("Another".to_owned()), &other);
    assert!(
        state.lens.shown(&other).is_none(),
        "but not of another model"
    );
}

#[test]
fn without_a_dictionary_tokens_and_what_comes_next_are_shown() {
    let mut desk = testing::Desk::new(testing::with_demo_model(testing::empty()));
    desk.run(prompt::Command::Text("The king".to_owned()));
    let reading = Arc::clone(desk.state.prompt.reading.ready().unwrap());
    let next = &reading.next[2][0];
    let harness = testing::harness(ViewId::Prompt, desk.state);
    harness.get_by_label_contains("No dictionary is open");
    harness.get_by_label("king, token 2");
    harness.get_by_label("Next token");
    let share = crate::widgets::number::percent(f64::from(next.probability));
    let words = next.text.trim();
    let named = format!("{words}, {share}");
    assert!(harness.query_all_by_label_contains(&named).next().is_some());
}

#[test]
fn a_dictionary_of_another_model_is_named_and_lights_nothing() {
    let mut desk = testing::Desk::new(testing::with_demo_model(testing::typical()));
    desk.run(prompt::Command::Text("The king".to_owned()));
    assert!(desk.state.prompt.reading.ready().is_some());
    let mut harness = testing::harness(ViewId::Prompt, desk.state);
    harness.get_by_label_contains("choose the model it was trained on");
    harness.get_by_label("Next token");
    assert!(harness.query_by_label("Colour by").is_none());
    harness.get_by_label("Open a model…").click();
    harness.run();
    let show = crate::state::requests::opening::Command::Show(crate::state::opening::Kind::Model);
    assert_eq!(taken(&mut harness), [show.into()]);
}
