//! A head lists its features; colourings and missing dictionaries offer what they need; attribution shows its sum.

use std::sync::Arc;

use egui::{Key, Role};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::heads::features::{Effect, Ranking};
use umbra_core::heads::{Among, HeadFigures};
use umbra_core::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use umbra_core::project::{HeadVerdict, Verdict};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::features;
use crate::state::heads::map::MapState;
use crate::state::heads::roles;
use crate::state::heads::step::{Shown, Step, Tab};
use crate::state::prompt::Side;
use crate::state::requests::{Command, heads, navigation, prompt, training};
use crate::state::selection::Event as Selected;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing::{self, surveys};

const ID: DictionaryId = DictionaryId(0);

/// Draws all of a step in a high window.
fn whole(harness: &mut egui_kittest::Harness<'_, testing::Stage>) {
    harness.set_size(egui::vec2(1000.0, 3000.0));
    harness.run();
}

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

/// The demo's model with measured heads on layer 0 and a survey of all.
fn surveyed() -> AppState {
    surveys::with_survey(measured())
}

/// Chooses a head and shows it.
fn choose(state: &mut AppState, (layer, head): (Layer, Head)) {
    state.apply(Event::Selection(Selected::Head(layer, head)));
    show(state, Step::Head);
}

#[test]
fn a_head_is_chosen_and_lists_its_features() {
    let mut harness = testing::harness(ViewId::Heads, surveyed());
    let previous =
        "L0H1 · previous-token head · 75.0\u{202F}% of its attention on the token before";
    harness.get_by_label(previous).click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert_eq!(sent, [heads::Command::Choose(Layer(0), Head(1)).into()]);
    choose(&mut harness.state_mut().state, (Layer(0), Head(1)));
    whole(&mut harness);
    harness.get_by_label("Previous-token head");
    harness.get_by_label_contains("chosen among all 256 features");
    harness.get_by_label("Attribute feature 5").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let want = navigation::Command::SelectFeature(Some(FeatureId(5)));
    assert!(sent.contains(&want.into()), "{sent:?}");
    assert!(sent.contains(&heads::Command::Step(Step::Why).into()));
}

#[test]
fn the_map_is_one_stop_of_the_tab_key_and_arrow_keys_walk_it() {
    let mut state = surveyed();
    choose(&mut state, (Layer(0), Head(1)));
    show(&mut state, Step::Map);
    let mut harness = testing::harness(ViewId::Heads, state);
    let map = harness.get_by_role_and_label(Role::Image, "Behaviour");
    map.focus();
    harness.run();
    harness.key_press(Key::ArrowDown);
    harness.run();
    let sent = harness.state_mut().commands.take();
    let below = navigation::Command::SelectHead(Layer(1), Head(1));
    assert_eq!(sent, [below.into()]);
    harness.key_press(Key::Enter);
    harness.run();
    let sent = harness.state_mut().commands.take();
    let opened = heads::Command::Choose(Layer(0), Head(1));
    assert_eq!(sent, [opened.into()]);
}

#[test]
fn heads_with_a_clear_role_are_named_and_open() {
    let mut harness = testing::harness(ViewId::Heads, surveyed());
    harness.get_by_label("Heads with a clear role");
    harness.get_by_role_and_label(Role::Button, "L1H2").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let (layer, head) = surveys::INDUCTION;
    assert_eq!(sent, [heads::Command::Choose(layer, head).into()]);
}

#[test]
fn a_head_shows_its_contexts_in_words_and_asks_for_the_whole_pattern() {
    let mut state = surveyed();
    choose(&mut state, surveys::INDUCTION);
    let model = Arc::clone(&state.model().unwrap().model);
    let text = |id| model.codec().display(TokenId(id));
    let want = format!(
        "“{}” attends to “{}” (75.0\u{202F}% of its attention), the token after the earlier “{}”",
        text(40),
        text(50),
        text(40)
    );
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label(&want);
    let sent = harness.state_mut().commands.take();
    let context = [40, 50, 60, 40, 70].map(TokenId);
    let pattern = |tokens: Vec<TokenId>| -> Command {
        heads::survey::Command::Pattern((Layer(1), tokens)).into()
    };
    assert!(sent.contains(&pattern(context.to_vec())), "{sent:?}");
    // A context from within the text is read after a BOS.
    let title = format!("“{}” → “{}”", text(40), text(50));
    let buttons = harness.get_all_by_label(&title);
    buttons.into_iter().nth(1).unwrap().click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let bos = model.codec().bos().id.unwrap();
    let read = std::iter::once(bos).chain(context).collect();
    assert!(sent.contains(&pattern(read)), "{sent:?}");
}

#[test]
fn a_context_is_read_in_prompt_with_the_head_that_it_shows() {
    let mut desk = testing::Desk::new(surveyed());
    desk.run(prompt::Command::Text("My own sentence".to_owned()));
    choose(&mut desk.state, surveys::INDUCTION);
    let builder = egui_kittest::Harness::builder().with_size((1440.0, 900.0));
    let mut harness = testing::Window::build(builder, desk);
    harness.state_mut().go(ViewId::Heads);
    testing::Window::settle(&mut harness);
    harness.get_by_label("Read it in Prompt").click();
    testing::Window::settle(&mut harness);
    let desk = &mut harness.state_mut().desk;
    assert_eq!(desk.view(), ViewId::Prompt);
    let shown = desk.state.prompt.tokens.as_ref().unwrap();
    assert_eq!(shown.ids.as_ref(), [40, 50, 60, 40, 70].map(TokenId));
    assert_eq!(desk.state.selection.token, Some(3));
    assert_eq!(desk.state.prompt.side, Side::Attention);
    desk.run(navigation::Command::Back);
    assert_eq!(desk.state.prompt.text, "My own sentence");
    assert_eq!(desk.view(), ViewId::Heads);
}

#[test]
fn back_and_forward_walk_the_steps_with_their_heads() {
    let mut desk = testing::Desk::new(surveyed());
    desk.run(navigation::Command::Go(ViewId::Heads));
    desk.run(heads::Command::Choose(Layer(1), Head(2)));
    desk.run(heads::Command::Step(Step::Why));
    desk.run(heads::Command::Choose(Layer(3), Head(0)));
    let at = |desk: &testing::Desk| (desk.state.selection.shown.step, desk.state.head());
    let first = Some((Layer(1), Head(2)));
    desk.run(navigation::Command::Back);
    assert_eq!(at(&desk), (Step::Why, first));
    desk.run(navigation::Command::Back);
    assert_eq!(at(&desk), (Step::Head, first));
    desk.run(navigation::Command::Back);
    assert_eq!(at(&desk).0, Step::Map);
    assert_eq!(desk.view(), ViewId::Heads);
    desk.run(navigation::Command::Forward);
    assert_eq!(at(&desk), (Step::Head, first));
}

#[test]
fn a_layer_without_a_dictionary_offers_to_train_one() {
    let mut state = measured();
    choose(&mut state, (Layer(2), Head(0)));
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label("No dictionary reads attn.hook_z of layer 2");
    harness.get_by_label("Train one on layer 2…").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let hook = HookPoint::block(2, Site::Z);
    assert!(
        sent.contains(&training::Command::Preset(hook).into()),
        "{sent:?}"
    );
}

#[test]
fn the_colouring_is_chosen_from_the_figures_that_were_measured() {
    let mut harness = testing::harness(ViewId::Heads, surveyed());
    harness.get_by_role(Role::ComboBox).click();
    harness.run();
    let causal = harness.get_by_label("Rise of cross-entropy");
    assert!(causal.accesskit_node().is_disabled(), "no head was ablated");
    harness.get_by_label("Entropy").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let map = MapState {
        figure: "entropy".to_owned(),
        table: false,
    };
    assert_eq!(sent, [heads::Command::Map(map.clone()).into()]);
    harness
        .state_mut()
        .state
        .apply(Event::Heads(Heads::Map(map)));
    harness.run();
    harness.get_by_label_contains("Entropy (nats) from 0 to");
}

#[test]
fn all_heads_stand_in_a_table_in_the_order_of_a_figure() {
    let mut state = surveyed();
    let map = MapState {
        table: true,
        ..MapState::default()
    };
    state.apply(Event::Heads(Heads::Map(map)));
    let mut harness = testing::harness(ViewId::Heads, state);
    harness.get_by_label("All heads, 32 rows");
    harness.get_by_label("Row of head L0H0");
    let head = harness.get_by_label("Row of head L0H1");
    head.click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let select = navigation::Command::SelectHead(Layer(0), Head(1));
    assert_eq!(sent, [select.into()]);
}

#[test]
fn without_a_survey_the_screen_offers_one_and_says_why_another_was_refused() {
    let mut harness = testing::harness(ViewId::Heads, measured());
    harness.get_by_label("Survey the heads…").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&heads::survey::Command::Ask.into()),
        "{sent:?}"
    );
    let state = &mut harness.state_mut().state;
    let why = "The kept survey of heads was made with the model other";
    let of = (std::path::PathBuf::new(), String::new());
    for load in [Load::Loading, Load::Failed(why.to_owned())] {
        let event = crate::state::heads::survey::Event::Kept(of.clone(), load);
        state.apply(Event::Heads(Heads::Survey(event)));
    }
    harness.run();
    harness.get_by_label(why);
    assert!(harness.query_by_label("Heads with a clear role").is_none());
}

#[test]
fn without_a_dictionary_the_grid_shows_where_heads_look() {
    use crate::state::requests::{attention, steering};

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
        "L{}H{} · previous token {weight}",
        glance.layer, glance.head
    );
    let mut harness = testing::harness(ViewId::Heads, desk.state);
    harness.get_by_label_contains("Weight on the token before from 0 to");
    harness.get_by_label(&name).click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let chosen = heads::Command::Choose(glance.layer, glance.head);
    assert_eq!(sent, [chosen.into()]);
    choose(&mut harness.state_mut().state, (glance.layer, glance.head));
    harness.run();
    harness.get_by_label("Show its attention pattern").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let select = navigation::Command::SelectHead(glance.layer, glance.head);
    let go = navigation::Command::Go(ViewId::Prompt);
    let show = prompt::Command::Show(Side::Attention);
    assert_eq!(sent, [select.into(), show.into(), go.into()]);
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
    harness.get_by_label_contains("Weight on the token before from 0 to");
    assert!(harness.state().commands.is_empty(), "nothing is measured");
}

#[test]
fn it_opens_with_the_clearest_induction_head_and_its_strongest_feature() {
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
    harness.get_by_label("Head L3H3");
    harness.get_by_label_contains("shown first: the strongest induction");
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
    harness.set_size(egui::vec2(1000.0, 2400.0));
    harness.run();
    harness.get_by_label_contains("once, and 9 passes over 32 rows of them");
    let stopped = roles::Event::Study(ID, Load::Absent);
    let state = &mut harness.state_mut().state;
    state.apply(Event::Heads(Heads::Roles(stopped)));
    harness.run();
    harness.get_by_label("The study was stopped; nothing of it was kept");
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
    whole(&mut harness);
    harness.get_by_label_contains("On ten random live features of the layer");
    harness.get_by_label_contains("Weights against text: Pearson");
    harness.get_by_label_contains("By directions written: ");
    harness.get_by_label("Output explained by the ten features");
    let study = harness.state().state.heads.roles.study(ID);
    let little = study.unwrap().roles().heads[1].parts.is_little();
    let warning = harness.query_by_label_contains("That is less than 10");
    assert_eq!(warning.is_some(), little);
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
