//! Drives the Steering screen: Run sends the chosen request, both texts stream and stop, strength zero is pointed out.

use std::sync::Arc;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::device::DeviceWish;
use umbra_core::ids::{FeatureId, TokenId};
use umbra_core::models::{Finish, Sampling};
use umbra_core::steer::{
    self, Change, EditSpec, Generated, Measure, Outcome, Sample, Stream, Text, Token, Vector, What,
    Written,
};

use crate::state::catalogue::{self, DictionaryId};
use crate::state::jobs::JobId;
use crate::state::requests::{Command, steering};
use crate::state::steering::tab::Tab;
use crate::state::steering::{Ended, Event as Lab, Request};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, settings};
use crate::testing;

fn ready() -> AppState {
    let mut state = testing::with_model();
    state.prompt.text = "Once upon".to_owned();
    state
}

fn request(strength: f32) -> Request {
    let row = Vector::Feature(FeatureId(0));
    Request {
        dictionaries: vec![DictionaryId(0)],
        edits: vec![EditSpec::new(What::Add(row, strength))],
        prompt: "Once upon".into(),
        sampling: Sampling::default(),
        samples: 1,
        dial: Some(0),
    }
}

/// Tells one token of a text.
fn token(job: JobId, stream: Stream, first: usize, piece: &str) -> Lab {
    let token = Token {
        id: TokenId(5),
        piece: piece.to_owned(),
    };
    let event = steer::Event::Tokens {
        sample: 0,
        stream,
        first,
        tokens: vec![token],
    };
    Lab::Told(job, event)
}

fn running(strength: f32) -> AppState {
    let mut state = ready();
    let job = JobId(3);
    let change = Change {
        id: TokenId(5),
        text: " a".to_owned(),
        before: 0.25,
        after: 0.5,
    };
    for event in [
        Lab::Started(job, request(strength)),
        Lab::Told(job, steer::Event::Shift(vec![change], 0.125)),
        token(job, Stream::Baseline, 0, " a time"),
        token(job, Stream::Steered, 0, " a king"),
        token(JobId(2), Stream::Steered, 1, " of an earlier run"),
    ] {
        state.apply(Event::Steering(event));
    }
    state
}

#[test]
fn tabs_are_asked_for_and_say_what_they_answer() {
    let mut state = ready();
    state.selection.tab = Tab::Sweep;
    let mut harness = testing::harness(ViewId::Steering, state);
    assert!(harness.query_by_label("Run").is_none());
    harness.get_by_label("Causes").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert_eq!(sent, [steering::Command::Show(Tab::Causes).into()]);
}

#[test]
fn run_asks_for_the_chosen_feature_and_the_sentence() {
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Run").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let want: Command = steering::Command::Run(request(8.0)).into();
    assert_eq!(sent, [want]);
}

#[test]
fn the_command_line_of_the_run_is_copied_whole() {
    let mut state = ready();
    let chosen = settings::Event::Device(DeviceWish::Gpu(Some(1)));
    state.apply(Event::Settings(chosen));
    let line = state.steering_line(&request(8.0)).unwrap();
    assert!(line.starts_with("umbra steer --model ") && line.contains("'Once upon'"));
    assert!(line.contains("--device wgpu:1"), "{line}");
    let mut harness = testing::harness(ViewId::Steering, state);
    harness.get_by_label("Copy for the command line").click();
    harness.step();
    let copied = harness.output().platform_output.commands.iter();
    let texts = copied.filter_map(|command| match command {
        egui::OutputCommand::CopyText(text) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(texts.collect::<Vec<_>>(), [line.as_str()]);
}

#[test]
fn without_a_sentence_run_is_off_and_says_why() {
    let harness = testing::harness(ViewId::Steering, testing::with_model());
    assert!(harness.get_by_label("Run").accesskit_node().is_disabled());
    harness.get_by_label("Type a text to continue");
}

#[test]
fn both_texts_stream_and_the_run_is_stopped() {
    let mut harness = testing::harness(ViewId::Steering, running(8.0));
    harness.get_by_label("a time, token 2");
    harness.get_by_label("a king, token 2");
    harness.get_by_label("a, 25.0\u{202F}% → 50.0\u{202F}%");
    harness.get_by_label("Stop").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert_eq!(sent, [steering::Command::Stop.into()]);
    let text = |text: &str, finish| Text {
        written: Written {
            tokens: vec![TokenId(5)],
            text: text.to_owned(),
            finish,
        },
        ..Text::default()
    };
    let along = Change {
        id: TokenId(6),
        text: " the".to_owned(),
        before: 0.5,
        after: 0.125,
    };
    let sample = Sample {
        seed: 0,
        baseline: text(" a time", None),
        steered: text(" a king and", Some(Finish::Stop("\n".to_owned()))),
        generated: Some(Generated {
            kl: 0.75,
            shift: vec![along],
        }),
    };
    let outcome = Arc::new(Outcome {
        samples: vec![sample],
        shift: vec![],
        kl: 0.125,
    });
    let ended = Ended::Done {
        outcome,
        stopped: true,
    };
    let measure = Measure {
        written: -1.0,
        unedited: -2.0,
        kl: 0.75,
        shift: vec![],
    };
    let measured = steer::Event::Measures {
        sample: 0,
        stream: Stream::Steered,
        first: 0,
        measures: vec![measure],
    };
    let told = Lab::Told(JobId(3), measured);
    harness.state_mut().state.apply(Event::Steering(told));
    let stage = harness.state_mut();
    stage
        .state
        .apply(Event::Steering(Lab::Ended(JobId(3), ended)));
    harness.run();
    harness.get_by_label("0.125 nats");
    harness.get_by_label("0.750 nats");
    harness.get_by_label("and, token 3");
    harness.get_by_label("Steered text stopped at \"\\n\"");
    assert!(harness.query_by_label("Stop").is_none());
    harness.get_by_label("Mean along the text").click();
    harness.run();
    harness.get_by_label("the, 50.0\u{202F}% → 12.5\u{202F}%");
}

#[test]
fn the_old_text_stays_until_the_first_token_of_the_new_one() {
    let mut harness = testing::harness(ViewId::Steering, running(8.0));
    let apply = |harness: &mut egui_kittest::Harness<'_, testing::Stage>, event| {
        harness.state_mut().state.apply(Event::Steering(event));
        harness.run();
    };
    apply(&mut harness, Lab::Started(JobId(4), request(9.0)));
    harness.get_by_label("a king, token 2");
    harness.get_by_label("a time, token 2");
    // What comes of the run before is dropped.
    let late = token(JobId(3), Stream::Steered, 1, " and");
    apply(&mut harness, late);
    assert!(harness.query_by_label("and, token 3").is_none());
    apply(
        &mut harness,
        token(JobId(4), Stream::Steered, 0, " a queen"),
    );
    harness.get_by_label("a queen, token 2");
    assert!(harness.query_by_label("a king, token 2").is_none());
    harness.get_by_label("a time, token 2");
}

/// The strengths of the runs that were asked for.
fn runs(harness: &mut egui_kittest::Harness<'_, testing::Stage>) -> Vec<f32> {
    let sent = harness.state_mut().commands.take();
    let strength = |command| match command {
        Command::Steering(steering::Command::Run(request)) => match request.edits[0].what {
            What::Add(_, strength) => Some(strength),
            _ => None,
        },
        _ => None,
    };
    sent.into_iter().filter_map(strength).collect()
}

#[test]
fn live_texts_follow_a_change_at_once_and_others_say_that_they_do_not() {
    let words = "These texts were written with the previous settings";
    // A slider begins the first texts, too.
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Strength 0").click();
    harness.run();
    assert_eq!(runs(&mut harness), [0.0]);
    // Another feature is no control.
    harness.state_mut().state.steering.draft.edits[0].feature = Some(FeatureId(5));
    harness.run();
    assert_eq!(runs(&mut harness), [0.0; 0]);

    let mut harness = testing::harness(ViewId::Steering, running(8.0));
    assert!(harness.query_by_label(words).is_none());
    harness.get_by_label("Strength 0").click();
    harness.run();
    assert_eq!(runs(&mut harness), [0.0]);
    // Asked for once.
    harness.run();
    assert_eq!(runs(&mut harness), [0.0; 0]);
    let started = Lab::Started(JobId(4), request(0.0));
    harness.state_mut().state.apply(Event::Steering(started));
    harness.run();
    assert!(harness.query_by_label(words).is_none());

    // A run that shows nothing yet holds up the next one, for a while.
    harness.state_mut().state.steering.draft.edits[0].amount = 12.0;
    harness.step();
    assert_eq!(runs(&mut harness), [0.0; 0]);
    let begun = token(JobId(4), Stream::Steered, 0, " a");
    harness.state_mut().state.apply(Event::Steering(begun));
    std::thread::sleep(std::time::Duration::from_millis(60));
    harness.run();
    assert_eq!(runs(&mut harness), [12.0]);

    // Not live, texts wait for a click.
    let mut state = running(8.0);
    state.apply(Event::Steering(Lab::Live(false)));
    let mut harness = testing::harness(ViewId::Steering, state);
    harness.get_by_label("Strength 0").click();
    harness.run();
    harness.get_by_label(words);
    assert_eq!(runs(&mut harness), [0.0; 0]);
    harness.get_by_label("Live").click();
    harness.run();
    assert_eq!(
        runs(&mut harness),
        [0.0],
        "switched on, it brings them up to date"
    );

    // Texts of an earlier day are not written anew unasked, nor where another text is to be continued.
    let mut harness = testing::harness(ViewId::Steering, running(0.0));
    harness.run();
    harness.get_by_label(words);
    harness.state_mut().state.prompt.text = "Twice upon".to_owned();
    harness.run();
    harness.run();
    assert_eq!(runs(&mut harness), [0.0; 0]);
}

#[test]
fn strength_zero_says_identical() {
    let harness = testing::harness(ViewId::Steering, running(0.0));
    harness.get_by_label_contains("both texts are identical");
}

#[test]
fn a_second_edit_is_added_ordered_and_switched_off() {
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Add an edit").click();
    harness.run();
    harness.get_by_label("Project out").click();
    harness.run();
    let asked = |harness: &mut egui_kittest::Harness<'_, testing::Stage>| {
        harness.get_by_label("Run").click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        let run = sent.into_iter().find_map(|command| match command {
            Command::Steering(steering::Command::Run(request)) => Some(request),
            _ => None,
        });
        let request = run.expect("a run is asked for");
        let edits = request.edits.iter();
        edits.map(EditSpec::to_string).collect::<Vec<_>>()
    };
    let (add, out) = ("add feature=0 strength=8", "project-out feature=0");
    assert_eq!(asked(&mut harness), [add, out]);
    harness.get_by_label("Apply later").click();
    harness.run();
    assert_eq!(asked(&mut harness), [out, add]);
    harness.get_by_label("Edit 1 is enabled").click();
    harness.run();
    assert_eq!(asked(&mut harness), [add]);
    harness.get_by_label("Edit 2 is enabled").click();
    harness.run();
    harness.get_by_label("Enable an edit");
}

#[test]
fn without_a_dictionary_a_head_is_silenced_and_both_texts_stream() {
    use umbra_core::ids::{Head, Layer};

    let mut state = testing::with_demo_model(testing::empty());
    state.prompt.text = "Once upon".to_owned();
    let mut harness = testing::harness(ViewId::Steering, state);
    harness.get_by_label_contains("No dictionary is open");
    harness.get_by_label("Run").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let [Command::Steering(steering::Command::Run(request))] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert!(request.dictionaries.is_empty());
    let edits: Vec<_> = request.edits.iter().map(EditSpec::to_string).collect();
    assert_eq!(edits, ["zero hook=blocks.0.attn.hook_z heads=0"]);
    let mut request = request.clone();
    request.sampling.tokens = 3;
    let mut desk = testing::Desk::new(testing::with_demo_model(testing::empty()));
    desk.run(steering::Command::Run(request));
    let run = desk.state.steering.run.as_ref().unwrap();
    let lengths = Stream::ALL.map(|stream| run.text(0, stream).tokens.len());
    assert_eq!(lengths, [3, 3], "{:?}", run.ended);
    let Some(Ended::Done { .. }) = &run.ended else {
        panic!("{:?}", run.ended);
    };

    // A head chosen elsewhere takes the place of the edit that nobody touched.
    desk.run(steering::Command::Silence(Layer(1), Head(3)));
    let edits = &desk.state.steering.draft.edits;
    let edits: Vec<_> = edits
        .iter()
        .map(|e| e.spec(None).unwrap().to_string())
        .collect();
    assert_eq!(edits, ["zero hook=blocks.1.attn.hook_z heads=3"]);
}

#[test]
fn a_dictionary_of_another_model_is_named_and_not_edited_by() {
    let mut state = testing::with_demo_model(testing::typical());
    state.prompt.text = "Once upon".to_owned();
    let mut harness = testing::harness(ViewId::Steering, state);
    harness.get_by_label_contains("choose the model it was trained on");
    harness.get_by_label("Run").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let [Command::Steering(steering::Command::Run(request))] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert!(request.dictionaries.is_empty());
}

#[test]
fn a_feature_from_elsewhere_is_steered_by_one_more_click() {
    let mut desk = testing::Desk::new(ready());
    let features = vec![FeatureId(5), FeatureId(7)];
    desk.run(steering::Command::Steer(DictionaryId(0), features));
    assert_eq!(desk.view(), ViewId::Steering);
    assert_eq!(desk.state.selection.edit, Some(1));
    // Another feature comes into selection: the edits keep theirs.
    let select = crate::state::selection::Event::Feature(Some(FeatureId(9)));
    desk.state.apply(Event::Selection(select));
    let mut harness = testing::harness(ViewId::Steering, desk.state);
    harness.get_by_label("Run").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let [Command::Steering(steering::Command::Run(request))] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    let edits: Vec<_> = request.edits.iter().map(EditSpec::to_string).collect();
    assert_eq!(
        edits,
        ["add feature=5 strength=8", "add feature=7 strength=8"]
    );
    // What is steered already is not added again.
    let mut desk = testing::Desk::new(std::mem::take(&mut harness.state_mut().state));
    desk.run(steering::Command::Steer(
        DictionaryId(0),
        vec![FeatureId(5)],
    ));
    assert_eq!(desk.state.steering.draft.edits.len(), 2);
    assert_eq!(desk.state.selection.edit, Some(0));
}

#[test]
fn a_feature_of_another_dictionary_joins_the_edits_of_the_first() {
    use crate::state::requests::shell;

    let mut state = ready();
    let loaded = state.catalogue.dictionaries[0].load.ready().cloned();
    let (one, other) = (DictionaryId(0), DictionaryId(1));
    for event in [
        catalogue::Event::Added("z1".into(), None),
        catalogue::Event::Sae(other, Load::Ready(loaded.unwrap())),
    ] {
        state.apply(Event::Catalogue(event));
    }
    let mut desk = testing::Desk::new(state);
    let on = |desk: &testing::Desk| {
        let edits = desk.state.steering.draft.edits.iter();
        edits.map(|edit| edit.on).collect::<Vec<_>>()
    };
    desk.run(steering::Command::Steer(one, vec![FeatureId(5)]));
    desk.run(steering::Command::Silence(0.into(), 1.into()));
    let before = desk.state.steering.draft.clone();
    assert!(desk.notices().is_empty());

    desk.run(steering::Command::Carry(other, FeatureId(7), 4.0));
    assert_eq!(on(&desk), [true, true, true]);
    assert!(desk.notices().is_empty());
    let request = desk.state.steering.draft.request(&desk.state).unwrap();
    assert_eq!(request.dictionaries, [one, other]);
    let edits: Vec<_> = request.edits.iter().map(EditSpec::to_string).collect();
    assert_eq!(edits[0], "add feature=5 strength=8 sae=z0");
    assert_eq!(edits[2], "add feature=7 strength=4 sae=z1");
    assert_eq!(desk.state.selection.edit, Some(2));

    // One step back takes back all of it.
    desk.run(shell::Command::Undo);
    assert_eq!(desk.state.steering.draft, before);
    desk.run(shell::Command::Redo);
    assert_eq!(on(&desk), [true, true, true]);

    // An edit that was switched off comes back into force, not a second one like it.
    let mut draft = desk.state.steering.draft.clone();
    draft.edits[0].on = false;
    desk.run(steering::Command::Draft(Box::new(draft)));
    desk.run(steering::Command::Steer(one, vec![FeatureId(5)]));
    assert_eq!(on(&desk), [true, true, true]);
    assert_eq!(desk.state.selection.edit, Some(0));
}

#[test]
fn without_a_selected_feature_the_edit_chooses_one() {
    let mut state = ready();
    let none = crate::state::selection::Event::Feature(None);
    state.apply(Event::Selection(none));
    let mut harness = testing::harness(ViewId::Steering, state);
    harness.get_by_label("Choose a feature in the edit above");
    harness.get_by_label("Choose a feature").click();
    harness.run();
    // One types at once.
    harness.event(egui::Event::Text("12".to_owned()));
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    let edit = &harness.state().state.steering.draft.edits[0];
    assert_eq!(edit.feature, Some(FeatureId(12)));
    assert!(!harness.get_by_label("Run").accesskit_node().is_disabled());
}

#[test]
fn the_last_edit_can_be_removed_and_the_screen_says_what_to_do() {
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Remove this edit").click();
    harness.run();
    harness.get_by_label("No edits: both texts would be the same");
    harness.get_by_role_and_label(egui::Role::Button, "Add an edit");
    assert!(harness.get_by_label("Run").accesskit_node().is_disabled());
    assert!(harness.state().state.steering.draft.edits.is_empty());
}

#[test]
fn before_the_first_run_both_texts_are_explained() {
    let harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Run to see both texts");
    harness.get_by_label("Baseline");
    harness.get_by_label("Steered");
    harness.get_by_label_contains("what differs comes from the edits");
    let harness = testing::harness(ViewId::Steering, running(8.0));
    assert!(harness.query_by_label("Steered").is_none());
}

#[test]
fn where_an_edit_applies_is_told_in_a_line_and_unfolds() {
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("z0 · blocks.0.attn.hook_z · default positions");
    harness.get_by_label("Where").click();
    harness.run();
    let input = egui::Role::TextInput;
    harness.get_by_role_and_label(input, "Positions").focus();
    harness.run();
    harness
        .get_by_role_and_label(input, "Positions")
        .type_text("first");
    harness.run();
    assert!(harness.query_by_label_contains("1..prompt").is_none());
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert!(harness.query_all_by_label_contains("1..prompt").count() > 0);
    harness.get_by_label("Reset Positions to default").click();
    harness.run();
    assert!(
        harness.state().state.steering.draft.edits[0]
            .positions
            .is_empty()
    );
}

#[test]
fn another_dictionary_is_chosen_where_an_edit_applies() {
    let mut state = ready();
    let loaded = state.catalogue.dictionaries[0].load.ready().cloned();
    for event in [
        catalogue::Event::Added("z1".into(), None),
        catalogue::Event::Sae(DictionaryId(1), Load::Ready(loaded.unwrap())),
    ] {
        state.apply(Event::Catalogue(event));
    }
    let mut harness = testing::harness(ViewId::Steering, state);
    harness.get_by_label("Where").click();
    harness.run();
    let combo = egui::Role::ComboBox;
    harness.get_by_role_and_label(combo, "Dictionary").click();
    harness.run();
    harness.get_by_label("z1").click();
    harness.run();
    let edit = &harness.state().state.steering.draft.edits[0];
    assert_eq!(edit.dictionary.as_deref(), Some("z1"));
}

#[test]
fn another_feature_is_chosen_by_its_number() {
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Other feature for edit 1").click();
    harness.run();
    let label = "Number or label, of z0";
    let input = egui::Role::TextInput;
    harness.get_by_role_and_label(input, label).focus();
    harness.run();
    harness.get_by_role_and_label(input, label).type_text("12");
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    let edit = &harness.state().state.steering.draft.edits[0];
    assert_eq!(
        (edit.feature, edit.dictionary.as_deref()),
        (Some(FeatureId(12)), Some("z0"))
    );
}

#[test]
fn an_edit_is_duplicated_and_files_are_asked_for() {
    let mut harness = testing::harness(ViewId::Steering, ready());
    harness.get_by_label("Duplicate this edit").click();
    harness.run();
    let edits = harness.state().state.steering.draft.edits.clone();
    assert_eq!(edits.len(), 2);
    assert_eq!(edits[0], edits[1]);
    assert_eq!(edits[1].feature, Some(FeatureId(0)), "it keeps the feature");
    harness.state_mut().commands.take();
    for (button, want) in [
        ("Open edits…", steering::files::Command::PickOpen),
        ("Save edits…", steering::files::Command::PickSave),
        (
            "Save as vectors…",
            steering::files::Command::PickSaveVectors,
        ),
    ] {
        harness.get_by_label(button).click();
        harness.run();
        assert_eq!(harness.state_mut().commands.take(), [Command::from(want)]);
    }
    let undo = harness.get_by_label("Undo the change of the edits");
    assert!(
        undo.accesskit_node().is_disabled(),
        "no edit was changed here"
    );
}

#[test]
fn a_feature_chip_is_dropped_on_the_stack() {
    use crate::state::steering::Dragged;

    let mut harness = testing::harness(ViewId::Steering, ready());
    let dropped = Dragged {
        dictionary: DictionaryId(0),
        feature: FeatureId(5),
    };
    egui::DragAndDrop::set_payload(&harness.ctx, dropped);
    let at = harness.get_by_label("Remove this edit").rect().center();
    harness.hover_at(at);
    harness.step();
    harness.drop_at(at);
    harness.step();
    let sent = harness.state_mut().commands.take();
    let want: Command = steering::Command::Steer(DictionaryId(0), vec![FeatureId(5)]).into();
    assert!(sent.contains(&want), "{sent:?}");
}

#[test]
fn every_changed_token_has_its_row_and_figures_stay_while_texts_grow() {
    let mut state = running(8.0);
    let change = |id: u32| Change {
        id: TokenId(id),
        text: format!(" word{id}"),
        before: 0.5 - 0.01 * id as f32,
        after: 0.25,
    };
    let shift = steer::Event::Shift((0..8).map(change).collect(), 0.125);
    state.apply(Event::Steering(Lab::Told(JobId(3), shift)));
    let mut harness = testing::harness(ViewId::Steering, state);
    harness.set_size(egui::vec2(1440.0, 1200.0));
    harness.run();
    for id in 0..8 {
        harness.get_by_label_contains(&format!("word{id}, "));
    }
    let tops = |harness: &egui_kittest::Harness<'_, testing::Stage>| {
        let all = harness.query_all_by_label("Perplexity");
        let mut tops: Vec<f32> = all.map(|node| node.rect().top()).collect();
        tops.push(harness.get_by_label("Next token").rect().top());
        tops
    };
    let apply = |harness: &mut egui_kittest::Harness<'_, testing::Stage>, event| {
        harness.state_mut().state.apply(Event::Steering(event));
        harness.run();
        harness.run();
    };
    let long = " and a queen".repeat(60);
    let before = tops(&harness);
    apply(&mut harness, token(JobId(3), Stream::Steered, 1, &long));
    let grown = tops(&harness);
    assert_eq!(before[..2], grown[..2], "over the texts");
    assert!(before[2] < grown[2]);
    // A shorter text keeps the room of the longest.
    apply(&mut harness, Lab::Started(JobId(4), request(9.0)));
    apply(&mut harness, token(JobId(4), Stream::Steered, 0, " a"));
    assert_eq!(tops(&harness), grown);
}

#[test]
fn a_complete_run_is_added_to_the_report_with_its_edits() {
    use crate::state::requests::results;

    let text = |text: &str| Text {
        written: Written {
            tokens: vec![TokenId(5)],
            text: text.to_owned(),
            finish: None,
        },
        ..Text::default()
    };
    let sample = Sample {
        seed: 0,
        baseline: text(" a time"),
        steered: text(" a king"),
        generated: None,
    };
    let outcome = Arc::new(Outcome {
        samples: vec![sample],
        shift: vec![],
        kl: 0.125,
    });
    let button = egui::Role::Button;
    let mut harness = testing::harness(ViewId::Steering, running(8.0));
    let add = harness.get_by_role_and_label(button, "Add to report");
    assert!(add.accesskit_node().is_disabled());
    let ended = Ended::Done {
        outcome,
        stopped: false,
    };
    let stage = harness.state_mut();
    stage
        .state
        .apply(Event::Steering(Lab::Ended(JobId(3), ended)));
    harness.run();
    harness
        .get_by_role_and_label(button, "Add to report")
        .click_accesskit();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let [Command::Results(results::Command::Add(section))] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert!(section.title.contains("#0"), "{}", section.title);
    let edit = ("edit".to_owned(), "add feature=0 strength=8".to_owned());
    assert!(section.settings.contains(&edit));
}
