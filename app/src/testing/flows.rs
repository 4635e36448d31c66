//! The first things that a newcomer does in the demo, through the whole window, with the number of actions that each may take. A click, a drag, a
//! shortcut or one typed text (with the Enter that ends it) is one action.

use std::sync::Arc;

use egui::{Event, Key, Modifiers, Role};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::features::fires::Rank;
use umbra_core::ids::{FeatureId, Head, Layer};
use umbra_core::steer::Stream;
use umbra_core::workbench::edits_file;

use crate::state::AppState;
use crate::state::dark_matter::question::Question;
use crate::state::requests::{evaluation, steering};
use crate::state::steering::tab::Tab;
use crate::state::view::ViewId;
use crate::testing::{self, Window};

/// A person before the window who counts what they do.
struct Newcomer {
    harness: Harness<'static, Window>,
    actions: usize,
}

impl Newcomer {
    /// Sits down before the demo as it opens for the first time; changes go to `folder`.
    fn new(folder: &std::path::Path) -> Self {
        let builder = Harness::builder().with_size((1440.0, 900.0));
        let mut harness = Window::build(builder, testing::demo(folder));
        Window::settle(&mut harness);
        Self {
            harness,
            actions: 0,
        }
    }

    fn state(&self) -> &AppState {
        &self.harness.state().desk.state
    }

    fn view(&self) -> ViewId {
        self.harness.state().desk.view()
    }

    fn did(&mut self) {
        self.actions += 1;
        Window::settle(&mut self.harness);
    }

    /// Clicks the one widget of this role and name.
    fn clicks(&mut self, role: Role, name: &str) {
        self.harness.get_by_role_and_label(role, name).click();
        self.did();
    }

    /// Clicks a row of the table, with these keys held down.
    fn clicks_row(&mut self, at: usize, held: Modifiers) {
        let rows = self.harness.get_all_by_role(Role::Row);
        let row = rows.into_iter().nth(at).expect("a row");
        row.click_modifiers(held);
        self.did();
    }

    /// Opens the menu of the first row of the table.
    fn opens_menu_of_row(&mut self) {
        let rows = self.harness.get_all_by_role(Role::Row);
        let row = rows.into_iter().next().expect("a row");
        row.click_secondary();
        self.did();
    }

    /// Presses a shortcut.
    fn presses(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.did();
    }

    /// Types into what has the keyboard; `enter` ends it.
    fn types(&mut self, text: &str, enter: bool) {
        self.harness.event(Event::Text(text.to_owned()));
        Window::settle(&mut self.harness); // what answers while one types
        if enter {
            self.harness.key_press(Key::Enter);
        }
        self.did();
    }

    /// Ends a flow that may take `most` actions.
    #[track_caller]
    fn within(&mut self, most: usize, flow: &str) {
        let took = std::mem::take(&mut self.actions);
        assert!(took <= most, "{flow}: {took} actions, {most} are allowed");
        assert!(took > 0, "{flow}: nothing was done");
    }

    /// Finds a feature of `concept` by typing: returns it, with its page open.
    fn finds(&mut self, concept: &str) -> FeatureId {
        self.presses(Modifiers::COMMAND, Key::K);
        self.types(concept, true);
        self.within(3, "find a concept by typing");
        assert_eq!(self.view(), ViewId::Feature);
        self.state().selection.feature.expect("a feature")
    }
}

#[test]
fn a_newcomer_finds_a_concept_labels_it_and_finds_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    assert_eq!(newcomer.view(), ViewId::Prompt);
    let feature = newcomer.finds("king");
    let detail = newcomer.state().features.detail.ready().unwrap();
    let reads = detail
        .examples()
        .filter(|example| example.tokens.iter().any(|text| text.contains("king")))
        .count();
    assert!(reads > 0, "feature {feature} reads something else");

    newcomer.clicks(Role::TextInput, "Label");
    newcomer.types("of royal birth", true);
    newcomer.within(2, "label a feature");
    assert_eq!(newcomer.state().label(feature), Some("of royal birth"));

    newcomer.presses(Modifiers::COMMAND, Key::Num4);
    newcomer.actions = 0; // elsewhere in the meantime
    newcomer.presses(Modifiers::COMMAND, Key::K);
    newcomer.types("royal birth", true);
    newcomer.within(2, "find a feature by its label");
    let place = (newcomer.view(), newcomer.state().selection.feature);
    assert_eq!(place, (ViewId::Feature, Some(feature)));
}

#[test]
fn a_newcomer_finds_a_concept_by_a_sentence_and_reports_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    newcomer.presses(Modifiers::COMMAND, Key::Num3);
    assert_eq!(newcomer.view(), ViewId::Search);
    newcomer.clicks(Role::MultilineTextInput, "Sentence");
    newcomer.presses(Modifiers::COMMAND, Key::A);
    newcomer.types("The old king spoke to the queen.", false);
    std::thread::sleep(crate::state::prompt::PAUSE);
    Window::settle(&mut newcomer.harness);
    newcomer.within(4, "search by a sentence");
    let found = newcomer.state().search.last.as_ref().unwrap();
    assert!(found.fires.texts.iter().any(|text| text == " queen"));
    assert!(found.dictionaries.len() > 5, "{:?}", found.dictionaries);

    // The first row is the feature that tells most of this sentence.
    let first = found.fires.ranked(Rank::TfIdf)[0];
    let (feature, id) = (first.feature, found.dictionaries[first.dictionary]);
    let name = newcomer.state().catalogue.get(id).unwrap().name.clone();
    let link = format!("Feature {feature} of {name}");
    newcomer.clicks(Role::Link, &link);
    newcomer.within(1, "understand the feature");
    let place = (newcomer.view(), newcomer.state().selection.feature);
    assert_eq!(place, (ViewId::Feature, Some(feature)));
    assert_eq!(newcomer.state().selection.dictionary, Some(id));
    newcomer.harness.get_by_label("Strongest examples");
    // Its page shows the same sentence.
    let sentence = newcomer.state().prompt.text.clone();
    assert_eq!(sentence, "The old king spoke to the queen.");
    newcomer
        .harness
        .get_by_label_contains("of the feature's maximum");

    newcomer.clicks(Role::TextInput, "Label");
    newcomer.types("kings and queens", true);
    newcomer.within(2, "label it");
    newcomer.presses(Modifiers::COMMAND, Key::Num4);
    newcomer.actions = 0; // elsewhere in the meantime
    newcomer.presses(Modifiers::COMMAND, Key::K);
    newcomer.types("kings and queens", true);
    newcomer.within(2, "find it again");
    assert_eq!(newcomer.state().selection.feature, Some(feature));

    newcomer.clicks(Role::MultilineTextInput, "Try a sentence");
    newcomer.types(" She was tired.", false);
    std::thread::sleep(crate::state::prompt::PAUSE);
    Window::settle(&mut newcomer.harness);
    newcomer.within(2, "see it on own text");
    let reading = newcomer.state().prompt.reading.ready().unwrap();
    assert!(reading.texts.iter().any(|text| text == " tired"));

    newcomer.presses(Modifiers::COMMAND, Key::Num2);
    newcomer.presses(Modifiers::COMMAND, Key::F);
    newcomer.types(&format!("#{feature}"), false);
    newcomer.opens_menu_of_row();
    newcomer.clicks(Role::Button, "Report into the project");
    newcomer.within(5, "export a report");
    let written = find(folder.path(), "html");
    let [report] = written.as_slice() else {
        panic!("{written:?}");
    };
    let page = std::fs::read_to_string(report).unwrap();
    assert!(page.contains("kings and queens"));
}

#[test]
fn a_newcomer_sees_a_feature_on_a_sentence_of_their_own_and_steers_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    let feature = newcomer.finds("king");

    newcomer.clicks(Role::MultilineTextInput, "Try a sentence");
    newcomer.types(" The king said to the queen that he was tired.", false);
    std::thread::sleep(crate::state::prompt::PAUSE);
    Window::settle(&mut newcomer.harness);
    newcomer.within(2, "see a feature on an own sentence");
    let reading = newcomer.state().prompt.reading.ready().unwrap();
    assert!(reading.texts.iter().any(|text| text == " queen"));
    let active = (0..reading.latents.rows()).any(|t| reading.latents.get(t, feature) != 0.0);
    assert!(active, "feature {feature} is silent on its own concept");

    newcomer.clicks(Role::Button, "Run");
    newcomer.within(3, "steer with a feature");
    let trial = newcomer.state().steering.trial.as_ref().unwrap();
    let [baseline, steered] = Stream::ALL.map(|stream| trial.text(0, stream).joined());
    assert_ne!(baseline, steered);
    newcomer.harness.get_by_label("Baseline");
}

#[test]
fn a_newcomer_drags_the_strength_compares_sweeps_and_saves() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    let feature = newcomer.finds("king");
    newcomer.clicks(Role::MultilineTextInput, "Try a sentence");
    newcomer.types(" The king said to the queen that he was tired.", false);
    std::thread::sleep(crate::state::prompt::PAUSE);
    Window::settle(&mut newcomer.harness);

    let harness = &newcomer.harness;
    harness
        .get_by_role_and_label(Role::Slider, "Steering strength")
        .focus();
    Window::settle(&mut newcomer.harness);
    newcomer.presses(Modifiers::NONE, Key::ArrowRight);
    newcomer.actions = 0; // the arrow stands for the drag
    newcomer.clicks(Role::Button, "Open in Steering");
    let edit = newcomer.state().steering.draft.edits[0].clone();
    assert_eq!(edit.feature, Some(feature));
    assert!(edit.amount > 8.0, "{}", edit.amount);
    newcomer.clicks(Role::Button, "Run");
    newcomer.within(2, "compare both texts");
    let run = newcomer.state().steering.run.as_ref().unwrap();
    assert!(run.ended.is_some());

    // The tab stands first; the button of the stack's edit and that of the form have its name.
    let tab = newcomer.harness.get_all_by_label("Sweep").next().unwrap();
    tab.click();
    newcomer.did();
    let button = newcomer.harness.get_all_by_label("Sweep").last().unwrap();
    button.click();
    newcomer.did();
    newcomer.within(2, "sweep the feature");
    let id = newcomer.state().dictionary().unwrap().id;
    let found = newcomer.state().steering.sweep.study.result(&id);
    assert!(found.is_some_and(|found| found.sweep.is_some()));

    let path = folder.path().join("mine.toml");
    let desk = &mut newcomer.harness.state_mut().desk;
    desk.dialogs = Arc::new(testing::Answer(Some(path.clone())));
    desk.run(steering::Command::Show(Tab::Steer));
    Window::settle(&mut newcomer.harness);
    newcomer.clicks(Role::Button, "Save edits…");
    newcomer.within(1, "save the edits");
    let saved = edits_file::read(&path).unwrap();
    assert_eq!(saved.len(), 1);
    assert!(
        saved[0]
            .0
            .to_string()
            .starts_with(&format!("add feature={feature} strength="))
    );
}

#[test]
fn a_newcomer_reports_on_three_features() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    newcomer.presses(Modifiers::COMMAND, Key::Num2);
    newcomer.actions = 0; // the table is on screen
    newcomer.clicks_row(0, Modifiers::NONE);
    newcomer.clicks_row(2, Modifiers::SHIFT);
    newcomer.clicks(Role::Button, "Report on 3");
    newcomer.within(4, "report on three features");
    let written = find(folder.path(), "html");
    let [report] = written.as_slice() else {
        panic!("{written:?}");
    };
    let page = std::fs::read_to_string(report).unwrap();
    assert_eq!(page.matches("<section class=\"feature\"").count(), 3);
}

#[test]
fn a_newcomer_sees_what_an_induction_head_does_and_where_one_of_its_features_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    newcomer.presses(Modifiers::COMMAND, Key::Num6);
    newcomer.within(1, "open Heads");
    // The induction heads are named without being asked for.
    newcomer.harness.get_by_label("Heads with a clear role");
    newcomer.harness.get_by_role_and_label(Role::Button, "L3H3");
    newcomer.clicks(Role::Button, "L3H6");
    newcomer.within(1, "open an induction head");
    newcomer.harness.get_by_label("Induction head");
    let said = newcomer
        .harness
        .get_all_by_label_contains(", the token after the earlier ");
    assert!(said.count() > 0, "a sentence shows it");
    let pattern = newcomer.state().heads.survey.pattern.ready();
    assert!(pattern.is_some(), "and so does its pattern");
    newcomer.harness.get_by_label("Whole pattern");

    let layer = Layer(3);
    let dictionary = newcomer.state().z_dictionary(layer).unwrap().id;
    let known = &newcomer.state().heads.features.figures[&dictionary];
    let figures = known.load.ready().expect("its features are listed");
    let of_head = figures.iter().find(|figures| figures.head == Head(6));
    let features: Vec<FeatureId> = of_head.unwrap().features.iter().map(|of| of.0).collect();
    assert!(!features.is_empty());

    newcomer.clicks(Role::Button, "3  Why");
    newcomer.within(1, "see where a feature comes from");
    newcomer.harness.get_by_label_contains("adds up, residue");
    let asked = newcomer.state().heads.attribution.of.as_ref().unwrap();
    assert_eq!(asked.dictionary, dictionary, "that reads the head's layer");
}

#[test]
fn a_newcomer_reads_down_the_questions_on_the_error_of_a_dictionary() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    newcomer.presses(Modifiers::COMMAND, Key::Num5);
    newcomer.within(1, "open Dark matter");
    // The fit that is kept with the demo answers two questions at once.
    let answers = [
        "1 How much is missing?: The dictionary explains",
        "3 Is it linear?: The dictionary leaves",
    ];
    for answer in answers {
        newcomer.harness.get_by_label_contains(answer);
    }
    newcomer
        .harness
        .get_by_role_and_label(Role::List, "Variance explained and missing");
    for (number, question) in Question::ALL.into_iter().enumerate() {
        let row = format!("{} {}", number + 1, question.title());
        newcomer.harness.get_by_label_contains(&row).click();
        newcomer.did();
        newcomer.within(1, "show a question");
        assert_eq!(newcomer.state().selection.question, question);
    }
    // Back leads to the question before.
    newcomer.presses(Modifiers::ALT, Key::ArrowLeft);
    newcomer.within(1, "go back");
    assert_eq!(newcomer.state().selection.question, Question::Cost);

    newcomer.presses(Modifiers::COMMAND, Key::Num4);
    newcomer.within(1, "open Prompt");
    newcomer
        .harness
        .get_by_label_contains("colour by the error")
        .click();
    newcomer.did();
    newcomer.within(1, "see the error on the sentence");
    newcomer
        .harness
        .get_by_label_contains("norm of the error from 0 to");
}

#[test]
fn a_newcomer_learns_which_dictionary_controls_the_name_best_and_at_what_cost() {
    let folder = tempfile::tempdir().unwrap();
    let mut newcomer = Newcomer::new(folder.path());
    newcomer.presses(Modifiers::COMMAND, Key::Num9);
    newcomer.within(1, "open Evaluation");
    newcomer.clicks(Role::Button, "A task with a known answer (IOI)");
    newcomer.within(1, "open the task");
    if newcomer
        .state()
        .evaluation
        .task
        .result(newcomer.state())
        .is_none()
    {
        // Fewer prompts than a person takes: the answer is the same, with less certainty.
        let form = crate::state::evaluation::task::Form {
            prompts: 200,
            ..Default::default()
        };
        let form = evaluation::task::Command::Form(Box::new(form));
        newcomer.harness.state_mut().desk.run(form);
        newcomer.clicks(Role::Button, "Run");
        newcomer.within(1, "run the task");
    }
    newcomer.harness.get_by_label_contains(" does the task: ");
    // On the demo, two features of no dictionary are enough, and the sentence says so.
    let answer = newcomer
        .harness
        .get_by_label_contains(" controls the name that is the answer ");
    let answer = format!("{answer:?}");
    for part in [
        "with 2 ",
        "at the cost of",
        "the supervised dictionary reaches",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    for group in ["Sufficiency", "Necessity"] {
        newcomer.harness.get_by_role_and_label(Role::List, group);
    }
}

/// Files below `folder` that end in `ending`.
fn find(folder: &std::path::Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(find(&path, ending));
        } else if path.extension().is_some_and(|end| end == ending) {
            found.push(path);
        }
    }
    found
}
