//! The panels on features and parts on the demo: from a sentence over a target and its causes to edits that take them away.

use std::path::Path;

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::causes::{Causes, Target};
use umbra_core::workbench::results;

use crate::state::AppState;
use crate::state::requests::Command;
use crate::state::requests::steering::causes::{self, attributed};
use crate::state::requests::{prompt, steering};
use crate::state::steering::Ended;
use crate::state::steering::causes::Form;
use crate::state::steering::causes::question::Question;
use crate::state::steering::tab::Tab;
use crate::state::view::ViewId;
use crate::testing::{self, Desk, Window};
use crate::widgets::number::percent;

/// The text.
const TEXT: &str = "Alice was beginning to get very";

/// Shows a question on a text with its result.
pub(crate) fn show(desk: &mut Desk, question: Question) {
    let form = Form {
        text: Some(TEXT.to_owned()),
        target: "logit:  much -  soon".to_owned(),
    };
    let target = form.target.clone();
    desk.run(steering::Command::Show(Tab::Causes));
    desk.run(steering::Command::Causes(causes::Command::Form(form)));
    desk.run(steering::Command::Causes(causes::Command::Ask(question)));
    let dictionary = desk.state.selection.dictionary;
    desk.run(attributed::Command::Find(attributed::Inputs {
        text: TEXT.to_owned(),
        target,
        dictionary,
    }));
}

fn state<'a>(harness: &'a Harness<'static, Window>) -> &'a AppState {
    &harness.state().desk.state
}

fn clicks(harness: &mut Harness<'static, Window>, role: Role, name: &str) {
    harness.get_by_role_and_label(role, name).click();
    Window::settle(harness);
}

fn found(state: &AppState) -> Option<Causes> {
    let of = state.model().unwrap().model.fingerprint().to_owned();
    let found = state.steering.causes.attributed.study.result(&of);
    found.map(|found| found.result.clone())
}

fn window(folder: &Path, commands: Vec<Command>) -> Harness<'static, Window> {
    let mut desk = testing::demo(folder);
    for command in commands {
        desk.run(command);
    }
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, desk);
    Window::settle(&mut harness);
    harness
}

#[test]
fn from_a_sentence_to_a_target_its_causes_and_edits_that_take_them_away() {
    let folder = tempfile::tempdir().unwrap();
    let text = prompt::Command::Text(TEXT.to_owned());
    let mut harness = window(
        folder.path(),
        vec![text.into(), steering::Command::Show(Tab::Causes).into()],
    );
    // The target is the likeliest next token, then its difference to the second one, then its logit again.
    let next = state(&harness).steering.causes.attributed.next.ready();
    let next = next.expect("next tokens").to_vec();
    let name = |at: usize| {
        let share = percent(f64::from(next[at].probability));
        format!("“{}” {share}", next[at].text)
    };
    clicks(&mut harness, Role::Button, &name(0));
    clicks(&mut harness, Role::Button, &name(1));
    let target = |harness: &Harness<'static, Window>| {
        let state = state(harness);
        let codec = state.model().unwrap().model.codec().clone();
        Target::parse(&state.steering.causes.form.target, &codec).unwrap()
    };
    let two = Target::Difference {
        right: next[0].id,
        wrong: next[1].id,
    };
    assert_eq!(target(&harness), two);
    clicks(&mut harness, Role::Button, &name(1));
    assert_eq!(target(&harness), Target::Logit(next[0].id));
    clicks(&mut harness, Role::Button, "Find the causes");
    let causes = found(state(&harness)).expect("a result");
    let features = causes.features.clone().unwrap();
    let display = |at: usize| causes.texts[at].replace('\n', "⏎");
    harness.get_by_label(&features.conclusion(&causes.said, &display));
    // The other question is answered by the same computation.
    clicks(&mut harness, Role::Button, Question::Parts.title());
    let parts = causes.components.clone().unwrap();
    harness.get_by_label(&parts.conclusion(&causes.said));
    clicks(&mut harness, Role::Button, Question::Features.title());
    clicks(&mut harness, Role::Button, "Ablate the first");
    let first = features.features[0];
    let shown = state(&harness);
    assert_eq!(shown.selection.tab, Tab::Steer);
    let draft = shown.steering.draft.clone();
    let edit = &draft.edits[0];
    assert_eq!((edit.action, edit.amount), ("set-feature", 0.0));
    assert_eq!(edit.feature, Some(first.feature));
    assert_eq!(edit.positions, first.position.to_string());
    assert_eq!(draft.prompt, Some(TEXT.into()));
    // Edits from another cause switch those before off, so that each is seen alone.
    let second = draft.edits[0].clone();
    let desk = &mut harness.state_mut().desk;
    desk.run(steering::Command::Put(vec![second], Some(TEXT.to_owned())));
    let on: Vec<bool> = desk
        .state
        .steering
        .draft
        .edits
        .iter()
        .map(|edit| edit.on)
        .collect();
    assert_eq!(on, [false, true]);
    let shown = state(&harness);
    let draft = shown.steering.draft.clone();
    // The run with it shows what became of the predictions.
    let request = draft.request(shown).unwrap();
    let desk = &mut harness.state_mut().desk;
    desk.run(steering::Command::Run(request));
    Window::settle(&mut harness);
    let run = state(&harness).steering.run.as_ref().unwrap();
    assert!(matches!(run.ended, Some(Ended::Done { .. })), "{run:?}");
    let change = run.shift.iter().find(|change| change.id == next[0].id);
    let change = change.expect("the target is among the changes");
    assert!((change.before - next[0].probability).abs() < 1e-4);
    assert!((change.after - change.before).abs() > 1e-3, "{change:?}");
    // The result is kept with the project; JSON is read to the last bit but one.
    let six = |causes: Option<Causes>| format!("{causes:.6?}");
    let mut desk = testing::demo(folder.path());
    desk.run(attributed::Command::Look);
    assert_eq!(six(found(&desk.state)), six(Some(causes)));
    // With its text and target.
    let form = &desk.state.steering.causes.form;
    assert_eq!(form.text.as_deref(), Some(TEXT));
    let codec = desk.state.model().unwrap().model.codec();
    let kept = Target::parse(&form.target, codec).unwrap();
    assert_eq!(kept, Target::Logit(next[0].id));
}

#[test]
fn results_become_sections_of_the_report_and_lead_to_the_pages_of_features() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    show(&mut desk, Question::Features);
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, desk);
    Window::settle(&mut harness);
    let causes = found(state(&harness)).expect("a result");
    clicks(&mut harness, Role::Button, "Add to report");
    let project = state(&harness).project.open().cloned().unwrap();
    let page = project.folder.join("reports/results.html");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("less that of") && page.contains("What caused"));
    // The kept result itself makes the same section on the command line.
    let about = project.studies().into_iter().map(Result::unwrap);
    let kept = about.into_iter().find(|about| about.study == "causes");
    let name = format!("{}.causes", kept.expect("a kept result").of);
    let section = results::section(Some(&project), &name).unwrap();
    assert_eq!(section.title, causes.section().title);
    let first = causes.features.unwrap().features[0].feature;
    let chip = format!("Feature {first}, ");
    let mut chips = harness.get_all_by_label_contains(&chip);
    chips.next().unwrap().click();
    drop(chips);
    Window::settle(&mut harness);
    assert_eq!(harness.state().desk.view(), ViewId::Feature);
    assert_eq!(state(&harness).selection.feature, Some(first));
}

#[test]
fn a_next_token_in_prompt_leads_to_its_causes() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let codec = desk.state.model().unwrap().model.codec().clone();
    let tokens = codec.encode_with_bos("The king took off").unwrap();
    let token = codec.token_of(" his").unwrap();
    desk.run(attributed::Command::Explain(tokens, token));
    let state = &desk.state;
    let form = &state.steering.causes.form;
    assert_eq!(form.text.as_deref(), Some("The king took off"));
    assert_eq!(form.target, "logit:  his");
    assert_eq!(state.steering.causes.question, Question::Features);
    assert_eq!(state.selection.tab, Tab::Causes);
    assert!(desk.layout.has(ViewId::Steering));
}
