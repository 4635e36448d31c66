//! Planted errors are found where there is text enough, and missed where there is too little or the ridge is too large.

use std::ops::ControlFlow;

use super::world::{first_of, normal, weakest_first};
use super::*;
use crate::corpus::Rows;
use crate::dark_matter::splice::tests::{case, opened, texts};
use crate::latents::Latents;

fn tested((fit, held_out): (&Rows, &Rows), settings: &Settings) -> SelfTest {
    let (model, sae) = opened("tiny-gpt2");
    let sae = sae.autoencoder().unwrap();
    let all = self_test(&model, sae, (fit, held_out), settings, &mut |_| {
        ControlFlow::Continue(())
    });
    all.unwrap().done().unwrap()
}

#[test]
fn planted_errors_are_found_and_missed_where_they_should_be() {
    let case = case("gpt2.json");
    let (fit, _) = texts(&case);
    // Both texts come from one chain; the first 20 rows are measured on.
    let [held_out, fit] = [0..20, 20..60].map(|rows| picked(&fit, rows));
    let settings = Settings::default();
    let got = tested((&fit, &held_out), &settings);
    assert_eq!(got, tested((&fit, &held_out), &settings));
    let planted = |got: &SelfTest, kind: Kind| {
        let mut all = got.planted.iter();
        *all.find(|planted| planted.kind == kind).unwrap()
    };
    for kind in [Kind::Linear, Kind::Absent, Kind::Nonlinear, Kind::Together] {
        assert!(planted(&got, kind).found, "{:?}", planted(&got, kind));
    }
    // A linear error is found to rounding: x is f32, the sums are f64.
    let linear = planted(&got, Kind::Linear);
    assert!(
        linear.estimated.nonlinear < 1e-6 * linear.planted,
        "{linear:?}"
    );
    // Planted errors have the size of the dictionary's own.
    for kind in [Kind::Linear, Kind::Nonlinear] {
        let size = planted(&got, kind).planted;
        let want = got.fvu.min(LARGEST);
        assert!((size - want).abs() < 1e-4 * want, "{size} {want}");
    }
    assert_eq!(got.grids.len(), ABLATED.len());
    for grid in &got.grids {
        assert_eq!(grid.cells.len(), STEPS * STEPS);
        let [[a, _], [_, d]] = grid.correlation;
        assert!(a > 0.8 && d > 0.8, "{:?}", grid.correlation);
    }
    // Three rows give 93 activations for 33 unknowns: chance is fitted, too.
    let short = tested((&picked(&fit, 0..3), &held_out), &settings);
    assert!(!planted(&short, Kind::Nonlinear).found && !short.passes());
    assert!(
        short.conclusion().contains("does not find"),
        "{}",
        short.conclusion()
    );
    // A ridge as large as the predictors hides the linear error.
    let ridge = Settings {
        ridge: 1.0,
        ..settings
    };
    let ridged = tested((&fit, &held_out), &ridge);
    assert!(!planted(&ridged, Kind::Linear).found);
}

/// Rows of a range.
fn picked(rows: &Rows, range: std::ops::Range<usize>) -> Rows {
    let context = rows.context();
    let span = range.start * context..range.end * context;
    Rows::new(
        context,
        rows.tokens()[span.clone()].to_vec(),
        rows.document_numbers()[span].to_vec(),
        (0..rows.len()).map(|name| name.to_string()).collect(),
    )
    .masked(rows.mask().clone())
}

#[test]
fn noises_are_normal_and_features_leave_in_order() {
    let noise = normal(2_000, 3, (1, 2)).unwrap();
    let values = noise.values();
    let n = values.len() as f64;
    let moment = |power: i32| {
        values
            .iter()
            .map(|v| f64::from(*v).powi(power))
            .sum::<f64>()
            / n
    };
    assert!(
        moment(1).abs() < 0.05 && (moment(2) - 1.0).abs() < 0.05 && (moment(4) - 3.0).abs() < 0.3
    );
    assert_ne!(noise, normal(2_000, 3, (1, 3)).unwrap());
    let mut latents = Latents::default();
    latents.push_row(&[0, 2], &[1.0, 5.0]);
    latents.push_row(&[0, 1], &[1.0, 3.0]);
    let order = weakest_first(&latents, 4);
    assert_eq!(order, [3, 0, 1, 2]);
    assert_eq!(first_of(&order, 2), [true, false, false, true]);
}

#[test]
fn correlations_and_verdicts_follow_their_definitions() {
    let cells = |linear: fn(f64, f64) -> f64| -> Vec<Cell> {
        let at = |i: usize| Cell {
            activation: i / STEPS,
            reconstruction: i % STEPS,
            estimated: Parts {
                linear: linear((i / STEPS) as f64, (i % STEPS) as f64),
                nonlinear: (i % STEPS) as f64,
            },
        };
        (0..STEPS * STEPS).map(at).collect()
    };
    let grid = |linear| {
        let cells = cells(linear);
        Grid {
            ablated: 0.0,
            correlation: correlation(&cells),
            cells,
        }
    };
    let apart = grid(|a, _| a * a);
    let [[a, b], [c, d]] = apart.correlation;
    // The correlation of 0 to 4 with their squares.
    assert!(
        (a - 40.0 / 1740.0_f64.sqrt()).abs() < 1e-12 && (d - 1.0).abs() < 1e-12,
        "{a} {d}"
    );
    assert!(b.abs() < 1e-12 && c.abs() < 1e-12 && apart.passes());
    assert!(!grid(|a, r| a + r).passes());
    let parts = |linear: f64, nonlinear: f64| Parts { linear, nonlinear };
    let found = |estimated| Planted::new(Kind::Linear, parts(0.5, 0.5), estimated).found;
    assert!(found(parts(0.45, 0.55)) && !found(parts(0.35, 0.55)) && !found(parts(0.5, 0.65)));
}
