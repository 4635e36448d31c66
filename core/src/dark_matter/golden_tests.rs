//! Compares probes from every predictor, with and without a ridge, places and depth with torch, SAELens and numpy (`tests/golden/dark_matter.py`), and
//! cross-validation with dense least squares.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use faer::Mat;
use faer::linalg::solvers::SolveLstsq as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::normal::NormalEquations;
use super::places::{Baseline, Component};
use super::*;
use crate::formats;
use crate::ids::{Site, TokenId};

fn golden(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    root.join(path)
}

fn case() -> Value {
    let text = std::fs::read_to_string(golden("dark-matter/gpt2.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Rows of the golden file, BOS in front, one document each.
fn rows(case: &Value, key: &str) -> Rows {
    let tokens: Vec<Vec<u32>> = serde_json::from_value(case[key].clone()).unwrap();
    let context = tokens[0].len();
    let names = (0..tokens.len()).map(|name| name.to_string()).collect();
    let tokens: Vec<TokenId> = tokens.into_iter().flatten().map(TokenId).collect();
    let documents = (0..tokens.len()).map(|at| (at / context) as u32).collect();
    Rows::new(context, tokens, documents, names).with_special([TokenId(0)])
}

fn opened() -> (Model, Sae) {
    let (model, _) = Model::open(&golden("tiny-gpt2")).unwrap();
    let (sae, _) = formats::open(&golden("sae-lens-topk")).unwrap();
    (model, sae)
}

fn texts<'a>(fit: &'a Rows, held_out: &'a Rows) -> FitTexts<'a> {
    FitTexts {
        fit,
        held_out,
        fingerprints: ["one", "two"],
    }
}

fn go_on(_: Progress) -> Flow {
    ControlFlow::Continue(())
}

/// Names of the figures that differ from `want`. The reference runs the model in f64 and Umbra in f32; an FVU of 4 then differs by about 1e-6.
fn differences(probe: &Probe, want: &Value) -> Vec<&'static str> {
    let on_fit = probe.facts.on_fit.unwrap();
    let pairs = [
        ("r2_mean", probe.r2_mean),
        ("r2_weighted", probe.r2_weighted),
        ("r2_norm", probe.r2_norm),
        ("fvu_total", probe.fvu_total),
        ("fvu_nonlinear", probe.fvu_nonlinear),
        ("r2_mean_fit", on_fit.r2_mean),
        ("r2_weighted_fit", on_fit.r2_weighted),
        ("r2_norm_fit", on_fit.r2_norm),
    ];
    let apart = pairs.into_iter().filter(|(name, got)| {
        let want = want[*name].as_f64().unwrap();
        (got - want).abs() > 2e-5 * want.abs().max(1.0)
    });
    apart.map(|(name, _)| name).collect()
}

#[test]
fn probes_from_every_predictor_have_the_figures_of_torch_and_numpy() {
    let case = case();
    let (model, sae) = opened();
    let mut earlier = sae.clone();
    earlier.name = "earlier".to_owned();
    earlier.provenance.hook = Some(HookPoint::block(0, Site::ResidPost));
    let (fit_rows, held_out) = (rows(&case, "fit"), rows(&case, "held_out"));
    let hook = HookPoint::block(0, Site::ResidPost);
    let ridge = Ridge::Fixed(case["ridge"].as_f64().unwrap());
    for (name, predictor, ridge) in [
        ("activation", Predictor::Activation, Ridge::None),
        ("reconstruction", Predictor::Reconstruction, Ridge::None),
        ("hook", Predictor::Hook { hook }, Ridge::None),
        ("other", Predictor::from_sae(&earlier).unwrap(), Ridge::None),
        ("ridge", Predictor::Activation, ridge),
    ] {
        let spec = FitSpec {
            predictor,
            ridge,
            draws: 100,
            ..FitSpec::default()
        };
        let of = (sae.autoencoder().unwrap(), Some(&earlier));
        let probe = fit(&model, of, &spec, &texts(&fit_rows, &held_out), &mut go_on);
        let probe = probe.unwrap().done().unwrap();
        let wrong = differences(&probe, &case["probes"][name]);
        assert!(wrong.is_empty(), "{name}: {wrong:?} {probe:?}");
        // Another fit is told apart.
        let other = if name == "ridge" {
            "activation"
        } else {
            "ridge"
        };
        assert!(!differences(&probe, &case["probes"][other]).is_empty());
        let ends = probe.facts.intervals.unwrap();
        assert!(ends.r2_weighted[0] < probe.r2_weighted && probe.r2_weighted < ends.r2_weighted[1]);
        assert!(ends.fvu_total[0] < probe.fvu_total && probe.fvu_total < ends.fvu_total[1]);
        assert_eq!(probe.facts.fit_text, "one");
        // Kept and read again, with its settings.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.safetensors");
        probe.save(&path).unwrap();
        assert_eq!(Probe::open(&path).unwrap(), probe, "{name}");
    }
    // The dictionary that predicts must be the one that is named.
    let spec = FitSpec {
        predictor: Predictor::from_sae(&earlier).unwrap(),
        ..FitSpec::default()
    };
    for other in [None, Some(&sae)] {
        let of = (sae.autoencoder().unwrap(), other);
        let refused = fit(&model, of, &spec, &texts(&fit_rows, &held_out), &mut go_on);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("earlier"), "{refused}");
    }
}

/// Checks a figure of the reference, which runs the model in f64.
#[track_caller]
fn close(got: f64, want: &Value, name: &str) {
    let want = want.as_f64().unwrap();
    assert!(
        (got - want).abs() < 3e-5 * want.abs().max(1.0),
        "{name}: {got} {want}"
    );
}

/// Settings of the tests of places and depth.
fn settings() -> FitSpec {
    FitSpec {
        draws: 50,
        ..FitSpec::default()
    }
}

/// Fits the golden dictionary's probe on the rows of `case`, and measures where its error is.
fn located(case: &Value) -> (Probe, places::Places) {
    let (model, sae) = opened();
    let (fit_rows, held_out) = (rows(case, "fit"), rows(case, "held_out"));
    let both = texts(&fit_rows, &held_out);
    let of = || (sae.autoencoder().unwrap(), None);
    let probe = fit(&model, of(), &settings(), &both, &mut go_on);
    let probe = probe.unwrap().done().unwrap();
    let places = places::measure(&model, of(), (&probe, 50, 0), &both, &mut go_on);
    (probe, places.unwrap().done().unwrap())
}

#[test]
fn places_have_the_figures_of_torch_and_numpy() {
    let case = case();
    let held_out = rows(&case, "held_out");
    let (_, places) = located(&case);
    for of in &places.norms {
        let name = serde_json::to_value(of.component).unwrap();
        close(
            of.r2,
            &case["norms"][name.as_str().unwrap()],
            of.component.name(),
        );
    }
    for of in &places.baselines {
        let name = serde_json::to_value(of.baseline).unwrap();
        close(
            of.r2,
            &case["baselines"][name.as_str().unwrap()],
            of.baseline.name(),
        );
        let without_next = u64::from(of.baseline == Baseline::Loss) * held_out.len() as u64;
        assert_eq!(of.tokens, held_out.counted() as u64 - without_next);
    }
    assert_eq!(places.norms.len(), Component::ALL.len());
    close(
        places.all.fvu,
        &case["probes"]["activation"]["fvu_total"],
        "all",
    );
    close(
        places.all.fvu_nonlinear,
        &case["probes"]["activation"]["fvu_nonlinear"],
        "all nonlinear",
    );
    let by_token = case["by_token"].as_object().unwrap();
    assert_eq!(places.by_token.len(), by_token.len());
    for of in &places.by_token {
        close(of.share.fvu, &by_token[&of.id.0.to_string()], &of.text);
    }
    assert!(
        places
            .by_token
            .windows(2)
            .all(|two| two[0].share.fvu >= two[1].share.fvu)
    );
    for (at, want) in case["by_position"].as_object().unwrap() {
        let at: u32 = at.parse().unwrap();
        let of = places.by_position.iter().find(|of| of.from == at).unwrap();
        close(of.share.fvu, want, "position");
        assert_eq!(of.share.tokens, held_out.len() as u64);
    }
    let worst = &places.worst[0];
    assert_eq!(
        (&case["worst"]["row"], &case["worst"]["position"]),
        (&worst.row.into(), &worst.position.into())
    );
    close(f64::from(worst.share), &case["worst"]["share"], "worst");
    assert_eq!(
        worst.token(),
        Some(held_out.row(worst.row as usize)[worst.position as usize])
    );
    assert_eq!(worst.shares[worst.at()], worst.share);
    assert_eq!(worst.texts.len(), worst.shares.len());
    assert!(places.best[0].share < worst.share);
}

#[test]
fn classes_hold_every_token_once_and_places_are_stored() {
    let (_, places) = located(&case());
    let apart = places.by_class.iter().filter(|class| !class.overlaps);
    assert_eq!(
        apart.map(|class| class.share.tokens).sum::<u64>(),
        places.all.tokens
    );
    assert!(!places.conclusion().is_empty());
    let kept = serde_json::to_string(&places).unwrap();
    let read: places::Places = serde_json::from_str(&kept).unwrap();
    assert_eq!(read.worst[0].ids, places.worst[0].ids);
    assert_eq!(read.by_class.len(), places.by_class.len());
}

#[test]
fn depth_measures_all_dictionaries_of_a_pass_and_names_those_left_out() {
    let case = case();
    let (model, sae) = opened();
    let (fit_rows, held_out) = (rows(&case, "fit"), rows(&case, "held_out"));
    let both = texts(&fit_rows, &held_out);
    let (probe, _) = located(&case);
    let mut earlier = sae.clone();
    earlier.name = "earlier".to_owned();
    earlier.provenance.hook = Some(HookPoint::block(0, Site::ResidPost));
    let mut foreign = sae.clone();
    foreign.name = "foreign".to_owned();
    foreign.provenance.hook = Some(HookPoint::block(7, Site::ResidPost));
    let depth = depth::measure(
        &model,
        &[&sae, &earlier, &foreign],
        &settings(),
        &both,
        &mut go_on,
    );
    let depth = depth.unwrap().done().unwrap();
    let names: Vec<&str> = depth.rows.iter().map(|row| row.sae.as_str()).collect();
    assert_eq!(names, ["earlier", sae.name.as_str()]);
    assert_eq!(depth.left_out[0].0, "foreign");
    let row = &depth.rows[1];
    for (got, want) in [
        (row.fvu_total, probe.fvu_total),
        (row.fvu_nonlinear, probe.fvu_nonlinear),
        (row.r2_mean, probe.r2_mean),
        (row.r2_norm, probe.r2_norm),
    ] {
        // Norm weights are f64 here and f32 in the probe.
        assert!((got - want).abs() < 1e-5 * want.abs(), "{row:?} {probe:?}");
    }
    assert_eq!(row.total, probe.facts.intervals.map(|ends| ends.fvu_total));
    assert!(row.l0 > 0.0 && row.l0 <= 8.0, "{row:?}");
    assert!(
        depth.conclusion().contains("linear"),
        "{}",
        depth.conclusion()
    );
}

fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns)
        .map(|_| rng.random_range(-1.0..1.0_f32))
        .collect();
    Matrix::new(rows, columns, values).unwrap()
}

/// Weights `[p + 1, q]` of a ridge regression by its definition: rows of the penalty below the centred predictors, the bias from the means.
fn dense(z: &Matrix, y: &Matrix, lambda: f64) -> Mat<f64> {
    let (n, p, q) = (z.rows(), z.columns(), y.columns());
    let mean = |j: usize| z.iter_rows().map(|row| f64::from(row[j])).sum::<f64>() / n as f64;
    let means: Vec<f64> = (0..p).map(mean).collect();
    let variance = |j: usize| {
        let squares = z
            .iter_rows()
            .map(|row| (f64::from(row[j]) - means[j]).powi(2));
        squares.sum::<f64>() / n as f64
    };
    let system = Mat::<f64>::from_fn(n + p, p + 1, |i, j| match (i < n, j < p) {
        (true, true) => f64::from(z.row(i)[j]) - means[j],
        (true, false) => 1.0,
        (false, true) if i - n == j => (lambda * n as f64 * variance(j)).sqrt(),
        _ => 0.0,
    });
    let targets = Mat::<f64>::from_fn(
        n + p,
        q,
        |i, j| {
            if i < n { f64::from(y.row(i)[j]) } else { 0.0 }
        },
    );
    let mut weights = system.qr().solve_lstsq(&targets);
    for j in 0..q {
        let shift: f64 = (0..p).map(|i| means[i] * weights[(i, j)]).sum();
        weights[(p, j)] -= shift;
    }
    weights
}

fn equations(z: &Matrix, y: &Matrix) -> NormalEquations {
    let mut equations = NormalEquations::new(z.columns(), y.columns());
    let fill = |i: usize, into: &mut [f64]| {
        for (into, y) in into.iter_mut().zip(y.row(i)) {
            *into = f64::from(*y);
        }
    };
    equations.add(z, fill).unwrap();
    equations
}

#[test]
fn a_ridge_and_its_cross_validation_equal_dense_least_squares() {
    let (n, p, q) = (240, 9, 3);
    let mut z = random(n, p, 1);
    for i in 0..n {
        for (j, value) in z.row_mut(i).iter_mut().enumerate() {
            *value = *value * (1.0 + j as f32) + 5.0;
        }
    }
    let y = random(n, q, 2);
    let lambda = 0.1;
    let solution = equations(&z, &y).solve(lambda).unwrap();
    let want = dense(&z, &y, lambda);
    for j in 0..q {
        for i in 0..=p {
            let (got, want) = (solution.column(j)[i], want[(i, j)]);
            assert!(
                (got - want).abs() < 1e-9 * want.abs().max(1e-2),
                "{i} {j}: {got} {want}"
            );
        }
    }
    let left_by = |weights: &dyn Fn(usize, usize) -> f64, z: &Matrix, y: &Matrix| -> f64 {
        let each = (0..z.rows()).flat_map(|i| (0..q).map(move |j| (i, j)));
        let left = each.map(|(i, j)| {
            let guess: f64 = (0..p).map(|k| f64::from(z.row(i)[k]) * weights(k, j)).sum();
            (f64::from(y.row(i)[j]) - guess - weights(p, j)).powi(2)
        });
        left.sum()
    };
    // Squared errors of the fit come from the sums alone.
    let got: f64 = solution.left.iter().sum();
    let direct = left_by(&|i, j| want[(i, j)], &z, &y);
    assert!((got - direct).abs() < 1e-9 * direct, "{got} {direct}");
    // Cross-validation: each fold predicted from the others, by the definition.
    let fold_of = |i: usize| i * 5 / n;
    let part = |fold: usize, inside: bool| {
        let keep: Vec<bool> = (0..n).map(|i| (fold_of(i) == fold) == inside).collect();
        (z.rows_where(&keep), y.rows_where(&keep))
    };
    let folds: Vec<NormalEquations> = (0..5)
        .map(|fold| {
            let (z, y) = part(fold, true);
            equations(&z, &y)
        })
        .collect();
    let all = equations(&z, &y);
    let curve = ridge::curve(&all, &folds, q).unwrap();
    let spread: f64 = all.spreads().iter().sum();
    assert_eq!(curve.len(), RIDGES.len());
    for (lambda, r2) in &curve {
        let mut left = 0.0;
        for fold in 0..5 {
            let ((train_z, train_y), (z, y)) = (part(fold, false), part(fold, true));
            let weights = dense(&train_z, &train_y, *lambda);
            left += left_by(&|i, j| weights[(i, j)], &z, &y);
        }
        let want = 1.0 - left / spread;
        assert!((r2 - want).abs() < 1e-8, "{lambda}: {r2} {want}");
    }
    // Noise alone is predicted best by next to nothing.
    assert!(ridge::best(&curve) >= 1.0, "{curve:?}");
}

#[test]
fn folds_are_whole_documents_of_about_equal_length_or_runs_of_rows() {
    let documents: Vec<u32> = (0..40).map(|token| token / 4).collect();
    let names = (0..10).map(|name| name.to_string()).collect();
    let tokens: Vec<TokenId> = (0..40).map(TokenId).collect();
    let many = ridge::folds(&Rows::new(8, tokens.clone(), documents.clone(), names));
    for document in 0..10 {
        let of: Vec<u16> = (many.iter().zip(&documents))
            .filter(|(_, of)| **of == document)
            .map(|(fold, _)| *fold)
            .collect();
        assert!(of.iter().all(|fold| *fold == of[0]), "{many:?}");
    }
    assert!((0..5).all(|fold| many.iter().filter(|of| **of == fold).count() == 8));
    let one = ridge::folds(&Rows::new(8, tokens, vec![0; 40], vec!["one".to_owned()]));
    assert!(one.windows(2).all(|two| two[0] <= two[1]) && one[39] == 4);
}

#[test]
fn a_cross_validated_fit_is_measured_and_skipped_positions_do_not_count() {
    let case = case();
    let (model, sae) = opened();
    let fit_rows = rows(&case, "fit").skipping(4);
    let held_out = rows(&case, "held_out").skipping(4);
    let spec = FitSpec {
        ridge: Ridge::CrossValidated,
        skip: 4,
        draws: 0,
        ..FitSpec::default()
    };
    let of = || (sae.autoencoder().unwrap(), None);
    let probe = fit(
        &model,
        of(),
        &spec,
        &texts(&fit_rows, &held_out),
        &mut go_on,
    );
    let probe = probe.unwrap().done().unwrap();
    assert_eq!(probe.fit_tokens, 60 * 28);
    assert_eq!(
        (probe.facts.skip, probe.facts.curve.len()),
        (4, RIDGES.len())
    );
    let best = probe
        .facts
        .curve
        .iter()
        .map(|(_, r2)| *r2)
        .fold(f64::MIN, f64::max);
    let chosen = probe
        .facts
        .curve
        .iter()
        .find(|(_, r2)| *r2 == best)
        .unwrap()
        .0;
    assert_eq!(probe.facts.lambda, chosen);
    assert_eq!(probe.facts.intervals, None);
    // Fitting with this λ is the same fit.
    let fixed = FitSpec {
        ridge: Ridge::Fixed(chosen),
        ..spec
    };
    let again = fit(
        &model,
        of(),
        &fixed,
        &texts(&fit_rows, &held_out),
        &mut go_on,
    );
    let again = again.unwrap().done().unwrap();
    assert!((again.r2_weighted - probe.r2_weighted).abs() < 1e-9);
    // Texts that skip otherwise are refused.
    let refused = fit(
        &model,
        of(),
        &FitSpec::default(),
        &texts(&fit_rows, &rows(&case, "held_out")),
        &mut go_on,
    );
    assert!(refused.unwrap_err().to_string().contains("position 4"));
}

#[test]
fn probes_of_older_formats_open_with_default_facts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("tests/golden/dark-matter/older.probe.safetensors");
    let probe = Probe::open(&path).unwrap();
    assert_eq!(probe.facts, Facts::default());
    assert!(
        probe.conclusion().contains("unexplained"),
        "{}",
        probe.conclusion()
    );
}
