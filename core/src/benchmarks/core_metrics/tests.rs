//! Compares core metrics with those of SAEBench's own functions and with the figures of the evaluation.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::corpus::{Corpus, CorpusSpec, Positions};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The demo's model and dictionary, and the rows of `tests/golden/positions.py`.
fn demo() -> (Model, Sae, Rows) {
    let demo = Path::new(ROOT).join("assets/demo");
    let model = Model::open(&demo.join("model")).unwrap().0;
    let sae = Sae::open(&demo.join("saes/resid-2")).unwrap().0;
    let spec = CorpusSpec {
        paths: vec![Path::new(ROOT).join("tests/golden/positions/documents.jsonl")],
        ..CorpusSpec::default()
    };
    let corpus = Corpus::open(&spec).unwrap().0;
    let rows = corpus.rows(model.codec(), 64).unwrap().0.take(16);
    (model, sae, rows.by(Positions::SaeLens))
}

fn measured(bootstrap: (usize, u64)) -> CoreMetrics {
    let (model, sae, rows) = demo();
    let mut on = |_: Progress| ControlFlow::Continue(());
    core_metrics(&model, &sae, &rows, bootstrap, &mut on)
        .unwrap()
        .done()
        .unwrap()
}

#[test]
fn metrics_are_those_of_saebench_but_for_the_three_that_are_said_to_differ() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../tests/golden/saebench-core.json")).unwrap();
    let found = measured((100, 0));
    let want = |name: &str| golden["metrics"][name].as_f64().unwrap();
    assert_eq!(found.figures.tokens as f64, want("tokens"));
    for metric in &found.metrics {
        let got = metric.estimate.value;
        let want = match metric.name {
            // Divided once more by the tokens of the batch.
            "mse" => want("mse") * want("tokens"),
            "explained_variance" => {
                assert!((want("explained_variance") - got).abs() > 0.01);
                found.figures.nearness.unwrap().explained_variance
            }
            name => want(name),
        };
        // Activations are f32 here and f64 there.
        let tolerance = 2e-5 * want.abs().max(1.0);
        assert!(
            (got - want).abs() < tolerance,
            "{}: {got} {want}",
            metric.name
        );
    }
    for (at, feature) in golden["features"].as_array().unwrap().iter().enumerate() {
        let one = &found.features[feature.as_u64().unwrap() as usize];
        let want = |name: &str| golden["of_features"][name][at].as_f64().unwrap();
        for (got, name) in [
            (Some(one.density), "feature_density"),
            (one.tokens_of_active_row, "consistent_activation_heuristic"),
            (one.encoder_bias, "encoder_bias"),
            (one.encoder_norm, "encoder_norm"),
            (one.encoder_decoder_cosine, "encoder_decoder_cosine_sim"),
            (Some(one.max_decoder_cosine), "max_decoder_cosine_sim"),
            (one.max_encoder_cosine, "max_encoder_cosine_sim"),
        ] {
            assert!((got.unwrap() - want(name)).abs() < 1e-5, "{name}: {got:?}");
        }
    }
}

#[test]
fn metrics_are_the_figures_of_the_evaluation_with_intervals_of_the_seed() {
    let found = measured((300, 1));
    let figures = &found.figures;
    for (name, want) in [
        ("ce_loss_score", figures.ce_recovered_zero),
        ("ce_loss_without_sae", figures.ce_clean),
        ("explained_variance", 1.0 - figures.fvu),
        ("frac_alive", 1.0 - figures.dead_fraction),
        ("l0", figures.l0),
    ] {
        let got = found.get(name).unwrap();
        assert!((got.value - want).abs() < 1e-9, "{name}: {got:?} {want}");
    }
    for metric in found
        .metrics
        .iter()
        .filter(|metric| metric.category != MISC)
    {
        let [low, high] = metric.estimate.interval.unwrap();
        let value = metric.estimate.value;
        // Every token of the demo's dictionary has 32 active features.
        assert!(
            low <= value + 1e-9 && high >= value - 1e-9,
            "{}",
            metric.name
        );
        assert!(high > low || metric.name == "l0", "{}", metric.name);
    }
    // Every metric is defined, and every definition but that of the interval is of a metric.
    let names: Vec<&str> = found.metrics.iter().map(|metric| metric.name).collect();
    let defined: Vec<&str> = DEFINITIONS.iter().map(|(name, _)| *name).collect();
    assert!(names.iter().all(|name| defined.contains(name)));
    assert_eq!(defined.len(), names.len() + 1);
}

#[test]
fn an_interval_of_blocks_has_the_width_of_their_spread() {
    let block = |i: usize| Scalars {
        tokens: 10.0,
        charged: 10.0,
        active: f64::from(i.is_multiple_of(2)) * 20.0,
        kl_zero: 1.0,
        ce_zero: 30.0,
        ce_clean: 10.0,
        // Different in every block, so that two seeds draw different intervals.
        ce_sae: 12.0 + i as f64 * 1e-3,
        variance: 1.0,
        product: 1.0,
        ..Scalars::default()
    };
    let blocks: Vec<Scalars> = (0..400).map(block).collect();
    let found = of_sums(&blocks, (2_000, 0)).unwrap();
    let l0 = found
        .iter()
        .find(|metric| metric.name == "l0")
        .unwrap()
        .estimate;
    // 1.96 · √(1 / 400) = 0.098 on each side of 1.
    let [low, high] = l0.interval.unwrap();
    assert!(l0.value == 1.0 && (low - 0.902).abs() < 0.01 && (high - 1.098).abs() < 0.01);
    assert_eq!(found, of_sums(&blocks, (2_000, 0)).unwrap());
    assert_ne!(found, of_sums(&blocks, (2_000, 1)).unwrap());
    let one = of_sums(&blocks[..1], (2_000, 0)).unwrap();
    assert_eq!(one[0].estimate.interval, None);
}
