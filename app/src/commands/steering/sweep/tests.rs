//! Sweeps and searches from the window: results are kept with the project and come back, and the limit goes into the stack.

use umbra_core::steer::limit::Rule;

use super::*;
use crate::state::requests::steering;
use crate::state::steering::sweep::SweepState;
use crate::testing::{self, Desk};

/// The demo with a small form.
fn desk(folder: &std::path::Path) -> (Desk, DictionaryId) {
    let mut desk = testing::demo(folder);
    let id = desk.state.catalogue.named("resid-2").unwrap().id;
    desk.run(navigation::Command::SelectDictionary(id));
    desk.run(Command::Take(id, [1060, 1107].map(FeatureId).to_vec()));
    let form = Form {
        prompts: Some("The old king\n\nOnce upon a time".to_owned()),
        strengths: "0, 8".to_owned(),
        continuation: 4,
        rule: Rule {
            continuation: 4,
            precision: 0.3,
            ..Rule::default()
        },
        ..desk.state.steering.sweep.form.clone()
    };
    desk.run(Command::Form(Box::new(form)));
    (desk, id)
}

#[test]
fn a_sweep_is_kept_with_the_project_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, id) = desk(folder.path());
    assert_eq!(desk.state.selection.tab, Tab::Sweep);
    assert_eq!(desk.view(), ViewId::Steering);
    desk.run(Command::Sweep(id));
    let study = desk.state.steering.sweep.result(id).unwrap().clone();
    assert_eq!(study.prompts, ["The old king", "Once upon a time"]);
    let sweep = study.sweep.as_ref().unwrap();
    let features: Vec<u32> = sweep.curves.iter().map(|curve| curve.feature.0).collect();
    assert_eq!(features, [1060, 1107]);
    let [nothing, turned] = &sweep.curves[0].points[..] else {
        panic!("two strengths");
    };
    assert_eq!(nothing.kl.mean, 0.0);
    assert!(turned.kl.mean > 0.0 && turned.perplexity.is_some());
    assert!(turned.probability.unwrap().mean > nothing.probability.unwrap().mean);
    // What is read from the project is the same; JSON is read to the last bit but one.
    let twelve = |study: &Study| format!("{study:.12?}");
    *desk.state.steering.sweep = SweepState::default();
    desk.run(Command::Look(id));
    let read = desk.state.steering.sweep.result(id).unwrap();
    assert_eq!(twelve(read), twelve(&study));
    let form = &desk.state.steering.sweep.form;
    assert_eq!(form.features, "1060, 1107");
    assert_eq!(form.strengths, "0, 8");
}

#[test]
fn the_largest_strength_joins_the_sweep_of_the_same_prompts_and_goes_into_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, id) = desk(folder.path());
    desk.run(Command::Sweep(id));
    desk.run(Command::Limit(id, FeatureId(1060)));
    let study = desk.state.steering.sweep.result(id).unwrap().clone();
    assert!(study.sweep.is_some());
    let [limit] = &study.limits[..] else {
        panic!("one limit");
    };
    assert!(limit.limit > 0.0 && limit.steps.len() >= 4, "{limit:?}");
    let carry = steering::Command::Carry(id, limit.feature, limit.limit as f32);
    desk.run(carry);
    let edit = desk.state.steering.draft.edits.last().unwrap();
    assert_eq!(edit.feature, Some(FeatureId(1060)));
    assert!((f64::from(edit.amount) - limit.limit).abs() < 1e-4);
    // Other prompts: what was found on these is no longer shown beside it.
    let form = Form {
        prompts: Some("The fox".to_owned()),
        ..desk.state.steering.sweep.form.clone()
    };
    desk.run(Command::Form(Box::new(form)));
    desk.run(Command::Sweep(id));
    let study = desk.state.steering.sweep.result(id).unwrap();
    assert!(study.limits.is_empty());
}

#[test]
fn a_token_that_is_several_fails_with_its_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, id) = desk(folder.path());
    let form = Form {
        target: Target::Token,
        token: " king and queen".to_owned(),
        ..desk.state.steering.sweep.form.clone()
    };
    desk.run(Command::Form(Box::new(form)));
    desk.run(Command::Sweep(id));
    let why = desk.state.steering.sweep.study.making.failure().unwrap();
    assert!(why.contains("tokens"), "{why}");
}
