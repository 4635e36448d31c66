//! Compares the probes with dense f64 least squares on planted and shuffled errors; checks the identity of the split and the stored file.

use std::ops::ControlFlow;
use std::path::Path;

use faer::Mat;
use faer::linalg::solvers::SolveLstsq as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::measure::{Figures, Measured, predicted};
use super::normal::{NormalEquations, squared_norm};
use super::*;
use crate::corpus::Corpus;
use crate::fit::{Fit, Verdict};
use crate::ids::{HookPoint, Site};
use crate::sae::TopK;

#[test]
fn small_shares_are_written_with_a_digit_more() {
    let shares = [0.0, 2e-4, 0.0048, 0.0994, 0.0996, 0.123, -0.02];
    let written = [
        "0 %",
        "less than 0.1 %",
        "0.5 %",
        "9.9 %",
        "10 %",
        "12 %",
        "-2.0 %",
    ];
    assert_eq!(shares.map(percent), written);
}

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
    let d = fit.1.columns();
    let solution = equations(fit).solve(0.0).unwrap();
    let linear = split::linear_part(&solution.weights(0, d).unwrap(), held_out.0).unwrap();
    let mut measured = Measured::new(d, 1);
    measured.add(
        [held_out.0, held_out.1, &linear],
        &predicted(held_out.0, solution.column(d)),
        &vec![0; held_out.0.rows()],
    );
    measured.figures().unwrap()
}

/// Sums the normal equations of predictors and errors.
fn equations((z, error): (&Matrix, &Matrix)) -> NormalEquations {
    let mut equations = NormalEquations::new(z.columns(), error.columns() + 1);
    equations.add_errors(z, error).unwrap();
    equations
}

#[test]
fn the_probes_equal_dense_least_squares_in_f64() {
    // More tokens than one block, more columns than one strip.
    let (n, d) = (2_500, 70);
    let x = activations(n, d, 1);
    let error = random(n, d, 2);
    let solution = equations((&x, &error)).solve(0.0).unwrap();
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
    let weights = solution.weights(0, d + 1).unwrap();
    for i in 0..=d {
        for j in 0..=d {
            let want = dense[(i, j)];
            // In f64 as solved, and in f32 as stored.
            for got in [solution.column(j)[i], f64::from(weights.row(i)[j])] {
                assert!(
                    (got - want).abs() < 1e-6 * want.abs().max(1e-2),
                    "weight [{i}, {j}]: {got} {want}"
                );
            }
        }
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
    assert!(equations((&x, &error)).solve(0.0).unwrap().ridge > 0.0);
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
            let solution = equations((&x, &error)).solve(0.0).unwrap();
            (solution.weights(0, 71).unwrap(), solution.left)
        })
    };
    assert_eq!(solved(1), solved(3));
}

#[test]
fn nan_activations_are_refused_in_a_sentence() {
    let mut x = activations(100, 3, 19);
    x.values_mut()[10] = f32::NAN;
    let refused = equations((&x, &random(100, 3, 20))).solve(0.0);
    let refused = refused.unwrap_err().to_string();
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
        facts: Facts::default(),
    }
}

/// Unit in the last place of the largest of some f32 values, in f64.
fn unit(values: &[f32]) -> f64 {
    let largest = values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    f64::from(largest.next_up()) - f64::from(largest)
}

/// Checks the identity on one element in f32, added from left to right, and in f64.
#[track_caller]
fn check_identity(values: [f32; 3]) {
    let [x, reconstruction, linear] = values;
    let nonlinear = split::nonlinear(values);
    let sum = (reconstruction + linear) + nonlinear;
    let away = (f64::from(sum) - f64::from(x)).abs();
    assert!(away <= 2.0 * unit(&values), "{values:?}: {nonlinear}");
    let exact = split::nonlinear_exact(values);
    let sum = (f64::from(reconstruction) + f64::from(linear)) + exact;
    assert_eq!(sum, f64::from(x), "{values:?}: {exact}");
    // The f32 part is the exact one, rounded, unless it is far larger than all three.
    if exact.abs() < f64::from(values.iter().fold(0.0_f32, |most, v| most.max(v.abs()))) {
        assert_eq!(nonlinear, exact as f32, "{values:?}");
    }
}

#[test]
fn the_parts_of_adversarial_values_sum_to_the_activation_in_f32_and_exactly_in_f64() {
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    let edges = [
        [0.0; 3],
        [1.0, -1.0, -1.0],
        [1.999_999_9, -1.999_999_8, -1.999_999_9],
        [1.0, 1.0, f32::EPSILON],
        [1.0, 1.0 - f32::EPSILON / 2.0, 0.0],
        [3.0e37, -3.0e37, -2.9e37],
        [f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::MIN_POSITIVE],
        [0.0, 7.25, -7.25],
        [1e-3, 1e4, -1e4],
    ];
    edges.into_iter().for_each(check_identity);
    for round in 0..200_000 {
        // Signs and significands at random, exponents within 2^27 of each other or all equal.
        let range = if round % 2 == 0 { 27 } else { 1 };
        let mut value = || {
            let significand = 1.0 + rng.random_range(0..1 << 23) as f32 / (1 << 23) as f32;
            let size = significand * 2f32.powi(rng.random_range(0..range) - 10);
            if rng.random() { size } else { -size }
        };
        check_identity([value(), value(), value()]);
    }
    // The check can fail: one rounding more than the definition has.
    let values = [1.999_999_9_f32, -1.999_999_8, -1.5];
    let careless = (values[0] - values[1]) - values[2];
    let worse = careless.next_up().next_up();
    let sum = (values[1] + values[2]) + worse;
    assert!((f64::from(sum) - f64::from(values[0])).abs() > 2.0 * unit(&values));
}

#[test]
fn reconstruction_linear_and_nonlinear_part_sum_to_the_activation() {
    let sae = random_sae(16, 21, HookPoint::Embed);
    let x = activations(300, 16, 25);
    let split = a_probe(&sae).split(sae.autoencoder().unwrap(), &x).unwrap();
    for i in 0..x.rows() {
        for j in 0..16 {
            let [reconstruction, linear, nonlinear] =
                [&split.reconstruction, &split.linear, &split.nonlinear].map(|part| part.row(i)[j]);
            let x = x.row(i)[j];
            let away = f64::from((reconstruction + linear) + nonlinear) - f64::from(x);
            let unit = unit(&[x, reconstruction, linear]);
            assert!(away.abs() <= 2.0 * unit, "token {i}, dimension {j}");
        }
        let norms = split.norms[i];
        let left = squared_norm(split.nonlinear.row(i)).sqrt();
        assert!((f64::from(norms.nonlinear) - left).abs() < 1e-5 * left);
        assert!(norms.total > 0.0 && norms.linear > 0.0 && norms.activation > 0.0);
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

/// Joins the rows of both texts.
fn on<'a>(fit: &'a Rows, held_out: &'a Rows) -> FitTexts<'a> {
    FitTexts {
        fit,
        held_out,
        fingerprints: ["one", "two"],
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
    let own = || (sae.autoencoder().unwrap(), None);
    let spec = FitSpec::default();
    let go_on = &mut |_: Progress| ControlFlow::Continue(());
    let refused = fit(&model, own(), &spec, &on(&short, &short), go_on);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("5080") && refused.contains("5120"),
        "{refused}"
    );
    let enough = rows.take(44);
    let mut passes = Vec::new();
    let probe = fit(&model, own(), &spec, &on(&enough, &enough), &mut |pass| {
        passes.push(pass.done);
        ControlFlow::Continue(())
    })
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
    let stop = &mut |_: Progress| ControlFlow::Break(());
    let stopped = fit(&model, own(), &spec, &on(&enough, &enough), stop).unwrap();
    assert!(stopped.is_stopped());
}
