//! Counts of found values and the toys, against their definitions and against values of torch and scikit-learn.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::fit::{Fit, Sparsity};
use super::occlusion::{self, differences, removed};
use super::splitting::toy::{ideal, random};
use super::splitting::{CoverSpec, Losses, cover, toy};
use super::*;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Relu, Sae};

/// Values of `tests/golden/toys.py`.
#[derive(Deserialize)]
struct Golden {
    mu: Vec<f64>,
    x: Vec<Vec<f32>>,
    rows: Vec<Vec<f32>>,
    ideal: Vec<Loss>,
    random: Vec<Loss>,
    values: Vec<usize>,
    acts: Vec<Vec<f32>>,
    best: Vec<OfValue>,
}

#[derive(Deserialize)]
struct Loss {
    #[serde(default)]
    beta: f64,
    bias: f64,
    squared: f64,
    l1: f64,
    l0: f64,
}

#[derive(Deserialize)]
struct OfValue {
    feature: u32,
    f1: f64,
}

fn golden() -> Golden {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/toys.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn matrix(rows: &[Vec<f32>]) -> Matrix {
    Matrix::new(rows.len(), rows[0].len(), rows.concat()).unwrap()
}

fn codes(acts: &[Vec<f32>]) -> Latents {
    let row = |row: &Vec<f32>| {
        let each = (0..).zip(row).filter(|(_, act)| **act != 0.0);
        each.map(|(f, act)| (FeatureId(f), *act)).collect()
    };
    Latents::from_unsorted(&acts.iter().map(row).collect::<Vec<_>>()).unwrap()
}

fn attribute(rows: Vec<usize>, values: usize) -> Attribute {
    Attribute {
        name: "value".to_owned(),
        values: (0..values).map(|value| value.to_string()).collect(),
        rows,
    }
}

fn norm(row: &[f32]) -> f64 {
    row.iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[test]
fn losses_of_both_dictionaries_are_those_of_torch() {
    let golden = golden();
    let (x, rows) = (matrix(&golden.x), matrix(&golden.rows));
    let check = |sae: &Sae, want: &Loss| {
        let got = Losses::new(sae, &x).unwrap();
        for (got, want) in [
            (got.squared, want.squared),
            (got.l1, want.l1),
            (got.l0, want.l0),
        ] {
            assert!(
                (got - want).abs() < 1e-5 * (1.0 + want.abs()),
                "{got} {want}"
            );
        }
        let total = want.squared + 3.0 * want.l1;
        assert!((got.total(3.0) - total).abs() < 1e-4);
    };
    for want in &golden.ideal {
        check(&ideal(&golden.mu, want.bias).unwrap(), want);
    }
    for want in &golden.random {
        check(&random(&rows, want.beta, want.bias), want);
    }
    assert!(golden.random[0].l0 > 0.0 && golden.random[2].l0 == 0.0);
}

#[test]
fn best_features_are_those_of_scikit_learn() {
    let golden = golden();
    let found = best(&codes(&golden.acts), &attribute(golden.values, 4)).unwrap();
    for (found, want) in found.iter().zip(&golden.best) {
        let found = found.unwrap();
        assert_eq!(found.feature, want.feature);
        assert!((found.f1 - want.f1).abs() < 1e-12);
    }
}

/// Codes and values of a seed: some features follow a value, some fire by chance, some are negative.
fn made_up(seed: u64) -> (Vec<Vec<f32>>, Attribute) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (rows, features, values) = (60, 9, 5);
    let of: Vec<usize> = (0..rows).map(|_| rng.random_range(0..values - 1)).collect();
    let mut acts = vec![vec![0.0; features]; rows];
    for (row, acts) in acts.iter_mut().enumerate() {
        for (feature, act) in acts.iter_mut().enumerate() {
            let follows = feature % values == of[row] && rng.random::<f64>() < 0.7;
            if follows || rng.random::<f64>() < 0.1 {
                *act = rng.random_range(0.1..1.0_f32);
            } else if rng.random::<f64>() < 0.1 {
                *act = -1.0;
            }
        }
    }
    (acts, attribute(of, values))
}

#[test]
fn counts_are_those_of_sets_of_rows() {
    for seed in 0..20 {
        let (acts, attribute) = made_up(seed);
        let latents = codes(&acts);
        let counts = count(&latents, &attribute, &[0.9, 0.5, 0.3], 0).unwrap();
        let found = best(&latents, &attribute).unwrap();
        let mut scores = Vec::new();
        for (value, found) in found.iter().enumerate() {
            let mut most: Option<(f64, f64, f64)> = None;
            for feature in &[0, 1, 2, 3, 4, 5, 6, 7, 8] {
                let fires = |row: &usize| acts[*row][*feature] > 0.0;
                let is = |row: &usize| attribute.rows[*row] == value;
                let both = (0..60).filter(|row| fires(row) && is(row)).count() as f64;
                let precision = both / (0..60).filter(fires).count() as f64;
                let recall = both / (0..60).filter(is).count() as f64;
                let f1 = 2.0 * precision * recall / (precision + recall);
                if both > 0.0 && most.is_none_or(|(most, ..)| f1 > most + 1e-12) {
                    most = Some((f1, precision, recall));
                }
            }
            let got = found.map(|best| (best.f1, best.precision, best.recall));
            match (got, most) {
                (Some(got), Some(most)) => {
                    let pairs = [(got.0, most.0), (got.1, most.1), (got.2, most.2)];
                    assert!(
                        pairs.iter().all(|(a, b)| (a - b).abs() < 1e-12),
                        "{pairs:?}"
                    );
                }
                (got, most) => assert_eq!(got, most, "value {value} has no row"),
            }
            scores.extend(most.map(|(f1, ..)| f1));
        }
        for count in counts {
            let want = scores.iter().filter(|f1| **f1 >= count.threshold).count();
            assert_eq!((count.found, count.values), (want, 4));
            assert!(count.chance <= 4);
        }
    }
}

#[test]
fn shuffled_values_are_found_by_chance_alone() {
    let of: Vec<usize> = (0..200).map(|row| row % 4).collect();
    let acts: Vec<Vec<f32>> = of
        .iter()
        .map(|value| (0..4).map(|f| f32::from(f == *value)).collect())
        .collect();
    let count = count(&codes(&acts), &attribute(of, 4), &[0.9, 0.5], 3).unwrap();
    assert_eq!([count[0].found, count[1].found], [4, 4]);
    assert_eq!([count[0].chance, count[1].chance], [0, 0]);
}

#[test]
fn the_toy_is_sums_of_vectors_with_the_mean_norms_that_were_asked_for() {
    let settings = occlusion::Toy {
        width: 16,
        values: [7, 5],
        norms: [3.0, 0.25],
        rows: 400,
    };
    let data = settings.data(4).unwrap();
    assert_eq!(data, settings.data(4).unwrap());
    assert_ne!(data, settings.data(5).unwrap());
    for (vectors, want) in data.vectors.iter().zip([3.0, 0.25]) {
        let norms: Vec<f64> = vectors.iter_rows().map(norm).collect();
        let mean = norms.iter().sum::<f64>() / norms.len() as f64;
        assert!((mean - want).abs() < 1e-5, "{mean}");
        assert!(
            norms.iter().any(|norm| (norm - want).abs() > 0.01 * want),
            "one factor for all"
        );
    }
    let Labelled {
        activations,
        attributes,
    } = &data.labelled;
    let counts = [attributes[0].counts(), attributes[1].counts()];
    assert!(
        counts.iter().flatten().all(|count| *count > 20),
        "{counts:?}"
    );
    for row in 0..400 {
        let [u, v] = [0, 1].map(|of| data.vectors[of].row(attributes[of].rows[row]));
        for (x, (u, v)) in activations.row(row).iter().zip(u.iter().zip(v)) {
            assert_eq!(*x, u + v);
        }
    }
    let refused = occlusion::Toy {
        norms: [1.0, 0.0],
        ..settings
    }
    .data(0)
    .unwrap_err();
    assert!(refused.to_string().starts_with("norms"), "{refused}");
}

#[test]
fn an_attribute_that_is_wholly_removed_leaves_no_difference_of_means() {
    let settings = occlusion::Toy {
        rows: 600,
        width: 8,
        values: [5, 4],
        ..Default::default()
    };
    let Labelled {
        activations,
        attributes,
    } = settings.data(1).unwrap().labelled;
    let vectors = differences(&activations, &attributes[0]).unwrap();
    // The definition, for one value and coordinate.
    let of = |rows: &[usize]| {
        let sum: f64 = rows
            .iter()
            .map(|row| f64::from(activations.row(*row)[3]))
            .sum();
        sum / rows.len() as f64
    };
    let own: Vec<usize> = (0..600)
        .filter(|row| attributes[0].rows[*row] == 2)
        .collect();
    let all: Vec<usize> = (0..600).collect();
    assert!((f64::from(vectors.row(2)[3]) - (of(&own) - of(&all))).abs() < 1e-6);
    for (alpha, left) in [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0)] {
        let less = removed(&activations, &attributes[0], &vectors, alpha).unwrap();
        let still = differences(&less, &attributes[0]).unwrap();
        for (still, before) in still.values().iter().zip(vectors.values()) {
            assert!((f64::from(*still) - left * f64::from(*before)).abs() < 1e-5);
        }
    }
}

fn go_on(_: Progress) -> Flow {
    Flow::Continue(())
}

#[test]
fn large_values_are_found_before_small_ones_and_less_so_at_a_lower_score() {
    let settings = occlusion::Toy {
        width: 32,
        values: [12, 12],
        norms: [1.0, 0.5],
        rows: 1_600,
    };
    let fit = Fit {
        features: 64,
        sparsity: Sparsity::L1(0.3),
        epochs: 120,
        batch: 200,
        ..Fit::default()
    };
    let study = occlusion::toy(&settings, &[fit], 0..4, &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(
        study.holds(),
        Some(true),
        "{:?} {:?}",
        study.gaps,
        study.fading
    );
    let again = occlusion::toy(&settings, &[fit], 0..1, &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(again.runs[0], study.runs[0], "the seed decides");
    assert_eq!(again.holds(), None, "one seed has no interval");
    let short = Fit { epochs: 1, ..fit };
    let short = occlusion::toy(&settings, &[short], 0..3, &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(short.holds(), None, "nothing is found: {:?}", short.shares);
    let mut calls = 0;
    let stopped = occlusion::toy(&settings, &[fit], 0..1, &mut |_| {
        calls += 1;
        Flow::Break(())
    });
    assert!(stopped.unwrap().is_stopped() && calls == 1);
}

#[test]
fn removing_the_large_attribute_gives_features_to_the_small_one() {
    let settings = occlusion::Toy {
        width: 32,
        values: [12, 12],
        norms: [1.0, 0.5],
        rows: 1_600,
    };
    let labelled = settings.data(0).unwrap().labelled;
    let spec = occlusion::Spec {
        attributes: ["large", "small"].map(str::to_owned),
        alphas: vec![0.0, 1.0],
        fit: Fit {
            features: 64,
            epochs: 120,
            batch: 200,
            ..Fit::default()
        },
        seeds: 2,
    };
    let study = occlusion::study(&labelled, &spec, &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    assert!(study.norms[0] > 1.5 * study.norms[1]);
    let found = |alpha, of, at| study.found(alpha, of, at).mean;
    let large = [found(0, 0, 1), found(1, 0, 1)];
    assert!(large[0] > 9.0 && large[1] < 2.0, "{large:?}");
    let small = [found(0, 1, 0), found(1, 1, 0)];
    assert!(small[1] > small[0] + 1.0, "{small:?}");
    let same = occlusion::Spec {
        attributes: ["large", "large"].map(str::to_owned),
        ..spec
    };
    assert!(occlusion::study(&labelled, &same, &mut go_on).is_err());
}

#[test]
fn a_thousand_random_features_have_the_lower_loss() {
    let settings = toy::Toy {
        rows: 500,
        lambdas: vec![1.0, 2.0, 3.0],
        ..Default::default()
    };
    let study = toy::study(&settings, 0..3, &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(study.holds(), Some(true), "{study:?}");
    for at in &study.at {
        assert!(
            at.ideal.mean <= at.plain.mean + 0.2,
            "the bias is chosen: {at:?}"
        );
        assert!(at.ideal.mean < at.nothing.mean, "{at:?}");
    }
    // With few features it does not hold.
    let few = toy::Toy {
        features: 10,
        ..settings
    };
    let study = toy::study(&few, 0..3, &mut go_on).unwrap().done().unwrap();
    assert_eq!(study.holds(), Some(false));
}

/// A dictionary of the features `directions`, each active above 0.5.
fn detector(directions: &[Vec<f32>]) -> Sae {
    let w = matrix(directions);
    let (f, d) = (w.rows(), w.columns());
    Sae::new(
        "detector",
        (w.clone(), vec![-0.5; f]),
        (w, vec![0.0; d]),
        Relu,
    )
}

#[test]
fn a_split_value_takes_as_many_features_as_it_has_parts() {
    // Three features share the value 0; feature 3 has the value 1 alone; feature 4 fires on both.
    let part = |row: usize| {
        if row.is_multiple_of(2) {
            row / 2 % 3
        } else {
            3
        }
    };
    let rows: Vec<Vec<f32>> = (0..240)
        .map(|row| {
            (0..5)
                .map(|i| f32::from(i == part(row) || (i == 4 && row % 4 < 2)))
                .collect()
        })
        .collect();
    let of = (0..240).map(|row| row % 2).collect();
    let labelled = Labelled::new(matrix(&rows), vec![attribute(of, 2)]).unwrap();
    let directions: Vec<Vec<f32>> = (0..5)
        .map(|f| (0..5).map(|i| f32::from(i == f)).collect())
        .collect();
    let mut spec = CoverSpec::new("value");
    let covers = cover(&detector(&directions), &labelled, &spec).unwrap();
    assert_eq!(covers.needed(), Some(4));
    let [zero, one] = &covers.values[..] else {
        panic!("two values")
    };
    assert_eq!((zero.features.len(), one.features.len()), (3, 1));
    assert_eq!((zero.candidates, zero.chance, one.candidates), (3, 0, 1));
    assert!((zero.covered - 1.0).abs() < 1e-12 && zero.overlap == 0.0);
    assert_eq!(zero.held_out, Some(1.0));
    for chosen in &zero.features {
        assert_eq!((chosen.support, chosen.precision), (20, 1.0));
        assert!((chosen.recall - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(chosen.held_out_precision, Some(1.0));
    }
    spec.share = 0.6;
    assert_eq!(
        cover(&detector(&directions), &labelled, &spec)
            .unwrap()
            .needed(),
        Some(3)
    );
    spec.support = 21;
    let few = cover(&detector(&directions), &labelled, &spec).unwrap();
    assert_eq!((few.needed(), few.values[0].candidates), (None, 0));
    spec.precision = 1.5;
    assert!(cover(&detector(&directions), &labelled, &spec).is_err());
}

#[test]
fn a_cover_takes_no_fewer_features_than_the_least_of_all_sets() {
    for seed in 0..20 {
        let (acts, of) = made_up(seed);
        let latents = codes(&acts);
        let spec = CoverSpec {
            precision: 0.5,
            support: 2,
            share: 0.9,
            ..CoverSpec::new("value")
        };
        let both = [&latents, &latents];
        let covers = cover::covers("made up", both, [&of, &of], &spec).unwrap();
        for cover in &covers.values {
            let value: usize = cover.value.parse().unwrap();
            let fires = |row: usize, f: usize| acts[row][f] > 0.0;
            let support = |f: usize| (0..60).filter(|row| fires(*row, f)).count();
            let hits = |f: usize| {
                (0..60)
                    .filter(|row| fires(*row, f) && of.rows[*row] == value)
                    .count()
            };
            let precise = |f: &usize| support(*f) >= 2 && hits(*f) * 2 >= support(*f);
            let all: Vec<usize> = (0..9).filter(precise).collect();
            assert_eq!(cover.candidates, all.len());
            let own: Vec<usize> = (0..60).filter(|row| of.rows[*row] == value).collect();
            let covered = |set: &[usize]| {
                let rows = own
                    .iter()
                    .filter(|row| set.iter().any(|f| fires(**row, *f)));
                rows.count() as f64 / own.len() as f64
            };
            let least = (0..1_usize << all.len())
                .map(|mask| {
                    (0..all.len())
                        .filter(|i| mask >> i & 1 == 1)
                        .map(|i| all[i])
                        .collect::<Vec<_>>()
                })
                .filter(|set| covered(set) >= 0.9 - 1e-9)
                .map(|set| set.len())
                .min();
            assert_eq!(cover.is_reached, least.is_some());
            let chosen: Vec<usize> = cover
                .features
                .iter()
                .map(|one| one.feature as usize)
                .collect();
            assert!((covered(&chosen) - cover.covered).abs() < 1e-12);
            if let Some(least) = least {
                assert!(
                    (least..=least + 1).contains(&chosen.len()),
                    "{chosen:?} {least}"
                );
            }
            let twice = own
                .iter()
                .filter(|row| chosen.iter().filter(|f| fires(**row, **f)).count() > 1);
            let covered_rows = (cover.covered * own.len() as f64).max(1.0);
            assert!((cover.overlap - twice.count() as f64 / covered_rows).abs() < 1e-9);
            assert_eq!(
                cover.held_out,
                Some(cover.covered),
                "both halves are one here"
            );
        }
    }
}

#[test]
fn values_that_fit_no_row_are_refused() {
    let x = Matrix::zeros(6, 2);
    let refused = |attribute: Attribute| {
        Labelled::new(x.clone(), vec![attribute])
            .unwrap_err()
            .to_string()
    };
    assert!(refused(attribute(vec![0; 5], 1)).contains("5 values for 6 rows"));
    assert!(refused(attribute(vec![3; 6], 2)).contains("index 3"));
    let nan = Matrix::new(4, 1, vec![0.0, 1.0, f32::NAN, 2.0]).unwrap();
    assert!(
        Labelled::new(nan, Vec::new())
            .unwrap_err()
            .to_string()
            .contains("row 2")
    );
    assert!(Labelled::new(Matrix::zeros(3, 1), Vec::new()).is_err());
    let names = Attribute::from_names("name", ["Tom", "Ann", "Tom"]);
    assert_eq!(
        (names.values, names.rows),
        (vec!["Ann".to_owned(), "Tom".to_owned()], vec![1, 0, 1])
    );
    let labelled = Labelled::new(x, vec![attribute(vec![0; 6], 1)]).unwrap();
    assert!(
        labelled
            .attribute("io")
            .unwrap_err()
            .to_string()
            .contains("value")
    );
}

#[test]
fn training_stops_where_it_is_told_and_refuses_no_passes() {
    let x = occlusion::Toy {
        rows: 40,
        width: 8,
        values: [3, 3],
        ..Default::default()
    };
    let x = x.data(0).unwrap().labelled.activations;
    let fit = Fit {
        features: 16,
        epochs: 3,
        batch: 16,
        ..Fit::default()
    };
    let stopped = fit.train(&x, 0, &mut |_| Flow::Break(())).unwrap();
    assert!(matches!(stopped, Ended::Stopped(())));
    let none = Fit { epochs: 0, ..fit };
    assert!(none.train(&x, 0, &mut |_| Flow::Continue(())).is_err());
    let top = Fit {
        sparsity: Sparsity::TopK(2),
        ..fit
    };
    let sae = top
        .train(&x, 0, &mut |_| Flow::Continue(()))
        .unwrap()
        .done()
        .unwrap();
    let codes = sae.encode(&x).unwrap();
    assert!((0..40).all(|row| codes.range(row).len() <= 2));
}
