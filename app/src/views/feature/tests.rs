//! Drives a feature's page by the names of its controls.

use std::sync::Arc;

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::features::facts::{Fact, FactToken, Kind};
use umbra_core::features::{
    Coactive, Counting, Detail, Example, Histogram, Interval, Moments, Neuron, Place, Relations,
    SourceToken, Sources, Summary, TokenEffect, TokenUse, Uses,
};
use umbra_core::ids::{FeatureId, Head, Layer, TokenId};
use umbra_core::project::Given;
use umbra_core::steer::{Stream, What};
use umbra_core::workbench::labels::from_fact;

use crate::state::catalogue::{self, DictionaryId, LoadedIndex};
use crate::state::project::{self, LabelChange};
use crate::state::requests::{Command, features, labels, navigation, prompt, steering};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, features as area, selection};
use crate::testing::{self, Stage, Window};

/// The example of number `i`; no two are near-duplicates.
fn example(i: u32, peak: f32) -> Example {
    let tokens = [" the", " king", "\n", " said"];
    Example {
        document: "glinda-of-oz.txt".to_owned(),
        place: Some(Place {
            row: 3,
            position: 21,
        }),
        ids: (10 * i..10 * i + 4).map(TokenId).collect(),
        tokens: tokens.iter().map(|t| (*t).to_owned()).collect(),
        acts: vec![0.0, peak, 0.5, 0.0],
        at: 1,
    }
}

fn detail() -> Detail {
    let effect = |text: &str, effect| TokenEffect {
        id: TokenId(3),
        text: text.to_owned(),
        effect,
    };
    Detail {
        summary: Summary {
            feature: FeatureId(5),
            density: 0.012,
            mean: 1.0,
            min: 0.0,
            max: 4.0,
            decoder_norm: 1.0,
            ..Summary::default()
        },
        histogram: Histogram {
            edges: vec![0.0, 2.0, 4.0],
            counts: vec![900, 3],
        },
        top: (0..12).map(|i| example(i, 4.0 - i as f32 * 0.1)).collect(),
        intervals: vec![Interval {
            from: 3.2,
            to: 4.0,
            share: 0.01,
            examples: vec![example(20, 3.5)],
        }],
        promoted: vec![effect(" queen", 0.25)],
        suppressed: vec![effect(" toad", -0.125)],
        logits: Histogram {
            edges: vec![-1.5, 0.0, 2.5],
            counts: vec![4000, 96],
        },
        head_shares: vec![0.75, 0.25],
        ..Detail::default()
    }
}

/// The page of feature 5.
fn page() -> AppState {
    page_of(detail())
}

fn page_of(detail: Detail) -> AppState {
    let mut state = testing::typical();
    let (id, feature) = (DictionaryId(0), FeatureId(5));
    state.apply(Event::Selection(selection::Event::Feature(Some(feature))));
    let detail = Load::Ready(Arc::new(detail));
    state.apply(Event::Features(area::Event::Detail(id, feature, detail)));
    let near = Load::Ready(Arc::new(vec![(FeatureId(9), 0.5)]));
    state.apply(Event::Features(area::Event::Neighbours(id, feature, near)));
    state
}

fn harness() -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Feature, page());
    harness.set_size(egui::vec2(1000.0, 2400.0)); // a click needs its target in view
    harness.run();
    harness
}

fn taken(harness: &mut Harness<'_, Stage>) -> Vec<Command> {
    harness.state_mut().commands.take()
}

#[test]
fn enter_saves_the_label() {
    let mut harness = harness();
    harness.get_by_label("Label").focus();
    harness.run();
    harness.get_by_label("Label").type_text("royal titles");
    harness.run();
    assert_eq!(taken(&mut harness), [], "nothing is saved while typing");
    harness.key_press(Key::Enter);
    harness.run();
    let set = features::Command::SetLabel {
        feature: FeatureId(5),
        text: "royal titles".to_owned(),
    };
    assert_eq!(taken(&mut harness), [set.into()]);
}

#[test]
fn a_label_that_is_set_is_the_heading_at_once() {
    let mut state = page();
    let sae = state.dictionary().unwrap().name.clone();
    let change = |text: &str| {
        let set = LabelChange {
            sae: sae.clone(),
            feature: FeatureId(5),
            before: Given::default(),
            after: text.into(),
        };
        Event::Project(project::Event::LabelsSet(vec![set]))
    };
    state.apply(change("royal titles"));
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.set_size(egui::vec2(1000.0, 2400.0));
    harness.run();
    harness.get_by_label("royal titles");
    harness.state_mut().state.apply(change("kings"));
    harness.run();
    harness.get_by_label("kings");
    assert!(harness.query_by_label("royal titles").is_none());
    harness.state_mut().state.apply(change(""));
    harness.run();
    assert!(harness.query_by_label("kings").is_none());
}

#[test]
fn facts_over_another_text_than_the_index_are_marked() {
    let words = "measured over another text than the index: 7 tokens of girls.txt";
    let page = |elsewhere: Option<&str>| {
        let (id, feature) = (DictionaryId(0), FeatureId(5));
        let mut state = page();
        let facts = area::Event::Facts(id, feature, Arc::new(vec![]));
        state.apply(Event::Features(facts));
        let index = LoadedIndex {
            path: "i.sqlite".into(),
            about: umbra_core::features::About::default(),
            facts_elsewhere: elsewhere.map(str::to_owned),
            size_bytes: 0,
        };
        let fit = umbra_core::fit::Fit::of_index(&index.about, None, None);
        for event in [
            catalogue::Event::Index(id, Load::Ready(index)),
            catalogue::Event::IndexFit(id, Load::Loading),
            catalogue::Event::IndexFit(id, Load::Ready(fit)),
        ] {
            state.apply(Event::Catalogue(event));
        }
        let mut harness = testing::harness(ViewId::Feature, state);
        harness.set_size(egui::vec2(1000.0, 3200.0));
        harness.run();
        let found = harness.query_by_label_contains("Measured over another text");
        found.is_some()
    };
    assert!(page(Some(words)) && !page(None));
}

#[test]
fn escape_takes_the_edit_back() {
    let mut harness = harness();
    harness.get_by_label("Label").focus();
    harness.run();
    harness.get_by_label("Label").type_text("slip");
    harness.run();
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(taken(&mut harness), []);
}

#[test]
fn steps_go_to_the_next_and_previous_feature() {
    let mut harness = harness();
    let page = |feature| navigation::Command::Feature {
        feature: FeatureId(feature),
        beside: false,
    };
    harness.get_by_label("Next feature").click();
    harness.run();
    assert_eq!(taken(&mut harness), [page(6).into()]);
    harness.key_press(Key::OpenBracket);
    harness.run();
    assert_eq!(taken(&mut harness), [page(4).into()]);
}

#[test]
fn an_examples_token_opens_it_in_prompt() {
    let mut harness = harness();
    let mut tokens = harness.get_all_by_label("king, token 1");
    let first = tokens.next().expect("the first example");
    first.click();
    drop(tokens);
    harness.run();
    let open = prompt::Command::Example {
        example: Box::new(example(0, 4.0)),
        at: 1,
    };
    assert_eq!(taken(&mut harness), [open.into()]);
    harness.get_by_label("Show all 12").click();
    harness.run();
    harness.get_by_label("Top example 12");
}

#[test]
fn negative_activations_stand_on_a_scale_with_two_sides() {
    let mut signed = detail();
    signed.summary.min = -8.0;
    signed.histogram.edges[0] = -8.0;
    signed.top[0].acts[1] = -8.0;
    let mut harness = testing::harness(ViewId::Feature, page_of(signed));
    harness.run();
    harness.get_by_label("activation from −8.00 to +8.00");
    harness.get_by_label("Min −8.00");
    let one_sided = testing::harness(ViewId::Feature, page());
    one_sided.get_by_label("activation from 0 to 4.00");
    assert!(one_sided.query_by_label_contains("Min ").is_none());
}

#[test]
fn effects_heads_and_neighbours_are_named_and_lead_on() {
    let mut harness = harness();
    harness.get_by_label("queen, +0.250");
    harness.get_by_label("toad, −0.125");
    harness.get_by_label("All tokens, 4096 tokens of the vocabulary");
    harness.get_by_label("Activations, 903 active tokens");
    harness.get_by_label("head 0, 75.0\u{202F}%").click();
    harness.run();
    let select = navigation::Command::SelectHead(Layer(0), Head(0));
    let go = navigation::Command::Go(ViewId::Heads);
    assert_eq!(taken(&mut harness), [select.into(), go.into()]);
    harness.get_by_label("Feature 9, no label").click();
    harness.run();
    let page = navigation::Command::Feature {
        feature: FeatureId(9),
        beside: false,
    };
    assert_eq!(taken(&mut harness), [page.into()]);
}

#[test]
fn near_duplicates_are_folded_counted_and_unfolded() {
    let mut detail = detail();
    detail.top[7].ids = detail.top[0].ids.clone();
    detail.top[9].ids = detail.top[0].ids.clone();
    let mut harness = testing::harness(ViewId::Feature, page_of(detail));
    harness.run();
    harness.get_by_label("Top example 7");
    assert!(harness.query_by_label("Top example 8").is_none(), "folded");
    harness.get_by_label("Top example 12");
    assert!(
        harness.query_by_label_contains("Show all").is_none(),
        "ten are left"
    );
    harness.get_by_label("+ 2 near-duplicates").click();
    harness.run();
    let top = |name: &str| harness.get_by_label(name).rect().top();
    assert!(top("Top example 1") < top("Top example 8"));
    assert!(top("Top example 8") < top("Top example 10"));
    assert!(top("Top example 10") < top("Top example 2"));
    harness.get_by_label("Fold 2 near-duplicates").click();
    harness.run();
    assert!(harness.query_by_label("Top example 8").is_none());
}

#[test]
fn examples_are_prose_under_the_title_of_their_book() {
    let mut detail = detail();
    let long = &mut detail.top[0];
    long.tokens = (0..20).map(|i| format!(" word{i:02}")).collect();
    long.ids = (1000..1020).map(TokenId).collect();
    long.acts = vec![0.0; 20];
    let mut harness = testing::harness(ViewId::Feature, page_of(detail));
    harness.set_size(egui::vec2(500.0, 700.0));
    harness.run();
    let first = harness.get_by_label("word00, token 0").rect();
    let last = harness.get_by_label("word19, token 19").rect();
    assert!(last.top() > first.bottom(), "it wraps");
    let titles = harness.get_all_by_label("Glinda of Oz").count();
    assert!(titles >= 5, "{titles}");
    assert!(
        harness
            .query_by_label_contains("glinda-of-oz.txt")
            .is_none()
    );
}

#[test]
fn a_narrow_window_puts_examples_first() {
    let mut state = testing::with_demo_model(page());
    state.prompt.text = "The king".to_owned();
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.set_size(egui::vec2(560.0, 900.0));
    harness.run();
    let top = |name: &str| {
        let all = harness.get_all_by_label(name);
        all.map(|node| node.rect().top()).fold(f32::MAX, f32::min)
    };
    assert!(top("Top example 1") < top("Activations"));
    assert!(
        harness.query_by_label("Top example 6").is_none(),
        "five at first"
    );
}

#[test]
fn what_is_missing_is_said_with_the_way_to_get_it() {
    // No index: a sentence, steering and neighbours are there.
    let mut state = testing::with_model();
    let feature = selection::Event::Feature(Some(FeatureId(5)));
    state.apply(Event::Selection(feature));
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.run();
    harness.get_by_label("Build index…").click();
    harness.run();
    let build = crate::state::requests::dictionary::Command::BuildIndex(DictionaryId(0));
    assert_eq!(taken(&mut harness), [build.into()]);
    for there in ["Try a sentence", "Run", "Neighbours"] {
        assert!(
            harness.query_all_by_label(there).next().is_some(),
            "{there}"
        );
    }
    // Never active: what it writes is there all the same.
    let silent = Detail {
        summary: Summary {
            density: 0.0,
            ..detail().summary
        },
        top: vec![],
        intervals: vec![],
        ..detail()
    };
    let harness = testing::harness(ViewId::Feature, page_of(silent));
    harness.get_by_label("This feature is never active on the index's text.");
    harness.get_by_label("queen, +0.250");
    assert!(harness.query_by_label_contains("active tokens").is_none());
    // No model: the index is shown.
    let mut harness = testing::harness(ViewId::Feature, page());
    harness.run();
    harness.get_by_label("Top example 1");
    harness.get_by_label("A model is needed to read a sentence");
    harness.get_by_label("Open a model…").click();
    harness.run();
    let open = crate::state::requests::opening::Command::Show(crate::state::opening::Kind::Model);
    assert_eq!(taken(&mut harness), [open.into()]);
    // A dictionary of another model: named, with ways on; the label can be written.
    let harness = testing::harness(
        ViewId::Feature,
        testing::with_demo_model(testing::typical()),
    );
    harness.get_by_label_contains("does not fit the open model");
    harness.get_by_label("Label");
    assert!(harness.query_by_label("Run").is_none());
}

/// The demo's page of feature 1943, which reads *more*.
fn demo(folder: &std::path::Path) -> Harness<'static, Window> {
    let mut desk = testing::demo(folder);
    desk.run(navigation::Command::Feature {
        feature: FeatureId(1943),
        beside: false,
    });
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, desk);
    Window::settle(&mut harness);
    harness
}

const SENTENCE: (egui::Role, &str) = (egui::Role::MultilineTextInput, "Try a sentence");
const LABEL: (egui::Role, &str) = (egui::Role::TextInput, "Label");

/// Places the cursor in a field by a click, and types; two actions.
fn write(harness: &mut Harness<'_, Window>, field: (egui::Role, &str), text: &str) -> usize {
    harness.get_by_role_and_label(field.0, field.1).click();
    harness.run();
    harness.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    harness.event(egui::Event::Text(text.to_owned()));
    harness.run();
    2
}

#[test]
fn an_own_sentence_is_coloured_in_two_actions() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = demo(folder.path());
    let actions = write(&mut harness, SENTENCE, "He had no more time");
    std::thread::sleep(crate::state::prompt::PAUSE);
    Window::settle(&mut harness);
    assert!(actions <= 2);
    assert_eq!(harness.state().desk.view(), ViewId::Feature);
    harness.get_by_label("“ more”");
    harness.get_by_label_contains("of the feature's maximum, 20.7");
    // The same sentence stands in Prompt.
    assert_eq!(
        harness.state().desk.state.prompt.text,
        "He had no more time"
    );
}

#[test]
fn the_page_steers_in_one_action_and_carries_the_edit_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = demo(folder.path());
    harness.get_by_label("Run").click();
    Window::settle(&mut harness);
    let trial = |harness: &Harness<'_, Window>| {
        let steering = &harness.state().desk.state.steering;
        steering.trial.clone().expect("it ran")
    };
    let run = trial(&harness);
    let [baseline, steered] = Stream::ALL.map(|stream| run.text(0, stream).joined());
    assert_ne!(baseline, steered);
    assert!(!baseline.is_empty() && !run.shift.is_empty());
    assert!(
        harness.state().desk.state.steering.run.is_none(),
        "Steering keeps its own"
    );
    harness.get_by_label("Baseline");
    harness.get_by_label_contains("Steered by +8.00");
    harness.get_by_label("Open in Steering").click();
    Window::settle(&mut harness);
    assert_eq!(harness.state().desk.view(), ViewId::Steering);
    let edits = &harness.state().desk.state.steering.draft.edits;
    let edits: Vec<_> = edits
        .iter()
        .map(|e| e.spec(None).unwrap().to_string())
        .collect();
    assert_eq!(edits, ["add feature=1943 strength=8"]);
}

#[test]
fn moving_the_slider_steers_at_once() {
    let mut state = testing::with_demo_model(testing::fitting());
    let feature = selection::Event::Feature(Some(FeatureId(5)));
    state.apply(Event::Selection(feature));
    state.prompt.text = "Once upon".to_owned();
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.run();
    harness
        .get_by_role_and_label(egui::Role::Slider, "Steering strength")
        .focus();
    harness.run();
    harness.key_press(Key::ArrowRight);
    harness.run();
    let tried = |harness: &mut Harness<'_, Stage>| {
        let sent = taken(harness).into_iter();
        let strength = |command| match command {
            Command::Steering(steering::Command::Try(request)) => match request.edits[0].what {
                What::Add(_, strength) => Some(strength),
                _ => None,
            },
            _ => None,
        };
        sent.filter_map(strength).collect::<Vec<_>>()
    };
    let asked = tried(&mut harness);
    assert!(
        matches!(asked[..], [strength] if strength > 8.0),
        "{asked:?}"
    );
    harness.run();
    assert_eq!(tried(&mut harness), [0.0; 0], "once");
}

#[test]
fn a_label_is_written_in_two_actions_and_kept_on_leaving() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = demo(folder.path());
    let actions = write(&mut harness, LABEL, "comparisons with more");
    harness.key_press(Key::Tab);
    Window::settle(&mut harness);
    assert!(actions <= 2);
    let state = &harness.state().desk.state;
    assert_eq!(state.label(FeatureId(1943)), Some("comparisons with more"));
}

/// The page of a feature whose strongest examples come from the token before the marked one, and the first from far before its window.
fn attributed() -> Detail {
    let near = Sources {
        window: vec![2.0, -0.5, 0.0, 0.0],
        before: vec![],
        sum: 1.5,
    };
    let mut detail = detail();
    detail.sources = vec![near; detail.top.len()];
    detail.sources[0].before = vec![SourceToken {
        position: 4,
        id: TokenId(8),
        text: " castle".to_owned(),
        value: 2.5,
    }];
    detail.head_attribution = vec![0.375, 0.625];
    detail
}

/// A page that may attribute: the model is open and fits.
fn ready(detail: Detail) -> AppState {
    let mut state = testing::with_model();
    let (id, feature) = (DictionaryId(0), FeatureId(5));
    state.apply(Event::Selection(selection::Event::Feature(Some(feature))));
    let detail = Load::Ready(Arc::new(detail));
    state.apply(Event::Features(area::Event::Detail(id, feature, detail)));
    state
}

fn drawn(state: AppState) -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.set_size(egui::vec2(1200.0, 2400.0));
    harness.run();
    harness
}

#[test]
fn sources_of_the_index_are_named_at_once_and_can_be_hidden() {
    let mut harness = drawn(ready(attributed()));
    harness.get_by_label("← “ castle”, 17 tokens back, +2.50");
    let near = "← “ the”, the token before, +2.00";
    assert_eq!(
        harness.get_all_by_label(near).count(),
        9,
        "the others shown"
    );
    harness.get_by_label("head 1, 62.5\u{202F}%");
    let asked = |command: &Command| *command == features::Command::Sources(FeatureId(5)).into();
    assert!(!taken(&mut harness).iter().any(asked), "the index has them");
    harness.get_by_label("Sources").click();
    harness.run();
    assert!(harness.query_by_label_contains("←").is_none());
    harness.get_by_label("Sources").click();
    harness.run();
    // A person wants them: those of the intervals are computed too.
    assert!(taken(&mut harness).iter().any(asked));
    let event = |load| {
        let event = area::Event::Sources(DictionaryId(0), FeatureId(5), load);
        Event::Features(event)
    };
    harness.state_mut().state.apply(event(Load::Loading));
    harness.run();
    harness.get_by_label("Attributing the examples…");
    let place = Place {
        row: 3,
        position: 21,
    };
    let own = Sources {
        window: vec![0.25, 3.0, 0.0, 0.0],
        ..Sources::default()
    };
    let found = Load::Ready(Arc::new(vec![(place, own)]));
    harness.state_mut().state.apply(event(found));
    harness.run();
    harness.get_by_label("← itself +3.00");
    assert!(
        harness
            .query_by_label("Attributing the examples…")
            .is_none()
    );
}

#[test]
fn an_index_without_sources_gets_them_on_request_and_other_dictionaries_none() {
    let mut harness = drawn(ready(detail()));
    assert!(harness.query_by_label_contains("←").is_none());
    let asked = |command: &Command| *command == features::Command::Sources(FeatureId(5)).into();
    assert!(!taken(&mut harness).iter().any(asked));
    harness.get_by_label("Sources").click();
    harness.run();
    assert!(taken(&mut harness).iter().any(asked));
    let why = Load::Failed("there is no model".to_owned());
    let event = area::Event::Sources(DictionaryId(0), FeatureId(5), why);
    harness.state_mut().state.apply(Event::Features(event));
    harness.run();
    harness.get_by_label_contains("Could not attribute the examples");
    let residual = Detail {
        head_shares: vec![],
        ..detail()
    };
    let harness = drawn(ready(residual));
    assert!(harness.query_by_label("Sources").is_none());
}

/// The strongest examples of the demo's own index, attributed by the command, as the index of a dictionary of heads has them or would.
#[test]
fn the_command_attributes_the_examples_that_the_index_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let attn = desk.state.catalogue.dictionaries.iter();
    let id = attn.clone().find(|d| d.name == "attn-1").unwrap().id;
    desk.run(navigation::Command::SelectDictionary(id));
    let feature = FeatureId(7);
    desk.run(navigation::Command::SelectFeature(Some(feature)));
    desk.run(features::Command::ShowPage(feature));
    let detail = Arc::clone(desk.state.features.detail(id, feature).ready().unwrap());
    desk.run(features::Command::Sources(feature));
    let found = desk.state.features.sources(id, feature);
    let found = Arc::clone(found.ready().unwrap_or_else(|| panic!("{found:?}")));
    let lacking: Vec<&Example> = detail.examples().skip(detail.sources.len()).collect();
    assert!(!lacking.is_empty());
    let (sae, model) = {
        let pair = desk.state.pair(id).unwrap();
        (Arc::clone(&pair.sae), Arc::clone(&pair.model))
    };
    assert!(model.config().heads > 1);
    let (through, b_enc) = sae.bias_terms(feature);
    for example in lacking {
        let place = example.place.unwrap();
        let (_, sources) = found.iter().find(|(of, _)| *of == place).unwrap();
        // The parts sum to the activation and its bias terms; the index keeps activations to a 65,535th.
        let want = f64::from(example.act()) + through - b_enc;
        assert!(
            (f64::from(sources.sum) - want).abs() < 2e-3,
            "{sources:?} {want}"
        );
        assert_eq!(sources.window.len(), example.tokens.len());
    }
}

#[test]
fn a_cross_layer_feature_says_what_it_writes_in_each_layer() {
    use umbra_core::features::{Neighbour, Written};
    let written = |layer: usize, token: &str| Written {
        hook: umbra_core::ids::HookPoint::block(layer, umbra_core::ids::Site::MlpOut),
        norm: 1.5 / layer as f64,
        promoted: vec![TokenEffect {
            id: TokenId(3),
            text: token.to_owned(),
            effect: 0.5,
        }],
        suppressed: Vec::new(),
        neighbours: vec![Neighbour {
            feature: FeatureId(layer as u32),
            cosine: 0.75,
        }],
    };
    let state = page_of(Detail {
        written: vec![written(1, " throne"), written(2, " crown")],
        ..detail()
    });
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.set_size(egui::vec2(1000.0, 3000.0));
    harness.run();
    harness.get_by_label("Writes in each layer");
    harness.get_by_label("In blocks.1.hook_mlp_out");
    // The later layer is folded until it is asked for.
    harness
        .get_by_label("In blocks.2.hook_mlp_out")
        .click_accesskit();
    harness.run();
    // A feature of one hook has no such part.
    let mut harness = self::harness();
    harness.run();
    assert!(harness.query_by_label("Writes in each layer").is_none());
}

fn token_use(text: &str, count: u64, mean: f64) -> TokenUse {
    TokenUse {
        id: TokenId(7),
        text: text.to_owned(),
        count,
        mean,
    }
}

/// The page's detail with everything that a new index knows.
fn complete() -> Detail {
    let mut detail = detail();
    detail.summary.moments = Some(Moments {
        variance: 6.25,
        skewness: 1.5,
        kurtosis: 4.75,
    });
    detail.summary.encoder_decoder_cosine = Some(0.875);
    detail.uses = Some(Uses {
        by_mean: vec![token_use(" queen", 6, 3.25)],
        by_count: vec![token_use(" king", 41, 2.0)],
        preceding: vec![token_use(" the", 33, 2.5)],
        counting: Counting::Exact,
        by_position: vec![0.25, 0.125],
        part: 16,
        first_token: 0.0625,
    });
    detail.relations = Some(Relations {
        neighbours: vec![],
        coactive: vec![Coactive {
            feature: FeatureId(17),
            jaccard: 0.375,
            both: 12,
        }],
        counting: Counting::Sketched,
        neurons: vec![Neuron {
            neuron: 99,
            cosine: -0.5,
        }],
    });
    detail.loss_effects = vec![0.21, f32::NAN];
    detail
}

#[test]
fn the_page_shows_moments_tokens_positions_and_relations_of_a_new_index() {
    let mut harness = testing::harness(ViewId::Feature, page_of(complete()));
    harness.set_size(egui::vec2(1000.0, 3200.0));
    harness.run();
    for figure in [
        "Std 2.50",
        "Skewness 1.50",
        "Kurtosis 4.75",
        "Encoder · decoder 0.875",
    ] {
        harness.get_by_label(figure);
    }
    for part in [
        "Top tokens by mean",
        "Top tokens by count",
        "Tokens before",
        "By position",
        "Active together",
        "Neurons",
    ] {
        let titles = harness.get_all_by_label(part);
        assert!(titles.count() > 0, "{part}");
    }
    harness.get_by_label_contains("6.25\u{202f}% of its active tokens are the first");
    harness.get_by_label_contains("a feature outside them is missing");
    harness.get_by_label("37.5\u{202f}%");
    harness
        .get_by_label_contains("Feature 17, ")
        .click_accesskit();
    harness.run();
    let sent = taken(&mut harness);
    let open = navigation::Command::Feature {
        feature: FeatureId(17),
        beside: false,
    };
    assert!(sent.contains(&open.into()), "{sent:?}");
    // An older index knows none of it, and the page has no empty titles.
    let harness = self::harness();
    for part in [
        "Top tokens by mean",
        "By position",
        "Active together",
        "Neurons",
    ] {
        assert!(harness.query_by_label(part).is_none(), "{part}");
    }
    assert!(harness.query_by_label_contains("Skewness").is_none());
}

#[test]
fn a_measured_fact_is_offered_with_its_figures_and_becomes_the_label() {
    let fact = |kind, recall, score| Fact {
        kind,
        tokens: vec![FactToken {
            id: TokenId(9),
            text: " said".to_owned(),
        }],
        reach: 0,
        active: 80,
        holding: 100,
        both: 60,
        precision: 0.75,
        recall,
        share: 0.9,
        score,
    };
    let own = vec![
        fact(Kind::On, Some(0.6), 0.5),
        fact(Kind::After, Some(0.1), 0.03),
    ];
    let given = from_fact(&own[0]);
    let said = own[0].said();
    let (id, feature) = (DictionaryId(0), FeatureId(5));
    let mut state = page();
    let facts = area::Event::Facts(id, feature, Arc::new(own));
    state.apply(Event::Features(facts));
    let mut harness = testing::harness(ViewId::Feature, state);
    harness.set_size(egui::vec2(1000.0, 3200.0));
    harness.run();
    harness.get_by_label(&said);
    let precisions = harness.get_all_by_label("precision 75.0\u{202f}%");
    assert_eq!(precisions.count(), 2);
    harness.get_by_label("recall 60.0\u{202f}%");
    harness.get_by_label("score 50.0\u{202f}%");
    assert_eq!(
        harness
            .get_all_by_label("60 of 80 active, 100 in all")
            .count(),
        2
    );
    let button = harness.get_all_by_label("Use as label").next().unwrap();
    button.click_accesskit();
    harness.run();
    let accept = labels::Command::Accept { feature, given };
    assert_eq!(taken(&mut harness), [accept.into()]);
    harness.get_by_label("Ask a model…").click_accesskit();
    harness.run();
    let question = labels::Command::Question(id, feature);
    assert_eq!(taken(&mut harness), [question.into()]);
}

#[test]
fn facts_that_were_not_measured_can_be() {
    let mut harness = harness();
    harness.get_by_label("Measure facts").click_accesskit();
    harness.run();
    let measure = labels::Command::MeasureFacts(DictionaryId(0));
    assert_eq!(taken(&mut harness), [measure.into()]);
}
