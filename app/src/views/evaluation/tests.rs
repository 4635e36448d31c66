//! The screen Evaluation by kittest: its table, its front, and what is asked for.

use std::sync::Arc;

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::corpus::Positions;
use umbra_core::error::Notes;
use umbra_core::eval::{Figures, Nearness};
use umbra_core::project::Project;
use umbra_core::workbench::scores::Number;

use super::dictionaries::model;
use crate::state::catalogue::{self, DictionaryId, Evaluation, LoadedSae};
use crate::state::evaluation::tab::Tab;
use crate::state::project::{self, Kind, Opened};
use crate::state::requests::{Command, evaluation, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};
use crate::testing::{self, Stage, Window, tasked};

/// Figures with this L0 and this share of unexplained variance.
fn figures(l0: f64, fvu: f64, whole: bool) -> Figures {
    Figures {
        l0,
        fvu,
        dead_fraction: 0.125,
        rare_fraction: 0.25,
        ce_clean: 3.0,
        ce_sae: 3.125,
        ce_zero: 9.0,
        ce_mean: 8.0,
        ce_recovered_zero: 0.98,
        ce_recovered_mean: 0.97,
        tokens: 200_000,
        positions: Positions::Text,
        left_out: Some(0),
        nearness: whole.then_some(Nearness {
            kl_sae: 0.1,
            cosine: 0.9,
            l2_ratio: 0.95,
            explained_variance: 1.0 - fvu,
            explained_variance_legacy: 0.7,
        }),
        pair: None,
    }
}

/// The demo's model with four dictionaries of one hook: two on the front, one behind it, and one that is not measured.
fn several() -> (tempfile::TempDir, AppState) {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "Mine").unwrap();
    let mut state = testing::with_model();
    let opened = Opened {
        project: Arc::new(project),
        labels: vec![],
        evaluations: vec![],
        notes: Notes::default(),
        kind: Kind::Own,
        sentence: None,
        kept: None,
        edits: vec![],
    };
    state.apply(Event::Project(project::Event::Opened(Box::new(opened))));
    let mut state = testing::with_demo_model(state);
    for (i, name) in ["small", "large", "worse", "new"].into_iter().enumerate() {
        let added = catalogue::Event::Added(name.into(), None);
        state.apply(Event::Catalogue(added));
        let id = DictionaryId(state.catalogue.dictionaries.last().unwrap().id.0);
        let mut sae = testing::sae_of(64, 256);
        name.clone_into(&mut sae.name);
        let loaded = LoadedSae::new(sae, Notes::default(), 1_000);
        let ready = catalogue::Event::Sae(id, Load::Ready(loaded));
        state.apply(Event::Catalogue(ready));
        let Some((l0, fvu)) = [(4.0, 0.5), (32.0, 0.125), (40.0, 0.625)].get(i).copied() else {
            continue;
        };
        let measured = Evaluation {
            figures: figures(l0, fvu, name != "worse"),
            text: "held-out".to_owned(),
            device: String::new(),
        };
        let measured = catalogue::Event::Evaluation(id, Load::Ready(measured));
        state.apply(Event::Catalogue(measured));
    }
    (folder, state)
}

fn id_of(state: &AppState, name: &str) -> DictionaryId {
    state.catalogue.named(name).unwrap().id
}

fn shown(state: AppState) -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Evaluation, state);
    harness.set_size(egui::vec2(1200.0, 900.0));
    harness.run();
    harness.state_mut().commands.take();
    harness
}

#[test]
fn dictionaries_that_have_no_or_older_numbers_can_be_measured() {
    let (_folder, state) = several();
    let (new, worse) = (id_of(&state, "new"), id_of(&state, "worse"));
    let mut harness = shown(state);
    harness.get_by_label("3 of 4 dictionaries measured.");
    harness
        .get_by_role_and_label(Role::Button, "Measure new")
        .click();
    harness.run();
    let one = evaluation::Command::Measure(vec![new]);
    assert_eq!(harness.state_mut().commands.take(), [one.into()]);
    harness
        .get_by_role_and_label(Role::Button, "Measure 2 dictionaries")
        .click();
    harness.run();
    let both = evaluation::Command::Measure(vec![worse, new]);
    assert_eq!(harness.state_mut().commands.take(), [both.into()]);
}

#[test]
fn the_sentence_names_the_front_of_the_hook_with_the_most_dictionaries() {
    let (_folder, state) = several();
    let harness = shown(state);
    harness
        .get_by_label("small and large are beaten by none of 3 dictionaries in both L0 and FVU.");
}

#[test]
fn numbers_are_sorted_with_the_unmeasured_ones_last() {
    use crate::widgets::grid::arrangement::Sort;
    let (_folder, state) = several();
    for (descending, want) in [
        (false, ["large", "small", "worse", "new"]),
        (true, ["worse", "small", "large", "new"]),
    ] {
        let lines = model::lines(&state, Some(&Sort::new("fvu", descending)));
        let names: Vec<&str> = lines.iter().map(|line| line.row.name.as_str()).collect();
        assert_eq!(names, want);
    }
}

#[test]
fn an_axis_is_logarithmic_where_its_values_span_decades() {
    let number = |key| Number::from_key(key).unwrap();
    let suits = |key, values: &[f64]| model::suits_log(number(key), values.iter().copied());
    assert!(suits("l0", &[4.0, 40.0]));
    assert!(!suits("l0", &[30.0, 40.0]), "they lie close together");
    assert!(!suits("fvu", &[0.0, 0.5]), "0 has no logarithm");
    assert!(!suits("cosine", &[0.01, 0.9]), "a cosine has no decades");
}

#[test]
fn a_project_without_dictionaries_says_what_the_screen_is_for() {
    let mut harness = shown(testing::empty());
    harness.get_by_label("Open a dictionary").click();
    harness.run();
    let go = navigation::Command::Go(ViewId::Library);
    assert_eq!(harness.state_mut().commands.take(), [go.into()]);
}

#[test]
fn the_tabs_are_places_of_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    desk.run(Command::from(navigation::Command::Go(ViewId::Evaluation)));
    desk.run(evaluation::Command::Show(Tab::Task));
    assert_eq!(desk.state.selection.evaluation, Tab::Task);
    desk.run(navigation::Command::Back);
    assert_eq!(desk.view(), ViewId::Evaluation);
    assert_eq!(desk.state.selection.evaluation, Tab::Dictionaries);
}

#[test]
fn a_click_on_a_row_of_the_demo_uses_the_dictionary() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Harness::builder().with_size((1440.0, 900.0));
    let mut harness = Window::build(builder, testing::demo(folder.path()));
    harness.state_mut().go(ViewId::Evaluation);
    Window::settle(&mut harness);
    harness.get_by_label("5 of 9 dictionaries measured.");
    harness
        .get_by_role_and_label(Role::Row, "Numbers of attn-2")
        .click();
    Window::settle(&mut harness);
    let state = &harness.state().desk.state;
    assert_eq!(state.selection.dictionary, Some(id_of(state, "attn-2")));
}

/// The task with a result, drawn in full.
fn task_shown() -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::Evaluation, tasked::with_result());
    harness.set_size(egui::vec2(1200.0, 2400.0));
    harness.run();
    harness.state_mut().commands.take();
    harness
}

#[test]
fn the_task_says_first_what_controls_the_name_best_and_at_what_cost() {
    let harness = task_shown();
    harness.get_by_label_contains("z0 controls the name that is the answer best: with 2 exchanged");
    harness.get_by_label_contains("supervised dictionary reaches 96\u{202F}%");
    harness.get_by_label_contains("demo does the task: accuracy 95");
    for group in ["Sufficiency", "Necessity"] {
        harness.get_by_role_and_label(Role::List, group);
    }
    harness.get_by_label("supervised-mean (supervised), 0.980");
}

#[test]
fn a_click_on_a_bar_of_the_task_uses_the_dictionary_and_one_that_is_gone_uses_none() {
    let mut harness = task_shown();
    harness.get_by_label("z0, 0.850").click();
    harness.run();
    let id = DictionaryId(0);
    let used = navigation::Command::SelectDictionary(id);
    assert_eq!(harness.state_mut().commands.take(), [used.into()]);
    harness.get_by_label("gone, 0.400").click();
    harness.run();
    assert!(harness.state_mut().commands.take().is_empty());
}

#[test]
fn the_edits_follow_attribute_and_number_of_features() {
    let mut harness = task_shown();
    // With two exchanged features, four ninths of 0.9.
    harness.get_by_label("Edit accuracy by weight removed: 3 points, z0 at 0.472, 0.400");
    let slider = Role::Slider;
    harness
        .get_by_role_and_label(slider, "Features exchanged")
        .focus();
    harness.run();
    harness.key_press(egui::Key::ArrowRight);
    harness.run();
    harness.get_by_label("up to 4");
    harness.get_by_label("Edit accuracy by weight removed: 3 points, z0 at 0.528, 0.500");
}

#[test]
fn the_inspector_shows_steps_and_answers_of_an_edit() {
    let mut harness = task_shown();
    harness.get_by_label_contains("the answer (io) becomes Alice in place of Mary");
    harness.get_by_label_contains("2 exchanges leave 25.0\u{202F}% of the distance");
    for title in ["Before the edit", "After the edit", "Ground truth"] {
        harness.get_by_role_and_label(Role::List, title);
    }
    harness
        .get_by_label("Step 1 at blocks.0.attn.hook_z:0,1@end, feature 3")
        .click();
    harness.run();
    let follow = navigation::Command::FollowDictionary(DictionaryId(0));
    let feature = umbra_core::ids::FeatureId(3);
    let select = navigation::Command::SelectFeature(Some(feature));
    let want: [Command; 2] = [follow.into(), select.into()];
    assert_eq!(harness.state_mut().commands.take(), want);
}

#[test]
fn a_run_needs_a_project_and_asks_for_the_task() {
    let (_folder, mut state) = several();
    state.selection.evaluation = Tab::Task;
    let mut harness = shown(state);
    harness.get_by_label_contains("must go on with “ Mary”");
    harness.get_by_role_and_label(Role::Button, "Run").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let run = Command::from(evaluation::task::Command::Run);
    assert!(sent.contains(&run), "{sent:?}");
    let look = Command::from(evaluation::task::Command::Look);
    assert!(sent.contains(&look), "what is kept is looked for: {sent:?}");

    let mut state = testing::with_model();
    state.selection.evaluation = Tab::Task;
    let harness = shown(state);
    harness.get_by_label_contains("Open or create a project first");
}
