//! Drives the tab Sweep: what the form asks, what is drawn of a result, and the way of a limit into the stack.

use std::sync::Arc;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::ids::{FeatureId, HookPoint, Site};
use umbra_core::steer::limit::{Figures, Limit, Rule, Step};
use umbra_core::steer::sweep::{Curve, Point, Settings, Spread, Sweep, Target};
use umbra_core::workbench::sweep::Study;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::study::Change;
use crate::state::requests::Command;
use crate::state::requests::steering::{self, sweep};
use crate::state::steering::Event as Lab;
use crate::state::steering::sweep::Event as Panel;
use crate::state::steering::tab::Tab;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing;

const ID: DictionaryId = DictionaryId(0);

fn ready(features: &str, prompts: &str) -> AppState {
    let mut state = testing::with_model();
    state.selection.tab = Tab::Sweep;
    let form = &mut state.steering.sweep.form;
    form.features = features.to_owned();
    form.prompts = Some(prompts.to_owned());
    state
}

fn study(features: &[u32]) -> Study {
    let spread = |x: f64| Spread {
        low: 0.5 * x,
        median: x,
        high: 2.0 * x,
        mean: 1.1 * x,
    };
    let point = |strength: f64| Point {
        strength,
        kl: spread(strength.abs() / 8.0),
        probability: Some(spread(0.1 + strength.abs() / 100.0)),
        repetition: Some(spread(0.2)),
        perplexity: Some(spread(3.0 + strength.abs())),
    };
    let strengths = vec![-8.0, 0.0, 8.0];
    let curve = |feature: &u32| Curve {
        feature: FeatureId(*feature),
        target: Some("her".to_owned()),
        points: strengths.iter().map(|by| point(*by)).collect(),
        untouched: point(0.0),
    };
    let figures = Figures {
        perplexity: 3.0,
        repetition: 0.2,
    };
    let limit = Limit {
        feature: FeatureId(features[0]),
        hook: HookPoint::block(0, Site::ResidPost),
        rule: Rule::default(),
        limit: 6.5,
        breaks: Some(6.75),
        untouched: figures,
        steps: vec![Step {
            strength: 6.5,
            figures,
            holds: true,
        }],
        prompts: 2,
    };
    Study {
        prompts: vec!["One".to_owned(), "Two".to_owned()],
        sweep: Some(Sweep {
            settings: Settings {
                strengths: strengths.clone(),
                target: Target::Promoted,
                continuation: 8,
            },
            hook: HookPoint::block(0, Site::ResidPost),
            sae: "made-up".to_owned(),
            curves: features.iter().map(curve).collect(),
            prompts: 2,
            unreached: 1,
        }),
        limits: vec![limit],
    }
}

fn shown(features: &[u32]) -> AppState {
    let mut state = ready("2, 3", "One\nTwo");
    for change in [
        Change::Began(ID),
        Change::Ended(ID, Some(Arc::new(study(features)))),
    ] {
        state.apply(Event::Steering(Lab::Sweep(Panel::Study(change))));
    }
    state
}

#[test]
fn the_form_asks_for_a_sweep_and_for_a_limit() {
    let mut harness = testing::harness(ViewId::Steering, ready("2, 3", "One\nTwo"));
    for (button, command) in [
        ("Sweep", sweep::Command::Sweep(ID)),
        (
            "Find the largest strength",
            sweep::Command::Limit(ID, FeatureId(2)),
        ),
    ] {
        // The tab has the same name as the button, and stands first.
        let last = harness.get_all_by_label(button).last().unwrap();
        last.click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        assert!(sent.contains(&Command::from(command)), "{button}: {sent:?}");
    }
}

#[test]
fn what_cannot_be_swept_says_why_beside_the_button() {
    for (features, why) in [
        ("90000", "is not in this dictionary"),
        ("king", "“king” is no number of a feature"),
    ] {
        let harness = testing::harness(ViewId::Steering, ready(features, "One"));
        let button = harness.get_by_label("Find the largest strength");
        assert!(button.accesskit_node().is_disabled());
        assert!(
            harness.query_all_by_label_contains(why).next().is_some(),
            "{why}"
        );
    }
}

#[test]
fn a_result_shows_its_sentence_its_plots_and_the_way_of_a_limit_into_the_stack() {
    let mut harness = testing::harness(ViewId::Steering, shown(&[2]));
    harness.get_by_label_contains("Feature 2 moves the next token: at strength");
    for plot in [
        "KL: 1.00 at −8",
        "Probability: ",
        "Repetition: ",
        "Perplexity: ",
    ] {
        harness.get_by_label_contains(plot);
    }
    // The sentences are of the medians that the plots show, and of the text whose perplexity decides.
    harness.get_by_label_contains(
        "the median probability of its 10 promoted tokens goes from 0.1000 to 0.1800",
    );
    harness.get_by_label_contains(
        "to 6.5 before the greedy text breaks (it breaks at 6.75, over 2 prompts)",
    );
    harness
        .get_by_label("Use it: feature 2 at 6.5000")
        .click_accesskit();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let carry = steering::Command::Carry(ID, FeatureId(2), 6.5);
    assert!(sent.contains(&carry.into()), "{sent:?}");
}

#[test]
fn a_strength_of_the_sweep_goes_into_the_stack_by_its_button_and_by_a_click_on_its_point() {
    let mut harness = testing::harness(ViewId::Steering, shown(&[2]));
    harness.get_by_label("Steer with feature 2 at −8").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let carry = |strength| Command::from(steering::Command::Carry(ID, FeatureId(2), strength));
    assert!(sent.contains(&carry(-8.0)), "{sent:?}");
    let plot = harness.get_by_label_contains("KL: 1.00 at −8").rect();
    let right = plot.right_center() - egui::vec2(12.0, 0.0);
    harness.event(egui::Event::PointerMoved(right));
    for pressed in [true, false] {
        harness.event(egui::Event::PointerButton {
            pos: right,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
    }
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(sent.contains(&carry(8.0)), "{sent:?}");
}

#[test]
fn several_features_have_a_map_of_the_figure_that_is_chosen() {
    let mut harness = testing::harness(ViewId::Steering, shown(&[2, 3]));
    harness.get_by_label_contains("#3 [⏎] at strength 8: 1.00");
    harness.get_by_label("Perplexity").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let figure = crate::state::steering::sweep::Figure::Perplexity;
    assert!(
        sent.contains(&sweep::Command::Figure(figure).into()),
        "{sent:?}"
    );
}

#[test]
fn a_failure_is_told_and_the_former_result_stays() {
    let mut state = shown(&[2]);
    for change in [
        Change::Began(ID),
        Change::Failed(ID, "the logits are no numbers".to_owned()),
    ] {
        state.apply(Event::Steering(Lab::Sweep(Panel::Study(change))));
    }
    let harness = testing::harness(ViewId::Steering, state);
    harness.get_by_label_contains("the logits are no numbers");
    harness.get_by_label_contains("Feature 2 moves the next token");
    let mut refused = ready("2", "One");
    for load in [
        Load::Loading,
        Load::Failed("made with another model".to_owned()),
    ] {
        let change = Change::Kept(ID, load);
        refused.apply(Event::Steering(Lab::Sweep(Panel::Study(change))));
    }
    let harness = testing::harness(ViewId::Steering, refused);
    harness.get_by_label_contains("made with another model");
}
