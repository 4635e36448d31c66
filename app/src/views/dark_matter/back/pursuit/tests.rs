//! The panel shows what pursuit found and leads to features; the feature's page lists where it should have fired.

use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::dark_matter::pursuit::{
    Comparison, FeatureRow, Method, Missed, MissedExamples, Settings, TokenCodes,
};
use umbra_core::ids::{FeatureId, TokenId};
use umbra_core::prompt::Input;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::pursuit::{Codes, Compared, Event as Panel, Key};
use crate::state::dark_matter::question::Question;
use crate::state::dark_matter::study::Change;
use crate::state::requests::dark_matter::pursuit::Command;
use crate::state::requests::navigation;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing::{self, Stage};

const ID: DictionaryId = DictionaryId(0);

fn comparison() -> Comparison {
    let row = |feature, missed, missed_weight, invented, invented_activation| FeatureRow {
        feature: FeatureId(feature),
        shared: 7,
        missed,
        invented,
        missed_weight,
        invented_activation,
        shared_activation: 7.0,
        shared_weight: 8.0,
    };
    let missed = Missed {
        row: 0,
        position: 2,
        weight: 3.25,
        pre_activation: 0.5,
        at: 2,
        tokens: [10, 11, 12, 13].map(TokenId).to_vec(),
    };
    Comparison {
        sae: "z0".to_owned(),
        settings: Settings::default(),
        tokens: 400,
        l0: 8.0,
        l0_pursuit: 7.5,
        fvu_encoder: 0.2,
        fvu_pursuit: 0.15,
        jaccard: 0.6,
        worse: 0.25,
        clearly_worse: 0.0,
        features: vec![row(3, 4, 6.0, 0, 0.0), row(5, 1, 3.25, 9, 4.5)],
        examples: vec![MissedExamples {
            feature: FeatureId(5),
            tokens: vec![missed],
        }],
    }
}

fn lab(event: Panel) -> Event {
    Event::DarkMatter(Lab::Pursuit(event))
}

/// The state with the comparison, and with the codes of a sentence of two tokens.
fn found() -> AppState {
    let mut state = testing::with_model();
    state.prompt.text = "once upon".to_owned();
    let study = |load| lab(Panel::Study(Change::Kept(ID, load)));
    state.apply(study(Load::Loading));
    state.apply(study(Load::Ready(Arc::new(Compared::new(comparison())))));
    let key = Key {
        dictionary: ID,
        input: Input::Text("once upon".to_owned()),
        method: Method::Gradient,
    };
    let token = |pursuit: f32| TokenCodes {
        features: vec![
            (FeatureId(3), 2.0, 2.5),
            (FeatureId(5), 0.0, pursuit),
            (FeatureId(9), 1.0, 0.0),
        ],
        encoder_error: 4.0,
        pursuit_error: 3.0,
    };
    let codes = Codes {
        texts: ["once", " upon"].map(str::to_owned).to_vec(),
        tokens: vec![token(1.5), token(0.75)],
    };
    state.apply(lab(Panel::Codes(key.clone(), Load::Loading)));
    state.apply(lab(Panel::Codes(key, Load::Ready(Arc::new(codes)))));
    state
}

fn panel(mut state: AppState) -> Harness<'static, Stage> {
    state.selection.question = Question::Back;
    let mut harness = testing::harness(ViewId::DarkMatter, state);
    harness.set_size(egui::vec2(1400.0, 1600.0));
    harness.run();
    harness.state_mut().commands.take();
    harness
}

#[test]
fn the_panel_answers_and_its_features_lead_to_their_pages() {
    let mut state = found();
    state.selection.token = Some(1);
    let mut harness = panel(state);
    harness.get_by_label_contains("lowers FVU from 0.2000 to 0.1500");
    harness.get_by_label("Encoder, 0.200");
    harness.get_by_label("Gradient pursuit, 0.150");
    harness.get_by_label("Feature 3 missed on 4 tokens");
    harness.get_by_label("Feature 5 invented on 9 tokens");
    assert!(
        harness
            .query_by_label("Feature 3 invented on 0 tokens")
            .is_none(),
        "it is in no list of what the encoder invents"
    );
    // The chosen token's codes, side by side.
    harness.get_by_label("Feature 3, both");
    harness.get_by_label("Feature 5, missed");
    harness.get_by_label("Feature 9, invented").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let select = navigation::Command::SelectFeature(Some(FeatureId(9)));
    assert!(sent.contains(&select.into()), "{sent:?}");
}

#[test]
fn another_rule_is_asked_for_and_its_sentence_read_again() {
    let mut harness = panel(found());
    harness.get_by_label("Orthogonal matching pursuit").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&Command::Use(Method::Orthogonal).into()),
        "{sent:?}"
    );
    let state = &mut harness.state_mut().state;
    state.apply(lab(Panel::Method(Method::Orthogonal)));
    harness.run();
    let sent = harness.state_mut().commands.take();
    let asks = |command: &crate::state::requests::Command| matches!(command, crate::state::requests::Command::DarkMatter(crate::state::requests::dark_matter::Command::Pursuit(Command::Codes(key))) if key.method == Method::Orthogonal);
    assert!(sent.iter().any(asks), "{sent:?}");
}

#[test]
fn without_a_result_the_search_is_offered() {
    let mut state = testing::with_model();
    state.apply(lab(Panel::Study(Change::Kept(ID, Load::Loading))));
    state.apply(lab(Panel::Study(Change::Kept(ID, Load::Absent))));
    let mut harness = panel(state);
    harness.get_by_label("Pursue").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(sent.contains(&Command::Compute(ID).into()), "{sent:?}");
}
