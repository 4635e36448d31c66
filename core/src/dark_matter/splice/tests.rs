//! Compares prices with torch, with `umbra eval` and with a swap by its definition; checks what is refused.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::run::others;
use super::*;
use crate::corpus::{Positions, Rows};
use crate::dark_matter::{linear, split};
use crate::dims::Matrix;
use crate::eval;
use crate::formats;
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::{HookFn, Model, Start, token_tensor};
use crate::sae::{Autoencoder, Sae, TopK};

fn golden(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    root.join(path)
}

pub(in crate::dark_matter) fn opened(model: &str) -> (Model, Sae) {
    let (model, _) = Model::open(&golden(model)).unwrap();
    let (sae, _) = formats::open(&golden("sae-lens-topk")).unwrap();
    (model, sae)
}

/// Rows of a golden file, BOS in front.
fn rows(case: &Value, key: &str) -> Rows {
    let tokens: Vec<Vec<u32>> = serde_json::from_value(case[key].clone()).unwrap();
    let context = tokens[0].len();
    let tokens: Vec<TokenId> = tokens.into_iter().flatten().map(TokenId).collect();
    let documents = (0..tokens.len()).map(|at| (at / context) as u32).collect();
    let names = (0..tokens.len() / context).map(|name| name.to_string());
    Rows::new(context, tokens, documents, names.collect()).with_special([TokenId(0)])
}

pub(in crate::dark_matter) fn case(name: &str) -> Value {
    let text = std::fs::read_to_string(golden("splice").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(in crate::dark_matter) fn texts(case: &Value) -> (Rows, Rows) {
    let skip = case["skip"].as_u64().unwrap() as usize;
    let both = ["fit", "held_out"].map(|key| rows(case, key).skipping(skip));
    let [fit, held_out] = both;
    (fit, held_out)
}

fn measured(model: &Model, saes: &[Autoencoder<'_>], (fit, held_out): (&Rows, &Rows)) -> Costs {
    let all = splice(model, saes, (fit, held_out), 3, &mut |_| {
        ControlFlow::Continue(())
    });
    all.unwrap().done().unwrap()
}

/// A sentence for each figure that differs from `want`. The reference runs the model in f64 and Umbra in f32: a loss of 11 nats differs by about 1e-6, and a share
/// of a cost of 0.15 nats by ten times as much.
fn differences(got: &Spliced, want: &Value) -> Vec<String> {
    let number = |keys: &[&str]| {
        let value = keys.iter().fold(want, |value, key| &value[*key]);
        value.as_f64().unwrap()
    };
    let recovered = got.recovered;
    let pairs = [
        ("ce_clean", got.ce_clean, number(&["ce_clean"]), 2e-5),
        ("ce_sae", got.ce_sae, number(&["ce_sae"]), 2e-5),
        ("ce_linear", got.ce_linear, number(&["ce_linear"]), 2e-5),
        (
            "ce_nonlinear",
            got.ce_nonlinear,
            number(&["ce_nonlinear"]),
            2e-5,
        ),
        ("ce_zero", got.ce_zero, number(&["ce_zero"]), 2e-5),
        ("fvu sae", got.fvu.sae, number(&["fvu", "sae"]), 1e-5),
        (
            "fvu linear",
            got.fvu.linear,
            number(&["fvu", "linear"]),
            1e-5,
        ),
        (
            "fvu nonlinear",
            got.fvu.nonlinear,
            number(&["fvu", "nonlinear"]),
            1e-5,
        ),
        (
            "recovered linear",
            recovered.linear.unwrap(),
            number(&["recovered", "linear"]),
            3e-4,
        ),
        (
            "recovered nonlinear",
            recovered.nonlinear.unwrap(),
            number(&["recovered", "nonlinear"]),
            3e-4,
        ),
        (
            "norm linear",
            got.norm_share.linear,
            number(&["norm_share", "linear"]),
            1e-5,
        ),
        (
            "norm nonlinear",
            got.norm_share.nonlinear,
            number(&["norm_share", "nonlinear"]),
            1e-5,
        ),
        ("r2", got.r2_share.linear, number(&["r2"]), 1e-5),
        ("tokens", got.tokens as f64, number(&["tokens"]), 0.0),
    ];
    let apart = pairs
        .into_iter()
        .filter(|(_, got, want, most)| (got - want).abs() > *most);
    apart
        .map(|(name, got, want, _)| format!("{name}: {got}, torch has {want}"))
        .collect()
}

#[test]
fn prices_of_the_parts_are_those_of_torch() {
    for name in ["gpt2.json", "llama.json", "gpt2-skip-8.json"] {
        let case = case(name);
        let (model, sae) = opened(case["model"].as_str().unwrap());
        let (fit, held_out) = texts(&case);
        let costs = measured(&model, &[sae.autoencoder().unwrap()], (&fit, &held_out));
        let got = &costs.dictionaries[0];
        assert_eq!(
            differences(got, &case["figures"]),
            Vec::<String>::new(),
            "{name}"
        );
        // Figures of another fit are told apart.
        let half = fit.take(30);
        let other = measured(&model, &[sae.autoencoder().unwrap()], (&half, &held_out));
        let apart = differences(&other.dictionaries[0], &case["figures"]);
        assert!(apart.iter().any(|line| line.starts_with("ce_linear")));
        assert!(!apart.iter().any(|line| line.starts_with("ce_sae")));
    }
}

#[test]
fn what_eval_measures_too_is_the_same_number() {
    let case = case("gpt2.json");
    let (model, sae) = opened("tiny-gpt2");
    let (fit, held_out) = texts(&case);
    for rule in Positions::ALL {
        let (fit, held_out) = (fit.clone().by(rule), held_out.clone().by(rule));
        let got = measured(&model, &[sae.autoencoder().unwrap()], (&fit, &held_out));
        let got = &got.dictionaries[0];
        let figures = eval::run(&model, &sae, &held_out, &mut |_| ControlFlow::Continue(()));
        let figures = figures.unwrap().done().unwrap();
        // The same losses, summed by `eval` row by row and here in one run: f64 sums in two orders.
        for (ours, theirs) in [
            (got.ce_clean, figures.ce_clean),
            (got.ce_sae, figures.ce_sae),
            (got.ce_zero, figures.ce_zero),
        ] {
            assert!((ours - theirs).abs() < 1e-13 * theirs, "{rule}");
        }
        // The mean that `eval` subtracts is rounded to f32.
        assert!(
            (got.fvu.sae - figures.fvu).abs() < 1e-6 * figures.fvu,
            "{rule}"
        );
    }
}

/// Random dictionary of attention's `z` in the first block.
pub(in crate::dark_matter) fn of_z(model: &Model) -> Sae {
    use rand::{Rng as _, SeedableRng as _};
    let hook = HookPoint::block(0, Site::Z);
    let d = model.width(hook).unwrap();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    let mut random = || {
        let values = (0..40 * d).map(|_| rng.random_range(-0.5..0.5));
        Matrix::new(40, d, values.collect()).unwrap()
    };
    let (encoder, decoder) = (random(), random());
    Sae::new(
        "z",
        (encoder, vec![0.0; 40]),
        (decoder, vec![0.0; d]),
        TopK { k: 6 },
    )
    .reading(hook)
}

#[test]
fn several_dictionaries_are_measured_in_one_go_as_one_by_one() {
    let case = case("gpt2.json");
    let (model, sae) = opened("tiny-gpt2");
    let (fit, held_out) = texts(&case);
    let other = of_z(&model);
    let all = [&sae, &other, &sae].map(|sae| sae.autoencoder().unwrap());
    let together = measured(&model, &all, (&fit, &held_out));
    assert_eq!(together.dictionaries[0], together.dictionaries[2]);
    for (sae, got) in all.iter().zip(&together.dictionaries) {
        let alone = measured(&model, &[*sae], (&fit, &held_out));
        assert_eq!(*got, alone.dictionaries[0]);
    }
    assert_eq!(together.fit_tokens, 60 * 31);
    assert!(together.notes.is_empty(), "{:?}", together.notes);
    // Random dictionaries lower the loss of a random model as often as not.
    let said = together.conclusion();
    assert!(said.contains("3 dictionaries"), "{said}");
}

#[test]
fn a_swap_gives_every_token_the_part_of_another() {
    let counts: Vec<bool> = (0..40).map(|i| i % 5 != 0).collect();
    let other = others(&counts, (1, 0));
    let mut sorted = other.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..40).collect::<Vec<u32>>());
    for (i, other) in other.iter().enumerate() {
        assert_eq!(*other == i as u32, !counts[i], "{i} {other}");
    }
    assert_ne!(other, others(&counts, (2, 0)));
    assert_ne!(other, others(&counts, (1, 8)));

    // One chunk of rows, by the definition.
    let case = case("gpt2.json");
    let (model, sae) = opened("tiny-gpt2");
    let (fit, held_out) = texts(&case);
    let held_out = held_out.take(8);
    let auto = sae.autoencoder().unwrap();
    let got = measured(&model, &[auto], (&fit, &held_out));
    let fitted = linear::fit(&model, &[auto], (&fit, &held_out), &mut |_| {
        ControlFlow::Continue(())
    });
    let fitted = fitted.unwrap().done().unwrap();
    let chunk: Vec<usize> = (0..8).collect();
    let tokens: Vec<&[TokenId]> = chunk.iter().map(|row| held_out.row(*row)).collect();
    let hook = sae.hook().unwrap();
    let x = crate::capture::activations(&model, &held_out, &chunk, hook).unwrap();
    let (reconstruction, error) = split::error(auto, &x).unwrap();
    let linear = split::linear_part(&fitted[0].weights, &x).unwrap();
    let counts = held_out.counts_of(&chunk);
    let other = others(&counts, (3, 0));
    let loss = |of_linear: &dyn Fn(usize) -> usize, of_rest: &dyn Fn(usize) -> usize| {
        let mut value = x.clone();
        for i in (0..x.rows()).filter(|i| counts[*i]) {
            let (a, b) = (of_linear(i), of_rest(i));
            for j in 0..x.columns() {
                let rest = error.row(b)[j] - linear.row(b)[j];
                value.row_mut(i)[j] = reconstruction.row(i)[j] + linear.row(a)[j] + rest;
            }
        }
        let mut put = HookFn::new(hook, move |_, of| {
            Ok(Some(value.to_tensor()?.reshape(of.dims())?))
        });
        let input = token_tensor(&tokens).unwrap();
        let logits = model.run(Start::Tokens(&input), &mut put).unwrap().unwrap();
        let logits: Vec<Vec<Vec<f32>>> = logits.to_vec3().unwrap();
        let mut sum = 0.0;
        for (row, tokens) in logits.iter().zip(&tokens) {
            for t in 1..tokens.len() - 1 {
                let exp: f64 = row[t].iter().map(|l| f64::from(*l).exp()).sum();
                sum += exp.ln() - f64::from(row[t][tokens[t + 1].index()]);
            }
        }
        sum / (8.0 * 30.0)
    };
    let own = |i: usize| i;
    let swapped = |i: usize| other[i] as usize;
    let got = &got.dictionaries[0];
    let near = |got: f64, want: f64| assert!((got - want).abs() < 2e-5, "{got} {want}");
    near(got.ce_swapped.linear, loss(&swapped, &own));
    near(got.ce_swapped.nonlinear, loss(&own, &swapped));
    near(got.ce_clean, loss(&own, &own));
    assert!((got.ce_swapped.linear - got.ce_clean).abs() > 1e-3);
}

#[test]
fn texts_that_decide_nothing_are_refused_and_short_ones_named() {
    let case = case("gpt2.json");
    let (model, sae) = opened("tiny-gpt2");
    let (fit, held_out) = texts(&case);
    let auto = [sae.autoencoder().unwrap()];
    let refused = |fit: &Rows, held_out: &Rows| {
        let ended = splice(&model, &auto, (fit, held_out), 0, &mut |_| {
            ControlFlow::Continue(())
        });
        ended.unwrap_err().to_string()
    };
    // 31 activations for 33 unknowns.
    let said = refused(&fit.clone().take(1), &held_out);
    assert!(said.contains("31 counted tokens"), "{said}");
    let said = refused(&fit.clone().by(Positions::All), &held_out);
    assert!(said.contains("by the same rule"), "{said}");
    let short = measured(&model, &auto, (&fit.clone().take(4), &held_out));
    assert!(
        short.notes[0].contains("124 activations"),
        "{:?}",
        short.notes
    );
    let mut calls = 0;
    let stopped = splice(&model, &auto, (&fit, &held_out), 0, &mut |_| {
        calls += 1;
        ControlFlow::Break(())
    });
    assert!(stopped.unwrap().is_stopped() && calls == 1);
}

#[test]
fn the_conclusion_weighs_a_part_against_its_share() {
    let mut one = Spliced {
        sae: "mine".to_owned(),
        hook: "blocks.0.hook_resid_post".to_owned(),
        features: 4,
        ce_clean: 3.0,
        ce_sae: 3.5,
        ce_linear: 3.4,
        ce_nonlinear: 3.1,
        ce_zero: 9.0,
        ce_swapped: ByPart::default(),
        tokens: 10,
        fvu: FvuByPart {
            sae: 0.2,
            linear: 0.15,
            nonlinear: 0.05,
        },
        recovered: ByPart {
            linear: Some(0.2),
            nonlinear: Some(0.8),
        },
        recovered_interval: ByPart {
            linear: Some([0.1, 0.3]),
            nonlinear: Some([0.7, 0.9]),
        },
        cost_interval: Some([0.4, 0.6]),
        norm_share: ByPart::default(),
        r2_share: ByPart {
            linear: 0.25,
            nonlinear: 0.75,
        },
    };
    assert!(
        one.conclusion()
            .contains("is 25 % of the error and recovers about that share"),
        "{}",
        one.conclusion()
    );
    let kept = (one.ce_zero - one.ce_sae) / (one.ce_zero - one.ce_clean);
    assert_eq!(one.ce_recovered_zero(), kept);
    one.r2_share.linear = 0.5;
    assert!(
        one.conclusion()
            .contains("50 % of the error and recovers less than"),
        "{}",
        one.conclusion()
    );
    one.r2_share.linear = 0.05;
    assert!(
        one.conclusion()
            .contains("5 % of the error and recovers more than"),
        "{}",
        one.conclusion()
    );
    one.cost_interval = Some([-0.1, 0.6]);
    assert!(
        one.conclusion().contains("too little to say"),
        "{}",
        one.conclusion()
    );
}
