//! Compares sweeps with torch and with whole runs of `umbra steer`'s own edits, and runs the test of the twenty features that were written down before.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::features::Index;
use crate::formats;
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow};
use crate::sae::Sae;
use crate::steer::shift::{divergence, log_probabilities};
use crate::steer::{Action, Edit, Edits};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Opens a model and a dictionary, the model as it reads for it.
fn opened(model: &Path, sae: &Path) -> (Model, Sae) {
    let (sae, _) = formats::open(sae).unwrap();
    let (model, _) = Model::open(model).unwrap();
    let (reader, _) = formats::reader(&model, &sae);
    (reader, sae)
}

fn golden(model: &str, sae: &str) -> (Model, Sae) {
    let demo = repository("assets/demo");
    let golden = repository("tests/golden");
    match model {
        "demo" => opened(&demo.join("model"), &demo.join("saes").join(sae)),
        name => opened(&golden.join(name), &golden.join(sae)),
    }
}

fn tokens(model: &Model, prompts: &[&str]) -> Vec<Vec<TokenId>> {
    let encode = |text: &&str| model.codec().encode_with_bos(text).unwrap();
    prompts.iter().map(encode).collect()
}

fn swept(
    (model, sae): (&Model, &Sae),
    feature: u32,
    prompts: &[Vec<TokenId>],
    settings: &Settings,
) -> Sweep {
    let subject = (model, sae.by_token().unwrap());
    let go = &mut |_| Flow::Continue(());
    let ended = sweep(subject, &[FeatureId(feature)], prompts, settings, go).unwrap();
    ended.done().unwrap()
}

fn read(file: &str) -> Value {
    let path = repository("tests/golden").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    let list = value.as_array().unwrap();
    list.iter().map(|text| text.as_str().unwrap()).collect()
}

/// Largest relative difference of two figures that are not tiny. Torch computes in f64 and Umbra's model in f32: KL of 1e-4 nats is a difference of logarithms near
/// 1e-2, of which f32 keeps 1e-4 of its size.
const TOLERANCE: f64 = 2e-3;

#[track_caller]
fn close(got: f64, want: f64, what: &str) {
    assert!(
        (got - want).abs() <= TOLERANCE * want.abs() + 1e-7,
        "{what}: {got}, torch has {want}"
    );
}

#[test]
fn a_sweep_is_torchs_on_both_layouts_and_the_demo() {
    let golden_values = read("sweep.json");
    let texts = strings(&golden_values["prompts"]);
    let mut checked = 0;
    for case in golden_values["cases"].as_array().unwrap() {
        let name = case["model"].as_str().unwrap();
        let (model, sae) = golden(name, case["sae"].as_str().unwrap());
        let prompts = tokens(&model, &texts);
        let lengths: Vec<u64> = prompts.iter().map(|row| row.len() as u64).collect();
        assert_eq!(case["tokens"], serde_json::json!(lengths), "{name}");
        let points = case["points"].as_array().unwrap();
        let target = case["token"].as_str().map_or(Target::None, |token| {
            Target::Token(model.codec().one_token(token, "token").unwrap())
        });
        let settings = Settings {
            strengths: points
                .iter()
                .map(|p| p["strength"].as_f64().unwrap())
                .collect(),
            target,
            continuation: 0,
        };
        let feature = case["feature"].as_u64().unwrap() as u32;
        let sweep = swept((&model, &sae), feature, &prompts, &settings);
        let object = sweep.json();
        for (got, want) in object["points"].as_array().unwrap().iter().zip(points) {
            assert_eq!(got["strength"], want["strength"]);
            let mut keys: Vec<&String> = got.as_object().unwrap().keys().collect();
            keys.sort();
            assert_eq!(keys, ["kl", "probability", "strength"]);
            let what = format!("{name} {feature} {}", got["strength"]);
            close(
                got["kl"].as_f64().unwrap(),
                want["kl"].as_f64().unwrap(),
                &what,
            );
            assert_eq!(got["probability"].is_null(), want["probability"].is_null());
            if let Some(want) = want["probability"].as_f64() {
                close(got["probability"].as_f64().unwrap(), want, &what);
            }
            if want["strength"] == 0.0 {
                assert_eq!(got["kl"], 0.0, "{what}");
            }
            checked += 1;
        }
        assert_eq!(object["points"].as_array().unwrap().len(), points.len());
        // The comparison can fail: a strength that is off by 1 % is refused.
        let off = Settings {
            strengths: vec![settings.strengths[0] * 1.01],
            ..settings.clone()
        };
        let off = swept((&model, &sae), feature, &prompts, &off);
        let (got, want) = (
            off.curves[0].points[0].kl.mean,
            points[0]["kl"].as_f64().unwrap(),
        );
        assert!((got - want).abs() > TOLERANCE * want + 1e-7, "{got} {want}");
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn strength_multiplies_the_row_as_stored_whatever_the_dictionary_does_to_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let from = repository("tests/golden/sae-lens-topk");
    for normalised in ["layer_norm", "constant_norm_rescale"] {
        let to = folder.path().join(normalised);
        std::fs::create_dir(&to).unwrap();
        let weights = "sae_weights.safetensors";
        std::fs::copy(from.join(weights), to.join(weights)).unwrap();
        let text = std::fs::read_to_string(from.join("cfg.json")).unwrap();
        let plain = "\"normalize_activations\": \"none\"";
        assert!(text.contains(plain));
        let text = text.replace(
            plain,
            &format!("\"normalize_activations\": \"{normalised}\""),
        );
        std::fs::write(to.join("cfg.json"), text).unwrap();
        let tiny = repository("tests/golden/tiny-gpt2");
        let (model, sae) = opened(&tiny, &to);
        assert_ne!(sae.input_norm.unit(), None, "{normalised}");
        let (_, plain) = opened(&tiny, &from);
        let prompts = tokens(&model, &["The old king looked at the fox and said"]);
        let settings = Settings {
            strengths: vec![-3.0, 4.0],
            ..Settings::default()
        };
        let points = |sae: &Sae| {
            swept((&model, sae), 3, &prompts, &settings).curves[0]
                .points
                .clone()
        };
        assert_eq!(points(&sae), points(&plain), "{normalised}");
    }
}

#[test]
fn rows_that_reading_rescales_are_added_as_the_file_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let from = repository("tests/golden/sae-lens-topk");
    let tiny = repository("tests/golden/tiny-gpt2");
    let weights = "sae_weights.safetensors";
    std::fs::copy(from.join(weights), folder.path().join(weights)).unwrap();
    let text = std::fs::read_to_string(from.join("cfg.json")).unwrap();
    let plain = "\"rescale_acts_by_decoder_norm\": false";
    assert!(text.contains(plain));
    let text = text.replace(plain, "\"rescale_acts_by_decoder_norm\": true");
    std::fs::write(folder.path().join("cfg.json"), text).unwrap();
    let (model, rescaled) = opened(&tiny, folder.path());
    let (_, plain) = opened(&tiny, &from);
    let feature = FeatureId(3);
    let here = rescaled.direction(feature).unwrap();
    let stored = plain.direction(feature).unwrap();
    let differs = (here[0] - stored[0]).abs() > 1e-3 * stored[0].abs();
    assert!(differs, "it was rescaled");
    let subject = rescaled.by_token().unwrap();
    let row = Row::new(&model, subject, feature).unwrap();
    for (got, want) in row.parts[0].1.iter().zip(stored) {
        assert!(
            (got - want).abs() <= 1e-6 * want.abs() + 1e-9,
            "{got} {want}"
        );
    }
    assert_eq!(plain.stored_factor(feature).unwrap(), 1.0);
}

/// Whole runs with the edits of `umbra steer`, one strength and one prompt at a time.
#[test]
fn one_batch_from_the_hooks_block_on_is_whole_runs_one_by_one() {
    for (name, sae, feature) in [("tiny-llama", "sae-lens-topk", 9), ("demo", "attn-1", 5)] {
        let (model, sae) = golden(name, sae);
        let prompts = tokens(&model, &["The old king", "Once upon a time there was a"]);
        let settings = Settings {
            strengths: vec![-2.0, 0.0, 1.5, 6.0],
            target: Target::Promoted,
            continuation: 7,
        };
        let subject = (&model, sae.by_token().unwrap());
        let feature = FeatureId(feature);
        let row = Row::new(&model, subject.1, feature).unwrap();
        let own = crate::features::promoted(subject, &[feature]).unwrap();
        let sweep = swept((&model, &sae), feature.0, &prompts, &settings);
        for (point, strength) in sweep.curves[0].points.iter().zip(&settings.strengths) {
            let (mut kl, mut probability, mut perplexity, mut repeated) = (0.0, 0.0, vec![], 0.0);
            for prompt in &prompts {
                let edit = Edit {
                    positions: "1..".parse().unwrap(),
                    ..Edit::new(
                        row.hook(),
                        Action::Add(
                            row.parts[0]
                                .1
                                .iter()
                                .map(|x| x * *strength as f32)
                                .collect(),
                        ),
                    )
                };
                let edits = Edits::new(&model, vec![edit]).unwrap();
                let last = |tokens: &[TokenId], edits: Option<&Edits>| {
                    let input = token_tensor(&[tokens]).unwrap();
                    let logits = match edits {
                        Some(edits) => edits.logits(&model, &input).unwrap(),
                        None => model.logits(&input).unwrap(),
                    };
                    log_probabilities(&logits.get(0).unwrap().get(tokens.len() - 1).unwrap())
                        .unwrap()
                };
                let (before, after) = (last(prompt, None), last(prompt, Some(&edits)));
                kl += divergence(&before, &after) / 2.0;
                probability += own[0].iter().map(|t| after[t.index()].exp()).sum::<f64>() / 2.0;
                let mut text = prompt.clone();
                let mut charged = 0.0;
                for _ in 0..settings.continuation {
                    let steered = last(&text, Some(&edits));
                    let best =
                        (0..steered.len()).max_by(|a, b| steered[*a].total_cmp(&steered[*b]));
                    let next = TokenId::from(best.unwrap());
                    assert!(!model.ends().ids.contains(&next), "the test's texts go on");
                    charged -= last(&text, None)[next.index()];
                    text.push(next);
                }
                perplexity.push((charged / settings.continuation as f64).exp());
                repeated += repetition(&text[prompt.len()..]).unwrap() / 2.0;
            }
            let perplexity = perplexity.iter().sum::<f64>() / 2.0;
            for (got, want, figure) in [
                (point.kl.mean, kl, "kl"),
                (point.probability.unwrap().mean, probability, "probability"),
                (point.perplexity.unwrap().mean, perplexity, "perplexity"),
                (point.repetition.unwrap().mean, repeated, "repetition"),
            ] {
                // Both are f32 passes whose sums run in other orders.
                let near = (got - want).abs() <= 2e-4 * want.abs() + 1e-7;
                assert!(near, "{name} {figure} at {strength}: {got} {want}");
            }
        }
    }
}

#[test]
fn spread_and_repetition_are_their_definitions() {
    let spread = Spread::new(vec![4.0, 0.0, 1.0, 3.0, 2.0]).unwrap();
    let want = Spread {
        low: 0.4,
        median: 2.0,
        high: 3.6,
        mean: 2.0,
    };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(
        near(spread.low, want.low) && near(spread.high, want.high),
        "{spread:?}"
    );
    assert!(near(spread.median, want.median) && near(spread.mean, want.mean));
    assert_eq!(Spread::new(vec![]), None);
    let ids = |ids: &[u32]| ids.iter().map(|id| TokenId(*id)).collect::<Vec<_>>();
    for (tokens, share) in [
        (ids(&[1, 2]), None),
        (ids(&[1, 2, 3]), Some(0.0)),
        (ids(&[1, 2, 3, 4, 5]), Some(0.0)),
        (ids(&[7, 7, 7, 7]), Some(0.5)),
        (ids(&[1, 2, 3, 1, 2, 3]), Some(0.25)),
    ] {
        assert_eq!(repetition(&tokens), share, "{tokens:?}");
    }
}

#[test]
fn what_cannot_be_swept_is_refused_and_what_was_read_before_a_stop_is_kept() {
    let (model, sae) = golden("tiny-gpt2", "sae-lens-topk");
    let subject = (&model, sae.by_token().unwrap());
    let prompts = tokens(&model, &["The old king", "The fox"]);
    let go = &mut |_| Flow::Continue(());
    let mut refused = |features: &[u32], settings: &Settings, prompts: &[Vec<TokenId>]| {
        let features: Vec<FeatureId> = features.iter().copied().map(FeatureId).collect();
        let refused = sweep(subject, &features, prompts, settings, go).unwrap_err();
        refused.to_string()
    };
    let settings = Settings {
        strengths: vec![1.0],
        ..Settings::default()
    };
    assert!(refused(&[128], &settings, &prompts).contains("features 0 to 127"));
    assert!(refused(&[], &settings, &prompts).starts_with("features"));
    assert!(refused(&[1], &settings, &[]).starts_with("prompts"));
    let far = Settings {
        strengths: vec![1e300],
        ..settings.clone()
    };
    assert!(refused(&[1], &far, &prompts).starts_with("strengths"));
    let mut runs = 0;
    let stop = &mut |_| {
        runs += 1;
        if runs > 1 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    };
    let ended = sweep(subject, &[FeatureId(1)], &prompts, &settings, stop).unwrap();
    let Ended::Stopped(part) = ended else {
        panic!("it was stopped");
    };
    assert_eq!(part.prompts, 1);
    let whole = swept((&model, &sae), 1, &prompts[..1], &settings);
    assert_eq!(part.curves, whole.curves);
}

/// The twenty features, the strengths and the prompts of `promoted.json` were written down before this test was run for the first time.
#[test]
fn features_with_large_top_logits_raise_their_promoted_tokens_step_by_step() {
    let plan = read("promoted.json");
    let (model, sae) = golden("demo", plan["dictionary"].as_str().unwrap());
    let index = Index::open(&repository("assets/demo/indexes/resid-2.sqlite")).unwrap();
    let live: Vec<FeatureId> = index
        .summaries()
        .unwrap()
        .iter()
        .filter(|summary| summary.density > 0.0)
        .map(|summary| summary.feature)
        .collect();
    let mut largest: Vec<(f32, FeatureId)> = index
        .previews(&live)
        .unwrap()
        .iter()
        .map(|preview| (preview.promoted[0].effect, preview.summary.feature))
        .collect();
    largest.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let chosen: Vec<u32> = largest[..20].iter().map(|(_, feature)| feature.0).collect();
    assert_eq!(plan["features"], serde_json::json!(chosen));
    let prompts = tokens(&model, &strings(&plan["prompts"]));
    assert_eq!(prompts.len(), 10);
    let shares: Vec<f64> = serde_json::from_value(plan["shares"].clone()).unwrap();
    let mut rising = 0;
    for feature in chosen {
        let max = index.detail(FeatureId(feature)).unwrap().summary.max;
        let settings = Settings {
            strengths: [0.0]
                .iter()
                .chain(&shares)
                .map(|share| share * max)
                .collect(),
            target: Target::Promoted,
            continuation: 0,
        };
        let sweep = swept((&model, &sae), feature, &prompts, &settings);
        let means: Vec<f64> = sweep.curves[0]
            .points
            .iter()
            .map(|point| point.probability.unwrap().mean)
            .collect();
        let rises = means.windows(2).all(|step| step[1] > step[0]);
        rising += u64::from(rises);
        println!("feature {feature}, maximum {max:.3}: {means:.5?} {rises}");
    }
    println!("{rising} of 20 rise at every step");
    assert!(rising >= plan["least"].as_u64().unwrap(), "{rising}");
}
