//! Compares matched directions with SciPy's assignment and with all permutations.

use serde::Deserialize;

use super::*;
use crate::dims::Matrix;
use crate::ids::{HookPoint, Site};
use crate::progress::Flow;
use crate::sae::{Provenance, Relu};

#[derive(Deserialize)]
struct Golden {
    dictionaries: Vec<Vec<Vec<f32>>>,
    pairs: Vec<GoldenPair>,
}

#[derive(Deserialize)]
struct GoldenPair {
    a: usize,
    b: usize,
    columns: Vec<u32>,
    pw_mcc: f64,
    shares: [f64; 2],
    opposed: usize,
    best: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/golden/consistency.json")).unwrap()
}

fn sae(name: &str, rows: &[Vec<f32>]) -> Sae {
    let w_dec = Matrix::new(rows.len(), rows[0].len(), rows.concat()).unwrap();
    let biases = (vec![0.0; rows.len()], vec![0.0; rows[0].len()]);
    Sae::new(name, (w_dec.clone(), biases.0), (w_dec, biases.1), Relu).with_provenance(Provenance {
        hook: Some(HookPoint::block(1, Site::ResidPost)),
        model: "tiny".to_owned(),
        ..Provenance::default()
    })
}

fn all() -> Vec<Sae> {
    let each = golden().dictionaries.into_iter().enumerate();
    each.map(|(i, rows)| sae(&format!("seed-{i}"), &rows))
        .collect()
}

fn run(saes: &[Sae], spec: &Spec) -> Result<Consistency> {
    let saes: Vec<&Sae> = saes.iter().collect();
    let found = consistency(&saes, spec, &mut |_| Flow::Continue(()))?;
    Ok(found.done().expect("nothing stops it"))
}

#[track_caller]
fn near(got: f64, want: f64) {
    // Cosines are of f32 and rounded to 1e-9.
    assert!((got - want).abs() < 1e-6, "{got} is not {want}");
}

#[test]
fn pairs_are_those_of_scipy() {
    let found = run(&all(), &Spec::default()).unwrap();
    let golden = golden();
    assert_eq!(found.pairs.len(), 3);
    for (got, want) in found.pairs.iter().zip(&golden.pairs) {
        assert_eq!((got.a, got.b, got.is_optimal), (want.a, want.b, true));
        near(got.pw_mcc.value, want.pw_mcc);
        near(got.bounds[0], want.pw_mcc);
        near(got.shares[0].share.value, want.shares[0]);
        near(got.shares[1].share.value, want.shares[1]);
        assert_eq!(got.opposed, want.opposed);
        for pair in got.partners.iter().filter(|pair| pair.cosine.abs() > 1e-6) {
            assert_eq!(pair.b.0, want.columns[pair.a.index()], "{pair:?}");
        }
        assert!(
            got.partners
                .is_sorted_by(|x, y| x.cosine.abs() >= y.cosine.abs())
        );
        let [low, high] = got.pw_mcc.interval.unwrap();
        assert!(low < got.pw_mcc.value && got.pw_mcc.value < high);
        assert!(got.chance.is_some_and(|chance| chance < got.pw_mcc.value));
    }
    let values: Vec<f64> = golden.pairs.iter().map(|pair| pair.pw_mcc).collect();
    let mean = values.iter().sum::<f64>() / 3.0;
    near(found.pw_mcc.value, mean);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    near(found.sd_of_pairs.unwrap(), (squares / 2.0).sqrt());
    let said = found.notes.join("\n");
    assert!(
        said.contains("10 and 14 features") && said.contains("No fingerprints prove"),
        "{said}"
    );
}

#[test]
fn no_permutation_has_a_larger_sum() {
    let rows = |seed: u64| -> Vec<Vec<f32>> {
        let random = random((6, 3), seed);
        (0..6)
            .map(|i| (0..3).map(|j| random[(i, j)]).collect())
            .collect()
    };
    let (a, b) = (rows(1), rows(2));
    let cosine = |i: usize, j: usize| -> f64 {
        let products = a[i]
            .iter()
            .zip(&b[j])
            .map(|(x, y)| f64::from(*x) * f64::from(*y));
        products.sum::<f64>().abs()
    };
    let mut best = 0.0_f64;
    let mut left = vec![(Vec::new(), 0.0_f64)];
    while let Some((taken, sum)) = left.pop() {
        if taken.len() == 6 {
            best = best.max(sum);
        }
        for j in (0..6).filter(|j| !taken.contains(j)) {
            let next = sum + cosine(taken.len(), j);
            left.push(([taken.clone(), vec![j]].concat(), next));
        }
    }
    let found = run(&[sae("a", &a), sae("b", &b)], &Spec::default()).unwrap();
    near(found.pairs[0].pw_mcc.value, best / 6.0);
    assert_eq!(found.sd_of_pairs, None);
    // The greedy assignment and the best cosines are bounds of it.
    let spec = Spec {
        most_pairs: 1,
        ..Spec::default()
    };
    let bounded = &run(&[sae("a", &a), sae("b", &b)], &spec).unwrap().pairs[0];
    assert!(!bounded.is_optimal && bounded.chance.is_none());
    assert!(bounded.bounds[0] <= best / 6.0 + 1e-6 && best / 6.0 <= bounded.bounds[1] + 1e-6);
    assert_eq!(bounded.partners.len(), 6);
    near(bounded.pw_mcc.value, bounded.bounds[0]);
}

#[test]
fn the_upper_bound_is_the_mean_of_best_cosines() {
    let spec = Spec {
        most_pairs: 1,
        ..Spec::default()
    };
    let found = run(&all(), &spec).unwrap();
    for (got, want) in found.pairs.iter().zip(&golden().pairs) {
        near(got.bounds[1], want.best);
        assert!(got.bounds[0] <= want.pw_mcc + 1e-6);
    }
}

#[test]
fn a_dictionary_in_another_order_is_found_again_whole() {
    let rows = golden().dictionaries[1].clone();
    let turned: Vec<Vec<f32>> = (0..rows.len())
        .map(|i| {
            rows[(i * 5 + 3) % rows.len()]
                .iter()
                .map(|w| w * -3.0)
                .collect()
        })
        .collect();
    let found = run(&[sae("a", &rows), sae("b", &turned)], &Spec::default()).unwrap();
    near(found.pw_mcc.value, 1.0);
    assert_eq!(found.pairs[0].opposed, rows.len());
    assert_eq!(found.pairs[0].shares[1].share.value, 1.0);
}

#[test]
fn dictionaries_that_do_not_belong_together_are_refused() {
    let saes = all();
    let refused = |saes: &[Sae]| run(saes, &Spec::default()).unwrap_err().to_string();
    assert!(refused(&saes[..1]).contains("two dictionaries or more"));
    assert!(refused(&[]).contains("two or more"));
    let mut again = saes[0].clone();
    again.name = "again".to_owned();
    let twice = refused(&[saes[0].clone(), again]);
    assert!(twice.contains("equal weights"), "{twice}");
    let mut other = saes[1]
        .clone()
        .reading(HookPoint::block(2, Site::ResidPost));
    let said = refused(&[saes[0].clone(), other.clone()]);
    assert!(
        said.contains("blocks.2.hook_resid_post") && said.contains("one hook"),
        "{said}"
    );
    other = saes[1].clone();
    other.provenance.model = "gpt2".to_owned();
    let said = refused(&[saes[0].clone(), other]);
    assert!(
        said.contains("gpt2") && said.contains("one model"),
        "{said}"
    );
    let printed = |sae: &Sae, print: &str| {
        let mut sae = sae.clone();
        sae.provenance
            .other
            .insert(MODEL_FINGERPRINT.to_owned(), print.into());
        sae
    };
    let said = refused(&[printed(&saes[0], "ab"), printed(&saes[1], "cd")]);
    assert!(said.contains("fingerprints differ"), "{said}");
    let found = run(
        &[printed(&saes[0], "ab"), printed(&saes[1], "ab")],
        &Spec::default(),
    );
    assert!(!found.unwrap().notes.join("").contains("No fingerprints"));
}
