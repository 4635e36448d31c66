//! Compares the lab with definitions in plain loops over captured patterns, and with transformers' attention.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::direct::effects;
use super::synthetic::read;
use super::*;
use crate::corpus::Corpus;
use crate::dims::Matrix;
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::token_tensor;

/// Patterns and outputs in f32 of one model by two orders of sums, values around 1: a few times 1e-7 relative to the largest term.
const TOLERANCE: f64 = 2e-5;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn open(path: &str) -> Model {
    Model::open(&repository(path)).unwrap().0
}

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

#[track_caller]
fn near(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() < TOLERANCE, "{what}: {got} {want}");
    // A value that is off by a hundredth is refused.
    assert!((got - (want + 0.01)).abs() > TOLERANCE);
}

#[test]
fn sequences_are_distinct_random_tokens_with_one_repeated_prefix() {
    let model = open("assets/demo/model");
    let protocol = Protocol::new(&model).unwrap();
    assert_eq!(protocol.length(), 128);
    let (mut least, mut most) = (usize::MAX, 0);
    for number in 0..200 {
        for prefix in 1..=PREFIXES {
            let one = protocol.sequence(3, number, prefix);
            assert_eq!((one.tokens.len(), one.tokens[0]), (128, TokenId(0)));
            assert!((1..=98).contains(&one.first) && one.second > one.first + prefix);
            assert!(one.query() < 127 && one.query() > one.source());
            let copy = |at: usize| &one.tokens[at..at + prefix];
            assert_eq!(copy(one.first), copy(one.second));
            // But for the copy, all tokens differ, and none is special.
            let rest = one.tokens.iter().enumerate();
            let rest = rest.filter(|(p, _)| !(one.second..one.second + prefix).contains(p));
            let mut rest: Vec<TokenId> = rest.map(|(_, token)| *token).collect();
            assert!(rest[1..].iter().all(|token| *token != TokenId(0)));
            rest.sort_unstable();
            rest.dedup();
            assert_eq!(rest.len(), 128 - prefix);
            (least, most) = (least.min(one.first), most.max(one.first));
        }
    }
    assert!(least < 5 && most > 94, "{least} to {most}");
    assert_ne!(protocol.sequence(3, 0, 1), protocol.sequence(4, 0, 1));
}

#[test]
fn curves_equal_the_mean_over_captured_patterns_and_outputs() {
    for tiny in ["gpt2", "llama", "gpt-neox"] {
        let model = open(&format!("tests/golden/tiny-{tiny}"));
        let options = Options {
            sequences: 3,
            seed: 1,
        };
        let got = synthetic(&model, &options, &mut on)
            .unwrap()
            .done()
            .unwrap();
        let protocol = Protocol::new(&model).unwrap();
        assert_eq!((got.length, protocol.length()), (64, 64));
        for curve in &got.curves {
            for prefix in [1, 4, 9] {
                let (mut attention, mut direct, mut each) = (0.0, 0.0, Vec::new());
                for number in 0..3 {
                    let one = protocol.sequence(1, number, prefix);
                    let [a, d] = by_definition(&model, &one, curve);
                    (attention, direct) = (attention + a / 3.0, direct + d / 3.0);
                    each.push(a);
                }
                near(curve.by_prefix[prefix - 1], attention, tiny);
                near(
                    curve.error_by_prefix[prefix - 1],
                    standard_error(&each),
                    tiny,
                );
                near(curve.dla_by_prefix[prefix - 1], direct, tiny);
            }
        }
    }
}

fn standard_error(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (squares / (n - 1.0) / n).sqrt()
}

/// Attention from query to source, and the direct effect of `hook_result` on the answer's logit over the final scale.
fn by_definition(model: &Model, one: &Sequence, of: &Curve) -> [f64; 2] {
    let [pattern, result] = [Site::Pattern, Site::Result].map(|s| HookPoint::Block(of.layer, s));
    let hooks = [pattern, result, HookPoint::FinalScale];
    let captured = model
        .capture(&token_tensor(&[&one.tokens]).unwrap(), &hooks)
        .unwrap();
    let heads = captured[&pattern].squeeze(0).unwrap();
    let row = heads
        .get(of.head.index())
        .unwrap()
        .get(one.query())
        .unwrap();
    let attention = row.to_vec1::<f32>().unwrap()[one.source()];
    let results = captured[&result].squeeze(0).unwrap(); // [t, h, d]
    let result = results
        .get(one.query())
        .unwrap()
        .get(of.head.index())
        .unwrap();
    let result = Matrix::from_tensor(&result, model.config().d_model).unwrap();
    let effect = model.logit_effect(&result).unwrap().row(0)[one.answer().index()];
    let scales = captured[&HookPoint::FinalScale].flatten_all().unwrap();
    let scale = scales.to_vec1::<f32>().unwrap()[one.query()];
    [attention, effect / scale].map(f64::from)
}

#[test]
fn behind_a_norm_the_heads_add_up_to_the_effect_of_what_attention_wrote() {
    for tiny in ["gemma2", "gemma3"] {
        let model = open(&format!("tests/golden/tiny-{tiny}"));
        let protocol = Protocol::new(&model).unwrap();
        let sequences: Vec<Sequence> = (1..=4).map(|p| protocol.sequence(2, p, p)).collect();
        let answers: Vec<TokenId> = sequences.iter().map(Sequence::answer).collect();
        let directions = model.logit_directions(&answers).unwrap();
        let read = read(&model, &sequences).unwrap();
        for layer in 0..model.config().layers {
            let part = read.layer(layer);
            let parts = (&part.z, &directions, read.scales.as_slice());
            let got = effects(&model, Layer::from(layer), parts, part.written.as_ref()).unwrap();
            for (i, one) in sequences.iter().enumerate() {
                let hooks = [
                    HookPoint::block(layer, Site::AttnOut),
                    HookPoint::FinalScale,
                ];
                let tokens = token_tensor(&[&one.tokens]).unwrap();
                let captured = model.capture(&tokens, &hooks).unwrap();
                let width = model.config().d_model;
                let out = Matrix::from_tensor(&captured[&hooks[0]], width).unwrap();
                let out = Matrix::new(1, width, out.row(one.query()).to_vec()).unwrap();
                let scales = captured[&hooks[1]].flatten_all().unwrap();
                let scale = f64::from(scales.to_vec1::<f32>().unwrap()[one.query()]);
                let effect = model.logit_effect(&out).unwrap().row(0)[one.answer().index()];
                let sum: f64 = got.row(i).iter().map(|v| f64::from(*v)).sum();
                near(sum, f64::from(effect) / scale, tiny);
            }
        }
    }
}

#[test]
fn directions_of_tokens_are_rows_of_the_effect_on_logits() {
    for tiny in ["gpt2", "llama", "gemma2"] {
        let model = open(&format!("tests/golden/tiny-{tiny}"));
        let d = model.config().d_model;
        let values = (0..3 * d).map(|i| (i as f32 * 0.37).sin()).collect();
        let written = Matrix::new(3, d, values).unwrap();
        let effects = model.logit_effect(&written).unwrap();
        let tokens = [TokenId(0), TokenId(17), TokenId(511)];
        let directions = model.logit_directions(&tokens).unwrap();
        for (token, direction) in tokens.iter().zip(directions.iter_rows()) {
            for (row, effect) in written.iter_rows().zip(effects.iter_rows()) {
                let pairs = row.iter().zip(direction);
                let dot: f64 = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                near(dot, f64::from(effect[token.index()]), tiny);
            }
        }
        assert!(model.logit_directions(&[TokenId(512)]).is_err());
    }
}

#[test]
fn attention_is_that_of_transformers() {
    for tiny in ["tiny-gpt2", "tiny-gemma2", "tiny-qwen3"] {
        let model = open(&format!("tests/golden/{tiny}"));
        let path = repository(&format!("tests/golden/induction/{tiny}.json"));
        let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let sequences: Vec<Sequence> = (cases.iter())
            .map(|case| Sequence {
                tokens: (case["tokens"].as_array().unwrap().iter())
                    .map(|id| TokenId::from(number(id)))
                    .collect(),
                first: number(&case["first"]),
                second: number(&case["second"]),
                prefix: number(&case["prefix"]),
            })
            .collect();
        let read = read(&model, &sequences).unwrap();
        for (i, case) in cases.iter().enumerate() {
            for layer in 0..model.config().layers {
                for (head, got) in read.layer(layer).attention.row(i).iter().enumerate() {
                    let want = case["attention"][layer][head].as_f64().unwrap();
                    near(f64::from(*got), want, tiny);
                }
            }
        }
    }
}

#[test]
fn work_stops_where_its_observer_says_so() {
    let model = open("tests/golden/tiny-gpt2");
    let options = Options {
        sequences: 20,
        seed: 0,
    };
    let mut stop = |_: Progress| Flow::Break(());
    assert!(synthetic(&model, &options, &mut stop).unwrap().is_stopped());
    // The first report comes before any sequence, the second after one chunk.
    let mut seen = Vec::new();
    let mut look = |at: Progress| {
        seen.push((at.done, at.total));
        Flow::Continue(())
    };
    assert!(!synthetic(&model, &options, &mut look).unwrap().is_stopped());
    assert_eq!(seen[..2], [(0, 180), (4, 180)]);
    assert_eq!(seen.last(), Some(&(180, 180)));
    assert_eq!(options.cost(64).tokens, 180 * 64);
    let none = Options {
        sequences: 0,
        ..options
    };
    let refused = synthetic(&model, &none, &mut on).unwrap_err().to_string();
    assert!(refused.contains("sequences"), "{refused}");
}

#[test]
fn tokens_fold_by_case_and_one_leading_space() {
    let model = open("assets/demo/model");
    let codec = model.codec();
    let folded = Folded::new(codec, model.config().vocab);
    let token = |text: &str| codec.token_of(text).unwrap();
    assert!(folded.same(token(" the"), token("The")));
    assert!(folded.same(token("the"), token(" The")));
    assert!(!folded.same(token(" the"), token(" a")));
    // A space alone stands for itself.
    let all = (0..model.config().vocab).map(TokenId::from);
    let blank = token(" ");
    assert!(
        all.filter(|other| *other != blank)
            .all(|other| !folded.same(other, blank))
    );
}

/// Counts and means of one head by loops over whole captured patterns.
fn text_by_definition(
    model: &Model,
    rows: &Rows,
    of: &TextHead,
    options: &TextOptions,
) -> TextHead {
    let codec = model.codec();
    let fold = |token: TokenId| {
        let text = String::from_utf8_lossy(&codec.bytes(token)).into_owned();
        text.strip_prefix(' ').unwrap_or(&text).to_lowercase()
    };
    let special: Vec<TokenId> = codec.special().collect();
    let is_special = |token: &TokenId| special.contains(token);
    let matches =
        |a: &TokenId, b: &TokenId| !is_special(a) && !is_special(b) && fold(*a) == fold(*b);
    let mut counts = [0; PREFIXES + 2];
    for row in (0..rows.len()).map(|i| rows.row(i)) {
        let pattern = pattern(model, row, of);
        let pairs = (1..row.len()).flat_map(|q| (1..=q).map(move |s| (q, s)));
        for (q, s) in pairs {
            let strong = f64::from(pattern[q * row.len() + s]) > options.threshold;
            if strong && !is_special(&row[q]) && !is_special(&row[s]) {
                // Position 0 never matches.
                let back = row[1..=q].iter().rev().zip(row[1..s].iter().rev());
                let prefix = back.take_while(|(a, b)| matches(a, b)).count();
                counts[prefix.min(PREFIXES + 1)] += 1;
            }
        }
    }
    TextHead {
        prefix_counts: counts,
        ..of.clone()
    }
}

fn pattern(model: &Model, row: &[TokenId], of: &TextHead) -> Vec<f32> {
    let hook = HookPoint::Block(of.layer, Site::Pattern);
    let captured = model
        .capture(&token_tensor(&[row]).unwrap(), &[hook])
        .unwrap();
    let heads = captured[&hook].squeeze(0).unwrap();
    let pattern = heads.get(of.head.index()).unwrap().flatten_all().unwrap();
    pattern.to_vec1().unwrap()
}

#[test]
fn on_text_the_counts_are_those_of_plain_loops_and_the_cut_copy_costs_an_induction_head_its_attention()
 {
    let model = open("assets/demo/model");
    let text = "The red fox saw a crow in the tall tree. The red fox said: the crow in the tall tree has cheese. the Red fox left. ";
    let corpus = Corpus::from_text("fable", &text.repeat(6));
    let (rows, _) = corpus.rows(model.codec(), 64).unwrap();
    let options = TextOptions::default();
    let got = on_text(&model, &rows, &options, &mut on)
        .unwrap()
        .done()
        .unwrap();
    for (layer, head) in [(0, 0), (1, 4), (3, 3), (3, 6)] {
        let of = got.of(Layer(layer), Head(head)).unwrap();
        let want = text_by_definition(&model, &rows, of, &options);
        assert_eq!(of, &want, "L{layer}H{head}");
    }
    let induction = got.of(Layer(3), Head(3)).unwrap();
    assert!(induction.strong() > 20 && induction.induction_share().unwrap() > 0.5);
    let replaced = induction.replaced.unwrap();
    assert!(replaced.pairs <= rows.len() && replaced.before > options.threshold);
    // Before is attention in the rows as they are, after in rows with another token.
    assert!(replaced.after < 1.0 && (replaced.after - replaced.before).abs() > 1e-3);
    let mut stop = |_: Progress| Flow::Break(());
    assert!(
        on_text(&model, &rows, &options, &mut stop)
            .unwrap()
            .is_stopped()
    );
}

#[test]
fn a_curve_rises_where_no_fall_exceeds_its_error() {
    let curve = |by_prefix: [f64; PREFIXES], error: f64| Curve {
        layer: Layer(0),
        head: Head(0),
        by_prefix,
        error_by_prefix: [error; PREFIXES],
        dla_by_prefix: [0.0; PREFIXES],
    };
    let plateau = [0.3, 0.5, 0.6, 0.65, 0.7, 0.68, 0.66, 0.67, 0.69];
    assert!(curve(plateau, 0.015).rises() && !curve(plateau, 0.015).rises_strictly());
    assert!(!curve(plateau, 0.005).rises());
    // A flat curve does not rise.
    assert!(!curve([0.02; PREFIXES], 0.001).rises());
}
