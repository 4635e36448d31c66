//! Draws every screen of the bundled demo in the whole window. Nothing in a picture depends on the machine or the moment: the device's name is masked,
//! jobs are removed, the log has fixed lines, and runs are simulated by events.

use std::sync::Arc;
use std::time::Duration;

use egui::{Rect, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use umbra_core::device::Compute;
use umbra_core::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use umbra_core::models::{Finish, Sampling};
use umbra_core::steer::{
    self, Change, EditSpec, Generated, Measure, Outcome, Sample, Stream, Text, Token, Vector, What,
    Written,
};
use umbra_core::train::{Point, Spec};

use super::{OF_SCREEN, THEMES, compare, renderer};
use crate::state::dark_matter::question::Question;
use crate::state::evaluation::tab::Tab;
use crate::state::heads::step::Step;
use crate::state::jobs::JobId;
use crate::state::log::{Line, LogState};
use crate::state::requests::{
    compare as two, dark_matter, evaluation, heads, navigation, prompt, search,
};
use crate::state::settings::{self, ThemeChoice};
use crate::state::steering::{Ended, Event as Steering, Request};
use crate::state::training::{Event as Training, Form, Member, Said};
use crate::state::view::ViewId;
use crate::state::{AppState, Event};
use crate::testing::{self, Desk, Window};

/// The window's size at the first start.
const SIZE: [f32; 2] = [1440.0, 900.0];

/// A feature of the demo's first dictionary.
const FEATURE: FeatureId = FeatureId(7);

/// Extent of the mask over the device's name, which has another length on another machine.
const DEVICE: egui::Vec2 = egui::Vec2::new(150.0, 24.0);

/// Names of the pictures of all screens.
pub(super) fn names() -> [String; ViewId::ALL.len()] {
    ViewId::ALL.map(|view| view.about().title.to_lowercase().replace(' ', "_"))
}

/// The steps of Heads that are drawn beside the one that is its typical content.
const STEPS: [(&str, Step); 2] = [("heads_map", Step::Map), ("heads_why", Step::Why)];

/// Names of the pictures of the steps of Heads.
pub(super) fn steps() -> [&'static str; STEPS.len()] {
    STEPS.map(|(name, _)| name)
}

/// The questions of Dark matter that are drawn beside the first, which is its typical content.
const QUESTIONS: [(&str, Question); 2] = [
    ("dark_matter_places", Question::Places),
    ("dark_matter_linear", Question::Linear),
];

/// Names of the pictures of the questions of Dark matter.
pub(super) fn questions() -> [&'static str; QUESTIONS.len()] {
    QUESTIONS.map(|(name, _)| name)
}

/// Name of the picture of the task with a known answer.
pub(super) const TASK: &str = "evaluation_task";

#[test]
fn the_task_with_a_known_answer_looks_as_stored() {
    let Some(renderer) = renderer() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let builder = Harness::builder()
        .with_size(SIZE)
        .with_render_cursor(false)
        .renderer(renderer);
    let mut harness = Window::build(builder, testing::demo(folder.path()));
    let mut results = SnapshotResults::new();
    let tab = evaluation::Command::Show(Tab::Task);
    harness.state_mut().desk.run(tab);
    testing::tasked::show(&mut harness.state_mut().desk.state);
    Window::settle(&mut harness);
    for (theme, named) in THEMES {
        still(&mut harness.state_mut().desk.state, theme);
        harness.ctx.set_theme(theme);
        Window::draw(&mut harness);
        mask_device(&mut harness);
        let name = format!("screens/{TASK}.{named}");
        compare(&mut harness, (&name, OF_SCREEN), &mut results);
    }
}

#[test]
fn questions_of_dark_matter_look_as_stored() {
    let Some(renderer) = renderer() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let builder = Harness::builder()
        .with_size(SIZE)
        .with_render_cursor(false)
        .renderer(renderer);
    let mut harness = Window::build(builder, testing::demo(folder.path()));
    let mut results = SnapshotResults::new();
    for (name, question) in QUESTIONS {
        let desk = &mut harness.state_mut().desk;
        desk.run(dark_matter::Command::Show(question));
        Window::settle(&mut harness);
        for (theme, named) in THEMES {
            still(&mut harness.state_mut().desk.state, theme);
            harness.ctx.set_theme(theme);
            Window::draw(&mut harness);
            mask_device(&mut harness);
            let name = format!("screens/{name}.{named}");
            compare(&mut harness, (&name, OF_SCREEN), &mut results);
        }
    }
}

#[test]
fn every_step_of_heads_looks_as_stored() {
    let Some(renderer) = renderer() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let builder = Harness::builder()
        .with_size(SIZE)
        .with_render_cursor(false)
        .renderer(renderer);
    let mut harness = Window::build(builder, testing::demo(folder.path()));
    let mut results = SnapshotResults::new();
    typical(&mut harness.state_mut().desk, ViewId::Heads);
    for (name, step) in STEPS {
        harness.state_mut().desk.run(heads::Command::Step(step));
        Window::settle(&mut harness);
        for (theme, named) in THEMES {
            still(&mut harness.state_mut().desk.state, theme);
            harness.ctx.set_theme(theme);
            Window::draw(&mut harness);
            mask_device(&mut harness);
            let name = format!("screens/{name}.{named}");
            compare(&mut harness, (&name, OF_SCREEN), &mut results);
        }
    }
}

#[test]
fn every_screen_looks_as_stored() {
    let Some(renderer) = renderer() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let builder = Harness::builder()
        .with_size(SIZE)
        .with_render_cursor(false)
        .renderer(renderer);
    let mut harness = Window::build(builder, testing::demo(folder.path()));
    let mut results = SnapshotResults::new();
    for (view, name) in ViewId::ALL.into_iter().zip(names()) {
        typical(&mut harness.state_mut().desk, view);
        harness.state_mut().go(view);
        Window::settle(&mut harness);
        for (theme, named) in THEMES {
            still(&mut harness.state_mut().desk.state, theme);
            harness.ctx.set_theme(theme);
            Window::draw(&mut harness);
            mask_device(&mut harness);
            let name = format!("screens/{name}.{named}");
            compare(&mut harness, (&name, OF_SCREEN), &mut results);
        }
    }
}

/// Prepares the demo so that `view` shows its typical content.
pub(in crate::testing) fn typical(desk: &mut Desk, view: ViewId) {
    match view {
        ViewId::Feature => desk.run(navigation::Command::SelectFeature(Some(FEATURE))),
        ViewId::Search => {
            let project = desk.state.project.open().unwrap();
            let sentence = project.prompts[2].clone();
            desk.run(prompt::Command::Text(sentence));
            desk.run(search::Command::Read);
        }
        ViewId::Prompt => {
            desk.run(navigation::Command::SelectFeature(None));
            let project = desk.state.project.open().unwrap();
            let sentence = project.prompts[1].clone();
            desk.run(prompt::Command::Text(sentence));
            desk.run(navigation::Command::SelectToken(Some(7)));
        }
        ViewId::Steering => {
            desk.run(navigation::Command::SelectFeature(Some(FEATURE)));
            steered(&mut desk.state);
        }
        ViewId::Training => trained(&mut desk.state),
        ViewId::Compare => {
            let ids = desk.state.catalogue.dictionaries.iter().map(|d| d.id);
            let ids: Vec<_> = ids.collect();
            desk.run(two::Command::Choose((ids[3], ids[4])));
        }
        ViewId::Heads => desk.run(heads::Command::Choose(Layer(3), Head(6))),
        // The other screens show the demo's own content.
        _ => {}
    }
}

/// Removes from the state what depends on the moment, and selects the theme.
fn still(state: &mut AppState, theme: egui::Theme) {
    let choice = match theme {
        egui::Theme::Dark => ThemeChoice::Dark,
        egui::Theme::Light => ThemeChoice::Light,
    };
    state.apply(Event::Settings(settings::Event::Theme(choice)));
    state.jobs = crate::state::jobs::JobsState::default();
    state.log = LogState::default();
    let began = state.log.began;
    let said = [
        (0, "Opened the project Demo"),
        (1, "Loaded the model in 0.4 s"),
        (63, "Built the index of resid-2 in 58 s"),
        (
            64,
            "attn-1: index.sqlite is of another dictionary; build it again",
        ),
    ];
    let line = |(after, text): (u64, &str)| Line {
        at: began + Duration::from_secs(after),
        text: text.to_owned(),
    };
    state.log.lines = said.map(line).into();
}

/// Simulates a finished steering run.
fn steered(state: &mut AppState) {
    let job = JobId(1_000);
    let prompt = state.prompt.text.clone();
    let edits = vec![EditSpec::new(What::Add(Vector::Feature(FEATURE), 8.0))];
    let request = Request {
        dictionaries: state.selection.dictionary.into_iter().collect(),
        edits,
        prompt: prompt.into(),
        sampling: Sampling::default(),
        samples: 1,
        dial: Some(0),
    };
    let change = |id, text: &str, before, after| Change {
        id: TokenId(id),
        text: text.to_owned(),
        before,
        after,
    };
    let shift = vec![
        change(5, " a", 0.61, 0.22),
        change(6, " no", 0.02, 0.31),
        change(7, " once", 0.08, 0.11),
    ];
    let (baseline, other) = (
        " She had a little red cap.",
        " She was very hungry and so was he.",
    );
    let texts = [words(baseline), words(other)];
    let mut events = vec![
        Steering::Started(job, request),
        Steering::Told(job, steer::Event::Shift(shift.clone(), 0.84)),
    ];
    for (tokens, stream) in texts.iter().zip(Stream::ALL) {
        let told = told(tokens, stream, &shift);
        events.extend(told.map(|event| Steering::Told(job, event)));
    }
    let text = |text: &str, tokens: &[Token]| Text {
        written: Written {
            tokens: tokens.iter().map(|token| token.id).collect(),
            text: text.to_owned(),
            finish: Some(Finish::Length),
        },
        ..Text::default()
    };
    let sample = Sample {
        seed: 0,
        baseline: text(baseline, &texts[0]),
        steered: text(other, &texts[1]),
        generated: Some(Generated {
            kl: 1.27,
            shift: shift.clone(),
        }),
    };
    let outcome = Arc::new(Outcome {
        samples: vec![sample],
        shift,
        kl: 0.84,
    });
    events.push(Steering::Ended(
        job,
        Ended::Done {
            outcome,
            stopped: false,
        },
    ));
    for event in events {
        state.apply(Event::Steering(event));
    }
}

/// Tells a whole text with made up figures.
fn told(tokens: &[Token], stream: Stream, shift: &[Change]) -> [steer::Event; 3] {
    let measures = (0..tokens.len()).map(|i| measure(stream, i, shift));
    let values = (0..tokens.len()).map(|i| [0.0, 0.0, 6.0, 0.0, 2.5][i % 5]);
    let (sample, first) = (0, 0);
    [
        steer::Event::Tokens {
            sample,
            stream,
            first,
            tokens: tokens.to_vec(),
        },
        steer::Event::Measures {
            sample,
            stream,
            first,
            measures: measures.collect(),
        },
        steer::Event::Activations {
            sample,
            stream,
            first,
            values: values.collect(),
        },
    ]
}

/// Splits a text before its spaces.
fn words(text: &str) -> Vec<Token> {
    let pieces = text.split_inclusive(' ').map(str::trim_end);
    let pieces = pieces.filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| Token {
            id: TokenId(5),
            piece: format!(" {piece}"),
        })
        .collect()
}

/// Makes up the figures of a token.
fn measure(stream: Stream, i: usize, shift: &[Change]) -> Measure {
    let unedited = -0.4 - 0.9 * (i % 4) as f64;
    match stream {
        Stream::Baseline => Measure {
            written: unedited,
            unedited,
            kl: 0.0,
            shift: vec![],
        },
        Stream::Steered => Measure {
            written: unedited + [1.6, -0.3, 0.0, 3.1, -1.2][i % 5],
            unedited,
            kl: [0.84, 0.3, 0.05, 2.9, 1.1][i % 5],
            shift: shift.to_vec(),
        },
    }
}

/// Fills the form with a short text and simulates half a run of two dictionaries.
fn trained(state: &mut AppState) {
    let form = Form {
        text: Some(testing::bundled("text/held-out/alice.txt")),
        ..Form::default()
    };
    state.apply(Event::Training(Training::Form(form)));
    let spec = |layer| Spec {
        tokens: 8_000_000,
        ..Spec::default_for(HookPoint::block(layer, Site::Z))
    };
    let mut run = testing::run(spec(1));
    let folder = std::path::PathBuf::from("saes/z-1");
    run.members
        .push(Member::new("z-1".to_owned(), folder, spec(2)));
    state.apply(Event::Training(Training::Started(Box::new(run))));
    for step in 1..=40_u64 {
        for which in 0..2 {
            let falls = (-(step as f64) / 9.0).exp();
            let at = Point {
                step,
                steps: 80,
                tokens_seen: step * 100_000,
                loss: 0.2 + falls + which as f64 * 0.1,
                fvu: 0.1 + 0.8 * falls + which as f64 * 0.05,
                l0: 32.0 + 20.0 * falls,
                dead_fraction: 0.02 * falls,
                tokens_per_second: 41_000.0,
                ..Point::default()
            };
            let said = Training::Said(which, Said::Progress(at));
            state.apply(Event::Training(said));
        }
    }
}

/// Masks the device's name in the top bar.
fn mask_device(harness: &mut Harness<'_, Window>) {
    let end = harness
        .get_by_label(&format!("Device: {}", Compute::Cpu.label()))
        .rect()
        .right_center();
    let middle = end - vec2(DEVICE.x / 2.0, 0.0);
    harness.mask(Rect::from_center_size(middle, DEVICE));
}
