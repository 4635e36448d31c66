//! Compares canonical correlations with NumPy's (`tests/golden/baselines.py`) and with cases whose answer is known.

use super::super::draws;
use super::super::tests::{demo, golden, near, numbers, rows, table};
use super::super::{Kind, Spec, fit_at};
use super::*;
use crate::ids::{HookPoint, Site};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};

fn halves() -> [[Matrix; 2]; 2] {
    let golden = golden();
    let of = &golden["canonical"];
    let fit = of["fit"].as_u64().unwrap() as u32;
    let (a, b) = (table(&of["a"], 5), table(&of["b"], 4));
    let n = a.rows() as u32;
    [(0..fit), (fit..n)].map(|rows| {
        let rows: Vec<u32> = rows.collect();
        [a.rows_of(&rows), b.rows_of(&rows)]
    })
}

fn streamed([x, y]: &[Matrix; 2], at_once: usize) -> Streamed {
    let mut sums = Streamed::new(x.columns(), y.columns());
    for start in (0..x.rows()).step_by(at_once) {
        let rows: Vec<u32> = (start..x.rows().min(start + at_once))
            .map(|row| row as u32)
            .collect();
        sums.add(&x.rows_of(&rows), &y.rows_of(&rows)).unwrap();
    }
    sums
}

#[test]
fn correlations_are_those_of_numpy_in_any_minibatches() {
    let golden = golden();
    let [fit, rest] = halves();
    for (key, ridge) in [("plain", 0.0), ("ridge", 0.5)] {
        let want = |which: &str| numbers(&golden["canonical"][key][which]);
        for at_once in [1, 7, 1_000] {
            let found = streamed(&fit, at_once).solve(ridge).unwrap();
            near(found.correlations.clone(), &want("fitted"), 1e-8);
            let held_out = found.on(&streamed(&rest, at_once)).unwrap();
            near(held_out, &want("held_out"), 1e-8);
            assert_eq!((found.ranks, found.constant), ([5, 4], [0, 0]));
        }
    }
}

#[test]
fn a_linear_map_of_the_other_side_correlates_perfectly_and_noise_only_where_it_was_fitted() {
    let x = draws::normal(300, 5, 1).unwrap();
    let map = draws::normal(5, 5, 2).unwrap();
    let mut y = Matrix::zeros(300, 5);
    for i in 0..300 {
        for j in 0..5 {
            let products = x.row(i).iter().zip(map.row(j)).map(|(x, w)| x * w);
            y.row_mut(i)[j] = products.sum::<f32>() + 3.0;
        }
    }
    let found = streamed(&[x.clone(), y], 64).solve(0.0).unwrap();
    near(found.correlations, &[1.0; 5], 1e-6);
    let noise = draws::normal(300, 5, 9).unwrap();
    let few: Vec<u32> = (0..30).collect();
    let some = streamed(&[x.rows_of(&few), noise.rows_of(&few)], 64);
    let found = some.solve(0.0).unwrap();
    let held_out = found.on(&streamed(&[x, noise], 64)).unwrap();
    assert!(found.correlations[0] > 0.6, "{:?}", found.correlations);
    assert!(means(&held_out)[0].abs() < 0.2, "{held_out:?}");
}

#[test]
fn values_that_are_constant_or_said_twice_are_left_out() {
    let [[x, y], _] = halves();
    let mut wide = Matrix::zeros(x.rows(), 7);
    for i in 0..x.rows() {
        let row = wide.row_mut(i);
        row[..5].copy_from_slice(x.row(i));
        row[5] = 4.25;
        row[6] = x.row(i)[2];
    }
    let want = streamed(&[x, y.clone()], 50).solve(0.0).unwrap();
    let got = streamed(&[wide.clone(), y], 50).solve(0.0).unwrap();
    near(got.correlations.clone(), &want.correlations, 1e-6);
    assert_eq!((got.ranks, got.constant), ([5, 4], [1, 0]));
    let rows = got.directions(0).unwrap();
    assert_eq!((rows.rows(), rows.columns(), rows.row(0)[5]), (4, 7, 0.0));
    let still = Matrix::new(40, 1, vec![2.0; 40]).unwrap();
    let few: Vec<u32> = (0..40).collect();
    let said = streamed(&[wide.rows_of(&few), still], 50).solve(0.0);
    let said = said.unwrap_err().to_string();
    assert!(said.contains("second side do not vary"), "{said}");
}

#[test]
fn too_few_tokens_and_values_of_other_widths_are_refused() {
    let [fit, _] = halves();
    let few: Vec<u32> = (0..10).collect();
    let part = [fit[0].rows_of(&few), fit[1].rows_of(&few)];
    let said = streamed(&part, 50).solve(0.0).unwrap_err().to_string();
    assert!(said.contains("10 tokens do not determine"), "{said}");
    assert!(streamed(&fit, 50).solve(f64::NAN).is_err());
    assert!(Streamed::new(4, 5).add(&fit[0], &fit[1]).is_err());
    let found = streamed(&fit, 50).solve(0.0).unwrap();
    assert!(found.on(&Streamed::new(4, 5)).is_err());
}

fn go_on(_: Progress) -> Flow {
    Flow::Continue(())
}

#[test]
fn hooks_and_latents_of_a_model_are_correlated_as_their_values_are() {
    let model = demo();
    let (fit, held_out) = (rows(24, 0), rows(6, 24));
    let hooks = [1, 2].map(|layer| HookPoint::block(layer, Site::ResidPost));
    let mut spec = Spec::new(Kind::Pca, 20);
    spec.k = Some(20);
    let pca = fit_at(&spec, &model, (&fit, hooks[0]), &mut go_on).unwrap();
    let pca = pca.done().unwrap().sae.reading(hooks[0]);
    let side = |reads| Side {
        model: &model,
        reads,
    };
    let latents = side(Reads::Latents(pca.by_token().unwrap()));
    let other = side(Reads::Hook(hooks[1]));
    let mut heard = Vec::new();
    let ended = measure([latents, other], (&fit, &held_out), 0.0, &mut |at| {
        heard.push((at.done, at.total));
        Flow::Continue(())
    });
    let measured = ended.unwrap().done().unwrap();
    assert_eq!(heard.last(), Some(&(30, 30)));
    assert_eq!(measured.held_out_tokens as usize, held_out.counted());
    let values = |rows: &crate::corpus::Rows| -> [Matrix; 2] {
        let all: Vec<usize> = (0..rows.len()).collect();
        let whole = crate::capture::activations_at(&model, rows, &all, &hooks).unwrap();
        let [x, y] = [0, 1].map(|i: usize| rows.kept(&all, &whole[i]));
        let codes = pca.encode(&x).unwrap();
        let mut dense = Matrix::zeros(x.rows(), 20);
        for i in 0..x.rows() {
            for (feature, act) in codes.row(i) {
                dense.row_mut(i)[feature.index()] = act;
            }
        }
        [dense, y]
    };
    let want = streamed(&values(&fit), 4_000).solve(0.0).unwrap();
    near(measured.fitted.correlations, &want.correlations, 1e-5);
    let want = want.on(&streamed(&values(&held_out), 4_000)).unwrap();
    near(measured.held_out, &want, 1e-4);
    // The residual stream passes on what it held.
    assert!(means(&want)[0] > 0.5, "{want:?}");
    // A hook with itself.
    let same = [other, other];
    let ended = measure(same, (&fit, &held_out), 0.0, &mut go_on).unwrap();
    let itself = ended.done().unwrap();
    assert!(itself.held_out.iter().all(|r| (r - 1.0).abs() < 1e-6));
    let ended = measure(same, (&fit, &held_out), 0.0, &mut |_| Flow::Break(()));
    assert!(matches!(ended.unwrap(), Ended::Stopped(())));
    let said = measure(same, (&held_out, &fit), 0.0, &mut go_on);
    assert!(said.unwrap_err().to_string().contains("give more text"));
}

#[test]
fn two_models_must_share_a_tokenizer() {
    let model = demo();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tiny-gpt2");
    let (other, _) = Model::open(folder).unwrap();
    let said = check_tokenizers(&model, &other).unwrap_err().to_string();
    assert!(said.contains("do not share a tokenizer"), "{said}");
    assert!(check_tokenizers(&model, &demo()).is_ok());
    let other = other.with_codec(model.codec().clone());
    assert_ne!(other.fingerprint(), model.fingerprint());
    assert!(check_tokenizers(&model, &other).is_ok());
}
