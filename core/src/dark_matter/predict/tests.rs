//! Compares the matrix with dense least squares in f64, plants a predictable error, and checks orderings and words.

use std::ops::ControlFlow;

use faer::Mat;
use faer::linalg::solvers::SolveLstsq as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::sums::{Spread, accuracy};
use super::*;
use crate::corpus::Resampled;
use crate::dark_matter::splice::tests::{case, of_z, opened, texts};
use crate::dark_matter::split;
use crate::dims::Matrix;
use crate::sae::Autoencoder;

fn none() -> Resampled {
    Resampled::new(2, 20, 0)
}

#[test]
fn the_matrix_is_that_of_dense_least_squares() {
    let case = case("gpt2.json");
    let (model, target) = opened("tiny-gpt2");
    let source = of_z(&model);
    let (fit, held_out) = texts(&case);
    let both = [&target, &source].map(|sae| sae.autoencoder().unwrap());
    let got = predict(
        &model,
        both[0],
        &[both[1], both[0]],
        (&fit, &held_out),
        0,
        &mut |_| ControlFlow::Continue(()),
    );
    let got = got.unwrap().done().unwrap();
    assert_eq!(got.rows.len(), 3);
    assert_eq!(got.rows[0].source, None);
    assert_eq!(got.rows[1].source.as_deref(), Some(target.name.as_str()));
    assert_eq!(
        [1, 2].map(|row: usize| got.rows[row].relation),
        [Relation::Same, Relation::Earlier]
    );
    // Activations, errors and reconstructions of both texts, in f64.
    let read = |sae: Autoencoder<'_>, rows: &crate::corpus::Rows| {
        let chunk: Vec<usize> = (0..rows.len()).collect();
        let hook = sae.hook().unwrap();
        let x = crate::capture::activations(&model, rows, &chunk, hook).unwrap();
        let x = rows.kept(&chunk, &x);
        let (reconstruction, error) = split::error(sae, &x).unwrap();
        [dense(&x), dense(&reconstruction), dense(&error)]
    };
    let [x, own, error] = read(both[0], &fit);
    let [fresh, fresh_own, fresh_error] = read(both[0], &held_out);
    let [_, other, _] = read(both[1], &fit);
    let [_, fresh_other, _] = read(both[1], &held_out);
    let probe = ones(&x).qr().solve_lstsq(&error);
    let linear = ones(&x) * &probe;
    let fresh_linear = ones(&fresh) * &probe;
    let (rest, fresh_rest) = (&error - &linear, &fresh_error - &fresh_linear);
    for (row, from, to) in [
        (0, &x, &fresh),
        (1, &own, &fresh_own),
        (2, &other, &fresh_other),
    ] {
        let row = &got.rows[row];
        let r2 = |part: &Mat<f64>, fresh: &Mat<f64>| {
            let map = ones(from).qr().solve_lstsq(part);
            let left = fresh - ones(to) * map;
            let n = fresh.nrows();
            let mean = |j: usize| (0..n).map(|i| fresh[(i, j)]).sum::<f64>() / n as f64;
            let spread: f64 = (0..fresh.ncols())
                .map(|j| {
                    (0..n)
                        .map(|i| (fresh[(i, j)] - mean(j)).powi(2))
                        .sum::<f64>()
                })
                .sum();
            1.0 - left.squared_norm_l2() / spread
        };
        let pairs = [
            (row.error.r2, r2(&error, &fresh_error)),
            (row.linear.r2, r2(&linear, &fresh_linear)),
            (row.nonlinear.r2, r2(&rest, &fresh_rest)),
        ];
        for (got, want) in pairs {
            // Activations are f32, and so are the maps that are applied.
            let got = got.unwrap();
            assert!((got - want).abs() < 2e-5, "{}: {got} {want}", row.name());
        }
    }
    assert_eq!(got.rows[0].reduction, 0.0);
    assert!((got.rows[0].fvu_left - got.fvu_nonlinear).abs() < 1e-12);
    let row = &got.rows[2];
    assert!((row.reduction - (1.0 - row.fvu_left / got.fvu_nonlinear)).abs() < 1e-12);
    let [low, high] = row.error.interval.unwrap();
    assert!(low <= row.error.r2.unwrap() && row.error.r2.unwrap() <= high && low < high);
}

fn dense(of: &Matrix) -> Mat<f64> {
    Mat::from_fn(of.rows(), of.columns(), |i, j| f64::from(of.row(i)[j]))
}

/// Appends a column of ones.
fn ones(of: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(of.nrows(), of.ncols() + 1, |i, j| {
        if j < of.ncols() { of[(i, j)] } else { 1.0 }
    })
}

#[test]
fn accuracy_is_one_for_a_copy_none_for_a_constant_and_nothing_for_chance() {
    let values = |seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let drawn = (0..600).map(|_| rng.random_range(-0.5..0.5));
        Matrix::new(200, 3, drawn.collect()).unwrap()
    };
    let spread = |of: &Matrix| {
        let mut spread = Spread::new(3, 2);
        let blocks: Vec<usize> = (0..of.rows()).map(|i| i % 2).collect();
        spread.add(of, &blocks);
        spread
    };
    let (target, other) = (values(1), values(2));
    let zero = Matrix::zeros(200, 3);
    let exact = accuracy(&spread(&target), &spread(&zero), &none());
    assert_eq!((exact.r2, exact.r2_mean), (Some(1.0), Some(1.0)));
    let mut left = target.clone();
    for (left, other) in left.values_mut().iter_mut().zip(other.values()) {
        *left -= other;
    }
    // Values of other tokens, of the same spread, leave twice the spread.
    let chance = accuracy(&spread(&target), &spread(&left), &none());
    assert!((chance.r2.unwrap() + 1.0).abs() < 0.3, "{chance:?}");
    let constant = Matrix::new(200, 3, vec![2.0; 600]).unwrap();
    assert_eq!(
        accuracy(&spread(&constant), &spread(&zero), &none()).r2,
        None
    );
}

#[test]
fn hooks_are_placed_in_the_order_of_the_pass() {
    let hook = |name: &str| name.parse::<HookPoint>().unwrap();
    let target = hook("blocks.2.hook_resid_post");
    for (source, want) in [
        ("hook_embed", Relation::Earlier),
        ("blocks.1.hook_resid_post", Relation::Earlier),
        ("blocks.2.attn.hook_z", Relation::Earlier),
        ("blocks.2.hook_mlp_out", Relation::Earlier),
        ("blocks.2.hook_resid_post", Relation::Same),
        ("blocks.3.hook_resid_pre", Relation::Later),
        ("ln_final.hook_normalized", Relation::Later),
    ] {
        assert_eq!(Relation::new(hook(source), target), want, "{source}");
    }
}

#[test]
fn the_conclusion_names_the_best_source_and_doubts_it_where_figures_do() {
    let accuracy = Accuracy {
        r2: Some(0.1),
        r2_mean: Some(0.1),
        interval: None,
    };
    let row = |source: Option<&str>, reduction: f64, width: f64| Row {
        source: source.map(str::to_owned),
        hook: "blocks.1.hook_resid_post".to_owned(),
        relation: Relation::Earlier,
        width: 4,
        error: accuracy,
        linear: accuracy,
        nonlinear: accuracy,
        fvu_left: 0.08 * (1.0 - reduction),
        reduction,
        reduction_interval: Some([reduction - width, reduction + width]),
    };
    let mut all = Predictions {
        sae: "mine".to_owned(),
        hook: "blocks.2.hook_resid_post".to_owned(),
        features: 8,
        fvu_total: 0.1,
        fvu_nonlinear: 0.08,
        rows: vec![
            row(None, 0.0, 0.0),
            row(Some("mine"), 0.05, 0.01),
            row(Some("earlier"), 0.2, 0.02),
        ],
        fit_tokens: 10,
        held_out_tokens: 10,
        positions: Positions::Text,
        blocks: String::new(),
        notes: Vec::new(),
    };
    let says = |all: &Predictions, words: &str| {
        let said = all.conclusion();
        assert!(said.contains(words), "{said}");
    };
    says(&all, "earlier (earlier) predicts 20.0 %");
    says(&all, ": more than the reconstruction of");
    all.rows[2] = row(Some("earlier"), 0.055, 0.02);
    says(&all, "not clearly more than");
    all.rows[2] = row(Some("earlier"), 0.01, 0.02);
    says(&all, "No source predicts");
    all.rows.pop();
    says(&all, "No other dictionary");
}
