//! Checks the layout of every screen in every state, window size and text size, and that every kind of planted fault is found.

use egui::{Button, Sense, pos2, vec2};
use egui_kittest::Harness;
use umbra_core::ids::{FeatureId, HookPoint, Layer, Site};
use umbra_core::models::Sampling;
use umbra_core::project::Project;
use umbra_core::steer::{EditSpec, Vector, What};
use umbra_core::train::Spec;
use umbra_core::workbench::passes::Pass;

use super::{faults, warn_of_clashes};
use crate::dialogs::Ask;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::question::Question;
use crate::state::heads as of_heads;
use crate::state::heads::attribution::Key;
use crate::state::heads::map::MapState;
use crate::state::heads::step::{Step, Tab};
use crate::state::jobs::JobId;
use crate::state::requests::{Command, dark_matter, heads, library, navigation, prompt, shell};
use crate::state::view::ViewId;
use crate::state::{
    AppState, Event, Load, catalogue, features, jobs, labels, log, opening, passes, path, project,
    settings, steering, training,
};
use crate::testing::pictures::typical as of_demo;
use crate::testing::{self, Desk, Window};

/// Window sizes: at the first start, and the smallest.
const SIZES: [[f32; 2]; 2] = [[1440.0, 900.0], [1000.0, 700.0]];

/// Text sizes in percent: the smallest, the usual one, the largest.
const TEXTS: [u16; 3] = [
    *settings::TEXT_SIZES.start(),
    100,
    *settings::TEXT_SIZES.end(),
];

/// A long error.
const WHY: &str = "/data/models/a-rather-long-name-of-a-model-7b/model-00001-of-00004.safetensors: tensor `model.layers.11.self_attn.q_proj.weight` is missing; fetch the file again";

/// A sentence to read.
const SENTENCE: &str = "Once upon a time there was a king who lived in a castle.";

/// Checks every screen of `desk` in all sizes; `prepare` runs before each screen.
fn check(desk: Desk, prepare: impl Fn(&mut Harness<'_, Window>, ViewId)) {
    let screens = ViewId::ALL.map(|view| (view.about().title, view));
    check_all(desk, &screens, |harness, view| {
        harness.state_mut().go(*view);
        prepare(harness, *view);
    });
}

/// Checks `desk` in all sizes once for each of `cases`, which `prepare` brings about.
fn check_all<T>(desk: Desk, cases: &[(&str, T)], prepare: impl Fn(&mut Harness<'_, Window>, &T)) {
    // egui warns with a sign that our fonts lack.
    let builder = Harness::builder().allow_missing_glyphs();
    let mut harness = Window::build(builder, desk);
    warn_of_clashes(&harness.ctx);
    let mut found = vec![];
    for (name, case) in cases {
        prepare(&mut harness, case);
        for text in TEXTS {
            let scale = f32::from(text) / 100.0;
            harness.set_pixels_per_point(scale);
            harness.step(); // egui keeps the size in pixels during this frame
            for size in SIZES {
                harness.set_size(vec2(size[0], size[1]) / scale);
                for _ in 0..2 {
                    Window::draw(&mut harness); // scroll bars appear in the second
                }
                let [width, height] = size;
                let place = format!("{name}, {width} × {height}, text {text} %");
                found.extend(
                    faults(&harness)
                        .into_iter()
                        .map(|fault| format!("{place}: {fault}")),
                );
            }
        }
    }
    assert!(
        found.is_empty(),
        "{} faults:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    check(testing::demo(folder.path()), |harness, view| {
        of_demo(&mut harness.state_mut().desk, view);
        Window::settle(harness);
    });
}

/// The attribution of a feature that fires, of one that is silent, and a feature's page with its sources.
#[test]
fn nothing_is_cut_or_overlaps_where_a_feature_is_attributed() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let id = desk.state.z_dictionary(Layer(1)).unwrap().id;
    desk.run(navigation::Command::SelectDictionary(id));
    let input = desk.state.prompt.input().unwrap();
    let silent = Key {
        dictionary: id,
        feature: FeatureId(3),
        input,
        at: 2,
    };
    let silent = heads::attribution::Command::Choose(silent);
    let page = navigation::Command::Feature {
        feature: FeatureId(7),
        beside: false,
    };
    let why: Command = heads::Command::Step(Step::Why).into();
    let cases: [(&str, Vec<Command>); 3] = [
        ("Heads, why", vec![why.clone()]),
        ("Heads, why, silent", vec![why, silent.into()]),
        ("Feature, sources", vec![page.into()]),
    ];
    check_all(desk, &cases, |harness, commands| {
        for command in commands {
            harness.state_mut().desk.run(command.clone());
        }
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_induction_lab() {
    let tabs = [Tab::Induction, Tab::Names];
    let steps = tabs.map(|tab| (tab.title(), Command::from(heads::Command::Tab(tab))));
    for measured in [false, true] {
        let mut desk = Desk::new(testing::with_model());
        if measured {
            testing::induction::measured(&mut desk.state);
        }
        check_all(desk, &steps, |harness, command| {
            harness.state_mut().desk.run(command.clone());
        });
    }
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_steps_of_heads() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    desk.state = testing::surveys::with_survey(std::mem::take(&mut desk.state));
    let cases = [
        ("map", (Step::Map, false, "")),
        ("map of entropy", (Step::Map, false, "entropy")),
        ("map of copying", (Step::Map, false, "copying")),
        ("table", (Step::Map, true, "")),
        ("head", (Step::Head, false, "")),
        ("why", (Step::Why, false, "")),
    ];
    check_all(desk, &cases, |harness, (step, table, figure)| {
        let desk = &mut harness.state_mut().desk;
        let (layer, head) = testing::surveys::INDUCTION;
        desk.run(heads::Command::Choose(layer, head));
        desk.run(heads::Command::Map(MapState {
            figure: (*figure).to_owned(),
            table: *table,
        }));
        desk.run(heads::Command::Step(*step));
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_questions_of_dark_matter() {
    let folder = tempfile::tempdir().unwrap();
    let desk = testing::demo(folder.path());
    let cases = Question::ALL.map(|question| (question.title(), question));
    check_all(desk, &cases, |harness, question| {
        let desk = &mut harness.state_mut().desk;
        desk.run(dark_matter::Command::Show(*question));
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_task_with_a_known_answer() {
    use crate::state::requests::evaluation::Command as Evaluation;
    let folder = tempfile::tempdir().unwrap();
    let cases = [("task", false), ("task with a result", true)];
    check_all(testing::demo(folder.path()), &cases, |harness, with| {
        let desk = &mut harness.state_mut().desk;
        desk.state
            .settings
            .unfolded
            .insert("task settings".to_owned());
        let tab = crate::state::evaluation::tab::Tab::Task;
        desk.run(Evaluation::Show(tab));
        if *with {
            testing::tasked::show(&mut desk.state);
        }
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_tabs_of_steering() {
    let folder = tempfile::tempdir().unwrap();
    let desk = testing::demo(folder.path());
    let cases =
        [steering::tab::Tab::Sweep, steering::tab::Tab::Causes].map(|tab| (tab.title(), tab));
    check_all(desk, &cases, |harness, tab| {
        let desk = &mut harness.state_mut().desk;
        desk.run(crate::state::requests::steering::Command::Show(*tab));
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_results_between_two_texts() {
    use crate::state::steering::causes::patching::View;
    use crate::state::steering::causes::question::Question;
    use umbra_core::causes::patch::PatchSite;
    let folder = tempfile::tempdir().unwrap();
    let desk = testing::demo(folder.path());
    let cases = [
        (
            "places",
            (Question::Where, View::Places, PatchSite::ResidPre),
        ),
        ("heads", (Question::Where, View::Places, PatchSite::Z)),
        ("paths", (Question::Where, View::Paths, PatchSite::ResidPre)),
        (
            "least edit",
            (Question::Least, View::Places, PatchSite::ResidPre),
        ),
    ];
    check_all(desk, &cases, |harness, case| {
        testing::patched::show(&mut harness.state_mut().desk, *case);
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_the_causes_by_feature_and_part() {
    use crate::state::steering::causes::question::Question;
    let folder = tempfile::tempdir().unwrap();
    let desk = testing::demo(folder.path());
    let cases = [
        ("causes by feature", Question::Features),
        ("causes by part", Question::Parts),
    ];
    check_all(desk, &cases, |harness, case| {
        testing::attributed::show(&mut harness.state_mut().desk, *case);
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_a_sweep_with_its_limit() {
    use crate::state::requests::steering::sweep::Command;
    use crate::state::steering::sweep::Form;
    let folder = tempfile::tempdir().unwrap();
    let mut desk = testing::demo(folder.path());
    let id = desk.state.catalogue.named("resid-2").unwrap().id;
    desk.run(navigation::Command::SelectDictionary(id));
    let features = [1060, 1107].map(FeatureId);
    desk.run(Command::Take(id, features.to_vec()));
    let mut form = Form {
        strengths: "-8, 0, 8, 100".to_owned(),
        continuation: 4,
        ..desk.state.steering.sweep.form.clone()
    };
    form.rule.continuation = 4;
    form.rule.precision = 0.4;
    desk.run(Command::Form(Box::new(form)));
    desk.run(Command::Sweep(id));
    desk.run(Command::Limit(id, features[0]));
    assert!(desk.state.steering.sweep.result(id).is_some());
    let cases = [("a sweep", false), ("a sweep with its rule", true)];
    check_all(desk, &cases, |harness, open| {
        let part = "rule of the largest strength";
        let desk = &mut harness.state_mut().desk;
        desk.run(shell::Command::Unfold(part, *open));
        Window::settle(harness);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_maps_of_many_heads() {
    for (layers, many) in [(12, 12), (32, 32)] {
        // In larger text, the screen around the map scrolls.
        for text in TEXTS.into_iter().filter(|text| *text <= 100) {
            for size in SIZES {
                let scale = f32::from(text) / 100.0;
                let builder = Harness::builder().with_size(vec2(size[0], size[1]) / scale);
                let builder = builder.with_context_setup(|ctx| {
                    crate::theme::install(ctx);
                    warn_of_clashes(ctx);
                });
                let mut harness = builder.build_ui(|ui| {
                    testing::pictures::head_map(ui, (layers, many));
                });
                harness.run();
                let found = faults(&harness);
                assert!(
                    found.is_empty(),
                    "{layers} layers, {size:?}, {text} %: {found:?}"
                );
            }
        }
    }
}

#[test]
fn nothing_is_cut_or_overlaps_where_nothing_is_open() {
    check(Desk::new(testing::empty()), |_, _| {});
}

#[test]
fn nothing_is_cut_or_overlaps_in_a_typical_state() {
    check(Desk::new(testing::with_model()), |_, _| {});
}

#[test]
fn nothing_is_cut_or_overlaps_in_a_huge_state() {
    check(Desk::new(huge()), |_, _| {});
}

#[test]
fn nothing_is_cut_or_overlaps_with_a_model_and_no_dictionary() {
    let mut desk = Desk::new(testing::with_demo_model(AppState::default()));
    desk.run(prompt::Command::Text(SENTENCE.to_owned()));
    assert!(desk.state.prompt.reading.ready().is_some());
    check(desk, |_, _| {});
}

#[test]
fn nothing_is_cut_or_overlaps_where_the_dictionary_does_not_fit() {
    let mut desk = Desk::new(testing::with_demo_model(testing::typical()));
    desk.run(prompt::Command::Text(SENTENCE.to_owned()));
    assert!(desk.state.misfit().is_some());
    check(desk, |_, _| {});
}

#[test]
fn nothing_is_cut_or_overlaps_after_failed_jobs() {
    check(Desk::new(failed_jobs()), |_, _| {});
}

#[test]
fn nothing_is_cut_or_overlaps_while_all_is_loading() {
    check(
        Desk::new(loads(&|| Load::Loading, Load::Loading, Load::Loading)),
        |_, _| {},
    );
}

#[test]
fn nothing_is_cut_or_overlaps_where_all_has_failed() {
    let failed = loads(
        &|| Load::Failed(WHY.to_owned()),
        Load::Failed(WHY.to_owned()),
        Load::Failed(WHY.to_owned()),
    );
    check(Desk::new(failed), |_, _| {});
}

#[test]
fn nothing_is_cut_or_overlaps_on_a_studied_head() {
    let desk = Desk::new(testing::studied_head());
    check_all(desk, &[("Heads", ViewId::Heads)], |harness, view| {
        harness.state_mut().go(*view);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_on_a_ladder_of_widths() {
    for l0 in [[32.0; 4], [16.0, 16.0, 64.0, 64.0]] {
        let desk = Desk::new(testing::ladders::with_ladder(l0));
        check_all(
            desk,
            &[("Dark matter", ViewId::DarkMatter)],
            |harness, view| {
                harness.state_mut().go(*view);
            },
        );
    }
}

#[test]
fn nothing_is_cut_or_overlaps_on_costs_predictions_and_the_self_test() {
    for question in [Question::Cost, Question::Back, Question::Linear] {
        let desk = Desk::new(testing::error_parts::with_parts(question));
        check_all(
            desk,
            &[("Dark matter", ViewId::DarkMatter)],
            |harness, view| {
                harness.state_mut().go(*view);
            },
        );
    }
}

#[test]
fn nothing_is_cut_or_overlaps_where_codes_were_pursued() {
    let mut state = testing::pursued::with_pursuit();
    state.selection.question = Question::Back;
    state.selection.token = Some(1);
    state.selection.feature = Some(FeatureId(5));
    let cases = [ViewId::DarkMatter, ViewId::Feature].map(|view| (view.about().title, view));
    check_all(Desk::new(state), &cases, |harness, view| {
        harness.state_mut().go(*view);
    });
}

#[test]
fn nothing_is_cut_or_overlaps_in_a_dialog() {
    for (name, desk) in dialogs() {
        check_all(desk, &[(name, ())], |_, ()| {});
    }
}

/// Returns a desk for each dialog, on which it is open.
pub(in crate::testing) fn dialogs() -> Vec<(&'static str, Desk)> {
    type Open = fn() -> Vec<Dialog>;
    let cases: [(&str, Open); 9] = [
        ("settings", || {
            vec![Dialog::Asked(shell::Command::Settings(true).into())]
        }),
        ("palette", || {
            vec![Dialog::Asked(shell::Command::Palette(true).into())]
        }),
        ("question", || {
            vec![Dialog::Asked(shell::Command::Ask(Some(question())).into())]
        }),
        ("model", || vec![Dialog::Told(shown(opening::Kind::Model))]),
        ("dictionary", || {
            vec![Dialog::Told(shown(opening::Kind::Dictionary))]
        }),
        ("path", path_asked),
        ("pass", || {
            let project = Project {
                name: "A project".to_owned(),
                held_out_text: vec!["a-text-with-a-name-that-says-where-it-is-from.txt".into()],
                ..Project::default()
            };
            let changed = project::Event::Changed(std::sync::Arc::new(project));
            let asked = passes::Asked::new(Pass::Index, DictionaryId(0));
            let asked = passes::Event::Asked(Some(asked));
            [Event::Project(changed), Event::Passes(asked)]
                .map(Dialog::Told)
                .into()
        }),
        ("survey of heads", || {
            let project = Project {
                name: "A project".to_owned(),
                held_out_text: vec!["a-text-with-a-name-that-says-where-it-is-from.txt".into()],
                ..Project::default()
            };
            let changed = project::Event::Changed(std::sync::Arc::new(project));
            let asked = of_heads::survey::Asked {
                causal: Some(of_heads::survey::Asked::default_rows()),
                ..of_heads::survey::Asked::default()
            };
            let asked = of_heads::survey::Event::Asked(Some(asked));
            let asked = Event::Heads(of_heads::Event::Survey(asked));
            [Event::Project(changed), asked].map(Dialog::Told).into()
        }),
        ("question to a model", || {
            let question = Box::new(testing::questions::question(Load::Absent));
            let asked = labels::Event::Question(Some(question));
            vec![Dialog::Told(Event::Labels(asked))]
        }),
    ];
    let open = |dialog: Open| {
        let mut desk = Desk::new(testing::with_model());
        for step in dialog() {
            match step {
                Dialog::Asked(command) => desk.run(command),
                Dialog::Told(event) => desk.state.apply(event),
            }
        }
        desk
    };
    cases
        .into_iter()
        .map(|(name, dialog)| (name, open(dialog)))
        .collect()
}

/// A step that opens a dialog.
enum Dialog {
    Asked(Command),
    Told(Event),
}

fn question() -> shell::Question {
    shell::Question {
        title: "Restore the demo",
        text: "The demo returns to its shipped state and keeps your labels. Your other changes are set aside in your folder.".to_owned(),
        button: "Restore",
        command: Box::new(library::Command::RestoreDemo.into()),
    }
}

/// The dialog that opens a model or a dictionary, without a network.
fn shown(kind: opening::Kind) -> Event {
    let hub = umbra_core::hub::Hub {
        endpoint: "http://127.0.0.1:9".to_owned(),
        cache: "cache".into(),
        token: None,
        offline: true,
    };
    Event::Opening(opening::Event::Shown(Some((kind, hub))))
}

/// The window's own dialog for paths, with more entries than it has room for.
fn path_asked() -> Vec<Dialog> {
    let (answer, _) = std::sync::mpsc::sync_channel(1);
    let asked = path::Event::Asked(Ask::Folder("Open a project"), answer);
    let folder = std::path::PathBuf::from("/people/ada/");
    let entry = |i: usize| path::Entry {
        name: format!("a-folder-with-a-name-that-says-a-lot-about-what-is-in-it-{i:02}"),
        folder: true,
    };
    let entries = std::sync::Arc::new((0..40).map(entry).collect());
    let listed = |load| Dialog::Told(Event::Path(path::Event::Listed(folder.clone(), load)));
    vec![
        Dialog::Told(Event::Path(asked)),
        Dialog::Told(Event::Path(path::Event::Text("/people/ada/".to_owned()))),
        listed(Load::Loading),
        listed(Load::Ready(entries)),
    ]
}

/// 100,000 features, and names longer than their places.
fn huge() -> AppState {
    let mut state = testing::huge();
    let name = "a-dictionary-with-a-name-that-says-everything-about-how-it-was-trained-131k-k64";
    let added = catalogue::Event::Added(name.into(), None);
    state.apply(Event::Catalogue(added));
    for feature in [0, 1, 2, 50] {
        let change = project::LabelChange {
            sae: "z0".to_owned(),
            feature: FeatureId(feature),
            before: "".into(),
            after: "a label that tells in many words what the feature reads, where it is active and what it writes".into(),
        };
        state.apply(Event::Project(project::Event::LabelsSet(vec![change])));
    }
    testing::with_demo_model(state)
}

/// A state in which a training run, a steering run and two jobs of labs have failed, and the window says so.
fn failed_jobs() -> AppState {
    let mut state = testing::with_model();
    let spec = Spec::default_for(HookPoint::block(0, Site::Z));
    let run = Box::new(testing::run(spec));
    state.apply(Event::Training(training::Event::Started(run)));
    let broke = training::Event::Broke(WHY.to_owned(), vec![true]);
    state.apply(Event::Training(broke));
    let request = steering::Request {
        dictionaries: state.selection.dictionary.into_iter().collect(),
        edits: vec![EditSpec::new(What::Add(Vector::Feature(FeatureId(0)), 8.0))],
        prompt: SENTENCE.into(),
        sampling: Sampling::default(),
        samples: 1,
        dial: Some(0),
    };
    let job = JobId(1);
    for event in [
        steering::Event::Started(job, request),
        steering::Event::Ended(job, steering::Ended::Failed(WHY.to_owned())),
    ] {
        state.apply(Event::Steering(event));
    }
    for (id, name) in [(1, "Steer the text"), (2, "Build the index of z0")] {
        let id = JobId(id);
        state.apply(Event::Jobs(jobs::Event::Started(id, name.to_owned())));
        let failed = jobs::Status::Failed(WHY.to_owned());
        state.apply(Event::Jobs(jobs::Event::Ended(id, failed)));
    }
    let notice = log::Notice::failure(format!("Build the index of z0 failed: {WHY}"));
    state.apply(Event::Log(log::Event::Show(notice)));
    state
}

/// A state with these loads of model, dictionary and table.
fn loads(
    model: &dyn Fn() -> Load<catalogue::LoadedModel>,
    sae: Load<catalogue::LoadedSae>,
    table: Load<std::sync::Arc<features::Table>>,
) -> AppState {
    let mut state = testing::typical();
    let path = std::path::PathBuf::from("models/a-rather-long-name-of-a-model-7b");
    let named = catalogue::Event::ModelNamed(path.clone(), umbra_core::models::Opening::default());
    state.apply(Event::Catalogue(named));
    state.apply(Event::Catalogue(catalogue::Event::Model(
        path,
        Box::new(model()),
    )));
    let id = DictionaryId(0);
    state.apply(Event::Catalogue(catalogue::Event::Sae(id, sae)));
    state.apply(Event::Features(features::Event::Table(id, Load::Loading)));
    state.apply(Event::Features(features::Event::Table(id, table)));
    state
}

/// Faults of `draw` in a small window.
fn planted(draw: impl Fn(&mut egui::Ui)) -> Vec<String> {
    let mut harness = Harness::builder()
        .allow_missing_glyphs()
        .with_size((300.0, 200.0))
        .with_max_steps(16)
        .with_context_setup(|ctx| {
            crate::theme::install(ctx);
            warn_of_clashes(ctx);
        })
        .build_ui(draw);
    harness.run();
    faults(&harness)
}

#[track_caller]
fn finds(words: &str, draw: impl Fn(&mut egui::Ui)) {
    let found = planted(draw);
    assert!(
        found.iter().any(|fault| fault.contains(words)),
        "{words}: {found:?}"
    );
}

#[test]
fn each_fault_that_is_planted_is_found() {
    finds("text is cut", |ui| {
        ui.set_clip_rect(egui::Rect::from_min_size(pos2(0.0, 0.0), vec2(60.0, 200.0)));
        ui.label("a label that is wider than its place");
    });
    finds("text is cut", |ui| {
        ui.add(egui::Label::new("wider than the window by far: ".repeat(4)).extend());
    });
    finds("shortened to nothing", |ui| {
        ui.set_max_width(24.0);
        ui.add(egui::Label::new("not to be read").truncate());
    });
    finds("texts overlap", |ui| {
        let font = egui::FontId::proportional(13.0);
        for x in [10.0, 40.0] {
            let ink = ui.visuals().text_color();
            ui.painter().text(
                pos2(x, 40.0),
                egui::Align2::LEFT_TOP,
                "one over another",
                font.clone(),
                ink,
            );
        }
    });
    finds("overlaps", |ui| {
        for x in [10.0, 40.0] {
            let place = egui::Rect::from_min_size(pos2(x, 20.0), vec2(60.0, 24.0));
            ui.put(place, Button::new("one"));
        }
    });
    finds("is cut by", |ui| {
        let rect = egui::Rect::from_min_size(pos2(260.0, 20.0), vec2(80.0, 24.0));
        ui.interact(rect, egui::Id::unique("half outside"), Sense::click());
    });
    finds("use of", |ui| {
        for y in [20.0, 60.0] {
            let rect = egui::Rect::from_min_size(pos2(20.0, y), vec2(80.0, 24.0));
            ui.interact(rect, egui::Id::unique("twice"), Sense::click());
        }
    });
}

#[test]
fn what_scrolls_or_is_shortened_with_sense_is_no_fault() {
    let found = planted(|ui| {
        egui::ScrollArea::vertical()
            .auto_shrink(false)
            .show(ui, |ui| {
                for i in 0..60 {
                    ui.horizontal(|ui| {
                        ui.add(Button::new(format!("Button {i}")));
                        ui.add(
                            egui::Label::new("a label that is shortened to the width that is left")
                                .truncate(),
                        );
                    });
                }
            });
    });
    assert_eq!(found, [""; 0]);
    let found = planted(|ui| {
        let mut text = "a text that is longer than the field that it is written in".to_owned();
        let label = ui.label("field");
        ui.add(egui::TextEdit::singleline(&mut text).desired_width(90.0))
            .labelled_by(label.id);
    });
    assert_eq!(found, [""; 0]);
}
