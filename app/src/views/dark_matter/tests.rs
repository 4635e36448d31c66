//! A token shows its norms, a probe its figures; without one it is offered, or a refusal says why.

use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::dark_matter::{ErrorNorms, Probe};
use umbra_core::dims::Matrix;
use umbra_core::prompt::Input;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::fit::Event as Fitted;
use crate::state::dark_matter::places::{Errors, Event as Places, Key, Passage};
use crate::state::dark_matter::question::Question;
use crate::state::dark_matter::study::Change;
use crate::state::requests::{dark_matter, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, project};
use crate::testing::{self, Stage};

const ID: DictionaryId = DictionaryId(0);

fn probe() -> Probe {
    Probe {
        weights: Matrix::zeros(5, 4),
        norm_weights: vec![0.0; 5],
        r2_mean: 0.321,
        r2_weighted: 0.432,
        r2_norm: 0.876,
        fvu_total: 0.12,
        fvu_nonlinear: 0.08,
        fit_tokens: 12_800,
        held_out_tokens: 6_400,
        positions: umbra_core::corpus::Positions::Text,
        separate_documents: false,
        left_out: Some((3, 4)),
        ridge: 0.0,
        sae: "z0".to_owned(),
        sae_fingerprint: String::new(),
        model: String::new(),
        model_fingerprint: String::new(),
        facts: umbra_core::dark_matter::Facts::default(),
    }
}

fn with_errors(split: bool) -> AppState {
    let mut state = testing::with_model();
    let sentence = "once upon".to_owned();
    state.prompt.text.clone_from(&sentence);
    let lab = |event| Event::DarkMatter(event);
    state.apply(lab(Lab::Fit(Fitted::Probe(ID, Load::Loading))));
    let load = if split {
        Load::Ready(Arc::new(probe()))
    } else {
        Load::Absent
    };
    state.apply(lab(Lab::Fit(Fitted::Probe(ID, load))));
    let key = Key {
        dictionary: ID,
        passage: Passage::Sentence(Input::Text(sentence)),
        fit: state.dark_matter.fit.number(ID),
    };
    let norms = |total| ErrorNorms {
        activation: 8.0,
        total,
        linear: 1.0,
        nonlinear: 1.25,
    };
    let errors = Errors {
        texts: ["<|endoftext|>", "once", " upon"]
            .map(str::to_owned)
            .to_vec(),
        counts: vec![false, true, true],
        norms: [20.0, 2.0, 4.0].map(norms).to_vec(),
    };
    let places = |load| lab(Lab::Places(Places::Errors(key.clone(), load)));
    state.apply(places(Load::Loading));
    state.apply(places(Load::Ready(Arc::new(errors))));
    state
}

/// Shows a question; none of what it asks for by itself is sent.
fn shown(mut state: AppState, question: Question) -> Harness<'static, Stage> {
    state.selection.question = question;
    let mut harness = testing::harness(ViewId::DarkMatter, state);
    harness.run();
    harness.state_mut().commands.take();
    harness
}

#[test]
fn a_token_shows_its_norms_and_the_probe_its_figures() {
    let mut state = with_errors(true);
    state.selection.token = Some(2);
    let harness = shown(with_errors(true), Question::Linear);
    harness.get_by_label("Error vector, by variance, 0.432");
    harness.get_by_label("Error vector, mean over dimensions, 0.321");
    harness.get_by_label("Squared norm of the error, 0.876");
    harness.get_by_label_contains("12\u{202F}800 activations");
    let mut harness = shown(state, Question::Places);
    harness.get_by_label("25.0\u{202F}%");
    harness.get_by_label_contains("do not add up");
    harness.get_by_label("once, token 1").click();
    harness.run();
    let sent = testing::asked(&mut harness);
    assert_eq!(sent, [navigation::Command::SelectToken(Some(1)).into()]);
}

#[test]
fn what_the_figures_are_over_wraps_in_a_narrow_window() {
    let width = 560.0;
    let mut harness = testing::harness(ViewId::DarkMatter, with_errors(true));
    harness.set_size(egui::vec2(width, 700.0));
    harness.run();
    assert!(harness.get_by_label("Fit again").rect().right() <= width);
}

#[test]
fn without_a_probe_one_is_offered() {
    let state = with_errors(false);
    let mut harness = shown(state, Question::Missing);
    harness.get_by_label("Fit probe").click();
    harness.run();
    let sent = testing::asked(&mut harness);
    assert_eq!(sent, [dark_matter::fit::Command::Compute(ID).into()]);
}

/// Number of places beside the list of questions that say what is being looked for.
fn looking(harness: &Harness<'_, Stage>) -> usize {
    let said = harness.query_all_by_label("Looking for kept results…");
    said.filter(|place| place.rect().left() > super::questions::LIST)
        .count()
}

#[test]
fn nothing_is_offered_before_it_is_known_what_is_kept() {
    let opened = project::Event::Changed(Arc::default());
    let mut state = testing::with_model();
    state.apply(Event::Project(opened));
    let looks = |state: AppState| {
        let harness = shown(state, Question::Missing);
        assert!(harness.query_by_label("Fit probe").is_none());
        assert!(harness.query_by_label("Measure all dictionaries").is_none());
        harness.get_by_label("2 Where is it?: Looking for kept results…");
        // In place of the probe and of the measurement along depth.
        assert_eq!(looking(&harness), 2);
        harness.state().state.project.open().is_some()
    };
    assert!(looks(state));
    // A probe that is being read is not one that is being fitted.
    let mut state = testing::with_model();
    let lab = |event| Event::DarkMatter(event);
    state.apply(lab(Lab::Fit(Fitted::Probe(ID, Load::Loading))));
    let harness = shown(state, Question::Missing);
    assert_eq!(looking(&harness), 1);
    assert!(harness.query_by_label("Fit probe").is_none());
}

#[test]
fn a_question_says_that_its_answer_is_being_computed() {
    let mut state = with_errors(true);
    let began = Places::Study(Change::Began(ID));
    state.apply(Event::DarkMatter(Lab::Places(began)));
    let harness = shown(state, Question::Missing);
    harness.get_by_label("2 Where is it?: Computing…");
    harness.get_by_label("5 What does it cost?: Not computed yet");
}

#[test]
fn a_refused_fit_says_why() {
    let mut state = with_errors(false);
    let why = "5120 activations are needed and there are 900, give more text".to_owned();
    state.apply(Event::DarkMatter(Lab::Fit(Fitted::Probe(
        ID,
        Load::Failed(why),
    ))));
    let harness = testing::harness(ViewId::DarkMatter, state);
    harness.get_by_label_contains("give more text");
}

#[test]
fn where_there_is_room_the_largest_errors_stand_beside_the_text() {
    let mut harness = shown(with_errors(true), Question::Places);
    assert!(harness.query_by_label("Largest errors").is_none());
    harness.set_size(egui::vec2(1440.0, 800.0));
    harness.run();
    harness.get_by_label("Largest errors");
    // The first position does not count, however large its error is.
    let row = |token: usize, text: &str| format!("Error at token {token}, {text:?}");
    assert!(harness.query_by_label(&row(0, "<|endoftext|>")).is_none());
    let place = |label: &str| harness.get_by_label(label).rect().top();
    assert!(place(&row(2, " upon")) < place(&row(1, "once")));
    harness.get_by_label(&row(1, "once")).click();
    harness.run();
    let sent = testing::asked(&mut harness);
    assert_eq!(sent, [navigation::Command::SelectToken(Some(1)).into()]);
}

#[test]
fn each_question_is_asked_with_its_answer_and_shown_on_request() {
    let mut harness = shown(with_errors(true), Question::Missing);
    // In 1000 points, less the margins, the questions stand beside the panel with their answers.
    let row = "3 Is it linear?";
    let answered = harness.get_by_label_contains(row);
    answered.click();
    harness.run();
    let sent = testing::asked(&mut harness);
    assert_eq!(sent, [dark_matter::Command::Show(Question::Linear).into()]);
    harness.get_by_label("4 Does more width help?: Not computed yet");
    // In less they are tabs.
    harness.set_size(egui::vec2(620.0, 420.0));
    harness.run();
    testing::asked(&mut harness);
    harness.get_by_label("2  Where is it?").click();
    harness.run();
    let sent = testing::asked(&mut harness);
    assert_eq!(sent, [dark_matter::Command::Show(Question::Places).into()]);
}
