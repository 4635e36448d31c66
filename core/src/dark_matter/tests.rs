//! Compares the probes with dense f64 least squares on planted and shuffled errors; checks the identity of the split and the stored file.

use std::ops::ControlFlow;
use std::path::Path;

use faer::Mat;
use faer::linalg::solvers::SolveLstsq as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::measure::{Figures, Measured};
use super::normal::{NormalEquations, squared_norm};
use super::*;
use crate::corpus::Corpus;
use crate::fit::{Fit, Verdict};
use crate::ids::{HookPoint, Site};
use crate::sae::TopK;

/// Generates values in −1..1; shifted, each dimension has its own mean.
fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Matrix::new(rows, columns, values).unwrap()
}

/// Generates correlated activations of unequal size and mean.
fn activations(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut x = random(rows, columns, seed);
    for i in 0..rows {
        let row = x.row_mut(i);
        for j in 1..columns {
            row[j] = 0.6 * row[j - 1] + row[j] * (1.0 + j as f32) + 3.0;
        }
    }
    x
}

/// Computes `x · map + 0.5 + noise`.
fn planted(x: &Matrix, noise: f32, seed: u64) -> Matrix {
    let d = x.columns();
    let map = random(d, d, 99);
    let mut error = random(x.rows(), d, seed);
    for i in 0..x.rows() {
        for j in 0..d {
            let linear: f32 = (0..d).map(|k| x.row(i)[k] * map.row(k)[j]).sum();
            let value = &mut error.row_mut(i)[j];
            *value = linear + 0.5 + noise * *value;
        }
    }
    error
}

/// Fits the probes on one set of activations and errors and measures them on another.
fn measured(fit: (&Matrix, &Matrix), held_out: (&Matrix, &Matrix)) -> Figures {
    let mut equations = NormalEquations::new(fit.0.columns());
    equations.add(fit.0, fit.1).unwrap();
    let solution = equations.solve().unwrap();
    let linear = split::linear_part(&solution.weights, held_out.0).unwrap();
    let mut measured = Measured::new(fit.0.columns());
    measured.add(held_out.0, held_out.1, &linear, &solution.norm_weights);
    measured.figures().unwrap()
}

#[test]
fn the_probes_equal_dense_least_squares_in_f64() {
    // More tokens than one block, more columns than one strip.
    let (n, d) = (2_500, 70);
    let x = activations(n, d, 1);
    let error = random(n, d, 2);
    let mut equations = NormalEquations::new(d);
    equations.add(&x, &error).unwrap();
    let solution = equations.solve().unwrap();
    let joined = Mat::<f64>::from_fn(n, d + 1, |i, j| {
        x.row(i).get(j).map_or(1.0, |v| f64::from(*v))
    });
    let targets = Mat::<f64>::from_fn(n, d + 1, |i, j| {
        error
            .row(i)
            .get(j)
            .map_or_else(|| squared_norm(error.row(i)), |v| f64::from(*v))
    });
    let dense = joined.qr().solve_lstsq(&targets);
    assert_eq!(solution.ridge, 0.0);
    for i in 0..=d {
        for j in 0..d {
            let (got, want) = (f64::from(solution.weights.row(i)[j]), dense[(i, j)]);
            assert!(
                (got - want).abs() < 1e-6 * want.abs().max(1e-2),
                "weight [{i}, {j}]: {got} {want}"
            );
        }
        let (got, want) = (f64::from(solution.norm_weights[i]), dense[(i, d)]);
        assert!(
            (got - want).abs() < 1e-6 * want.abs().max(1e-2),
            "norm weight [{i}]: {got} {want}"
        );
    }
}

#[test]
fn a_planted_linear_error_is_found() {
    let (x, fresh) = (activations(2_000, 16, 3), activations(1_000, 16, 4));
    let figures = measured(
        (&x, &planted(&x, 0.3, 5)),
        (&fresh, &planted(&fresh, 0.3, 6)),
    );
    assert!(
        figures.r2_mean > 0.99 && figures.r2_weighted > 0.99,
        "{figures:?}"
    );
    assert!(
        figures.fvu_nonlinear < 0.01 * figures.fvu_total,
        "{figures:?}"
    );
}

#[test]
fn shuffled_targets_leave_nothing_to_predict() {
    let (x, fresh) = (activations(8_000, 16, 7), activations(4_000, 16, 8));
    // Errors of other tokens have the same distribution and no relation.
    let other = |x: &Matrix, seed| planted(&activations(x.rows(), 16, seed), 0.3, seed + 1);
    let figures = measured((&x, &other(&x, 9)), (&fresh, &other(&fresh, 11)));
    for r2 in [figures.r2_mean, figures.r2_weighted, figures.r2_norm] {
        assert!(r2.abs() < 0.02, "{figures:?}");
    }
}

#[test]
fn the_squared_norm_of_a_sum_of_constant_parts_is_predicted() {
    // Orthogonal parts with fixed coefficients: ‖e‖² is linear in x.
    let mut x = random(3_000, 8, 13);
    for value in x.values_mut() {
        *value = if *value > 0.4 { 2.0 } else { 0.0 };
    }
    let figures = measured((&x, &x), (&x, &x));
    assert!(figures.r2_norm > 0.999, "{figures:?}");
}

#[test]
fn activations_that_do_not_span_their_space_get_a_ridge() {
    let mut x = activations(2_000, 12, 15);
    for i in 0..x.rows() {
        let row = x.row_mut(i);
        row[5] = 2.0 * row[4];
        row[7] = 1.0;
        row[9] = 0.0;
    }
    let error = planted(&x, 0.1, 16);
    let mut equations = NormalEquations::new(12);
    equations.add(&x, &error).unwrap();
    assert!(equations.solve().unwrap().ridge > 0.0);
    let figures = measured((&x, &error), (&x, &error));
    assert!(figures.r2_mean > 0.99, "{figures:?}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (x, error) = (activations(3_000, 70, 17), random(3_000, 70, 18));
    let solved = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut equations = NormalEquations::new(70);
            equations.add(&x, &error).unwrap();
            let solution = equations.solve().unwrap();
            (solution.weights, solution.norm_weights)
        })
    };
    assert_eq!(solved(1), solved(3));
}

#[test]
fn nan_activations_are_refused_in_a_sentence() {
    let mut x = activations(100, 3, 19);
    x.values_mut()[10] = f32::NAN;
    let mut equations = NormalEquations::new(3);
    equations.add(&x, &random(100, 3, 20)).unwrap();
    let refused = equations.solve().unwrap_err().to_string();
    assert!(refused.contains("NaN"), "{refused}");
}

/// Makes a random dictionary of 4·d features.
fn random_sae(d: usize, seed: u64, hook: HookPoint) -> Sae {
    Sae::new(
        "random",
        (
            random(4 * d, d, seed),
            random(1, 4 * d, seed + 1).into_values(),
        ),
        (
            random(4 * d, d, seed + 2),
            random(1, d, seed + 3).into_values(),
        ),
        TopK { k: 4 },
    )
    .reading(hook)
}

fn a_probe(sae: &Sae) -> Probe {
    let d = sae.width();
    Probe {
        weights: random(d + 1, d, 30),
        norm_weights: random(1, d + 1, 31).into_values(),
        r2_mean: 0.1 + 0.2,
        r2_weighted: 1.0 / 3.0,
        r2_norm: -0.01,
        fvu_total: 0.2,
        fvu_nonlinear: 1e-7,
        fit_tokens: 123_456,
        held_out_tokens: 7,
        positions: Positions::Text,
        separate_documents: false,
        left_out: Some((3, 4)),
        ridge: 1e-9,
        sae: sae.name.clone(),
        sae_fingerprint: sae.fingerprint(),
        model: "demo".to_owned(),
        model_fingerprint: "ab".repeat(32),
    }
}

#[test]
fn reconstruction_linear_and_nonlinear_part_sum_to_the_activation() {
    let sae = random_sae(16, 21, HookPoint::Embed);
    let x = activations(300, 16, 25);
    let split = a_probe(&sae).split(sae.autoencoder().unwrap(), &x).unwrap();
    for i in 0..x.rows() {
        for j in 0..16 {
            let parts =
                [&split.reconstruction, &split.linear, &split.nonlinear].map(|part| part.row(i)[j]);
            let sum: f64 = parts.iter().map(|v| f64::from(*v)).sum();
            // Two subtractions in f32, each rounded once.
            let rounding = 2.0
                * f64::from(f32::EPSILON)
                * (f64::from(x.row(i)[j]).abs()
                    + parts.iter().map(|v| f64::from(*v).abs()).sum::<f64>());
            assert!(
                (sum - f64::from(x.row(i)[j])).abs() <= rounding,
                "token {i}, dimension {j}"
            );
        }
        let norms = split.norms[i];
        assert!(
            norms.nonlinear > 0.0
                && norms.total > 0.0
                && norms.linear > 0.0
                && norms.activation > 0.0
        );
    }
}

#[test]
fn a_kept_probe_reads_back_equal_and_twice_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        folder.path().join("a.safetensors"),
        folder.path().join("b.safetensors"),
    );
    let sae = random_sae(8, 40, HookPoint::Embed);
    let probe = a_probe(&sae);
    probe.save(&first).unwrap();
    let read = Probe::open(&first).unwrap();
    assert_eq!(read, probe);
    read.save(&second).unwrap();
    assert_eq!(
        std::fs::read(&first).unwrap(),
        std::fs::read(&second).unwrap()
    );
    let fit = |of: &Sae| Fit::of_probe(&read, None, Some(of)).verdict;
    assert_eq!(fit(&sae), Verdict::Proven);
    assert_eq!(fit(&random_sae(8, 41, HookPoint::Embed)), Verdict::Foreign);
    assert_eq!(fit(&random_sae(9, 41, HookPoint::Embed)), Verdict::Unfit);
    let whole = std::fs::read(&first).unwrap();
    for (bytes, what) in [
        (&whole[..whole.len() - 9], "whole"),
        (&whole[..5], "whole"),
        (b"text".as_slice(), "whole"),
    ] {
        std::fs::write(&second, bytes).unwrap();
        let refused = Probe::open(&second).unwrap_err().to_string();
        assert!(
            refused.contains(what) && refused.contains("b.safetensors"),
            "{refused}"
        );
    }
}

/// Opens the demo model, a random dictionary on the residual stream after block 0, and a short text.
fn demo() -> (Model, Sae, Rows) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (model, _) = Model::open(&root.join("assets/demo/model")).unwrap();
    let hook = HookPoint::block(0, Site::ResidPost);
    let sae = random_sae(model.width(hook).unwrap(), 50, hook);
    let text = std::fs::read_to_string(root.join("assets/demo/text/held-out/alice.txt")).unwrap();
    let (rows, _) = Corpus::from_text("alice", &text)
        .rows(model.codec(), 128)
        .unwrap();
    (model, sae, rows)
}

#[test]
fn a_model_is_fitted_and_measured_and_too_little_text_is_refused_with_both_numbers() {
    let (model, sae, rows) = demo();
    let short = rows.clone().take(40);
    let refused = fit(
        &model,
        sae.autoencoder().unwrap(),
        &short,
        &short,
        &mut |_| ControlFlow::Continue(()),
    )
    .unwrap_err()
    .to_string();
    assert!(
        refused.contains("5080") && refused.contains("5120"),
        "{refused}"
    );
    let enough = rows.take(44);
    let mut passes = Vec::new();
    let probe = fit(
        &model,
        sae.autoencoder().unwrap(),
        &enough,
        &enough,
        &mut |pass| {
            passes.push(pass.done);
            ControlFlow::Continue(())
        },
    )
    .unwrap()
    .done()
    .unwrap();
    assert_eq!(
        (probe.fit_tokens, probe.held_out_tokens),
        (44 * 127, 44 * 127)
    );
    assert_eq!(passes, [32, 44, 76, 88]);
    // Measured on the text it was fitted on, least squares cannot lose.
    assert!(
        probe.r2_weighted > 0.0 && probe.fvu_nonlinear < probe.fvu_total,
        "{probe:?}"
    );
    assert_eq!(
        Fit::of_probe(&probe, Some(&model), Some(&sae)).verdict,
        Verdict::Proven
    );
    let stopped = fit(
        &model,
        sae.autoencoder().unwrap(),
        &enough,
        &enough,
        &mut |_| ControlFlow::Break(()),
    )
    .unwrap();
    assert!(stopped.is_stopped());
}
