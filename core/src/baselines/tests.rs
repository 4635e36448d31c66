//! Compares the baselines with scikit-learn (`tests/golden/baselines.py`) and with their definitions in plain loops.

use std::path::Path;

use faer::Mat;
use serde_json::Value;

use super::*;
use crate::corpus::Rows;
use crate::ids::{HookPoint, Site, TokenId};
use crate::latents::Latents;
use crate::models::Model;
use crate::sae::AbsTopK;

pub(super) fn golden() -> Value {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/baselines.json"
    ));
    serde_json::from_str(text).unwrap()
}

pub(super) fn numbers(of: &Value) -> Vec<f64> {
    let values = of.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

pub(super) fn table(of: &Value, columns: usize) -> Matrix {
    let values: Vec<f32> = numbers(of).into_iter().map(|value| value as f32).collect();
    Matrix::new(values.len() / columns, columns, values).unwrap()
}

fn x() -> Matrix {
    table(&golden()["x"], 6)
}

#[track_caller]
pub(super) fn near(got: impl IntoIterator<Item = f64>, want: &[f64], tolerance: f64) {
    let got: Vec<f64> = got.into_iter().collect();
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance, "{got} {want}");
    }
}

fn wide(of: &Matrix) -> Vec<f64> {
    of.values().iter().map(|value| f64::from(*value)).collect()
}

fn go_on(_: Progress) -> Flow {
    Flow::Continue(())
}

fn fitted(spec: &Spec, x: &Matrix) -> Fitted {
    fit(spec, x, &mut go_on).unwrap().done().unwrap()
}

/// Σ‖x − x̂‖² / Σ‖x − mean x‖² by plain sums.
fn left_by(sae: &Sae, x: &Matrix) -> f64 {
    let back = sae.decode(&sae.encode(x).unwrap(), x).unwrap();
    let rest: f64 = wide(x)
        .iter()
        .zip(wide(&back))
        .map(|(x, back)| (x - back).powi(2))
        .sum();
    let (_, centred) = sums::centred(x);
    rest / sums::total(&centred)
}

#[test]
fn principal_components_are_those_of_scikit_learn() {
    let (golden, x) = (golden(), x());
    let fitted = fitted(&Spec::new(Kind::Pca, 3), &x);
    let want = table(&golden["pca"]["components"], 6);
    for (got, want) in fitted.sae.w_dec.iter_rows().zip(want.iter_rows()) {
        let cosine: f64 = got.iter().zip(want).map(|(a, b)| f64::from(a * b)).sum();
        assert!((cosine.abs() - 1.0).abs() < 1e-6, "{cosine}");
    }
    let left = golden["pca"]["left"].as_f64().unwrap();
    near(fitted.left, &[left], 1e-9);
    // All three components are kept, so that the dictionary leaves the same.
    assert_eq!(fitted.sae.selection, Selection::AbsTopK(AbsTopK { k: 3 }));
    near([left_by(&fitted.sae, &x)], &[left], 1e-5);
}

#[test]
fn independent_components_are_those_of_scikit_learn_from_one_start() {
    let golden = golden();
    let of = |key: &str| numbers(&golden["ica"][key]);
    let (_, centred) = sums::centred(&x());
    let white = ica::White::new(&centred, 4).unwrap();
    let start = of("start");
    let start = Mat::from_fn(4, 4, |i, j| start[4 * i + j]);
    let unmixed = ica::unmixed(&white, &start, 500, &mut go_on).unwrap();
    let (unmixing, rounds, converged) = unmixed.done().unwrap();
    assert_eq!(rounds as u64, golden["ica"]["rounds"].as_u64().unwrap());
    assert!(converged);
    let (sources, mixing) = ica::maps(&white, &unmixing);
    let values = |of: &Mat<f64>| -> Vec<f64> {
        (0..of.nrows())
            .flat_map(|i| (0..of.ncols()).map(move |j| of[(i, j)]))
            .collect()
    };
    near(values(&sources), &of("components"), 1e-5);
    near(values(&mixing), &of("mixing"), 1e-4);
}

#[test]
fn sources_are_unmixed_and_mixed_back() {
    let x = x();
    let mut spec = Spec::new(Kind::Ica, 6);
    spec.k = Some(6);
    let fitted = fitted(&spec, &x);
    // With all components and all of them kept, nothing is lost.
    assert!(left_by(&fitted.sae, &x) < 1e-9);
    near(fitted.left, &[0.0], 1e-9);
    // Long tails point upwards.
    let latents = fitted.sae.encode(&x).unwrap();
    for feature in 0..6_usize {
        let cubes = (0..x.rows()).map(|i| f64::from(latents.get(i, feature.into())).powi(3));
        assert!(cubes.sum::<f64>() > 0.0);
    }
}

#[test]
fn factors_are_those_of_scikit_learn_from_one_start() {
    let golden = golden();
    let of = &golden["nmf"];
    let (_, centred) = sums::centred(&x());
    let both = nmf::halves(&centred).unwrap();
    let mut factors = nmf::Factors {
        codes: table(&of["codes"], 4),
        parts: table(&of["parts"], 12),
    };
    for _ in 0..of["rounds"].as_u64().unwrap() {
        factors.round(&both);
    }
    near(wide(&factors.codes), &numbers(&of["w"]), 2e-3);
    near(wide(&factors.parts), &numbers(&of["h"]), 2e-3);
}

#[test]
fn a_drawn_factorisation_leaves_as_little_as_the_best_of_scikit_learn() {
    let golden = golden();
    let best = golden["nmf"]["best_left"].as_f64().unwrap();
    let (_, centred) = sums::centred(&x());
    let both = nmf::halves(&centred).unwrap();
    let left = |seed: u64| {
        let mut factors = nmf::Factors::drawn(&both, 4, seed).unwrap();
        let ended = factors.updated(&both, 2_000, &mut go_on);
        assert!(ended.done().unwrap().1, "it does not come to rest");
        let mut left = 0.0;
        for (x, code) in both.iter_rows().zip(factors.codes.iter_rows()) {
            for (i, x) in x.iter().enumerate() {
                let each = code.iter().enumerate();
                let back: f32 = each.map(|(j, code)| code * factors.parts.row(j)[i]).sum();
                left += f64::from(x - back).powi(2);
            }
        }
        left / sums::total(&both)
    };
    let least = (0..5).map(left).fold(f64::INFINITY, f64::min);
    assert!(least < 1.05 * best, "{least} {best}");
}

#[test]
fn centroids_are_those_of_scikit_learn_from_one_start() {
    let golden = golden();
    let of = &golden["k_means"];
    let (_, centred) = sums::centred(&x());
    let begin = centred.rows_of(&[0, 1, 2, 3, 4]);
    let found = k_means::lloyd(&centred, begin, 100, &mut go_on);
    let found = found.done().unwrap();
    let labels = k_means::assigned(&centred, &found.rows);
    let labels: Vec<f64> = labels.into_iter().map(f64::from).collect();
    assert_eq!(labels, numbers(&of["labels"]));
    near(wide(&found.rows), &numbers(&of["centroids"]), 1e-4);
    let inertia = of["inertia"].as_f64().unwrap();
    near([found.left / inertia], &[1.0], 1e-6);
    assert!(found.converged);
}

#[test]
fn k_means_takes_the_nearest_centroid_and_reconstructs_it() {
    let x = x();
    let fitted = fitted(&Spec::new(Kind::KMeans, 12), &x);
    let sae = &fitted.sae;
    // A centroid is the mean activation of its tokens times its decoder row.
    let latents = sae.encode(&x).unwrap();
    let (_, centred) = sums::centred(&x);
    let mut tokens = vec![Vec::new(); 12];
    for i in 0..x.rows() {
        let row: Vec<_> = latents.row(i).collect();
        assert_eq!(row.len(), 1);
        assert!((row[0].1 - 1.0).abs() < 0.1, "{}", row[0].1);
        tokens[row[0].0.index()].push(i);
    }
    let centroids: Vec<Vec<f64>> = tokens
        .iter()
        .map(|own| {
            let mean = |d: usize| {
                let values = own.iter().map(|i| f64::from(centred.row(*i)[d]));
                values.sum::<f64>() / own.len() as f64
            };
            (0..6).map(mean).collect()
        })
        .collect();
    let distance = |i: usize, centroid: &[f64]| -> f64 {
        let pairs = centred.row(i).iter().zip(centroid);
        pairs.map(|(x, c)| (f64::from(*x) - c).powi(2)).sum()
    };
    let back = sae.decode(&latents, &x).unwrap();
    for (own, centroid) in tokens.iter().zip(&centroids) {
        for i in own {
            let nearest = centroids
                .iter()
                .map(|other| distance(*i, other))
                .fold(f64::INFINITY, f64::min);
            assert!(distance(*i, centroid) <= nearest * (1.0 + 1e-4) + 1e-6);
            let length = centroid.iter().map(|c| c * c).sum::<f64>().sqrt();
            for (d, c) in centroid.iter().enumerate() {
                let got = f64::from(back.row(*i)[d] - sae.b_dec[d]);
                assert!((got - c).abs() < 0.05 * length + 1e-6, "{got} {c}");
            }
        }
    }
    near([left_by(sae, &x)], &[fitted.left.unwrap()], 0.01);
}

/// Fits sparse coding by several seeds and returns the one that leaves least.
fn best_sparse((features, k): (usize, usize), x: &Matrix) -> (f64, Matrix) {
    let fits = (0..5).map(|seed| {
        let mut spec = Spec::new(Kind::SparseCoding, features);
        (spec.k, spec.seed, spec.rounds) = (Some(k), seed, Some(100));
        let made = sparse_coding::fit(&spec, x, &mut go_on).unwrap();
        let made = made.done().unwrap();
        (made.left.unwrap(), made.w_dec)
    });
    fits.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

#[test]
fn sparse_coding_leaves_less_than_scikit_learn_and_than_the_atoms_of_the_data() {
    let golden = golden();
    let of = &golden["sparse"];
    let (left, _) = best_sparse((8, 3), &table(&of["x"], 6));
    for by in ["scikit_learn", "planted"] {
        let other = of["left"][by].as_f64().unwrap();
        assert!(left < other, "{left} {by} {other}");
    }
}

#[test]
fn sparse_coding_finds_planted_atoms() {
    let mut atoms = draws::normal(16, 24, 5).unwrap();
    dense::to_unit_rows(&mut atoms);
    let mut x = draws::normal(800, 24, 6).unwrap();
    x.values_mut().iter_mut().for_each(|noise| *noise *= 0.01);
    for i in 0..800 {
        let second = (i % 16 + 1 + i / 16 % 15) % 16;
        for (atom, act) in [(i % 16, 1.0 + (i % 7) as f32 / 3.0), (second, 1.5)] {
            let row = x.row_mut(i).iter_mut().zip(atoms.row(atom));
            row.for_each(|(x, w)| *x += act * w);
        }
    }
    let (left, rows) = best_sparse((16, 3), &x);
    let found = |atom: &[f32]| {
        let cosine = |row: &[f32]| row.iter().zip(atom).map(|(a, b)| a * b).sum::<f32>();
        rows.iter_rows().any(|row| cosine(row) > 0.98)
    };
    let found = atoms.iter_rows().filter(|atom| found(atom)).count();
    assert!(found >= 15 && left < 0.02, "{found} of 16 atoms, {left}");
}

#[test]
fn codes_of_the_fit_are_those_of_the_dictionary() {
    let x = x();
    for kind in [Kind::SparseCoding, Kind::Nmf] {
        let mut spec = Spec::new(kind, 9);
        spec.k = Some(4);
        let sae = fitted(&spec, &x).sae;
        let latents = sae.encode(&x).unwrap();
        let (_, centred) = sums::centred(&x);
        let codes = pursue::pursued(&centred, &sae.w_dec, 4);
        assert!(latents.acts.iter().all(|act| *act > 0.0));
        let mut left = 0.0;
        for (i, (code, rest)) in codes.iter().enumerate() {
            left += rest;
            let mut code = code.clone();
            code.sort_unstable_by_key(|(feature, _)| *feature);
            let row: Vec<(u32, f32)> = latents.row(i).map(|(f, act)| (f.0, act)).collect();
            assert_eq!(row.len(), code.len());
            for (got, want) in row.iter().zip(&code) {
                assert_eq!(got.0, want.0);
                assert!((got.1 - want.1).abs() < 1e-4 * want.1.abs().max(1.0));
            }
        }
        near([left_by(&sae, &x)], &[left / sums::total(&centred)], 1e-5);
    }
}

#[test]
fn random_directions_have_length_1_and_differ_by_seed() {
    let x = x();
    let of = |seed: u64| {
        let mut spec = Spec::new(Kind::Random, 10);
        (spec.k, spec.seed) = (Some(3), seed);
        fitted(&spec, &x).sae
    };
    let sae = of(1);
    for row in sae.w_dec.iter_rows() {
        near([dense::squared(row)], &[1.0], 1e-6);
    }
    let latents: Latents = sae.encode(&x).unwrap();
    assert!((0..x.rows()).all(|i| latents.range(i).len() <= 3));
    assert_eq!(sae, of(1));
    assert_ne!(sae.w_dec, of(2).w_dec);
}

#[test]
fn the_number_of_threads_and_a_second_run_change_nothing() {
    let x = draws::normal(1_500, 80, 3).unwrap();
    for kind in Kind::ALL {
        let mut spec = Spec::new(kind, 70);
        spec.rounds = (kind.rounds() > 0).then_some(6);
        let first = fitted(&spec, &x);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let alone = pool.unwrap().install(|| fitted(&spec, &x));
        assert_eq!(first, alone, "{kind}");
        assert_eq!(first.tokens, 1_500);
    }
}

#[test]
fn a_large_text_is_sampled_evenly_and_streamed_sums_take_all_of_it() {
    let x = draws::normal(400, 4, 3).unwrap();
    for kind in Kind::ALL {
        let mut spec = Spec::new(kind, 3);
        spec.sample = 100;
        let want = if kind.is_streamed() { 400 } else { 100 };
        assert_eq!(fitted(&spec, &x).tokens, want, "{kind}");
    }
    // In pieces as in one.
    let mut pieces = Sums::new(4);
    for start in [0_u32, 150, 151] {
        let end = [150, 151, 400]
            .into_iter()
            .find(|end| *end > start)
            .unwrap();
        let part: Vec<u32> = (start..end).collect();
        pieces.add(&[&x.rows_of(&part)]).unwrap();
    }
    let mut whole = Sums::new(4);
    whole.add(&[&x]).unwrap();
    let (a, b) = (
        pieces.covariance((0, 4), (0, 4)),
        whole.covariance((0, 4), (0, 4)),
    );
    for i in 0..4 {
        let mean: f64 = (0..400).map(|n| f64::from(x.row(n)[i])).sum::<f64>() / 400.0;
        near([whole.mean()[i]], &[mean], 1e-12);
        for j in 0..4 {
            near([a[(i, j)]], &[b[(i, j)]], 1e-12);
        }
    }
}

#[test]
fn settings_that_do_not_fit_are_refused_with_a_remedy() {
    #[track_caller]
    fn check(change: impl Fn(&mut Spec), rows: usize, want: &str) {
        let mut spec = Spec::new(Kind::Pca, 4);
        change(&mut spec);
        let x = draws::normal(rows, 6, 0).unwrap();
        let said = fit(&spec, &x, &mut go_on).unwrap_err().to_string();
        assert!(said.contains(want), "{said}");
    }
    check(|spec| spec.features = 0, 50, "give 1 or more");
    check(
        |spec| spec.features = 7,
        50,
        "only 6 components: give 6 or fewer",
    );
    check(|spec| spec.k = Some(5), 50, "give 1 to 4");
    check(|_| (), 6, "give 7 or more");
    check(
        |spec| (spec.kind, spec.k) = (Kind::KMeans, Some(2)),
        50,
        "one active feature per token",
    );
    check(
        |spec| (spec.kind, spec.features) = (Kind::KMeans, 60),
        50,
        "give 60 or more",
    );
    check(
        |spec| (spec.kind, spec.features) = (Kind::SparseCoding, 9_000),
        50,
        "give 8192 or fewer",
    );
    check(
        |spec| (spec.kind, spec.rounds) = (Kind::Nmf, Some(0)),
        50,
        "give 1 or more",
    );
    // Two dimensions that say the same.
    let mut x = draws::normal(50, 6, 0).unwrap();
    for i in 0..50 {
        x.row_mut(i)[5] = x.row(i)[4];
    }
    let said = fit(&Spec::new(Kind::Ica, 6), &x, &mut go_on).unwrap_err();
    assert!(said.to_string().contains("give 5 or fewer"), "{said}");
    x.row_mut(7)[1] = f32::NAN;
    for kind in Kind::ALL {
        let said = fit(&Spec::new(kind, 4), &x, &mut go_on).unwrap_err();
        assert!(said.to_string().contains("NaN"), "{said}");
    }
    assert!(
        "svd"
            .parse::<Kind>()
            .unwrap_err()
            .to_string()
            .contains("pca, ica")
    );
}

#[test]
fn a_fit_stops_where_it_is_asked_to() {
    let x = draws::normal(200, 6, 1).unwrap();
    for kind in [Kind::Ica, Kind::Nmf, Kind::KMeans, Kind::SparseCoding] {
        let mut heard = 0;
        let ended = fit(&Spec::new(kind, 6), &x, &mut |at| {
            heard += 1;
            assert_eq!((at.done, at.unit), (1, "rounds"));
            Flow::Break(())
        });
        assert!(ended.unwrap().is_stopped() && heard == 1, "{kind}");
    }
}

pub(super) fn demo() -> Model {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    Model::open(Path::new(folder)).unwrap().0
}

pub(super) fn rows(count: usize, first: usize) -> Rows {
    let tokens: Vec<_> = (first * 32..(first + count) * 32)
        .map(|i| TokenId((i * i % 3_571 + i % 7) as u32))
        .collect();
    let documents = vec![0; tokens.len()];
    Rows::new(32, tokens, documents, vec!["numbers".to_owned()])
}

#[test]
fn a_fit_at_a_hook_is_that_of_its_activations_and_opens_as_it_was_saved() {
    let (model, rows) = (demo(), rows(20, 0));
    let hook = HookPoint::block(1, Site::Z);
    let all: Vec<usize> = (0..rows.len()).collect();
    let whole = crate::capture::activations(&model, &rows, &all, hook).unwrap();
    let x = rows.kept(&all, &whole);
    let folder = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        let mut spec = Spec::new(kind, 24);
        spec.rounds = (kind.rounds() > 0).then_some(3);
        let at_hook = fit_at(&spec, &model, (&rows, hook), &mut go_on).unwrap();
        let at_hook = at_hook.done().unwrap();
        let alone = fitted(&spec, &x);
        assert_eq!(at_hook, alone, "{kind}");
        let mut sae = alone.sae.reading(hook);
        let held = held_out(&sae, &model, &rows, &mut go_on).unwrap();
        let held = held.done().unwrap();
        near([held.fvu], &[left_by(&sae, &x)], 1e-6);
        let active = sae.encode(&x).unwrap().acts.len();
        near([held.l0], &[active as f64 / x.rows() as f64], 1e-12);
        assert_eq!(held.tokens as usize, x.rows());
        let path = folder.path().join(kind.name());
        sae.save(&path).unwrap();
        let (opened, notes) = Sae::open(&path).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        // JSON and safetensors keep every bit.
        kind.name().clone_into(&mut sae.name);
        assert_eq!(opened.fingerprint(), sae.fingerprint(), "{kind}");
        assert_eq!(opened.encode(&x).unwrap(), sae.encode(&x).unwrap());
        assert!(left_by(&opened, &x) < 1.2, "{kind}");
    }
}
