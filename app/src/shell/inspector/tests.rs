//! The inspector says what the screen does not say, and leaves its room to the screen otherwise.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::ids::{FeatureId, Head, Layer};

use super::{Subject, subject};
use crate::state::dark_matter::question::Question;
use crate::state::heads::step::{Shown, Step};
use crate::state::prompt::{self, Side};
use crate::state::selection;
use crate::state::settings;
use crate::state::view::ViewId;
use crate::state::{AppState, Event};
use crate::testing::{self, Desk, Window};

fn select(state: &mut AppState, event: selection::Event) {
    state.apply(Event::Selection(event));
}

/// The demo's model and a dictionary that fits it, with a sentence that is read.
fn read() -> AppState {
    let mut desk = Desk::new(testing::with_model());
    desk.run(crate::state::requests::prompt::Command::Text(
        "Once upon a time".to_owned(),
    ));
    assert!(desk.state.prompt.reading.ready().is_some());
    desk.state
}

/// Screens on which the inspector shows what is selected.
fn shown_on(state: &AppState) -> Vec<ViewId> {
    let shown = |view: &ViewId| subject(state, *view).is_some();
    ViewId::ALL.into_iter().filter(shown).collect()
}

#[test]
fn it_follows_the_selection_where_the_screen_does_not_say_the_same() {
    let mut state = read();
    let feature = FeatureId(3);
    select(&mut state, selection::Event::Feature(Some(feature)));
    let but_the_map = [ViewId::Features, ViewId::Prompt, ViewId::Steering];
    assert_eq!(shown_on(&state), but_the_map);
    let head = Shown {
        step: Step::Head,
        ..Shown::default()
    };
    select(&mut state, selection::Event::Shown(head));
    let want = [
        ViewId::Features,
        ViewId::Prompt,
        ViewId::Heads,
        ViewId::Steering,
    ];
    assert_eq!(shown_on(&state), want);
    let shown = subject(&state, ViewId::Features);
    assert_eq!(shown, Some(Subject::Feature(feature)));
    select(&mut state, selection::Event::Token(Some(2)));
    assert_eq!(shown_on(&state), [ViewId::Prompt]);
    // Of the questions of Dark matter, only this one is about tokens.
    select(&mut state, selection::Event::Question(Question::Places));
    assert_eq!(shown_on(&state), [ViewId::Prompt, ViewId::DarkMatter]);
    let shown = subject(&state, ViewId::Prompt);
    assert_eq!(shown, Some(Subject::Feature(feature)), "its card stays");
    let typed = prompt::Event::Text {
        text: "Once upon a time there".to_owned(),
        typed: true,
    };
    state.apply(Event::Prompt(typed));
    assert_eq!(subject(&state, ViewId::Prompt), shown, "and while typing");
    state.apply(Event::Prompt(prompt::Event::Side(Side::Attention)));
    assert_eq!(shown_on(&state), [ViewId::Prompt, ViewId::DarkMatter]);
    select(&mut state, selection::Event::Head(Layer(1), Head(2)));
    assert_eq!(shown_on(&state), [ViewId::Prompt]);
    select(&mut state, selection::Event::Edit(0));
    assert_eq!(shown_on(&state), [ViewId::Steering]);
}

#[test]
fn what_is_gone_or_was_never_selected_is_not_shown() {
    let mut state = read();
    state.selection.focus = selection::Focus::Nothing;
    assert_eq!(shown_on(&state), []);
    state.selection.feature = None;
    select(&mut state, selection::Event::Token(Some(999)));
    assert_eq!(shown_on(&state), []);
    select(&mut state, selection::Event::Edit(1));
    assert_eq!(shown_on(&state), [], "there is one edit");
    select(&mut state, selection::Event::Feature(None));
    assert_eq!(shown_on(&state), []);
}

fn window(size: [f32; 2], prepare: impl FnOnce(&mut AppState)) -> Harness<'static, Window> {
    let mut state = testing::with_model();
    prepare(&mut state);
    let builder = Harness::builder().with_size(size);
    let mut harness = Window::build(builder, Desk::new(state));
    harness.state_mut().go(ViewId::Features);
    Window::draw(&mut harness);
    harness
}

/// The button of the card that only the inspector draws here.
const OPEN: &str = "Open its page";

#[test]
fn a_narrow_window_a_large_text_and_a_person_hide_it() {
    let wide = window([1440.0, 900.0], |_| {});
    wide.get_by_label(OPEN);
    let narrow = window([1000.0, 700.0], |_| {});
    assert!(narrow.query_by_label(OPEN).is_none());
    let mut large = window([1440.0, 900.0], |_| {});
    large.set_pixels_per_point(1.6);
    large.step();
    large.set_size(egui::vec2(1440.0, 900.0) / 1.6);
    Window::draw(&mut large);
    assert!(large.query_by_label(OPEN).is_none());
    let hidden = window([1440.0, 900.0], |state| {
        state.apply(Event::Settings(settings::Event::Inspector(false)));
    });
    assert!(hidden.query_by_label(OPEN).is_none());
}

#[test]
fn the_card_leads_to_the_page_and_an_edit_is_told_in_words() {
    let mut harness = window([1440.0, 900.0], |_| {});
    harness.get_by_label(OPEN).click();
    Window::settle(&mut harness);
    assert_eq!(harness.state().desk.view(), ViewId::Feature);
    assert!(harness.query_by_label(OPEN).is_none(), "the page says it");
    harness.state_mut().go(ViewId::Steering);
    Window::settle(&mut harness);
    harness.get_by_label("Select edit 1").click();
    Window::settle(&mut harness);
    harness.get_by_label_contains("This edit adds a decoder row");
    harness.get_by_label("1 of 1");
    harness.get_by_label("add feature=0 strength=8");
}

#[test]
fn prompt_opens_with_the_card_of_its_most_surprising_feature() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, testing::demo(folder.path()));
    harness.state_mut().go(ViewId::Prompt);
    Window::settle(&mut harness);
    let state = &harness.state().desk.state;
    let first = state
        .most_surprising()
        .expect("the demo's sentence is read");
    assert_eq!(state.selection.feature, Some(first.feature));
    harness.get_by_label(OPEN);
    // A person may select nothing.
    let nothing = crate::state::requests::navigation::Command::SelectFeature(None);
    harness.state_mut().desk.run(nothing);
    Window::settle(&mut harness);
    assert_eq!(harness.state().desk.state.selection.feature, None);
    assert!(harness.query_by_label(OPEN).is_none());
}
