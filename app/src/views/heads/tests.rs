//! A head lists its features; colourings and missing dictionaries offer what they need; attribution shows its sum.

use std::sync::Arc;

use egui_kittest::kittest::Queryable as _;
use umbra_core::heads::features::{Effect, Ranking};
use umbra_core::heads::{Among, HeadFigures};
use umbra_core::ids::{FeatureId, Head, HookPoint, Layer, Site};
use umbra_core::project::{HeadVerdict, Verdict};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::features;
use crate::state::heads::roles;
use crate::state::heads::step::{Shown, Step, Tab};
use crate::state::requests::{Command, heads, navigation, training};
use crate::state::selection::Event as Selected;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing;

const ID: DictionaryId = DictionaryId(0);

/// Shows a step.
fn show(state: &mut AppState, step: Step) {
    let tab = Tab::default();
    state.apply(Event::Selection(Selected::Shown(Shown { step, tab })));
}

/// The demo's model (four layers) with measured heads on layer 0.
fn measured() -> AppState {
    let mut state = testing::with_model();
    let heads = state.model().unwrap().model.config().heads;
    let figures = (0..heads).map(|head| HeadFigures {
        head: Head::from(head),
        features: vec![(FeatureId(3), 0.75), (FeatureId(5), 0.5)],
        spread: 1.5 + head as f64,
        cosine: 0.25,
        jaccard: None,
        among: Among::All(256),
    });
    let figures = Load::Ready(Arc::new(figures.collect()));
    for load in [Load::Loading, figures] {
        let event = features::Event::Figures(ID, false, load);
        state.apply(Event::Heads(Heads::Features(event)));
    }
    state
}

#[test]
fn a_head_is_chosen_and_lists_its_features() {
    let mut harness = testing::harness(ViewId::Heads, measured());
    harness
        .get_by_label("Head 0.1, spread 2.50, cosine 0.250")
        .click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert_eq!(sent, [heads::Command::Choose(Layer(0), Head(1)).into()]);
    let state = &mut harness.state_mut().state;
    state.apply(Event::Selection(Selected::Head(Layer(0), Head(1))));
    show(state, Step::Head);
    harness.run();
    harness.get_by_label_contains("chosen among all 256 features");
    harness.get_by_label("Attribute feature 5").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let want = navigation::Command::SelectFeature(Some(FeatureId(5)));
    assert!(sent.contains(&want.into()), "{sent:?}");
}

#[test]
fn a_layer_without_a_dictionary_offers_to_train_one() {
    let mut harness = testing::harness(ViewId::Heads, measured());
    harness.get_by_label("Head 2.0, no dictionary");
    harness.get_by_label("Train one on layer 2…").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let hook = HookPoint::block(2, Site::Z);
    assert_eq!(sent, [training::Command::Preset(hook).into()]);
}

#[test]
fn the_colouring_is_toggled_and_asks_for_an_index_where_it_needs_one() {
    let mut harness = testing::harness(ViewId::Heads, measured());
    assert!(
        harness
            .query_by_label_contains("Top tokens of layer")
            .is_none()
    );
    harness.get_by_label("Spread (heads)");
    harness.get_by_label("Jaccard index").click();
    harness.run();
    // The button and the scale: without an index no head has this figure.
    assert_eq!(harness.get_all_by_label("Jaccard index").count(), 2);
    harness.get_by_label("Build the index of z0…");
}

#[test]
fn without_a_dictionary_the_grid_shows_where_heads_look() {
    use crate::state::prompt::Side;
    use crate::state::requests::{attention, prompt, steering};

    let mut state = testing::with_demo_model(testing::empty());
    state.prompt.text = "The king saw the king".to_owned();
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&attention::Command::Overview.into()),
        "{sent:?}"
    );
    let mut desk = testing::Desk::new(std::mem::take(&mut harness.state_mut().state));
    desk.run(attention::Command::Overview);
    let overview = Arc::clone(desk.state.attention.overview.ready().unwrap());
    let glance = &overview.heads[9];
    let weight = crate::widgets::number::number(f64::from(glance.previous));
    let name = format!(
        "Head {}.{}, previous token {weight}",
        glance.layer, glance.head
    );
    let mut harness = testing::harness(ViewId::Heads, desk.state);
    harness.get_by_label("Weight on the token before");
    harness.get_by_label(&name).click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let choose = heads::Command::Choose(glance.layer, glance.head);
    assert_eq!(sent, [choose.into()]);
    let state = &mut harness.state_mut().state;
    let head = Selected::Head(glance.layer, glance.head);
    state.apply(Event::Selection(head));
    show(state, Step::Head);
    harness.run();
    harness.get_by_label("Show its attention pattern").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let go = navigation::Command::Go(ViewId::Prompt);
    let show = prompt::Command::Show(Side::Attention);
    assert_eq!(sent, [show.into(), go.into()]);
    harness
        .get_by_label("Silence this head in Steering")
        .click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let silence = steering::Command::Silence(glance.layer, glance.head);
    assert_eq!(sent, [silence.into()]);
}

#[test]
fn a_dictionary_of_another_model_colours_nothing() {
    let state = testing::with_demo_model(testing::typical());
    let harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label_contains("choose the model it was trained on");
    harness.get_by_label("Weight on the token before");
    assert!(harness.state().commands.is_empty(), "nothing is measured");
}

#[test]
fn it_opens_with_the_head_of_the_largest_figure_and_its_strongest_feature() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = testing::Window::build(
        egui_kittest::Harness::builder().with_size((1440.0, 900.0)),
        testing::demo(folder.path()),
    );
    harness.state_mut().go(ViewId::Heads);
    testing::Window::settle(&mut harness);
    harness.get_by_label_contains("3  Why").click();
    testing::Window::settle(&mut harness);
    // The dictionary in use is another, and an attribution is there all the same.
    harness.get_by_label_contains("the strongest of the head's features on the sentence");
    harness.get_by_label_contains("adds up, residue");
    harness.get_by_label_contains("2  Head").click();
    testing::Window::settle(&mut harness);
    let state = &harness.state().desk.state;
    assert_eq!(state.selection.head, None, "nobody chose one");
    let mut spreads = vec![];
    for layer in (0..4).map(Layer) {
        let dictionary = state.z_dictionary(layer).unwrap().id;
        let figures = state.heads.features.figures[&dictionary]
            .load
            .ready()
            .unwrap();
        spreads.extend(figures.iter().map(|one| (one.spread, layer, one.head)));
    }
    let most = spreads.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    let (_, layer, head) = most.unwrap();
    harness.get_by_label(&format!("Head L{layer}H{head}"));
    harness.get_by_label_contains("shown first for the largest spread");
}

#[test]
fn a_chosen_feature_is_attributed_where_it_is_strongest() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let dictionary = desk.state.z_dictionary(Layer(1)).unwrap().id;
    desk.run(navigation::Command::SelectDictionary(dictionary));
    let reading = Arc::clone(desk.state.prompt.reading.ready().unwrap());
    let (feature, _) = reading.latents.row(5).next().unwrap();
    desk.run(navigation::Command::SelectFeature(Some(feature)));
    desk.run(navigation::Command::SelectToken(None));
    let acts = (0..reading.latents.rows()).map(|at| reading.latents.get(at, feature));
    let most = acts
        .enumerate()
        .filter(|(at, _)| reading.counts[*at])
        .reduce(|most, one| if one.1 > most.1 { one } else { most });
    let (at, _) = most.unwrap();
    let builder = egui_kittest::Harness::builder().with_size((1440.0, 900.0));
    let mut harness = testing::Window::build(builder, desk);
    harness.state_mut().go(ViewId::Heads);
    testing::Window::settle(&mut harness);
    harness
        .state_mut()
        .desk
        .run(heads::Command::Step(Step::Why));
    testing::Window::settle(&mut harness);
    let asked = harness
        .state()
        .desk
        .state
        .heads
        .attribution
        .of
        .clone()
        .unwrap();
    assert_eq!((asked.feature, asked.at), (feature, at));
}

#[test]
fn a_head_of_another_layer_is_shown_by_its_own_dictionary_and_the_one_in_use_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let [used, other] = [1, 3].map(|layer| desk.state.z_dictionary(Layer(layer)).unwrap().id);
    desk.run(navigation::Command::SelectDictionary(used));
    desk.run(navigation::Command::SelectFeature(Some(FeatureId(7))));
    desk.run(navigation::Command::SelectToken(Some(0)));
    let builder = egui_kittest::Harness::builder().with_size((1440.0, 900.0));
    let mut harness = testing::Window::build(builder, desk);
    harness.state_mut().go(ViewId::Heads);
    testing::Window::settle(&mut harness);
    harness
        .state_mut()
        .desk
        .run(heads::Command::Step(Step::Why));
    testing::Window::settle(&mut harness);
    let choose = heads::Command::Choose(Layer(3), Head(2));
    harness.state_mut().desk.run(choose);
    harness
        .state_mut()
        .desk
        .run(heads::Command::Step(Step::Why));
    testing::Window::settle(&mut harness);
    let state = &harness.state().desk.state;
    assert_eq!(state.selection.dictionary, Some(used));
    let asked = state.heads.attribution.of.clone().unwrap();
    assert_eq!(asked.dictionary, other);
    assert!(asked.at > 0, "the first position does not count: {asked:?}");
    harness.get_by_label_contains("the strongest of the head's features on the sentence");
}

#[test]
fn an_unstudied_head_offers_to_study_its_layer_and_all() {
    let mut state = measured();
    state.apply(Event::Selection(Selected::Head(Layer(0), Head(1))));
    show(&mut state, Step::Head);
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.run();
    harness.state_mut().commands.take();
    let study = Command::from(heads::roles::Command::Study(vec![ID]));
    harness.get_by_label("Study this layer").click();
    harness.get_by_label("Study all layers").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert_eq!(
        sent.iter().filter(|command| **command == study).count(),
        2,
        "{sent:?}"
    );
}

#[test]
fn a_studied_head_shows_its_ranks_its_verdict_and_takes_ones_own() {
    let mut harness = testing::harness(ViewId::Heads, testing::studied_head());
    harness.run();
    harness.get_by_label_contains("On ten random live features of the layer");
    harness.get_by_label_contains("Weights against text: Pearson");
    harness.get_by_label_contains("By directions written: ");
    harness.state_mut().commands.take();
    harness.get_by_label("Measure causal effects").click();
    harness.get_by_label("Several roles").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let effects = heads::roles::Command::Effects(ID, Head(1));
    assert!(sent.contains(&effects.into()), "{sent:?}");
    let own = |verdict| HeadVerdict {
        layer: Layer(0),
        head: Head(1),
        verdict,
        note: String::new(),
    };
    let set = heads::roles::Command::Set(own(Some(Verdict::Several)));
    assert!(sent.contains(&set.into()), "{sent:?}");
    let state = &mut harness.state_mut().state;
    let event = roles::Event::Set(own(Some(Verdict::Several)));
    state.apply(Event::Heads(Heads::Roles(event)));
    harness.run();
    harness.get_by_label_contains("Agreement with your verdicts on 1 head");
    harness.get_by_label("Several roles").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let removed = heads::roles::Command::Set(own(None));
    assert!(sent.contains(&removed.into()), "{sent:?}");
}

#[test]
fn causal_effects_join_the_ranks_they_were_measured_for() {
    let mut state = testing::studied_head();
    let rows = state.heads.roles.study(ID).unwrap().features[1].rows.len();
    let effects = (0..rows).map(|at| {
        (at % 3 == 0).then_some(Effect {
            rise: at as f64,
            tokens: 5,
        })
    });
    let event = roles::Event::Effects((ID, Head(1)), Load::Ready(effects.collect()));
    state.apply(Event::Heads(Heads::Roles(event)));
    let head = &state.heads.roles.study(ID).unwrap().features[1];
    let first = head.by(Ranking::Causal)[0];
    assert_eq!(first.effect.unwrap().rise, ((rows - 1) / 3 * 3) as f64);
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.run();
    assert!(harness.query_by_label("Measure causal effects").is_none());
}
