//! The panel shows what pursuit found and leads to features; the feature's page lists where it should have fired.

use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::dark_matter::pursuit::Method;
use umbra_core::ids::FeatureId;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::pursuit::Event as Panel;
use crate::state::dark_matter::question::Question;
use crate::state::dark_matter::study::Change;
use crate::state::requests::dark_matter::Command as LabCommand;
use crate::state::requests::dark_matter::pursuit::Command;
use crate::state::requests::{Command as Any, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, project};
use crate::testing::pursued::with_pursuit;
use crate::testing::{self, Stage};

const ID: DictionaryId = DictionaryId(0);

fn lab(event: Panel) -> Event {
    Event::DarkMatter(Lab::Pursuit(event))
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
    let mut state = with_pursuit();
    state.selection.token = Some(1);
    let mut harness = panel(state);
    // Beside the question and under its title.
    let answer = "lowers FVU from 0.2000 to 0.1500";
    assert!(harness.query_all_by_label_contains(answer).count() > 0);
    harness.get_by_label_contains("z0 keeps negative activations");
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
    let mut harness = panel(with_pursuit());
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
    let asks = |command: &Any| match command {
        Any::DarkMatter(LabCommand::Pursuit(Command::Codes(key))) => {
            key.method == Method::Orthogonal
        }
        _ => false,
    };
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

#[test]
fn the_page_of_a_feature_lists_where_it_should_have_fired_or_offers_to_look() {
    let page = |mut state: AppState, feature: u32| {
        let opened = project::Event::Changed(Arc::default());
        state.apply(Event::Project(opened));
        state.selection.feature = Some(FeatureId(feature));
        let mut harness = testing::harness(ViewId::Feature, state);
        harness.set_size(egui::vec2(1440.0, 1600.0));
        harness.run();
        harness
    };
    let harness = page(with_pursuit(), 5);
    harness.get_by_label("Should have fired");
    harness.get_by_label_contains("Missed on 1 of 400 tokens");
    harness.get_by_label("3.25");
    let harness = page(with_pursuit(), 3);
    harness.get_by_label_contains("Missed on 4 of 400 tokens");
    let harness = page(with_pursuit(), 40);
    harness.get_by_label_contains("Neither code has it");
    let mut state = testing::with_model();
    state.apply(lab(Panel::Study(Change::Kept(ID, Load::Loading))));
    state.apply(lab(Panel::Study(Change::Kept(ID, Load::Absent))));
    let mut harness = page(state, 5);
    harness.get_by_label("Look for missed tokens").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(sent.contains(&Command::Compute(ID).into()), "{sent:?}");
}
