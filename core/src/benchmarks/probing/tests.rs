//! Compares probes of labelled texts with SAEBench's own functions, and with their definitions in plain loops.

use serde::Deserialize;

use super::ablation::{Along, differences, probe, scores};
use super::sets::{Balanced, Judged, Resampled, wilson};
use super::*;
use crate::benchmarks::labelled::Split;
use crate::ids::FeatureId;

const GOLDEN: &str = include_str!("../../../../tests/golden/saebench.json");

#[derive(Deserialize)]
struct Golden {
    x: Vec<Vec<f32>>,
    features: Vec<Vec<f32>>,
    w_dec: Vec<Vec<f32>>,
    labels: Vec<usize>,
    pairs: Vec<[usize; 2]>,
    train: Vec<usize>,
    test: Vec<usize>,
    ablated: Vec<usize>,
    classes: Vec<GoldenClass>,
    clean: Vec<f64>,
    tpp: std::collections::BTreeMap<String, f64>,
    scr: std::collections::BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct GoldenClass {
    train: Vec<usize>,
    test: Vec<usize>,
    model: Vec<GoldenProbe>,
    dictionary: Vec<GoldenProbe>,
    weights: Vec<f64>,
    bias: f64,
    effects: Vec<f64>,
}

#[derive(Deserialize)]
struct GoldenProbe {
    size: usize,
    columns: Vec<usize>,
    accuracy: f64,
}

fn golden() -> Golden {
    serde_json::from_str(GOLDEN).unwrap()
}

fn matrix(rows: &[Vec<f32>]) -> Matrix {
    Matrix::new(rows.len(), rows[0].len(), rows.concat()).unwrap()
}

fn latents(rows: &[Vec<f32>]) -> Latents {
    let row = |row: &Vec<f32>| {
        let active = row.iter().enumerate().filter(|(_, act)| **act != 0.0);
        active.map(|(f, act)| (FeatureId::from(f), *act)).collect()
    };
    Latents::from_unsorted(&rows.iter().map(row).collect::<Vec<_>>()).unwrap()
}

fn half(texts: &[usize]) -> Balanced {
    let (of, others) = texts.split_at(texts.len() / 2);
    Balanced::new(of, others)
}

fn sets(class: &GoldenClass) -> [Balanced; 2] {
    [half(&class.train), half(&class.test)]
}

#[test]
fn sparse_probes_choose_the_columns_of_saebench_and_are_as_often_right() {
    let golden = golden();
    let (x, features) = (matrix(&golden.x), latents(&golden.features));
    let dictionary = Sparse::Dictionary(&features, golden.w_dec.len());
    for class in &golden.classes {
        let all = [
            (Sparse::Model(&x), &class.model),
            (dictionary, &class.dictionary),
        ];
        for (rows, probes) in all {
            for probe in probes {
                let sets = sets(class);
                let mut columns = rows.strongest(&sets[0], probe.size);
                columns.sort_unstable();
                assert_eq!(columns, probe.columns);
                let judged = rows.judged(&sets, &columns).unwrap();
                assert!((judged.share(None) - probe.accuracy).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn probes_with_small_weights_and_effects_of_features_are_those_of_saebench() {
    let golden = golden();
    let (x, features) = (matrix(&golden.x), latents(&golden.features));
    let w_dec = matrix(&golden.w_dec);
    let rows = Rows {
        x: &x,
        written: &features,
        w_dec: &w_dec,
    };
    for (class, clean) in golden.classes.iter().zip(&golden.clean) {
        let [train, test] = sets(class);
        let probe = probe(&x, &train).unwrap();
        // The descent stops where the conditions of the minimum hold to 1e-4 of the penalty; scikit-learn's weights are between 0.1 and 2.
        for (got, want) in probe.weights.iter().zip(&class.weights) {
            assert!((got - want).abs() < 1e-4, "{got} {want}");
        }
        assert!(
            (probe.bias - class.bias).abs() < 1e-4,
            "{} {}",
            probe.bias,
            class.bias
        );
        let along = Along::new(&probe, rows);
        let each = differences(rows, &train).into_iter().zip(&along.written);
        for ((difference, written), want) in each.zip(&class.effects) {
            assert!((difference.max(0.0) * written - want).abs() < 1e-4);
        }
        // SAEBench's accuracies are f32.
        assert!((along.judged(rows, &test, &[]).share(None) - clean).abs() < 1e-6);
    }
}

/// Texts that train and test as the golden file has them; the sets of every class drawn here are not SAEBench's.
fn whole(golden: &Golden) -> Split {
    Split {
        train: golden.train.clone(),
        test: golden.test.clone(),
    }
}

#[test]
fn a_correlation_is_removed_as_far_as_in_saebench() {
    let golden = golden();
    let (x, features) = (matrix(&golden.x), latents(&golden.features));
    let w_dec = matrix(&golden.w_dec);
    let rows = Rows {
        x: &x,
        written: &features,
        w_dec: &w_dec,
    };
    let spec = Spec {
        sizes: golden.ablated.clone(),
        draws: 200,
        ..Spec::default()
    };
    let found = scr(rows, &golden.pairs, &whole(&golden), &spec).unwrap();
    let mut compared = 0;
    for (at, direction) in found.directions.iter().enumerate() {
        for removed in &direction.sizes {
            let want = golden.scr[&format!("scr_dir{}_threshold_{}", at + 1, removed.size)];
            assert!(
                (removed.score.value - want).abs() < 1e-5,
                "{removed:?} {want}"
            );
            let metric = golden
                .scr
                .get(&format!("scr_metric_threshold_{}", removed.size));
            if found.chosen == Some(at) {
                assert_eq!(metric, Some(&want));
                compared += 1;
            }
            let [low, high] = removed.score.interval.unwrap();
            assert!(low <= high);
        }
    }
    assert_eq!(compared, golden.ablated.len());
    // Some score is not 0, and removal of more features changes it.
    assert!(golden.scr.values().any(|score| score.abs() > 0.1));
}

#[test]
fn perturbed_probes_lose_what_they_lose_in_saebench() {
    let golden = golden();
    let (x, features) = (matrix(&golden.x), latents(&golden.features));
    let w_dec = matrix(&golden.w_dec);
    let rows = Rows {
        x: &x,
        written: &features,
        w_dec: &w_dec,
    };
    let all: Vec<[Balanced; 2]> = golden.classes.iter().map(sets).collect();
    let fitted = tpp::Fitted::from_sets(rows, all).unwrap();
    let draws = Draws {
        draws: 200,
        seed: 1,
    };
    let resampled = Resampled::new(&golden.labels, &golden.test, draws);
    for size in golden.ablated {
        let found = fitted.perturbed(size, &resampled);
        for (figure, name) in [
            (found.total, "total_metric"),
            (found.intended, "intended_diff_only"),
            (found.unintended, "unintended_diff_only"),
        ] {
            let want = golden.tpp[&format!("tpp_threshold_{size}_{name}")];
            assert!(
                (figure.value - want).abs() < 1e-6,
                "{size} {name}: {} {want}",
                figure.value
            );
        }
    }
}

#[test]
fn an_ablated_text_has_the_score_of_the_activation_without_the_features() {
    let golden = golden();
    let (x, features) = (matrix(&golden.x), latents(&golden.features));
    let w_dec = matrix(&golden.w_dec);
    let rows = Rows {
        x: &x,
        written: &features,
        w_dec: &w_dec,
    };
    let [train, test] = sets(&golden.classes[0]);
    let probe = probe(&x, &train).unwrap();
    let ablated = [1, 4, 7];
    let mut without = x.clone();
    for (text, row) in golden.features.iter().enumerate() {
        for feature in ablated {
            let each = without.row_mut(text).iter_mut().zip(&golden.w_dec[feature]);
            each.for_each(|(x, w)| *x -= row[feature] * w);
        }
    }
    let scores = scores(&probe, &without);
    let direct = test.judged(|text| scores[text]);
    assert_eq!(
        direct,
        Along::new(&probe, rows).judged(rows, &test, &ablated)
    );
    assert_ne!(direct, Along::new(&probe, rows).judged(rows, &test, &[]));
}

#[test]
fn other_texts_come_from_all_other_classes_alike() {
    let labels = [vec![0; 9], vec![1; 3], vec![2; 20]].concat();
    let texts: Vec<usize> = (0..32).collect();
    let set = Balanced::of_class((&labels, 3), &texts, (0, 5));
    let count = |of| set.texts.iter().filter(|text| labels[**text] == of).count();
    assert_eq!([count(0), count(1), count(2)], [9, 3, 6]);
    assert_eq!(set, Balanced::of_class((&labels, 3), &texts, (0, 5)));
    assert_ne!(set, Balanced::of_class((&labels, 3), &texts, (0, 6)));
    // A class with more texts than all others is cut to their number.
    let large = Balanced::of_class((&labels, 3), &texts, (2, 5));
    assert_eq!(large.texts.len(), 24);
    assert!(
        large
            .is_of
            .iter()
            .zip(&large.texts)
            .all(|(is_of, text)| *is_of == (labels[*text] == 2))
    );
}

#[test]
fn wilson_s_interval_is_that_of_the_textbook() {
    // statsmodels 0.14: proportion_confint(8, 10, method="wilson").
    let [low, high] = wilson([8, 10]).unwrap();
    assert!(
        (low - 0.490_162_5).abs() < 1e-6 && (high - 0.943_317_8).abs() < 1e-6,
        "{low} {high}"
    );
    assert_eq!(wilson([0, 0]), None);
    assert!((wilson([10, 10]).unwrap()[1] - 1.0).abs() < 1e-12);
}

#[test]
fn draws_weigh_texts_within_their_groups() {
    let groups = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 9];
    let draws = Draws {
        draws: 300,
        seed: 3,
    };
    let resampled = Resampled::new(&groups, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], draws);
    let one = Judged((0..10).map(|text| (text, text != 2 && text != 7)).collect());
    let found = resampled.estimate(&|weights| {
        if let Some(weights) = weights {
            assert_eq!(weights[..5].iter().sum::<u32>(), 5);
            assert_eq!((weights[5..10].iter().sum::<u32>(), weights[10]), (5, 0));
        }
        one.share(weights)
    });
    assert_eq!(found.value, 0.8);
    // √(0.8 · 0.2 / 10) = 0.126.
    let [low, high] = found.interval.unwrap();
    assert!((0.5..0.65).contains(&low) && high == 1.0, "{low} {high}");
    // All right in every draw says no more than the number of texts does.
    let all = Judged((0..10).map(|text| (text, true)).collect());
    let found = resampled.shares(&[all.clone(), all]);
    assert_eq!((found.value, found.interval), (1.0, wilson([10, 10])));
    // Four texts of a group are too few.
    let few = Resampled::new(&groups, &[0, 1, 2, 3, 5, 6, 7, 8, 9], draws);
    assert_eq!(few.shares(&[one]).interval, None);
}

/// Texts of three classes: column and feature of its number tell each from the others.
fn clear() -> (Matrix, Latents, Vec<usize>) {
    let labels: Vec<usize> = (0..90).map(|i| i % 3).collect();
    let row = |(i, label): (usize, &usize)| {
        let value = |c: usize| {
            f32::from(u8::from(c == *label)) * 3.0 + ((i * 7 + c * 5) % 11) as f32 / 11.0
        };
        (0..3).map(value).collect::<Vec<f32>>()
    };
    let rows: Vec<Vec<f32>> = labels.iter().enumerate().map(row).collect();
    (matrix(&rows), latents(&rows), labels)
}

#[test]
fn a_dictionary_with_one_feature_a_class_probes_and_perturbs_perfectly() {
    let (x, features, labels) = clear();
    let names = ["a", "b", "c"].map(str::to_owned);
    let spec = Spec {
        sizes: vec![1, 2],
        draws: 100,
        ..Spec::default()
    };
    let split = Split::new(&labels, &names, (0.2, 0)).unwrap();
    for rows in [Sparse::Model(&x), Sparse::Dictionary(&features, 3)] {
        let found = sparse(rows, (&labels, 3), &split, &spec).unwrap();
        assert_eq!(
            (found.all.unwrap().value, found.top[0].estimate.value),
            (1.0, 1.0)
        );
        for class in &found.classes[1] {
            assert_eq!(class.columns, [class.class]);
            assert!(class.accuracy.interval.unwrap()[0] > 0.7);
            assert!(found.top[0].estimate.interval.unwrap()[0] < 1.0);
        }
    }
    let mut w_dec = Matrix::zeros(3, 3);
    (0..3).for_each(|i| w_dec.row_mut(i)[i] = 1.0);
    let rows = Rows {
        x: &x,
        written: &features,
        w_dec: &w_dec,
    };
    let found = tpp(rows, (&labels, 3), &split, &spec).unwrap();
    let one = &found.sizes[0];
    assert!(one.intended.value > 0.4, "{one:?}");
    assert!(
        one.total.value > 0.3 && one.classes.iter().all(|class| class.ablated == 1),
        "{one:?}"
    );
    // A feature that writes nothing changes nothing.
    let nothing = Matrix::zeros(3, 3);
    let rows = Rows {
        w_dec: &nothing,
        ..rows
    };
    let found = tpp(rows, (&labels, 3), &split, &spec).unwrap();
    assert!(
        found
            .sizes
            .iter()
            .all(|size| size.total.value == 0.0 && size.classes[0].ablated == 0)
    );
}

#[test]
fn probes_of_labels_without_a_meaning_are_right_by_chance_alone() {
    // 200 columns of noise: chosen on all texts, they would seem to tell the classes apart.
    let noise = |i: usize, c: usize| {
        let mut x = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (c as u64 + 7).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 31;
        ((x.wrapping_mul(0x94D0_49BB_1331_11EB) >> 40) as f32) / (1 << 24) as f32
    };
    let rows: Vec<Vec<f32>> = (0..300)
        .map(|i| (0..200).map(|c| noise(i, c)).collect())
        .collect();
    let labels: Vec<usize> = (0..300).map(|i| i % 2).collect();
    let names = ["a", "b"].map(str::to_owned);
    let split = Split::new(&labels, &names, (0.4, 0)).unwrap();
    let spec = Spec {
        sizes: vec![5],
        draws: 300,
        ..Spec::default()
    };
    let found = sparse(Sparse::Model(&matrix(&rows)), (&labels, 2), &split, &spec).unwrap();
    let [low, high] = found.top[0].estimate.interval.unwrap();
    assert!(low < 0.5 && high > 0.5 && high < 0.7, "{found:?}");
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let (x, features, labels) = clear();
    let names = ["a", "b", "c"].map(str::to_owned);
    let split = Split::new(&labels, &names, (0.2, 0)).unwrap();
    let w_dec = Matrix::zeros(3, 3);
    let rows = Rows {
        x: &x,
        written: &features,
        w_dec: &w_dec,
    };
    let spec = Spec::default();
    let said = tpp(rows, (&labels, 2), &split, &spec)
        .unwrap_err()
        .to_string();
    assert!(said.contains("mirror"), "{said}");
    let none = Spec {
        sizes: vec![50],
        ..Spec::default()
    };
    assert!(
        tpp(rows, (&labels, 3), &split, &none)
            .unwrap_err()
            .to_string()
            .contains("from 1 to 3")
    );
    assert!(sparse(Sparse::Model(&x), (&labels[1..], 3), &split, &spec).is_err());
    let narrow = Matrix::zeros(3, 2);
    assert!(
        tpp(
            Rows {
                w_dec: &narrow,
                ..rows
            },
            (&labels, 3),
            &split,
            &spec
        )
        .is_err()
    );
    let alike: Vec<[usize; 2]> = labels.iter().map(|l| [*l % 2, *l % 2]).collect();
    assert!(
        scr(rows, &alike, &split, &spec)
            .unwrap_err()
            .to_string()
            .contains("too few")
    );
}
