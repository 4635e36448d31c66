//! States with made-up costs, predictions and a self-test of the parts of an error.

use std::sync::Arc;

use egui_kittest::Harness;
use umbra_core::corpus::Positions;
use umbra_core::dark_matter::predict::{Accuracy, Predictions, Relation, Row};
use umbra_core::dark_matter::self_test::{
    Cell, Grid, Kind, Parts, Planted, STEPS, SelfTest, Settings,
};
use umbra_core::dark_matter::splice::{ByPart, Costs, FvuByPart, Spliced};

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::question::Question;
use crate::state::dark_matter::study::Change;
use crate::state::view::ViewId;
use crate::state::{AppState, Event};
use crate::testing::Stage;

const ID: DictionaryId = DictionaryId(0);

/// Returns the costs of a dictionary whose linear part recovers this share.
pub(crate) fn spliced(sae: &str, linear: Option<f64>) -> Spliced {
    Spliced {
        sae: sae.to_owned(),
        hook: "blocks.2.hook_resid_post".to_owned(),
        features: 2_048,
        ce_clean: 3.0,
        ce_sae: 3.5,
        ce_linear: 3.375,
        ce_nonlinear: 3.125,
        ce_zero: 9.0,
        ce_swapped: ByPart {
            linear: 3.25,
            nonlinear: 4.0,
        },
        tokens: 10_240,
        fvu: FvuByPart {
            sae: 0.2,
            linear: 0.15,
            nonlinear: 0.05,
        },
        recovered: ByPart {
            linear,
            nonlinear: linear.map(|share| 1.0 - share),
        },
        recovered_interval: ByPart {
            linear: Some([0.2, 0.3]),
            nonlinear: Some([0.7, 0.8]),
        },
        cost_interval: Some([0.4, 0.6]),
        norm_share: ByPart {
            linear: 0.6,
            nonlinear: 0.9,
        },
        r2_share: ByPart {
            linear: 0.25,
            nonlinear: 0.75,
        },
    }
}

/// Returns the costs of two dictionaries, the second one too cheap to say.
pub(crate) fn costs() -> Costs {
    Costs {
        dictionaries: vec![spliced("z0", Some(0.25)), spliced("attn-1", None)],
        fit_tokens: 25_600,
        held_out_tokens: 10_240,
        positions: Positions::Text,
        blocks: "40 runs of rows".to_owned(),
        seed: 0,
        notes: vec!["The linear part of attn-1 was fitted on few activations".to_owned()],
    }
}

/// Returns predictions from the activation, the dictionary itself, and an earlier and a later one.
pub(crate) fn predictions() -> Predictions {
    let accuracy = |r2: f64| Accuracy {
        r2: Some(r2),
        r2_mean: Some(r2),
        interval: Some([r2 - 0.125, r2 + 0.125]),
    };
    let row = |source: Option<&str>, relation: Relation, reduction: f64| Row {
        source: source.map(str::to_owned),
        hook: "blocks.1.attn.hook_z".to_owned(),
        relation,
        width: 256,
        error: accuracy(0.5),
        linear: accuracy(0.75),
        nonlinear: accuracy(0.25),
        fvu_left: 0.08 * (1.0 - reduction),
        reduction,
        reduction_interval: Some([reduction - 0.02, reduction + 0.02]),
    };
    Predictions {
        sae: "z0".to_owned(),
        hook: "blocks.2.hook_resid_post".to_owned(),
        features: 2_048,
        fvu_total: 0.1,
        fvu_nonlinear: 0.08,
        rows: vec![
            row(None, Relation::Same, 0.0),
            row(Some("z0"), Relation::Same, 0.05),
            row(Some("attn-1"), Relation::Earlier, 0.25),
            row(Some("attn-3"), Relation::Later, -0.01),
        ],
        fit_tokens: 25_600,
        held_out_tokens: 10_240,
        positions: Positions::Text,
        blocks: "40 runs of rows".to_owned(),
        notes: Vec::new(),
    }
}

/// Returns a self-test that finds all but the absent features.
pub(crate) fn self_test() -> SelfTest {
    let parts = |linear: f64, nonlinear: f64| Parts { linear, nonlinear };
    let planted = |kind: Kind, expected: Parts, found: bool| Planted {
        kind,
        planted: expected.linear + expected.nonlinear,
        expected,
        estimated: if found {
            expected
        } else {
            parts(expected.linear - 0.05, expected.nonlinear + 0.05)
        },
        found,
    };
    let cell = |i: usize| Cell {
        activation: i / STEPS,
        reconstruction: i % STEPS,
        estimated: Parts::default(),
    };
    let grid = |ablated: f64, off: f64| Grid {
        ablated,
        cells: (0..STEPS * STEPS).map(cell).collect(),
        correlation: [[0.95, off], [0.0, 0.93]],
    };
    SelfTest {
        sae: "z0".to_owned(),
        hook: "blocks.2.hook_resid_post".to_owned(),
        fvu: 0.1,
        rms: 1.5,
        planted: vec![
            planted(Kind::Linear, parts(0.1, 0.0), true),
            planted(Kind::Absent, parts(0.06, 0.04), false),
            planted(Kind::Nonlinear, parts(0.0, 0.1), true),
            planted(Kind::Together, parts(0.16, 0.14), true),
        ],
        grids: vec![grid(0.0, 0.1), grid(0.25, 0.2), grid(0.5, 0.6)],
        fit_tokens: 12_800,
        held_out_tokens: 6_400,
        settings: Settings::default(),
    }
}

/// The demo's model with a random dictionary, on this question, with all three results.
pub(crate) fn with_parts(question: Question) -> AppState {
    let mut state = super::with_model();
    state.selection.question = question;
    let mut lab = |event| state.apply(Event::DarkMatter(event));
    lab(Lab::Splice(Change::Began(ID)));
    lab(Lab::Splice(Change::Ended(ID, Some(Arc::new(costs())))));
    lab(Lab::Predict(Change::Began(ID)));
    lab(Lab::Predict(Change::Ended(
        ID,
        Some(Arc::new(predictions())),
    )));
    lab(Lab::SelfTest(Change::Began(ID)));
    lab(Lab::SelfTest(Change::Ended(
        ID,
        Some(Arc::new(self_test())),
    )));
    state
}

/// Draws the screen with a question's panel in full, and forgets what it asked for.
pub(crate) fn shown(question: Question) -> Harness<'static, Stage> {
    let mut harness = super::harness(ViewId::DarkMatter, with_parts(question));
    harness.set_size(egui::vec2(1200.0, 2400.0));
    harness.run();
    harness.state_mut().commands.take();
    harness
}
