//! A state with a made-up ladder of four widths.

use std::sync::Arc;

use umbra_core::dark_matter::ladder::{
    Ladder, Law, LawIntervals, LinearPart, Passage, PowerLaw, Rung,
};

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::ladder::Event as Panel;
use crate::state::dark_matter::question::Question;
use crate::state::dark_matter::study::Change;
use crate::state::{AppState, Event};

const ID: DictionaryId = DictionaryId(0);

/// Returns a ladder of four widths with these L0s.
fn ladder(l0: [f64; 4]) -> Ladder {
    let fvu = [0.4, 0.3, 0.25, 0.225];
    let rungs: Vec<Rung> = (0..4)
        .map(|i| Rung {
            name: format!("ladder-{}", 256 << i),
            fingerprint: String::new(),
            features: 256 << i,
            tokens_seen: Some(2_000_000),
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
        pursued: Some(2_000),
        blocks: "16 documents".to_owned(),
        draws: 1_000,
    }
}

/// The demo's model with a random dictionary, on the question about width, with a ladder of dictionaries of these L0s.
pub(crate) fn with_ladder(l0: [f64; 4]) -> AppState {
    let mut state = super::with_model();
    for change in [
        Change::Began(ID),
        Change::Ended(ID, Some(Arc::new(ladder(l0)))),
    ] {
        state.apply(Event::DarkMatter(Lab::Ladder(Panel::Study(change))));
    }
    state.selection.question = Question::Ladder;
    state
}
