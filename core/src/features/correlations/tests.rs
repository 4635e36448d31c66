//! Compares correlations with SAEDashboard's own and with brute force, and checks that they survive the index file.

use super::super::tests::{Z, brute_force, built, counts, model, rows, sae, signed};
use super::*;
use crate::features::Index;
use crate::sae::Sae;

/// SAEDashboard adds 1e-6 to its denominators and its values are stored with 9 decimals; sums here are of a few hundred.
const TOLERANCE: f64 = 1e-6;

fn matrix(value: &Value) -> Vec<Vec<f64>> {
    let rows = value.as_array().unwrap().iter();
    rows.map(|row| {
        let row = row.as_array().unwrap().iter();
        row.map(|value| value.as_f64().unwrap()).collect()
    })
    .collect()
}

#[test]
fn correlations_equal_those_of_saedashboard() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/correlations.json"
    );
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (acts, neurons) = (matrix(&golden["acts"]), matrix(&golden["neurons"]));
    let (features, width, tokens) = (acts.len(), neurons.len(), acts[0].len());
    let mut sums = Sums::new(0..features, (features, width));
    for range in [0..20, 20..tokens] {
        let of = |token: usize| {
            let active = (0..features).filter(|f| acts[*f][token] != 0.0);
            active
                .map(|f| (FeatureId::from(f), acts[f][token] as f32))
                .collect::<Vec<_>>()
        };
        let latents: Vec<_> = range.clone().map(of).collect();
        let x = range
            .clone()
            .flat_map(|token| neurons.iter().map(move |row| row[token] as f32));
        let x = Matrix::new(range.len(), width, x.collect()).unwrap();
        sums.add(&x, &Latents::from_unsorted(&latents).unwrap());
    }
    let found = sums.correlations();
    let mut compared = 0;
    for (feature, of) in found.iter().enumerate() {
        for (name, got) in [
            ("correlated_features", &of.features),
            ("correlated_neurons", &of.neurons),
        ] {
            let [indices, pearson, cosine] =
                [0, 1, 2].map(|n| matrix(&golden[name][n])[feature].clone());
            for (n, want) in pearson.iter().enumerate().filter(|(_, want)| **want > 0.0) {
                assert_eq!(f64::from(got[n].other), indices[n], "{name} of {feature}");
                assert!(
                    (got[n].pearson - want).abs() < TOLERANCE,
                    "{name} of {feature}"
                );
                assert!(
                    (got[n].cosine - cosine[n]).abs() < TOLERANCE,
                    "{name} of {feature}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared >= 20, "{compared}");
    // A feature that is never active and one that is always equally active vary with nothing.
    assert_eq!(found[5], OfFeature::default());
    assert_eq!(found[6], OfFeature::default());
    let aligned = [0, 1, 2].map(|n| matrix(&golden["alignment"][n]));
    for (feature, row) in matrix(&golden["decoder"]).iter().enumerate() {
        let row: Vec<f32> = row.iter().map(|entry| *entry as f32).collect();
        for (n, got) in alignment(&row).iter().enumerate() {
            assert_eq!(f64::from(got.neuron), aligned[0][feature][n]);
            assert!((got.value - aligned[1][feature][n]).abs() < TOLERANCE);
            assert!((got.l1 - aligned[2][feature][n]).abs() < TOLERANCE);
        }
    }
}

fn measured(sae: &Sae, held: usize) -> Correlations {
    let subject = (model(), sae.by_token().unwrap());
    let mut on = |_| Flow::Continue(());
    let measured = measure_within(subject, &rows(), held, &mut on).unwrap();
    measured.done().unwrap()
}

/// Pearson correlation of two columns by its definition: centred, in f64.
fn pearson(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let about = |a: &[f64], mean: f64| a.iter().map(|v| v - mean).collect::<Vec<_>>();
    let (x, y) = (about(x, mean_x), about(y, mean_y));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt()
}

#[test]
fn correlations_equal_brute_force_in_one_pass_and_in_several() {
    for sae in [sae("blocks.1.hook_resid_post"), signed(Z)] {
        let all = rows();
        let places: Vec<(usize, usize)> = (0..all.len())
            .flat_map(|row| (0..all.context()).map(move |t| (row, t)))
            .filter(|(row, t)| counts(&all, *row, *t))
            .collect();
        let active = brute_force(&sae);
        let column = |feature: usize| -> Vec<f64> {
            let act = |place: &(usize, usize)| {
                let mut of = active[feature].iter();
                of.find(|(row, t, _)| (*row, *t) == *place)
                    .map_or(0.0, |(.., act)| f64::from(*act))
            };
            places.iter().map(act).collect()
        };
        let found = measured(&sae, HELD);
        assert_eq!(found.tokens, places.len() as u64);
        for feature in (0..sae.features()).step_by(7) {
            let own = column(feature);
            let others = (0..sae.features()).filter(|other| *other != feature);
            let mut want: Vec<(f64, usize)> = others
                .map(|other| (pearson(&own, &column(other)), other))
                .filter(|(pearson, _)| pearson.is_finite())
                .collect();
            want.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (got, want) in found.features[feature].features.iter().zip(&want) {
                assert!((got.pearson - want.0).abs() < 1e-9, "{got:?} {want:?}");
            }
        }
        // A few features at a time.
        let bytes = 8 * 5 * (sae.features() + sae.width());
        assert_eq!(measured(&sae, bytes), found);
    }
}

#[test]
fn correlations_survive_the_index_file() {
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 1);
    assert_eq!(index.correlations().unwrap(), None);
    let found = Correlations {
        text: "made-up".to_owned(),
        fingerprint: "ab".repeat(32),
        ..measured(&sae(Z), HELD)
    };
    let out = folder.path().join("with.sqlite");
    write(&index, &found, &out).unwrap();
    let again = Index::open(&out).unwrap();
    assert_eq!(again.correlations().unwrap(), Some(found.clone()));
    assert_eq!(
        again.detail(FeatureId(3)).unwrap(),
        index.detail(FeatureId(3)).unwrap()
    );
    let fewer = Correlations {
        features: found.features[1..].to_vec(),
        ..found
    };
    write(&index, &fewer, &out).unwrap();
    let refused = Index::open(&out).unwrap().correlations().unwrap_err();
    assert!(refused.to_string().contains("with.sqlite"), "{refused}");
}
