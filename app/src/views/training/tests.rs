//! Drives the Training screen by the names of its controls.

use std::path::Path;
use std::sync::Arc;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::ids::{FeatureId, HookPoint, Site};
use umbra_core::models::Model;
use umbra_core::models::Opening;
use umbra_core::train::{Firing, Point, Spec};

use crate::state::catalogue::{self, DictionaryId, LoadedModel};
use crate::state::requests::{dictionary, training};
use crate::state::training::plan;
use crate::state::training::{
    Browsed, Curves, Ended, Event as Training, Fired, Form, Member, Past, PastEvent, Ranking, Said,
    Source,
};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, jobs};
use crate::testing;

/// A report of a run on its first dictionary.
fn said(said: Said) -> Event {
    Event::Training(Training::Said(0, said))
}

/// Reports the progress of the run's job over all dictionaries, at 50 activations per second.
fn at_work(state: &mut AppState, (done, total): (u64, u64)) {
    let job = state.training.run.as_ref().unwrap().job;
    let progress = umbra_core::Progress {
        done,
        total,
        unit: "activations",
    };
    if state.jobs.get(job).is_none() {
        let started = jobs::Event::Started(job, "Train z-0".to_owned());
        state.apply(Event::Jobs(started));
    }
    state.apply(Event::Jobs(jobs::Event::Progress(
        job,
        progress,
        Some(50.0),
    )));
}

/// A run of 1,000 activations that has seen 400.
fn running() -> AppState {
    let mut state = testing::typical();
    let run = testing::run(spec());
    state.apply(Event::Training(Training::Started(Box::new(run))));
    at_work(&mut state, (400, 1_000));
    for step in 1..=4 {
        state.apply(said(Said::Progress(Point {
            step,
            steps: 10,
            tokens_seen: step * 100,
            loss: 1.0 / step as f64,
            fvu: 0.5 / step as f64,
            l0: 2.0,
            tokens_per_second: 50.0,
            ..Point::default()
        })));
    }
    state
}

fn spec() -> Spec {
    Spec {
        tokens: 1_000,
        ..Spec::default_for(HookPoint::block(0, Site::Z))
    }
}

/// A run of two dictionaries: the first has seen 400 of 1,000 activations, the second 300.
fn running_two() -> AppState {
    let mut state = running();
    let mut run = state.training.run.clone().unwrap();
    run.members.push(Member::new(
        "z-1".to_owned(),
        "saes/z-1".into(),
        Spec {
            hook: HookPoint::block(1, Site::Z),
            ..spec()
        },
    ));
    state.apply(Event::Training(Training::Started(Box::new(run))));
    at_work(&mut state, (700, 2_000));
    for step in 1..=3 {
        let at = Said::Progress(Point {
            step,
            tokens_seen: step * 100,
            fvu: 0.9 / step as f64,
            l0: 3.0,
            tokens_per_second: 50.0,
            ..Point::default()
        });
        state.apply(Event::Training(Training::Said(1, at)));
    }
    state
}

#[test]
fn a_run_shows_its_curves_and_is_stopped() {
    let mut harness = testing::harness(ViewId::Training, running());
    harness.get_by_label("FVU: FVU 0.125");
    harness.get_by_label("L0: L0 2.00");
    harness.get_by_label_contains("12 s left");
    harness.get_by_label("Stop").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(sent.contains(&training::Command::Stop.into()), "{sent:?}");
}

#[test]
fn a_finished_run_offers_what_follows() {
    let mut state = running();
    let folder = state.catalogue.dictionaries[0].folder.clone();
    state.apply(said(Said::Ended(Ended::Saved {
        folder,
        tokens_seen: 400,
        stopped: true,
        checkpoint: true,
    })));
    let mut harness = testing::harness(ViewId::Training, state);
    harness.get_by_label_contains("Stopped after 400 activations");
    assert!(harness.query_by_label("Stop").is_none());
    harness.get_by_label("Resume").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(sent.contains(&training::Command::GoOn.into()), "{sent:?}");
    for (words, command) in [
        ("Evaluate…", dictionary::Command::Evaluate(DictionaryId(0))),
        (
            "Build index…",
            dictionary::Command::BuildIndex(DictionaryId(0)),
        ),
    ] {
        harness.get_by_label(words).click();
        harness.run();
        let sent = harness.state_mut().commands.take();
        assert!(sent.contains(&command.into()), "{sent:?}");
    }
}

#[test]
fn what_could_not_be_written_can_be_saved_again() {
    let mut state = running();
    state.apply(said(Said::Ended(Ended::Unsaved {
        sae: Arc::new(testing::sae(4)),
        folder: "/full/z-0".into(),
        why: "no space is left, free some: /full".to_owned(),
    })));
    let mut harness = testing::harness(ViewId::Training, state);
    harness.get_by_label_contains("no space is left");
    harness.get_by_label("Discard");
    let refusal = plan::plan(&harness.state().state).refusal;
    assert!(refusal.is_some());
    harness.get_by_label("Save again").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&training::Command::SaveAgain(0).into()),
        "{sent:?}"
    );
}

#[test]
fn a_setting_out_of_range_is_told_and_start_is_off() {
    let mut state = running();
    state.apply(Event::Training(Training::Cleared));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
    let (model, notes) = Model::open(&path).unwrap();
    let loaded = LoadedModel {
        model: Arc::new(model),
        notes,
        size_bytes: 1,
    };
    state.apply(Event::Catalogue(catalogue::Event::ModelNamed(
        path.clone(),
        Opening::default(),
    )));
    let opened = catalogue::Event::Model(path, Box::new(Load::Ready(loaded)));
    state.apply(Event::Catalogue(opened));
    let form = &mut state.training.form;
    form.settings.insert("k".to_owned(), "many".to_owned());
    let mut harness = testing::harness(ViewId::Training, state);
    harness.get_by_label_contains("`many` is not a whole number");
    let start = harness.get_by_label("Start training");
    assert!(start.accesskit_node().is_disabled());
    harness.get_by_label("Reset k to 24").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let reset = |command: &crate::state::requests::Command| matches!(command, crate::state::requests::Command::Training(training::Command::Fill(form)) if form.settings.is_empty());
    assert!(sent.iter().any(reset), "{sent:?}");
}

#[test]
fn the_form_shows_the_settings_of_the_chosen_variant_alone() {
    let shown = |settings: &[(&str, &str)], label: &str| {
        let mut state = testing::with_model();
        for (key, text) in settings {
            let form = &mut state.training.form;
            form.settings.insert((*key).to_owned(), (*text).to_owned());
        }
        let harness = testing::harness(ViewId::Training, state);
        harness.query_all_by_label(label).count() > 0
    };
    assert!(shown(&[], "k"));
    // A setting that cannot be read opens what is folded away.
    let relu = [("variant", "relu"), ("sparsity_coefficient", "little")];
    assert!(!shown(&relu, "k"));
    assert!(shown(&relu, "Sparsity coefficient"));
    assert!(!shown(&relu, "Nested levels"));
}

#[test]
fn densities_are_shown_by_rank_beside_the_law_and_as_a_histogram() {
    let mut state = running();
    let densities: Vec<f64> = (0..200).map(|rank| 0.4 / (f64::from(rank) + 3.0)).collect();
    let firing = |densities: Vec<f64>| Firing {
        densities,
        dead: vec![FeatureId(199)],
    };
    let harness = testing::harness(ViewId::Training, running());
    harness.get_by_label_contains("appear after the first 1 % of the run");
    let mut low = densities.clone();
    low[195..].fill(1e-6);
    let ranking = Arc::new(Ranking::new(&firing(low), 0.5));
    state.apply(said(Said::Ranked(ranking)));
    let harness = testing::harness(ViewId::Training, state);
    harness.get_by_label_contains("Density by rank: 13.3");
    harness.get_by_label("Features by density: 199 fire, 1 dead");
    harness.get_by_label_contains("Zipf law, α ");
    harness.get_by_label_contains("5 of 200 features (2.50");
}

#[test]
fn features_of_the_running_dictionary_are_found_by_a_token_and_opened() {
    let mut state = running();
    let tokens: Vec<String> = (0..40).map(|i| format!(" word{i}")).collect();
    let fired = |feature: u32, at: usize| Fired {
        feature: FeatureId(feature),
        share: 0.1,
        examples: vec![(at, 2.0), (at - 1, 1.0)],
    };
    let browsed = Browsed {
        seen: 400,
        tokens: Arc::new(tokens),
        context: 20,
        read: 38,
        features: vec![fired(7, 22), fired(3, 39)],
        in_all: 8,
    };
    let harness = testing::harness(ViewId::Training, running());
    harness.get_by_label_contains("appear after the first 5 % of the run");
    state.apply(said(Said::Browsed(Arc::new(browsed))));
    let mut harness = testing::harness(ViewId::Training, state);
    harness.set_size(egui::vec2(1000.0, 2400.0));
    harness.run();
    harness.get_by_label_contains("After 400 activations, 2 of 8 features fire on 38 tokens");
    harness.get_by_label("Row of feature 7");
    let find = || egui::Role::TextInput;
    harness.get_by_role_and_label(find(), "Find").focus();
    harness.run();
    harness
        .get_by_role_and_label(find(), "Find")
        .type_text("word39");
    harness.run();
    assert!(harness.query_by_label("Row of feature 7").is_none());
    harness.get_by_label("Row of feature 3").click();
    harness.run();
    harness.get_by_label("Example 2 of feature 3");
}

/// A past run as its record has it.
fn past(name: &str, status: &str, checkpoint: bool) -> Past {
    let figure = |value: f64| serde_json::json!({ "value": value, "definition": "" });
    let record = serde_json::json!({
        "format": "umbra-run", "version": 1, "umbra_version": "0.1.0", "status": status, "problem": null, "begun_unix": 1_000_000, "seconds": 12.0,
        "device": "CPU", "model": "gpt2", "hook": "blocks.0.attn.hook_z", "tokens_seen": 1_000,
        "settings": { "variant": "topk", "k": 24, "batch": 256, "tokens": 1_000, "seed": 0 }, "data": { "corpus": "tales" },
        "figures": { "l0": figure(24.0), "fvu": figure(0.2), "dead_fraction": figure(0.01) },
    });
    Past {
        folder: Path::new("saes").join(name),
        name: name.to_owned(),
        record: serde_json::from_value(record).unwrap(),
        checkpoint,
    }
}

/// Two past runs; the curves of those named are shown.
fn with_past(shown: &[&str]) -> AppState {
    let mut state = testing::with_model();
    let list = vec![past("z-1", "stopped", true), past("z-0", "finished", false)];
    let of = Path::new("mine").to_path_buf();
    let points: Vec<Point> = (1..=4)
        .map(|step| Point {
            step,
            tokens_seen: step * 100,
            fvu: 0.5 / step as f64,
            ..Point::default()
        })
        .collect();
    let chosen: Vec<_> = shown
        .iter()
        .map(|name| Path::new("saes").join(name))
        .collect();
    let mut events = vec![
        PastEvent::List(of.clone(), Load::Loading),
        PastEvent::List(of, Load::Ready(Arc::new(list))),
        PastEvent::Chosen(chosen.clone()),
    ];
    for folder in chosen {
        let curves = Arc::new(Curves::from_points(&points));
        events.push(PastEvent::Curves(folder, Load::Ready(curves)));
    }
    for event in events {
        state.apply(Event::Training(Training::Past(event)));
    }
    state
}

#[test]
fn a_time_is_told_by_runs_of_the_same_model_alone() {
    let mut state = with_past(&[]);
    state.project.load = Load::Ready(Arc::default());
    let form = Form {
        text: Some("tales.txt".into()),
        ..Form::default()
    };
    state.apply(Event::Training(Training::Form(form)));
    let counted = |state: &mut AppState| {
        let key = plan::text_key(state).unwrap();
        let text = testing::run(spec()).source;
        let Source::Text(_, text) = text else {
            panic!("a text")
        };
        for load in [Load::Loading, Load::Ready(text)] {
            state.apply(Event::Training(Training::Text(key.clone(), load)));
        }
        key
    };
    let key = counted(&mut state);
    let told = |state: &AppState| {
        let needs = plan::needs(state, &plan::plan(state));
        let time = needs.into_iter().find(|need| need.label == "Time");
        time.map(|need| need.value)
    };
    // The past runs are of another model.
    assert_eq!(told(&state), None);
    let specs = plan::plan(&state);
    let trained = specs.specs().unwrap()[0].clone();
    let mut run = testing::run(Spec {
        tokens: 1_000,
        ..trained.clone()
    });
    let Source::Text(_, text) = run.source else {
        panic!("a text")
    };
    run.source = Source::Text(key, text);
    state.apply(Event::Training(Training::Started(Box::new(run))));
    state.apply(said(Said::Progress(Point {
        step: 1,
        tokens_seen: 100,
        tokens_per_second: trained.tokens as f64 / 45.0,
        ..Point::default()
    })));
    assert_eq!(told(&state).as_deref(), Some("≈ 45 s"));
    // Another model: its speed is not known.
    let other = testing::with_model()
        .catalogue
        .model
        .ready()
        .cloned()
        .unwrap();
    let named = catalogue::Event::ModelNamed("other".into(), Opening::default());
    state.apply(Event::Catalogue(named));
    let arrived = catalogue::Event::Model("other".into(), Box::new(Load::Ready(other)));
    state.apply(Event::Catalogue(arrived));
    counted(&mut state);
    assert_eq!(told(&state), None);
}

#[test]
fn past_runs_are_listed_and_a_click_asks_for_their_curves() {
    let mut harness = testing::harness(ViewId::Training, with_past(&[]));
    // The middle of a row, where it is clicked, is in view.
    harness.set_size(egui::vec2(1600.0, 900.0));
    harness.run();
    harness.get_by_label("Past runs");
    harness.get_by_label("Run z-0, finished").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let toggle = training::Command::TogglePast("saes/z-0".into());
    assert!(sent.contains(&toggle.into()), "{sent:?}");
    assert!(harness.query_by_label("Resume").is_none());
}

#[test]
fn one_past_run_shows_its_curves_and_why_it_cannot_go_on_and_two_lie_over_one_another() {
    let harness = testing::harness(ViewId::Training, with_past(&["z-1"]));
    harness.get_by_label("FVU: FVU 0.125");
    let go_on = harness.get_by_label("Resume");
    assert!(go_on.accesskit_node().is_disabled());
    harness.get_by_label_contains("Choose tales as the source first");
    let harness = testing::harness(ViewId::Training, with_past(&["z-1", "z-0"]));
    harness.get_by_label("FVU: z-1 0.125, z-0 0.125");
    assert!(harness.query_by_label("Resume").is_none());
}

#[test]
fn a_failed_run_goes_on_where_a_checkpoint_is_left() {
    for checkpoint in [true, false] {
        let mut state = running();
        state.apply(said(Said::Ended(Ended::Failed {
            why: "the loss became NaN".to_owned(),
            checkpoint,
        })));
        let harness = testing::harness(ViewId::Training, state);
        harness.get_by_label_contains("the loss became NaN");
        assert_eq!(harness.query_by_label("Resume").is_some(), checkpoint);
    }
}

#[test]
fn the_speed_can_be_measured_and_is_said_to_be_of_the_step_alone() {
    let mut state = testing::with_model();
    let plan = plan::plan(&state);
    let sizes = plan::sizes(&state, &plan).unwrap();
    let mut harness = testing::harness(ViewId::Training, testing::with_model());
    harness.get_by_label("Measure speed").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let measure = training::Command::Measure(sizes.clone());
    assert!(sent.contains(&measure.into()), "{sent:?}");
    state.apply(Event::Training(Training::Measured(
        sizes,
        Load::Ready(5_000.0),
    )));
    let harness = testing::harness(ViewId::Training, state);
    assert!(harness.query_by_label("Measure speed").is_none());
    harness.get_by_label_contains("training step only (5000 per second)");
}

/// The form as the last command of `sent` fills it.
fn filled(sent: &[crate::state::requests::Command]) -> Form {
    let form = sent.iter().rev().find_map(|command| match command {
        crate::state::requests::Command::Training(training::Command::Fill(form)) => {
            Some(form.clone())
        }
        _ => None,
    });
    form.unwrap()
}

#[test]
fn a_second_dictionary_is_added_named_by_its_hook_duplicated_and_removed() {
    let mut harness = testing::harness(ViewId::Training, testing::with_model());
    harness.set_size(egui::vec2(1000.0, 1800.0));
    harness.run();
    harness.get_by_label("Also train another").click();
    harness.run();
    let form = filled(&harness.state_mut().commands.take());
    assert_eq!((form.also.len(), form.also[0].layer), (1, 1));
    harness.state_mut().state.training.form = form;
    harness.run();
    harness.get_by_label("blocks.1.attn.hook_z");
    harness.get_by_label("Duplicate z-1").click();
    harness.run();
    let form = filled(&harness.state_mut().commands.take());
    assert_eq!(form.also[0], form.also[1]);
    harness.state_mut().state.training.form = form;
    harness.run();
    harness.get_by_label_contains("It would be identical to z-1");
    harness.get_by_label("Remove z-1-2").click();
    harness.run();
    let form = filled(&harness.state_mut().commands.take());
    assert_eq!(form.also.len(), 1);
}

#[test]
fn a_setting_of_a_further_dictionary_is_its_own() {
    let mut state = testing::with_model();
    let also = state.training.form.another(&[0, 1, 2, 3], 1_024);
    state.training.form.also.push(also);
    let mut harness = testing::harness(ViewId::Training, state);
    harness.set_size(egui::vec2(1000.0, 1800.0));
    harness.run();
    let features = |harness: &egui_kittest::Harness<'_, testing::Stage>| {
        let all = harness.query_all_by_role_and_label(egui::Role::TextInput, "Features");
        all.count()
    };
    assert_eq!(features(&harness), 2);
    let fields = harness.query_all_by_role_and_label(egui::Role::TextInput, "Features");
    fields.last().unwrap().focus();
    harness.run();
    let fields = harness.query_all_by_role_and_label(egui::Role::TextInput, "Features");
    fields.last().unwrap().type_text("0");
    harness.run();
    let form = filled(&harness.state_mut().commands.take());
    assert!(form.settings.is_empty());
    assert!(form.also[0].settings.contains_key("features"));
}

#[test]
fn curves_of_dictionaries_trained_together_lie_over_one_another_and_one_is_chosen_to_look_at() {
    let mut harness = testing::harness(ViewId::Training, running_two());
    harness.get_by_label("FVU: z-0 0.125, z-1 0.300");
    harness.get_by_label("2 dictionaries");
    harness.get_by_label_contains("700 / 2000 activations · 50.0 activations/s · 26 s left");
    harness.get_by_label("Dictionary z-1, 30\u{202F}%").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&training::Command::Show(1).into()),
        "{sent:?}"
    );
    let mut state = running_two();
    let ranking = Ranking::new(
        &Firing {
            densities: vec![0.5, 0.25, 0.125, 0.0],
            dead: vec![],
        },
        0.5,
    );
    let ranked = Said::Ranked(Arc::new(ranking));
    state.apply(Event::Training(Training::Said(1, ranked)));
    let mut harness = testing::harness(ViewId::Training, state);
    harness.get_by_label_contains("appear after the first 1 % of the run");
    harness.set_size(egui::vec2(1000.0, 1800.0));
    let shown = Event::Training(Training::Shown(1));
    harness.state_mut().state.apply(shown);
    harness.run();
    harness.get_by_label_contains("Density by rank: 50.0");
}

#[test]
fn of_two_the_failed_one_is_told_at_once_and_goes_on_when_both_have_ended() {
    let mut state = running_two();
    let failed = Ended::Failed {
        why: "the loss became NaN in step 3".to_owned(),
        checkpoint: true,
    };
    let ended = Training::Said(1, Said::Ended(failed));
    state.apply(Event::Training(ended));
    let harness = testing::harness(ViewId::Training, state);
    harness.get_by_label("z-1 failed");
    harness.get_by_label("Dictionary z-1, failed");
    harness.get_by_label("Stop");
    assert!(harness.query_by_label("Resume").is_none());
    let mut state = running_two();
    let why = "out of memory".to_owned();
    let broke = Training::Broke(why, vec![false, true]);
    state.apply(Event::Training(broke));
    let harness = testing::harness(ViewId::Training, state);
    harness.get_by_label("z-0 failed");
    harness.get_by_label("Resume");
    harness.get_by_label_contains("uses the learning rate of the form");
}

#[test]
fn tau_is_moved_by_the_keyboard_and_tells_how_many_lie_below() {
    let mut state = running();
    let mut densities: Vec<f64> = (0..200).map(|rank| 0.4 / (f64::from(rank) + 3.0)).collect();
    densities[195..].fill(1e-6);
    let firing = Firing {
        densities,
        dead: vec![],
    };
    let ranking = Ranking::new(&firing, 0.5);
    let none = ranking.below(0.0);
    state.apply(said(Said::Ranked(Arc::new(ranking))));
    let mut harness = testing::harness(ViewId::Training, state);
    harness.set_size(egui::vec2(1000.0, 1800.0));
    harness.run();
    let slider = || egui::Role::Slider;
    harness.get_by_role_and_label(slider(), "τ").focus();
    harness.run();
    harness.key_press(egui::Key::ArrowLeft);
    harness.run();
    harness.get_by_label_contains("below 0.49 × the law");
    for _ in 0..60 {
        harness.key_press(egui::Key::ArrowLeft);
    }
    harness.run();
    harness.get_by_label_contains(&format!("{none} of 200 features (0"));
    harness.get_by_label("Reset τ to 0.5").click();
    harness.run();
    harness.get_by_label_contains("below 0.50 × the law");
}

#[test]
fn a_dictionary_to_go_on_from_brings_its_hook_and_an_error_stands_beside_it() {
    let mut state = testing::with_demo_model(testing::typical());
    state.training.form.layer = 3;
    let mut harness = testing::harness(ViewId::Training, state);
    harness.get_by_label("Start from").click();
    harness.run();
    harness.get_by_label("z0").click();
    harness.run();
    let form = filled(&harness.state_mut().commands.take());
    assert_eq!(
        (form.layer, form.from.as_deref()),
        (0, Some(Path::new("z0")))
    );
    harness.state_mut().state.training.form = form;
    harness.run();
    harness.get_by_label("those of z0");
    harness
        .get_by_label_contains("z0 reads activations of width 4, blocks.0.attn.hook_z has width");
    let add = harness.get_by_label("Also train another");
    assert!(add.accesskit_node().is_disabled());
    // A folder that is not open is read first.
    let mut form = harness.state().state.training.form.clone();
    form.from = Some("elsewhere".into());
    harness.state_mut().state.training.form = form;
    harness.run();
    let sent = harness.state_mut().commands.take();
    let read = training::Command::OpenStart("elsewhere".into());
    assert!(sent.contains(&read.into()), "{sent:?}");
    for load in [
        Load::Loading,
        Load::Failed("no dictionary here: elsewhere".to_owned()),
    ] {
        let read = Training::Start("elsewhere".into(), load);
        harness.state_mut().state.apply(Event::Training(read));
    }
    harness.run();
    harness.get_by_label_contains("no dictionary here");
}
