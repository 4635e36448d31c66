//! What a person can do on the Training screen, by names.

use std::path::Path;
use std::sync::Arc;

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use umbra_core::ids::{HookPoint, Site};
use umbra_core::models::Model;
use umbra_core::models::Opening;
use umbra_core::train::{Progress, Spec};

use crate::commands::{dictionary, training};
use crate::state::catalogue::{self, DictionaryId, LoadedModel};
use crate::state::jobs::JobId;
use crate::state::training::{Ended, Event as Training};
use crate::state::{AppState, Event, Load};
use crate::testing;
use crate::views::ViewId;

/// A run of 1,000 activations that has seen 400.
fn running() -> AppState {
    let mut state = testing::typical();
    let spec = Spec {
        tokens: 1_000,
        ..Spec::default_for(HookPoint::block(0, Site::Z))
    };
    state.apply(Event::Training(Training::Started {
        job: JobId(7),
        name: "z-0".to_owned(),
        spec: Box::new(spec),
    }));
    for step in 1..=4 {
        state.apply(Event::Training(Training::Progress(Progress {
            step,
            steps: 10,
            tokens_seen: step * 100,
            loss: 1.0 / step as f64,
            fvu: 0.5 / step as f64,
            l0: 2.0,
            tokens_per_second: 50.0,
            ..Progress::default()
        })));
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
    state.apply(Event::Training(Training::Ended(Ended::Saved {
        folder,
        tokens_seen: 400,
        stopped: true,
    })));
    let mut harness = testing::harness(ViewId::Training, state);
    harness.get_by_label_contains("Stopped after 400 activations");
    assert!(harness.query_by_label("Stop").is_none());
    for (words, command) in [
        ("Evaluate", dictionary::Command::Evaluate(DictionaryId(0))),
        (
            "Build index",
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
    state.apply(Event::Training(Training::Ended(Ended::Unsaved {
        sae: Arc::new(testing::sae(4)),
        folder: "/full/z-0".into(),
        why: "no space is left, free some: /full".to_owned(),
    })));
    let mut harness = testing::harness(ViewId::Training, state);
    harness.get_by_label_contains("no space is left");
    harness.get_by_label("Save again").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    assert!(
        sent.contains(&training::Command::SaveAgain.into()),
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
    harness.get_by_label_contains("`many` cannot be used");
    let start = harness.get_by_label("Start training");
    assert!(start.accesskit_node().is_disabled());
    harness.get_by_label("Reset Active per token to 24").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let reset = |command: &crate::commands::Command| matches!(command, crate::commands::Command::Training(training::Command::Fill(form)) if form.settings.is_empty());
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
    assert!(shown(&[], "Active per token"));
    // A setting that cannot be read opens what is folded away.
    let relu = [("variant", "relu"), ("sparsity_coefficient", "little")];
    assert!(!shown(&relu, "Active per token"));
    assert!(shown(&relu, "Sparsity weight"));
    assert!(!shown(&relu, "Levels"));
}
