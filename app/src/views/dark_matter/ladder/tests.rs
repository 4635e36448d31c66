//! The panel with a ladder: its answer, its choice of dictionaries, its figures, and the form that trains another.

use std::sync::Arc;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use umbra_core::dark_matter::ladder::{
    Ladder, Law, LawIntervals, LinearPart, Passage, PowerLaw, Rung,
};

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::ladder::Event as Panel;
use crate::state::dark_matter::question::Question;
use crate::state::dark_matter::study::Change;
use crate::state::requests::{self, navigation, training};
use crate::state::view::ViewId;
use crate::state::{AppState, Event};
use crate::testing::{self, Stage};

const ID: DictionaryId = DictionaryId(0);

/// Returns a ladder of four widths with these L0s.
pub(crate) fn ladder(l0: [f64; 4]) -> Ladder {
    let fvu = [0.4, 0.3, 0.25, 0.225];
    let rungs: Vec<Rung> = (0..4)
        .map(|i| Rung {
            name: format!("ladder-{}", 256 << i),
            fingerprint: String::new(),
            features: 256 << i,
            l0: l0[i],
            fvu: fvu[i],
            fvu_interval: Some([fvu[i] - 0.01, fvu[i] + 0.01]),
            norm_mean: 5.0 * fvu[i],
            linear: Some(LinearPart {
                fvu_nonlinear: 0.12 - 0.01 * i as f64,
                r2_weighted: 0.4,
                r2_mean: 0.35,
                r2_norm: 0.8,
            }),
            introduced: None,
        })
        .collect();
    let points: Vec<(usize, f64)> = rungs.iter().map(|rung| (rung.features, rung.fvu)).collect();
    let law = PowerLaw::fit(&points).map(|law| Law {
        law,
        intervals: Some(LawIntervals {
            a: [20.0, 60.0],
            b: [0.8, 1.2],
            c: [0.18, 0.22],
        }),
        fitted_draws: 1_000,
        degrees_of_freedom: 1,
    });
    let table = |own: Option<f64>, other: f64| -> Vec<Vec<Option<f64>>> {
        let row = |i: usize| {
            (0..4)
                .map(|j| if i == j { own } else { Some(other) })
                .collect()
        };
        (0..4).map(row).collect()
    };
    let norms = |scale: f32| -> Vec<Vec<f32>> {
        let of = |i: usize| (0..100).map(move |t| scale * (4.0 - i as f32 + (t % 7) as f32 * 0.3));
        (0..4).map(|i| of(i).collect()).collect()
    };
    let passage = |document: &str| Passage {
        document: document.to_owned(),
        tokens: (0..100).map(|t| format!(" word{t}")).collect(),
        norms: norms(1.0),
        nonlinear: norms(0.6),
    };
    Ladder {
        hook: "blocks.0.attn.hook_z".to_owned(),
        rungs,
        token_r2: table(Some(1.0), 0.9),
        nonlinear_gain: table(None, 0.1),
        law,
        passages: vec![passage("alice.txt"), passage("girls.txt")],
        tokens: 60_000,
        fit_tokens: Some(51_200),
        blocks: "16 documents".to_owned(),
        draws: 1_000,
    }
}

fn with_ladder(l0: [f64; 4]) -> AppState {
    let mut state = testing::with_model();
    for change in [
        Change::Began(ID),
        Change::Ended(ID, Some(Arc::new(ladder(l0)))),
    ] {
        state.apply(Event::DarkMatter(Lab::Ladder(Panel::Study(change))));
    }
    state.selection.question = Question::Ladder;
    state
}

fn shown(state: AppState) -> Harness<'static, Stage> {
    let mut harness = testing::harness(ViewId::DarkMatter, state);
    harness.set_size(egui::vec2(1200.0, 2400.0));
    harness.run();
    harness.state_mut().commands.take();
    harness
}

#[test]
fn a_ladder_shows_its_answer_its_law_and_every_figure() {
    let mut harness = shown(with_ladder([32.0; 4]));
    let said = "From 256 to 2048 features FVU falls from 0.400 to 0.225";
    assert!(harness.query_all_by_label_contains(said).count() > 0);
    harness.get_by_label_contains("one degree of freedom");
    harness.get_by_label_contains("Error by width: 256 0.400");
    harness.get_by_label_contains("FVU = c + a");
    harness.get_by_label("ladder-512 from ladder-256: 0.900");
    harness.get_by_label("What the nonlinear norm adds").click();
    harness.run();
    harness.get_by_label("ladder-512 from ladder-256: 0.100");
    harness.get_by_label_contains("L0 of about 32");
    harness.get_by_label_contains("1 of 2 · alice.txt");
    harness.get_by_label("Next passage").click();
    harness.run();
    harness.get_by_label_contains("2 of 2 · girls.txt");
    assert!(harness.state_mut().commands.take().is_empty());
}

#[test]
fn dictionaries_of_several_l0s_become_a_map() {
    let harness = shown(with_ladder([16.0, 16.0, 64.0, 64.0]));
    harness.get_by_label_contains("differ in L0");
    harness.get_by_label("ladder-1024, 1\u{202F}024 features, L0 64.0: FVU 0.250");
    harness.get_by_label("256 features, L0 64.0: no dictionary");
}

#[test]
fn a_hook_with_one_dictionary_offers_to_train_a_ladder() {
    let mut state = testing::with_model();
    state.selection.question = Question::Ladder;
    let mut harness = shown(state);
    harness.get_by_label_contains("This hook has one dictionary");
    harness.get_by_label("Train a ladder…").click();
    harness.run();
    let sent = harness.state_mut().commands.take();
    let [
        requests::Command::Training(training::Command::Fill(form)),
        go,
    ] = sent.as_slice()
    else {
        panic!("{sent:?}");
    };
    assert_eq!(*go, navigation::Command::Go(ViewId::Training).into());
    let first: usize = form.settings["features"].parse().unwrap();
    let widths: Vec<usize> = (form.also.iter())
        .map(|draft| draft.settings["features"].parse().unwrap())
        .collect();
    assert_eq!(widths, [2 * first, 4 * first, 8 * first]);
    assert!(form.also.iter().all(|draft| draft.hook() == form.hook()));
}
