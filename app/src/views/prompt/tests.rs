//! Drives the Prompt screen by the names of its controls, on the bundled model with a made-up dictionary.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::ids::{FeatureId, Head, Layer, TokenId};
use umbra_core::latents::Latents;
use umbra_core::models::{Model, Opening};
use umbra_core::prompt::{Input, NextToken, Reading};

use super::model::{marks, tints};
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

pub(super) fn reading() -> Reading {
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
        text: "The king".to_owned(),
        spans: vec![0..0, 0..3, 3..8],
        latents: Latents {
            offsets: vec![0, 1, 2, 4],
            features: vec![3, 3, 3, 8],
            acts: vec![50.0, 1.0, 2.0, 4.0],
        },
        next: vec![vec![next]; 3],
        ..Reading::default()
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
    // In the list and in the grid.
    assert_eq!(harness.get_all_by_label("Feature 8, no label").count(), 2);
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

/// Whether another reading is asked for.
fn asked(state: &AppState) -> bool {
    let mut commands = Commands::default();
    crate::commands::prompt::follow(state, &mut commands);
    let read = Command::from(prompt::Command::Read);
    commands.take().contains(&read)
}

#[test]
fn a_sentence_is_read_at_once_and_one_reading_at_a_time_is_on_its_way() {
    let mut state = read();
    assert!(!asked(&state), "it is read already");
    let event = |text: &str| {
        Event::Prompt(area::Event::Text {
            text: text.to_owned(),
            typed: true,
        })
    };
    state.apply(event("Another"));
    assert!(asked(&state), "although somebody types");
    let begin = |state: &mut AppState, number, text: &str, began| {
        let (reader, input) = (Some(DictionaryId(0)), Input::Text(text.to_owned()));
        state.apply(Event::Prompt(area::Event::Reading(
            reader,
            input,
            Load::Loading,
        )));
        let job = crate::state::jobs::JobId(number);
        let flight = area::Flight { number, job, began };
        state.apply(Event::Prompt(area::Event::Began(flight)));
    };
    let now = std::time::Instant::now();
    begin(&mut state, 4, "Another", now);
    state.apply(event("Another one"));
    assert!(!asked(&state), "the one on its way is soon there");
    let land = |state: &mut AppState, number| {
        let load = Load::Ready(Arc::new(reading()));
        state.apply(Event::Prompt(area::Event::Landed(number, Some(load))));
    };
    land(&mut state, 4);
    assert!(state.reading().is_some() && asked(&state));
    // One that takes long is given up, and dropped when it arrives after all.
    let long_ago = now.checked_sub(area::PATIENCE * 2).unwrap();
    begin(&mut state, 5, "Another one", long_ago);
    state.apply(event("Another one more"));
    assert!(asked(&state));
    begin(&mut state, 6, "Another one more", now);
    land(&mut state, 5);
    assert!(state.prompt.reading.is_loading());
    land(&mut state, 6);
    assert!(state.prompt.reading.ready().is_some() && !asked(&state));
}

#[test]
fn another_model_reads_the_sentence_again() {
    let mut state = read();
    let named = catalogue::Event::ModelNamed("other".into(), Opening::default());
    state.apply(Event::Catalogue(named));
    assert!(state.prompt.reading.is_absent() && state.prompt.last.is_none());
}

#[test]
fn marks_stand_on_the_tokens_where_a_feature_fires_but_for_special_ones() {
    let marked = [FeatureId(8), FeatureId(3)];
    assert_eq!(marks(&reading(), &marked), [vec![], vec![1], vec![0, 1]]);
}

/// The sentence "The king", read, with an index in which feature 3 is dense, 8 rare, and whatever else was never seen.
fn ranked() -> AppState {
    let mut state = read();
    let id = DictionaryId(0);
    let summary = |i: usize| {
        let (density, max) = match i {
            3 => (0.25, 4.0),
            8 => (1.0 / 1024.0, 8.0),
            _ => (0.0, 0.0),
        };
        umbra_core::features::Summary {
            feature: FeatureId::from(i),
            density,
            max,
            ..Default::default()
        }
    };
    let tokens = vec![" king".to_owned(); 64];
    let columns =
        umbra_core::features::filter::Columns::new((0..64).map(summary).collect(), tokens);
    let table = crate::state::features::Table::new(id, columns);
    for load in [Load::Loading, Load::Ready(Arc::new(table))] {
        let event = crate::state::features::Event::Table(id, load);
        state.apply(Event::Features(event));
    }
    state
}

#[test]
fn features_are_ranked_by_surprise_and_dense_ones_folded() {
    let state = ranked();
    let first = state.most_surprising().unwrap();
    assert_eq!(
        (first.feature, first.at, first.surprise),
        (FeatureId(8), 2, Some(5.0))
    );
    let mut harness = testing::harness(ViewId::Prompt, state);
    harness.run();
    harness.get_by_label("Colour by feature 8, 4.00");
    assert!(
        harness
            .query_by_label("Colour by feature 3, 2.00")
            .is_none()
    );
    harness.get_by_label("surprise (bits) from 0 to 5.00");
    harness
        .get_by_label("1 dense feature (> 10 % of tokens)")
        .click();
    harness.run();
    assert_eq!(
        taken(&mut harness),
        [prompt::Command::UnfoldDense(true).into()]
    );
    let unfold = crate::state::settings::Event::DenseUnfolded(true);
    harness.state_mut().state.apply(Event::Settings(unfold));
    harness.run();
    harness.get_by_label("Colour by feature 3, 2.00");
    // Raw order is one click away, and stays chosen.
    harness.get_by_label("Order by activation").click();
    harness.run();
    let raw = crate::state::settings::Ranking::Activation;
    assert_eq!(taken(&mut harness), [prompt::Command::Rank(raw).into()]);
    let rank = crate::state::settings::Event::Ranking(raw);
    harness.state_mut().state.apply(Event::Settings(rank));
    harness.run();
    assert!(harness.query_by_label_contains("dense feature").is_none());
    // What colours the sentence is another choice, and stays.
    harness.get_by_label("surprise (bits) from 0 to 5.00");
    harness.get_by_label("Surprise");
    let survey = harness.state().state.survey().unwrap();
    let order = survey.features.listed.iter().map(|firing| firing.feature.0);
    assert_eq!(order.collect::<Vec<_>>(), [8, 3]);
}

#[test]
fn a_feature_that_the_index_never_saw_gets_no_number() {
    let mut state = ranked();
    let mut other = reading();
    other.latents.features[2] = 5;
    let input = Input::Text("The king".to_owned());
    let arrived = area::Event::Reading(Some(DictionaryId(0)), input, Load::Ready(Arc::new(other)));
    state.apply(Event::Prompt(arrived));
    let mut harness = testing::harness(ViewId::Prompt, state);
    harness.run();
    harness.get_by_label("1 feature without a surprise");
    harness.get_by_label("Colour by feature 5, 2.00");
    let cell = "#5 [ king] on \" king\", position 2: 2.00, 100";
    assert!(harness.query_by_label_contains(cell).is_some(), "no bits");
}

#[test]
fn without_an_index_the_order_is_raw_and_says_so() {
    let mut state = read();
    state.apply(Event::Features(crate::state::features::Event::Table(
        DictionaryId(0),
        Load::Failed("gone".to_owned()),
    )));
    assert!(!state.has_rarity() && state.rarity().is_none());
    assert_eq!(state.most_surprising().unwrap().feature, FeatureId(8));
    let mut harness = testing::harness(ViewId::Prompt, state);
    harness.run();
    assert!(harness.query_by_label("Surprise").is_none());
    assert!(harness.query_by_label("Order by surprise").is_none());
    harness.get_by_label("Colour by feature 3, 2.00");
    harness.get_by_label("Strongest feature");
}

#[test]
fn a_mark_s_legend_colours_by_its_feature() {
    let mut harness = testing::harness(ViewId::Prompt, ranked());
    harness.run();
    harness.get_by_label("Colour by #8 [ king]").click();
    harness.run();
    let select = navigation::Command::SelectFeature(Some(FeatureId(8)));
    assert_eq!(taken(&mut harness), [select.into()]);
    let selected = crate::state::selection::Event::Feature(Some(FeatureId(8)));
    harness.state_mut().state.apply(Event::Selection(selected));
    harness.run();
    harness.get_by_label("activation from 0 to 8.00");
    harness.get_by_label("Surprise").click();
    harness.run();
    harness.get_by_label("surprise (bits) from 0 to 5.00");
}

#[test]
fn the_feature_that_the_window_selects_at_first_leaves_surprise_until_it_is_asked_for() {
    let mut harness = testing::harness(ViewId::Prompt, ranked());
    harness.run();
    let selected = crate::state::selection::Event::Feature(Some(FeatureId(8)));
    harness.state_mut().state.apply(Event::Selection(selected));
    harness.run();
    harness.get_by_label("surprise (bits) from 0 to 5.00");
    harness.get_by_label("Colour by feature 8, 4.00").click();
    harness.run();
    harness.get_by_label("activation from 0 to 8.00");
}

#[test]
fn a_cell_of_the_grid_selects_feature_and_token() {
    let mut harness = testing::harness(ViewId::Prompt, ranked());
    harness.run();
    let cell = "#8 [ king] on \" king\", position 2: 4.00, 5.00 bits, 50";
    harness.get_by_label_contains(cell).click();
    harness.run();
    let want: [Command; 2] = [
        navigation::Command::SelectFeature(Some(FeatureId(8))).into(),
        navigation::Command::SelectToken(Some(2)).into(),
    ];
    assert_eq!(taken(&mut harness), want);
}

#[test]
fn next_tokens_stand_beside_every_side() {
    for side in area::Side::ALL {
        let harness = shown(read(), side);
        harness.get_by_label("Next token");
        harness.get_by_label("said, 25.0\u{202F}%");
    }
}

#[test]
fn the_sentence_stands_on_the_screen_once() {
    let harness = harness();
    let field = egui::accesskit::Role::MultilineTextInput;
    harness.get_by_role_and_label(field, "Sentence");
    // One node a token, and none of a second strip.
    assert_eq!(harness.get_all_by_label("king, token 2").count(), 1);
    harness.get_by_label("<|endoftext|>, token 0");
}

#[test]
fn while_somebody_types_the_last_reading_stays_on_what_did_not_change() {
    let mut state = ranked();
    state.apply(Event::Prompt(area::Event::Text {
        text: "The king sat".to_owned(),
        typed: true,
    }));
    let mut harness = testing::harness(ViewId::Prompt, state);
    harness.run();
    harness.get_by_label("king, token 2");
    harness.get_by_label("surprise (bits) from 0 to 5.00");
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
    harness.get_by_label("Head L2H5");
    let image = egui::accesskit::Role::Image;
    harness.get_by_role_and_label(image, "Pattern of head L2H5");
    // The last token is described while none is selected.
    let (source, weight) = umbra_core::attention::strongest(patterns.sources(Head(5), 2), 1)[0];
    let words = format!(
        "{}, {}",
        patterns.texts[source].trim(),
        crate::widgets::number::number(f64::from(weight))
    );
    harness.get_all_by_label(&words).next().unwrap();
    harness
        .get_by_label_contains("L1H3: previous token")
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

#[test]
fn the_token_at_the_caret_is_selected_once_what_was_typed_is_read() {
    let mut state = read();
    let choose = |at| Event::Selection(crate::state::selection::Event::Token(Some(at)));
    let typed = |state: &mut AppState, caret: Option<usize>| {
        state.apply(choose(0));
        let text = "The king".to_owned();
        state.apply(Event::Prompt(area::Event::Text { text, typed: true }));
        if let Some(caret) = caret {
            state.apply(Event::Prompt(area::Event::Caret(caret)));
        }
    };
    let arrive = |state: &mut AppState| {
        let input = Input::Text("The king".to_owned());
        let load = Load::Ready(Arc::new(reading()));
        let event = area::Event::Reading(Some(DictionaryId(0)), input, load);
        state.apply(Event::Prompt(event));
        state.selection.token
    };
    typed(&mut state, None);
    assert_eq!(arrive(&mut state), Some(2), "the last one at the end");
    typed(&mut state, Some(2));
    assert_eq!(arrive(&mut state), Some(1), "the one around the caret");
    typed(&mut state, None);
    state.apply(choose(1));
    assert_eq!(arrive(&mut state), Some(1), "a person chose another");
}

#[test]
fn a_silent_feature_is_said_to_be_not_active_and_a_chosen_one_leads_the_grid() {
    let mut harness = testing::harness(ViewId::Prompt, ranked());
    harness.run();
    for (feature, silent) in [(3, false), (9, true)] {
        let selected = crate::state::selection::Event::Feature(Some(FeatureId(feature)));
        harness.state_mut().state.apply(Event::Selection(selected));
        harness.run();
        let words = harness.query_by_label("Not active on this sentence");
        assert_eq!(words.is_some(), silent, "#{feature}");
        let cell = "#3 [ king] on \" king\", position 2";
        let leads = harness.query_by_label_contains(cell).is_some();
        assert_eq!(leads, !silent, "#{feature}");
    }
}

/// The sentence with the norms of the dictionary's error, split by a fit or not.
fn with_errors(split: bool) -> AppState {
    use crate::state::dark_matter::Event as Lab;
    use crate::state::dark_matter::places::{Errors, Event as Places, Key, Passage};
    use umbra_core::dark_matter::ErrorNorms;

    let mut state = read();
    let key = Key {
        dictionary: DictionaryId(0),
        passage: Passage::Sentence(Input::Text("The king".to_owned())),
        fit: split.then_some(1),
    };
    let norms = |total| ErrorNorms {
        activation: 8.0,
        total,
        linear: 1.0,
        nonlinear: 1.25,
    };
    let errors = Errors {
        texts: reading().texts,
        counts: reading().counts,
        norms: [20.0, 2.0, 4.0].map(norms).to_vec(),
    };
    for load in [Load::Loading, Load::Ready(Arc::new(errors))] {
        state.apply(Event::DarkMatter(Lab::Places(Places::Errors(
            key.clone(),
            load,
        ))));
    }
    state
}

#[test]
fn a_token_says_how_much_of_it_is_unexplained_and_the_sentence_is_coloured_by_it() {
    let mut harness = testing::harness(ViewId::Prompt, with_errors(true));
    harness.run();
    // The last token: 4² / 8².
    harness
        .get_by_label("Unexplained 25.0\u{202F}%, colour by the error")
        .click();
    harness.run();
    harness.run();
    harness.get_by_label("norm of the error from 0 to 4.00");
    harness.get_by_label("Nonlinear error").click();
    harness.run();
    assert!(taken(&mut harness).is_empty(), "it selects nothing");
}

#[test]
fn without_a_fit_only_the_whole_error_colours_the_sentence() {
    let mut harness = testing::harness(ViewId::Prompt, with_errors(false));
    harness.run();
    let is_disabled = |label: &str| {
        let node = harness.get_by_label(label);
        node.accesskit_node().is_disabled()
    };
    assert!(is_disabled("Linear error") && is_disabled("Nonlinear error"));
    assert!(!is_disabled("Error"));
}

#[test]
fn errors_of_another_sentence_are_not_shown() {
    let mut state = with_errors(true);
    let mut other = reading();
    other.texts[2] = " queen".to_owned();
    other.text = "The queen".to_owned();
    let input = Input::Text("The king".to_owned());
    for load in [Load::Loading, Load::Ready(Arc::new(other))] {
        let event = area::Event::Reading(Some(DictionaryId(0)), input.clone(), load);
        state.apply(Event::Prompt(event));
    }
    let harness = testing::harness(ViewId::Prompt, state);
    assert!(harness.query_by_label_contains("Unexplained").is_none());
    assert!(harness.query_by_label("Error").is_none());
}
