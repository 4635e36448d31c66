//! Checks the pass over text, rankings, correlations and causal effects against their definitions.

use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::corpus::{Corpus, Rows};
use crate::dims::Matrix;
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site};
use crate::models::{HookFn, Model, Start, token_tensor};
use crate::progress::{Ended, Flow};
use crate::sae::{InputNorm, Sae, TopK};

pub(in crate::heads) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

pub(in crate::heads) fn demo() -> Model {
    Model::open(&repository("assets/demo/model")).unwrap().0
}

/// Rows of 32 tokens from the beginning of a book.
pub(in crate::heads) fn rows(model: &Model, characters: usize) -> Rows {
    let text = std::fs::read_to_string(repository("assets/demo/text/held-out/alice.txt")).unwrap();
    let text: String = text.chars().take(characters).collect();
    let (rows, _) = Corpus::from_text("alice", &text)
        .rows(model.codec(), 32)
        .unwrap();
    rows
}

pub(in crate::heads) fn matrix(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

pub(in crate::heads) fn random_sae(model: &Model, layer: usize, features: usize) -> Sae {
    let hook = HookPoint::block(layer, Site::Z);
    let d = model.width(hook).unwrap();
    Sae::new(
        "random",
        (matrix(features, d, 1), matrix(1, features, 2).into_values()),
        (matrix(features, d, 3), matrix(1, d, 4).into_values()),
        TopK { k: 4 },
    )
    .reading(hook)
}

pub(in crate::heads) fn on(model: &Model, sae: &Sae, rows: &Rows) -> OnText {
    let ended = on_text(model, sae.autoencoder().unwrap(), rows, &mut |_| {
        Flow::Continue(())
    });
    ended.unwrap().done().unwrap()
}

/// Figures of `feature` at `head` by plain loops in f64: attribution, explained output, and the parts of all features, bias and error, over Σ‖o_h‖².
fn by_definition(
    model: &Model,
    sae: &Sae,
    rows: &Rows,
    feature: FeatureId,
    head: usize,
) -> [f64; 5] {
    let hook = sae.hook().unwrap();
    let w_o = model.w_o(hook.layer().unwrap()).unwrap();
    let e = model.config().d_head;
    let slice = head * e..(head + 1) * e;
    let write = |part: &[f64]| -> Vec<f64> {
        let columns = 0..w_o.columns();
        let at = |c: usize| {
            part.iter()
                .enumerate()
                .map(|(i, x)| x * f64::from(w_o.row(head * e + i)[c]))
                .sum()
        };
        columns.map(at).collect()
    };
    let of =
        |row: &[f32]| -> Vec<f64> { row[slice.clone()].iter().map(|x| f64::from(*x)).collect() };
    let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let scaled = |part: &[f64], by: f64| -> Vec<f64> { part.iter().map(|x| x * by).collect() };
    let mut sums = [0.0; 5];
    let mut output = 0.0;
    for row in 0..rows.len() {
        let tokens = token_tensor(&[rows.row(row)]).unwrap();
        let z = Matrix::from_tensor(
            &model.capture(&tokens, &[hook]).unwrap()[&hook],
            sae.width(),
        )
        .unwrap();
        let latents = sae.encode(&z).unwrap();
        let recon = sae.decode(&latents, &z).unwrap();
        for t in (0..z.rows()).filter(|t| rows.counts(row)[*t]) {
            let o = write(&of(z.row(t)));
            output += product(&o, &o);
            let [scale, shift] = match sae.input_norm {
                InputNorm::None => [1.0, 0.0],
                InputNorm::Layer | InputNorm::Constant => {
                    let x: Vec<f64> = z.row(t).iter().map(|x| f64::from(*x)).collect();
                    let mean = x.iter().sum::<f64>() / x.len() as f64;
                    let squares: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
                    [(squares / (x.len() - 1) as f64).sqrt(), mean]
                }
            };
            for (other, act) in latents.row(t) {
                let part = scaled(&of(sae.w_dec.row(other.index())), f64::from(act) * scale);
                let along = product(&write(&part), &o);
                sums[2] += along;
                if other == feature {
                    let w = sae
                        .input_norm
                        .direction(z.row(t), sae.w_enc.row(feature.index()));
                    sums[0] += product(&of(z.row(t)), &of(&w)).abs();
                    sums[1] += along;
                }
            }
            let bias: Vec<f64> = of(&sae.b_dec).iter().map(|b| b * scale + shift).collect();
            sums[3] += product(&write(&bias), &o);
            let error: Vec<f64> = of(z.row(t))
                .iter()
                .zip(of(recon.row(t)))
                .map(|(z, r)| z - r)
                .collect();
            sums[4] += product(&write(&error), &o);
        }
    }
    sums[1..].iter_mut().for_each(|sum| *sum /= output);
    sums
}

/// Relative tolerance: z, code and reconstruction are the same f32 numbers on both sides, sums run in f64 in another order.
const TOLERANCE: f64 = 1e-6;

#[track_caller]
fn close(got: f64, want: f64, what: &str) {
    assert!(
        (got - want).abs() <= TOLERANCE * want.abs().max(1.0),
        "{what}: {got}, not {want}"
    );
}

#[test]
fn figures_on_text_equal_their_definitions_and_parts_sum_to_one() {
    let model = demo();
    let rows = rows(&model, 1200);
    for norm in [InputNorm::None, InputNorm::Layer] {
        let sae = random_sae(&model, 1, 40).with_input_norm(norm);
        let text = on(&model, &sae, &rows);
        let feature = (0..40)
            .map(FeatureId)
            .max_by_key(|f| text.active(*f))
            .unwrap();
        assert!(text.active(feature) > 5);
        for head in [0, 5] {
            let [attribution, explained, features, bias, error] =
                by_definition(&model, &sae, &rows, feature, head);
            let head = Head::from(head);
            close(text.attribution(feature, head), attribution, "attribution");
            close(text.explained(feature, head), explained, "explained");
            close(text.explained_by_features(head), features, "features");
            close(text.explained_by_bias(head), bias, "bias");
            close(text.left_to_error(head), error, "error");
            let sum = text.explained_by_features(head)
                + text.explained_by_bias(head)
                + text.left_to_error(head);
            // The reconstruction is rounded to f32, so the error term takes up about 1e-7 of each summand.
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            let without = sum - text.left_to_error(head);
            assert!(
                (without - 1.0).abs() > 1e-3,
                "the sum holds without the error: {without}"
            );
        }
    }
}

#[test]
fn shares_of_attribution_sum_to_one_and_peaks_are_the_strongest() {
    let model = demo();
    let rows = rows(&model, 2400);
    let sae = random_sae(&model, 2, 40);
    let text = on(&model, &sae, &rows);
    assert_eq!(text.layer, Layer(2));
    let latents: Vec<_> = (0..rows.len())
        .map(|row| {
            let hook = HookPoint::block(2, Site::Z);
            let z = crate::capture::activations(&model, &rows, &[row], hook).unwrap();
            sae.encode(&z).unwrap()
        })
        .collect();
    for feature in (0..40).map(FeatureId).filter(|f| text.active(*f) > 0) {
        let shares: f64 = (0..8)
            .map(|head| text.attribution_share(feature, Head(head)))
            .sum();
        assert!((shares - 1.0).abs() < 1e-9, "{shares}");
        let mut acts: Vec<(f32, usize, usize)> = Vec::new();
        for (row, latents) in latents.iter().enumerate() {
            let counted = (0..latents.rows()).filter(|t| rows.counts(row)[*t]);
            acts.extend(
                counted
                    .map(|t| (latents.get(t, feature), row, t))
                    .filter(|(act, ..)| *act != 0.0),
            );
        }
        assert_eq!(text.active(feature), acts.len() as u64);
        acts.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        for (peak, (act, row, t)) in text.peaks(feature).iter().zip(&acts) {
            assert_eq!(peak.act, *act);
            assert_eq!(peak.token, rows.row(*row)[*t]);
            assert_eq!(peak.before, Some(rows.row(*row)[t - 1]));
        }
        assert_eq!(text.peaks(feature).len(), acts.len().min(64));
    }
}

#[test]
fn correlations_are_those_of_the_hand() {
    // x = 1 2 3 4, y = 2 1 4 3: Σ(x−2.5)(y−2.5) = 3, both squares 5.
    let pairs = [[1.0, 2.0], [2.0, 1.0], [3.0, 4.0], [4.0, 3.0]];
    assert!((pearson(&pairs).unwrap() - 0.6).abs() < 1e-12);
    assert!((spearman(&pairs).unwrap() - 0.6).abs() < 1e-12);
    // y = x³ keeps the order: ρ = 1, r = Σ(x−2)(y−12)/√(2·392) with x = 1 2 3, y = 1 8 27: 26/√(2·362).
    let cubes = [[1.0, 1.0], [2.0, 8.0], [3.0, 27.0]];
    assert!((spearman(&cubes).unwrap() - 1.0).abs() < 1e-12);
    assert!((pearson(&cubes).unwrap() - 26.0 / 724.0_f64.sqrt()).abs() < 1e-12);
    // Equal values share the mean of their ranks: ranks 1.5 1.5 3 and 1 2 3, so 1.5/√(1.5·2).
    let ties = [[5.0, 1.0], [5.0, 2.0], [9.0, 3.0]];
    assert!((spearman(&ties).unwrap() - 1.5 / 3.0_f64.sqrt()).abs() < 1e-12);
    assert_eq!(pearson(&[[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]), None);
    assert_eq!(pearson(&[[1.0, 1.0], [2.0, 2.0]]), None);
}

#[test]
fn rankings_go_by_their_figures_over_live_features() {
    let model = demo();
    let sae = random_sae(&model, 1, 60);
    let text = on(&model, &sae, &rows(&model, 1500));
    let mut live = text.live();
    let dead = (0..60).find(|f| live[*f]).unwrap();
    live[dead] = false;
    let ranked = rank(&text, &live);
    assert_eq!(ranked.len(), 8);
    let head = &ranked[3];
    assert!(head.rows.iter().all(|row| row.feature.index() != dead));
    assert_eq!(head.live, live.iter().filter(|live| **live).count());
    let shares: Vec<f64> = head
        .by(Ranking::Share)
        .iter()
        .map(|row| row.share)
        .collect();
    assert!(
        shares.len() == 10 && shares.is_sorted_by(|a, b| a >= b),
        "{shares:?}"
    );
    let sums: Vec<f64> = head
        .by(Ranking::Attribution)
        .iter()
        .map(|row| row.attribution)
        .collect();
    assert!(
        sums.len() == 10 && sums.is_sorted_by(|a, b| a >= b),
        "{sums:?}"
    );
    let most = (0..60)
        .filter(|f| live[*f])
        .map(|f| text.attribution(FeatureId::from(f), Head(3)));
    assert_eq!(sums[0], most.fold(0.0, f64::max));
    assert!(head.by(Ranking::Causal).is_empty());
    let mut head = head.clone();
    let effects: Vec<Option<Effect>> = (0..head.rows.len())
        .map(|at| {
            (at % 2 == 0).then(|| Effect {
                rise: (at as f64).sin(),
                tokens: 4,
            })
        })
        .collect();
    with_effects(&mut head, &effects);
    let rises: Vec<f64> = head
        .by(Ranking::Causal)
        .iter()
        .map(|row| row.effect.unwrap().rise)
        .collect();
    assert!(
        rises.len() > 4 && rises.is_sorted_by(|a, b| a >= b),
        "{rises:?}"
    );
}

/// Runs one row with the feature's part taken out of the head's z by hand and compares each token's rise of cross-entropy.
#[test]
fn the_causal_effect_is_the_rise_without_the_features_part() {
    let model = demo();
    let rows = rows(&model, 900);
    let sae = random_sae(&model, 1, 40);
    let of = sae.autoencoder().unwrap();
    let mut go = |_| Flow::Continue(());
    let Ended::Done(sample) = Sample::new(&model, of, &rows, 2, &mut go).unwrap() else {
        panic!("stopped")
    };
    assert_eq!(sample.len(), 2);
    let hook = HookPoint::block(1, Site::Z);
    let head = Head(5);
    // The feature that is active on the most sampled tokens.
    let active = sample.active().concat();
    let count = |feature: &FeatureId| active.iter().filter(|other| *other == feature).count();
    let feature = (0..40).map(FeatureId).max_by_key(count).unwrap();
    let loss = |logits: &candle_core::Tensor, t: usize, target: u32| {
        let row: Vec<f32> = logits.get(0).unwrap().get(t).unwrap().to_vec1().unwrap();
        let sum: f64 = row.iter().map(|l| f64::from(*l).exp()).sum();
        sum.ln() - f64::from(row[target as usize])
    };
    let (mut sum, mut count) = (0.0, 0);
    for row in [0, rows.len() / 2] {
        let tokens = token_tensor(&[rows.row(row)]).unwrap();
        let clean = model.logits(&tokens).unwrap();
        let value = model.capture(&tokens, &[hook]).unwrap()[&hook].clone();
        let mut z = Matrix::from_tensor(&value, 256).unwrap();
        let latents = sae.encode(&z).unwrap();
        for t in (0..32).filter(|t| rows.counts(row)[*t]) {
            for i in 5 * 32..6 * 32 {
                z.row_mut(t)[i] -= latents.get(t, feature) * sae.w_dec.row(feature.index())[i];
            }
        }
        let edited = z.to_tensor().unwrap().reshape(value.dims()).unwrap();
        let mut replace = HookFn::new(hook, |_, _: &candle_core::Tensor| Ok(Some(edited.clone())));
        let logits = model
            .run(Start::Tokens(&tokens), &mut replace)
            .unwrap()
            .unwrap();
        for t in (0..31).filter(|t| rows.charges(row)[*t] && latents.get(*t, feature) != 0.0) {
            let target = rows.row(row)[t + 1].0;
            sum += loss(&logits, t, target) - loss(&clean, t, target);
            count += 1;
        }
    }
    assert!(count > 0);
    let effect = sample.effect(of, feature, head).unwrap().unwrap();
    assert_eq!(effect.tokens, count);
    // Logits are sums of 256 products in f32; both passes round alike up to the order of their products.
    assert!(
        (effect.rise - sum / count as f64).abs() < 1e-4,
        "{effect:?} {sum} {count}"
    );
    let elsewhere = sample.effect(of, feature, Head(2)).unwrap().unwrap();
    assert!(
        (elsewhere.rise - effect.rise).abs() > 1e-4,
        "{elsewhere:?} {effect:?}"
    );
    // Ablating a head that is replaced by its own z changes nothing.
    let own = sample.ablated(Head(0), &[0.0; 256]).unwrap();
    assert_eq!(own.len(), sample.charged().len());
    assert!(own.iter().any(|rise| rise.abs() > 1e-4));
}
