//! Pursuit against its definition, against torch and scipy, and what must hold on the demo.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::reference;
use super::*;
use crate::corpus::{Corpus, CorpusSpec};
use crate::ids::FeatureId;
use crate::sae::{InputNorm, JumpRelu, Relu, TopK};

fn normal(rng: &mut StdRng) -> f32 {
    // Sum of uniform numbers: close enough to normal.
    (0..6).map(|_| rng.random_range(-1.0_f32..1.0)).sum::<f32>() / 1.4
}

fn random(rng: &mut StdRng, rows: usize, columns: usize) -> Matrix {
    let values = (0..rows * columns).map(|_| normal(rng)).collect();
    Matrix::new(rows, columns, values).unwrap()
}

/// Dictionary whose directions differ in length, with groups of near copies and one pair of equal rows.
fn dictionary(seed: u64, f: usize, d: usize) -> Sae {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut w_dec = random(&mut rng, f, d);
    for i in (3..f).step_by(4) {
        let like = w_dec.row(i - 1).to_vec();
        for (value, like) in w_dec.row_mut(i).iter_mut().zip(like) {
            *value = like + 0.2 * *value;
        }
    }
    let copy = w_dec.row(0).to_vec();
    w_dec.row_mut(1).copy_from_slice(&copy);
    for i in 0..f {
        let length = 0.3 + (i % 5) as f32 * 0.4;
        w_dec.row_mut(i).iter_mut().for_each(|v| *v *= length);
    }
    let b_dec = (0..d).map(|_| normal(&mut rng)).collect();
    let w_enc = random(&mut rng, f, d);
    Sae::new(
        "random",
        (w_enc, vec![0.0; f]),
        (w_dec, b_dec),
        TopK { k: 5 },
    )
}

fn settings(method: Method) -> Settings {
    Settings {
        method,
        ..Settings::default()
    }
}

/// Largest difference of a code from its definition, relative to the signal's length.
fn off(code: &Latents, i: usize, want: &[f64], signal: &[f32]) -> f64 {
    let length = signal
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt();
    let each = (0..).zip(want).map(|(feature, want)| {
        let here = f64::from(code.get(i, FeatureId(feature)));
        (here - want).abs()
    });
    each.fold(0.0, f64::max) / length
}

/// Codes are stored in f32, and least squares of near copies lose some digits in the definition's coordinate descent.
const TOLERANCE: f64 = 2e-6;

#[test]
fn every_step_of_both_rules_is_that_of_the_dense_definition() {
    let sae = dictionary(1, 1300, 20);
    let mut rng = StdRng::seed_from_u64(2);
    let x = random(&mut rng, 12, 20);
    let signal = signal(&sae, &x).unwrap();
    for method in Method::ALL {
        let mut lowered = 0;
        for steps in [1, 2, 3, 5, 9, 14] {
            let code = pursue(&sae, &x, &[steps; 12], settings(method)).unwrap();
            code.check(1300).unwrap();
            for i in 0..12 {
                let want = reference::pursue(&sae.w_dec, signal.row(i), (method, steps));
                let apart = off(&code, i, &want, signal.row(i));
                assert!(apart < TOLERANCE, "{method} {steps} {i}: {apart}");
                let before = reference::pursue(&sae.w_dec, signal.row(i), (method, steps - 1));
                // A step more or less is told apart.
                lowered += usize::from(off(&code, i, &before, signal.row(i)) > 10.0 * TOLERANCE);
            }
        }
        assert!(
            lowered >= 66,
            "{method}: {lowered} of 72 steps change the code"
        );
    }
}

#[test]
fn any_split_into_blocks_and_any_number_of_threads_gives_the_same_bytes() {
    let sae = dictionary(3, 700, 16);
    let x = random(&mut StdRng::seed_from_u64(4), 40, 16);
    let steps: Vec<usize> = (0..40).map(|i| i % 9).collect();
    for method in Method::ALL {
        let all = pursue(&sae, &x, &steps, settings(method)).unwrap();
        assert!((0..40).all(|i| all.range(i).len() <= steps[i]));
        let mut pursuer = batch::Pursuer::new(&sae, settings(method)).unwrap();
        let parts: Vec<Latents> = (0..40)
            .map(|i| {
                let row = x.rows_of(&[i]);
                pursuer
                    .pursue(&row, &steps[i as usize..=i as usize])
                    .unwrap()
            })
            .collect();
        assert_eq!(Latents::joined(&parts), all, "{method}");
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let alone = pool.install(|| pursue(&sae, &x, &steps, settings(method)).unwrap());
        assert_eq!(alone, all, "{method}");
    }
}

#[test]
fn a_shortlist_of_all_features_is_the_whole_dictionary() {
    let sae = dictionary(5, 300, 12);
    let x = random(&mut StdRng::seed_from_u64(6), 9, 12);
    for method in Method::ALL {
        let whole = pursue(&sae, &x, &[6; 9], settings(method)).unwrap();
        let listed = |shortlist: usize| {
            let settings = Settings {
                shortlist: Some(shortlist),
                ..settings(method)
            };
            pursue(&sae, &x, &[6; 9], settings).unwrap()
        };
        assert_eq!(listed(300), whole);
        let short = listed(20);
        assert_ne!(short, whole);
        let read = sae.centred(&x).unwrap();
        let may =
            crate::kernels::encode::encode_raw_topk(&read, &sae.w_enc, &sae.b_enc, 20).unwrap();
        for i in 0..9 {
            let listed = &may.features[may.range(i)];
            assert!(short.row(i).all(|(feature, _)| listed.contains(&feature.0)));
        }
    }
}

#[test]
fn the_signal_is_what_the_decoder_adds_up_to() {
    let mut sae = dictionary(7, 60, 8);
    let x = random(&mut StdRng::seed_from_u64(8), 5, 8);
    // Planted exactly: with as many steps as features, orthogonal pursuit finds what was written.
    let mut planted = Latents::with_capacity(5, 2);
    for i in 0..5_u32 {
        planted.push_row(&[2 + 8 * i, 6 + 8 * i], &[3.0, 1.0 + i as f32]);
    }
    for norm in [InputNorm::None, InputNorm::Layer, InputNorm::Constant] {
        for subtracts in [true, false] {
            sae.apply_b_dec_to_input = subtracts;
            sae.input_norm = norm;
            let y = if norm == InputNorm::None {
                sae.decode(&planted, &x).unwrap()
            } else {
                x.clone()
            };
            let code = pursue(&sae, &y, &[8; 5], settings(Method::Orthogonal)).unwrap();
            let back = sae.decode(&code, &y).unwrap();
            let codes = by_token(
                &sae,
                &y,
                Settings {
                    k: Some(8),
                    ..settings(Method::Orthogonal)
                },
            )
            .unwrap();
            for (i, token) in codes.iter().enumerate() {
                let length: f32 = y.row(i).iter().map(|v| v * v).sum();
                let left: f32 = y
                    .row(i)
                    .iter()
                    .zip(back.row(i))
                    .map(|(a, b)| (a - b).powi(2))
                    .sum();
                let share = f64::from(left / length);
                // Sixty rows span eight dimensions many times over, but only with weights of one sign.
                let most = if norm == InputNorm::None { 1e-6 } else { 0.35 };
                assert!(share < most, "{norm:?} {subtracts} {i}: {share}");
                assert!((token.pursuit_error - f64::from(left)).abs() < 1e-4 * f64::from(length));
            }
        }
    }
}

#[test]
fn tokens_without_steps_get_an_empty_code_and_extremes_are_survived() {
    let mut sae = dictionary(9, 40, 6);
    sae.selection = JumpRelu {
        thresholds: vec![1e9; 40],
    }
    .into();
    let x = random(&mut StdRng::seed_from_u64(10), 3, 6);
    let codes = by_token(&sae, &x, Settings::default()).unwrap();
    for token in &codes {
        assert!(token.features.is_empty());
        assert_eq!(
            (token.jaccard(), token.encoder_error),
            (1.0, token.pursuit_error)
        );
    }
    // A signal that is exactly nothing, a dictionary of nothing, and more steps than dimensions.
    let centre = Matrix::new(1, 6, sae.b_dec.clone()).unwrap();
    for method in Method::ALL {
        let none = pursue(&sae, &centre, &[4], settings(method)).unwrap();
        assert_eq!(none.features.len(), 0);
        let many = pursue(&sae, &x, &[40; 3], settings(method)).unwrap();
        many.check(40).unwrap();
        let mut empty = sae.clone();
        empty.w_dec = Matrix::zeros(40, 6);
        let none = pursue(&empty, &x, &[3; 3], settings(method)).unwrap();
        assert_eq!(none.features.len(), 0, "{method}");
    }
    let infinite = Matrix::new(1, 6, vec![f32::INFINITY; 6]).unwrap();
    let why = pursue(&sae, &infinite, &[1], Settings::default()).unwrap_err();
    assert!(why.to_string().contains("NaN or infinite"), "{why}");
}

#[test]
fn what_cannot_be_pursued_is_refused_with_the_reason() {
    let mut sae = dictionary(11, 30, 6);
    let x = random(&mut StdRng::seed_from_u64(12), 2, 6);
    for (k, shortlist) in [
        (Some(0), None),
        (Some(31), None),
        (None, Some(0)),
        (None, Some(31)),
    ] {
        let settings = Settings {
            k,
            shortlist,
            ..Settings::default()
        };
        let why = pursue(&sae, &x, &[1; 2], settings).unwrap_err().to_string();
        assert!(why.contains("between 1 and 30"), "{why}");
    }
    sae.selection = Relu.into();
    sae.role = crate::sae::Role::Transcoder(crate::sae::Transcoder::default());
    let why = pursue(&sae, &x, &[1; 2], Settings::default())
        .unwrap_err()
        .to_string();
    assert!(why.contains("transcoder random"), "{why}");
}

/// Values by torch and scipy in f64; codes are stored in f32.
const GOLDEN: f64 = 1e-6;

#[test]
fn codes_are_those_of_torch_and_scipy() {
    let golden = include_str!("../../../../tests/golden/pursuit.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    let numbers = |key: &str| -> Vec<f64> {
        let values = golden[key].as_array().unwrap().iter();
        values.map(|value| value.as_f64().unwrap()).collect()
    };
    let size = |key: &str| golden[key].as_u64().unwrap() as usize;
    let (f, d) = (size("features"), size("width"));
    let matrix = |key: &str| {
        let values: Vec<f32> = numbers(key).into_iter().map(|v| v as f32).collect();
        Matrix::new(values.len() / d, d, values).unwrap()
    };
    let (directions, signals) = (matrix("directions"), matrix("signals"));
    let steps: Vec<usize> = numbers("steps").into_iter().map(|v| v as usize).collect();
    let encoder = (directions.clone(), vec![0.0; f]);
    let sae = Sae::new("golden", encoder, (directions, vec![0.0; d]), Relu);
    for method in Method::ALL {
        let codes = pursue(&sae, &signals, &steps, settings(method)).unwrap();
        let want = golden[method.name()].as_array().unwrap();
        let of = |i: usize, feature: u32| want[i].get(feature.to_string());
        let mut compared = 0;
        for i in 0..signals.rows() {
            for feature in 0..f as u32 {
                let want = of(i, feature).map_or(0.0, |value| value.as_f64().unwrap());
                let here = f64::from(codes.get(i, FeatureId(feature)));
                assert!(
                    (here - want).abs() < GOLDEN * (1.0 + want),
                    "{method} {i} {feature}: {here} {want}"
                );
                compared += usize::from(want > 0.0);
            }
        }
        assert!(compared > 30, "{compared}");
        // The other rule, or one step less, is told apart.
        let other = Method::ALL[usize::from(method == Method::Gradient)];
        assert_ne!(
            pursue(&sae, &signals, &steps, settings(other)).unwrap(),
            codes
        );
    }
}

#[test]
fn on_the_demo_pursuit_lowers_the_error_and_what_is_missed_adds_up() {
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    let model = crate::models::Model::open(&demo.join("model")).unwrap().0;
    let sae = crate::formats::open(&demo.join("saes/resid-2")).unwrap().0;
    let spec = CorpusSpec {
        paths: vec![demo.join("text/held-out/alice.txt")],
        ..CorpusSpec::default()
    };
    let corpus = Corpus::open(&spec).unwrap().0;
    let rows = corpus.rows(model.codec(), 256).unwrap().0.take(1);
    for method in Method::ALL {
        let ended = compare((&model, &sae), &rows, settings(method), None, &mut |_| {
            crate::Flow::Continue(())
        });
        let of = ended.unwrap().done().unwrap();
        assert_eq!(of.tokens, rows.counted() as u64);
        let fvu = (of.fvu_encoder, of.fvu_pursuit);
        assert!(fvu.1 < fvu.0, "{fvu:?}");
        assert_eq!((of.worse, of.clearly_worse), (0.0, 0.0), "{method}");
        let sum = |by: fn(&FeatureRow) -> u64| of.features.iter().map(by).sum::<u64>() as f64;
        let n = of.tokens as f64;
        assert!((sum(|row| row.shared + row.invented) / n - of.l0).abs() < 1e-9);
        assert!((sum(|row| row.shared + row.missed) / n - of.l0_pursuit).abs() < 1e-9);
        assert!(of.l0_pursuit <= of.l0);
        let most = of.most_missed()[0];
        let examples = of.examples_of(most.feature).unwrap();
        assert!(!examples.tokens.is_empty() && examples.tokens.len() as u64 <= most.missed);
        let weights = examples.tokens.iter().map(|missed| missed.weight);
        assert!(weights.is_sorted_by(|a, b| a >= b));
        let said = of.conclusion();
        assert!(
            said.contains("lowers FVU") && said.contains("tokens"),
            "{said}"
        );
        let kept: Comparison = serde_json::from_str(&serde_json::to_string(&of).unwrap()).unwrap();
        assert_eq!(kept.features.len(), of.features.len());
        assert_eq!(kept.most_missed()[0].feature, most.feature);
        assert_eq!(kept.conclusion(), said);
        assert_eq!(of.note(), None);
    }
    let few = corpus.rows(model.codec(), 32).unwrap().0.take(1);
    let mut signed = sae;
    signed.selection = crate::sae::AbsTopK { k: 4 }.into();
    let gradient = settings(Method::Gradient);
    let ended = compare((&model, &signed), &few, gradient, None, &mut |_| {
        crate::Flow::Continue(())
    });
    let note = ended.unwrap().done().unwrap().note().unwrap_or_default();
    assert!(
        note.contains("resid-2 keeps negative activations"),
        "{note}"
    );
}
