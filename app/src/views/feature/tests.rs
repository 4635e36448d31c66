//! Drives a feature's page by the names of its controls.

use std::sync::Arc;

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::features::{Detail, Example, Histogram, Interval, Place, Summary, TokenEffect};
use umbra_core::ids::{FeatureId, Head, Layer, TokenId};

use crate::state::catalogue::DictionaryId;
use crate::state::requests::{Command, features, navigation, prompt};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, features as area, selection};
use crate::testing::{self, Stage};

fn example(peak: f32) -> Example {
    let tokens = [" the", " king", "\n", " said"];
    Example {
        document: "oz.txt".to_owned(),
        place: Some(Place {
            row: 3,
            position: 21,
        }),
        ids: (5..9).map(TokenId).collect(),
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
        },
        histogram: Histogram {
            edges: vec![0.0, 2.0, 4.0],
            counts: vec![900, 3],
        },
        top: (0..12).map(|i| example(4.0 - i as f32 * 0.1)).collect(),
        intervals: vec![Interval {
            from: 3.2,
            to: 4.0,
            share: 0.01,
            examples: vec![example(3.5)],
        }],
        promoted: vec![effect(" queen", 0.25)],
        suppressed: vec![effect(" toad", -0.125)],
        logits: Histogram {
            edges: vec![-1.5, 0.0, 2.5],
            counts: vec![4000, 96],
        },
        head_shares: vec![0.75, 0.25],
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
        example: Box::new(example(4.0)),
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
    harness.get_by_label("Min");
    let one_sided = testing::harness(ViewId::Feature, page());
    one_sided.get_by_label("activation from 0 to 4.00");
    assert!(one_sided.query_by_label("Min").is_none());
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
