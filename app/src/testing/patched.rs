//! The panels on patching and on the smallest set of edits, with results on the demo: from two texts to an edit in the stack.

use egui::{Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::causes::patch::PatchSite;

use crate::state::AppState;
use crate::state::requests::Command;
use crate::state::requests::steering::causes::{self, patching, smallest};
use crate::state::requests::steering::{self as steering};
use crate::state::steering::causes::Form;
use crate::state::steering::causes::patching::{Form as Patch, View};
use crate::state::steering::causes::question::Question;
use crate::state::steering::causes::smallest::{Aim, Form as Least};
use crate::state::steering::tab::Tab;
use crate::testing::{self, Desk, Window};

/// The first text.
const CLEAN: &str = "The king took off";

/// The second text.
const CORRUPT: &str = "The queen took off";

/// The target.
const TARGET: &str = "logit:  his -  her";

fn tab(command: causes::Command) -> Command {
    steering::Command::Causes(command).into()
}

/// Requests that show a question on the two texts.
fn asked(question: Question, view: View, site: PatchSite) -> Vec<Command> {
    let patch = Patch {
        second: Some(CORRUPT.to_owned()),
        view,
        site,
        ..Patch::default()
    };
    let form = Form {
        text: Some(CLEAN.to_owned()),
        target: TARGET.to_owned(),
    };
    vec![
        steering::Command::Show(Tab::Causes).into(),
        tab(causes::Command::Form(form)),
        tab(causes::Command::Ask(question)),
        patching::Command::Form(Box::new(patch)).into(),
    ]
}

/// Shows a question on the two texts with its result.
pub(crate) fn show(desk: &mut Desk, (question, view, site): (Question, View, PatchSite)) {
    for command in asked(question, view, site) {
        desk.run(command);
    }
    let pair = patching::Pair {
        clean: CLEAN.to_owned(),
        corrupt: CORRUPT.to_owned(),
        target: TARGET.to_owned(),
    };
    match (question, view) {
        (Question::Least, _) => {
            let id = desk.state.selection.dictionary.unwrap();
            let form = Least {
                aim: Aim::Toward,
                rounds: 4,
                ..Least::default()
            };
            desk.run(smallest::Command::Form(Box::new(form)));
            let inputs = smallest::Asked {
                text: CLEAN.to_owned(),
                target: TARGET.to_owned(),
                second: Some(CORRUPT.to_owned()),
            };
            desk.run(smallest::Command::Search(id, inputs));
        }
        (_, View::Places) => desk.run(patching::Command::Places(pair)),
        (_, View::Paths) => desk.run(patching::Command::Paths(pair)),
    }
}

/// A window on the demo with a question on the two texts, without a result.
fn window(folder: &std::path::Path, question: Question, view: View) -> Harness<'static, Window> {
    let mut desk = testing::demo(folder);
    for command in asked(question, view, PatchSite::ResidPre) {
        desk.run(command);
    }
    let builder = Harness::builder().with_size((1440.0, 1600.0));
    let mut harness = Window::build(builder, desk);
    Window::settle(&mut harness);
    harness
}

fn state<'a>(harness: &'a Harness<'static, Window>) -> &'a AppState {
    &harness.state().desk.state
}

fn clicks(harness: &mut Harness<'static, Window>, role: Role, name: &str) {
    harness.get_by_role_and_label(role, name).click();
    Window::settle(harness);
}

#[test]
fn a_place_between_two_texts_is_patched_chosen_and_taken_into_steering() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path(), Question::Where, View::Places);
    harness.get_by_label_contains("The texts differ in 1 of 5 tokens");
    harness.get_by_label_contains("“ king” in the first text, “ queen” in the second");
    clicks(&mut harness, Role::Button, "Patch every place");
    let fingerprint = state(&harness)
        .model()
        .unwrap()
        .model
        .fingerprint()
        .to_owned();
    let found = state(&harness)
        .steering
        .causes
        .patching
        .places
        .result(&fingerprint);
    let found = found.expect("a result").result.clone();
    harness.get_by_label(&found.conclusion());
    // The largest change stands first in the table.
    let largest = found.places()[0];
    let name = found.place_name(largest.layer, largest.at);
    let name = format!("Row of L{}", &name[1..]);
    let row = harness.get_by_role_and_label(Role::Row, &name);
    let rect = row.rect();
    row.click_modifiers(Modifiers::NONE);
    Window::settle(&mut harness);
    let place = state(&harness).steering.causes.patching.place;
    assert_eq!(place, Some((largest.layer, largest.at)), "{rect}");
    // Another window finds the kept result with its texts and target.
    let mut other = testing::demo(folder.path());
    other.run(patching::Command::Look);
    let causes = &other.state.steering.causes;
    assert_eq!(causes.form.text.as_deref(), Some(CLEAN));
    assert_eq!(causes.form.target, TARGET);
    assert_eq!(causes.patching.form.second.as_deref(), Some(CORRUPT));
    let kept = causes.patching.places.result(&fingerprint);
    let kept = kept.expect("a kept result").result.conclusion();
    assert_eq!(kept, found.conclusion());
    clicks(&mut harness, Role::Button, "Patch this in Steering");
    let state = state(&harness);
    assert_eq!(state.selection.tab, Tab::Steer);
    let edit = &state.steering.draft.edits[0];
    assert_eq!((edit.action, edit.from.as_str()), ("patch", CLEAN));
    assert_eq!(edit.positions, largest.at.to_string());
    assert_eq!(edit.hook, Some(PatchSite::ResidPre.hook(largest.layer)));
    assert_eq!(state.steering.draft.prompt, Some(CORRUPT.into()));
}

#[test]
fn texts_of_unequal_length_are_refused_and_paths_have_a_map() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path(), Question::Where, View::Paths);
    clicks(&mut harness, Role::Button, "Patch every path");
    let fingerprint = state(&harness)
        .model()
        .unwrap()
        .model
        .fingerprint()
        .to_owned();
    let found = state(&harness)
        .steering
        .causes
        .patching
        .paths
        .result(&fingerprint);
    let found = found.expect("a result").result.clone();
    harness.get_by_label(&found.conclusion());
    assert_eq!(found.values.len(), 32);
    let longer = Patch {
        second: Some("The old queen took off".to_owned()),
        ..Patch::default()
    };
    let desk = &mut harness.state_mut().desk;
    desk.run(patching::Command::Form(Box::new(longer)));
    Window::settle(&mut harness);
    harness.get_by_label_contains("has 5 tokens and the second 6");
    assert!(harness.query_by_label("Patch every place").is_none());
}

#[test]
fn the_least_edit_is_searched_and_put_into_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(folder.path(), Question::Least, View::Places);
    clicks(&mut harness, Role::Button, "Act like the second text");
    clicks(&mut harness, Role::Button, "Search the least edit");
    let id = state(&harness).selection.dictionary.unwrap();
    let found = state(&harness).steering.causes.smallest.study.result(&id);
    let found = found.expect("a result").result.clone();
    harness.get_by_label(&found.conclusion());
    assert!(found.steps.len() > 1);
    clicks(&mut harness, Role::Button, "Put these edits into the stack");
    let draft = &state(&harness).steering.draft;
    let amounts: Vec<f32> = draft.edits.iter().map(|edit| edit.amount).collect();
    let wanted: Vec<f32> = found.steps.iter().map(|step| step.strength).collect();
    assert_eq!(amounts, wanted);
    assert_eq!(draft.prompt, Some(CLEAN.into()));
    // The token that the target subtracts is offered to win.
    let desk = &mut harness.state_mut().desk;
    desk.run(steering::Command::Show(Tab::Causes));
    Window::settle(&mut harness);
    clicks(&mut harness, Role::Button, "Let a token win");
    clicks(&mut harness, Role::Button, "Take “ her” of the target");
    assert_eq!(state(&harness).steering.causes.smallest.form.wins, " her");
    // The result is kept with the project, and found again by another window.
    let mut desk = testing::demo(folder.path());
    desk.run(smallest::Command::Look(id));
    let again = desk.state.steering.causes.smallest.study.result(&id);
    let again = again.expect("a kept result").result.conclusion();
    assert_eq!(again, found.conclusion());
}
