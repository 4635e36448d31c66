//! Checks which values edits leave bit-identical, how far they move the others, and that generated text does not depend on how it is computed.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Choice};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::edits::{Clean, Edited};
use super::shift::{divergence, log_probabilities};
use super::*;
use crate::dark_matter::Probe;
use crate::dims::Matrix;
use crate::ids::{FeatureId, Head, HookPoint, Site};
use crate::models::{Branch, Capture, Finish, Hooks, NoHooks, Start, token_tensor};
use crate::sae::{Role, Sae, TopK};

const TEXT: &str = "The old rabbit looked at the clock and said";

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn demo() -> Model {
    Model::open(&repository("assets/demo/model")).unwrap().0
}

fn tiny(name: &str) -> Model {
    Model::open(&repository(&format!("tests/golden/tiny-{name}")))
        .unwrap()
        .0
}

fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns).map(|_| rng.random_range(-0.3..0.3));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

fn random_sae(model: &Model, hook: HookPoint) -> Arc<Sae> {
    let d = model.width(hook).unwrap();
    Arc::new(
        Sae::new(
            "random",
            (random(64, d, 1), random(1, 64, 2).into_values()),
            (random(64, d, 3), random(1, d, 4).into_values()),
            TopK { k: 4 },
        )
        .reading(hook),
    )
}

pub(super) fn random_probe(sae: &Sae) -> Arc<Probe> {
    let d = sae.width();
    Arc::new(Probe {
        weights: random(d + 1, d, 7),
        norm_weights: vec![0.0; d + 1],
        r2_mean: 0.0,
        r2_weighted: 0.0,
        r2_norm: 0.0,
        fvu_total: 0.0,
        fvu_nonlinear: 0.0,
        fit_tokens: 1,
        held_out_tokens: 1,
        positions: crate::corpus::Positions::Text,
        separate_documents: false,
        left_out: Some((3, 4)),
        ridge: 0.0,
        sae: sae.name.clone(),
        sae_fingerprint: sae.fingerprint(),
        model: "older".to_owned(),
        model_fingerprint: String::new(),
        facts: crate::dark_matter::Facts::default(),
    })
}

fn edit(hook: HookPoint, action: Action) -> Edit {
    Edit {
        hook,
        action,
        positions: Positions::from(1),
        rows: None,
        heads: None,
    }
}

fn dictionary(sae: &Arc<Sae>, changes: &[LatentChange], error: ErrorTerm) -> Action {
    Action::Dictionary(DictionaryEdit::new(Arc::clone(sae), changes.to_vec(), error).unwrap())
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    numbers(tensor).into_iter().map(f32::to_bits).collect()
}

fn ids(model: &Model, rows: usize, t: usize) -> Tensor {
    let vocab = model.config().vocab;
    let ids: Vec<u32> = (0..rows * t).map(|i| (i * 7919 % vocab) as u32).collect();
    Tensor::from_vec(ids, (rows, t), &Device::Cpu).unwrap()
}

/// Returns the value at `hook` and the logits with edits.
fn passed(model: &Model, edits: &[Edit], tokens: &Tensor, hook: HookPoint) -> (Tensor, Tensor) {
    let edits = Edits::new(model, edits.to_vec()).unwrap();
    let mut keep = Capture::to_the_end([hook]);
    let logits = edits.run(model, tokens, &mut keep).unwrap().unwrap();
    (keep.values[&hook].clone(), logits)
}

fn sites() -> [HookPoint; 2] {
    [
        HookPoint::block(1, Site::Z),
        HookPoint::block(2, Site::ResidPost),
    ]
}

#[test]
fn no_edits_edits_that_change_nothing_and_edits_elsewhere_keep_every_bit() {
    for model in [demo(), tiny("gemma2"), tiny("gpt-neox"), tiny("qwen3")] {
        let tokens = ids(&model, 2, 9);
        let clean = bits(&model.logits(&tokens).unwrap());
        let none = Edits::new(&model, Vec::new()).unwrap();
        assert!(bits(&none.logits(&model, &tokens).unwrap()) == clean);
        for hook in [
            HookPoint::block(1, Site::Z),
            HookPoint::block(1, Site::ResidPost),
        ] {
            let sae = random_sae(&model, hook);
            let same: Vec<_> = (0..64)
                .map(|f| LatentChange::Scale(FeatureId(f), 1.0))
                .collect();
            let beyond = Edit {
                positions: Positions::from(9),
                ..edit(hook, Action::Zero)
            };
            let no_row = Edit {
                rows: Some(vec![2]),
                ..edit(hook, Action::Zero)
            };
            for unedited in [
                edit(hook, dictionary(&sae, &[], ErrorTerm::Kept)),
                edit(hook, dictionary(&sae, &same, ErrorTerm::Kept)),
                edit(hook, dictionary(&sae, &[], ErrorTerm::Frozen)),
                edit(hook, dictionary(&sae, &same, ErrorTerm::Frozen)),
                edit(hook, Action::Scale(1.0)),
                beyond,
                no_row,
            ] {
                let (_, logits) = passed(&model, std::slice::from_ref(&unedited), &tokens, hook);
                assert!(bits(&logits) == clean, "{unedited:?}");
            }
            // The comparison can fail: a change in the last place of one number is seen.
            let x = numbers(&model.capture(&tokens, &[hook]).unwrap()[&hook]);
            let mut by = vec![0.0; sae.width()];
            by[3] = f32::from_bits(x[sae.width() + 3].to_bits() + 4) - x[sae.width() + 3];
            let (_, logits) = passed(&model, &[edit(hook, Action::Add(by))], &tokens, hook);
            assert!(bits(&logits) != clean);
        }
    }
}

/// Applies an action to one token's chosen heads by its definition, in f64; `v` is its vector's part there.
fn defined(action: &Action, x: &mut [f64], v: &[f64]) {
    let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
    let at = x.iter().zip(v).map(|(x, v)| x * v).sum::<f64>() / length;
    let wanted = match action {
        Action::ProjectOut(_) => 0.0,
        Action::Orthogonal { factor, .. } => at * f64::from(*factor),
        Action::Clamp { least, most, .. } => at.clamp(f64::from(*least), f64::from(*most)),
        _ => at,
    };
    for (x, v) in x.iter_mut().zip(v) {
        *x = match action {
            Action::Add(_) => *x + v,
            Action::Replace(_) => *v,
            Action::Scale(by) => *x * f64::from(*by),
            Action::Zero => 0.0,
            _ => *x + (wanted - at) * v / length,
        };
    }
}

/// Concatenates the numbers of heads 3 and 0.
fn heads_3_and_0(x: &[f64], e: usize) -> Vec<f64> {
    [&x[3 * e..4 * e], &x[..e]].concat()
}

#[test]
fn actions_do_what_they_say_where_they_say_it() {
    let model = demo();
    let hook = HookPoint::block(1, Site::Z);
    let (h, e) = (model.config().heads, model.config().d_head);
    let tokens = ids(&model, 2, 6);
    let clean = numbers(&model.capture(&tokens, &[hook]).unwrap()[&hook]);
    let vector = random(1, h * e, 11).into_values();
    let clamp = |least, most| Action::Clamp {
        direction: vector.clone(),
        least,
        most,
    };
    let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|x| f64::from(*x)).collect() };
    for action in [
        Action::Add(vector.clone()),
        Action::Replace(vector.clone()),
        Action::Scale(-2.5),
        Action::Zero,
        Action::ProjectOut(vector.clone()),
        Action::Orthogonal {
            direction: vector.clone(),
            factor: -1.75,
        },
        clamp(f32::NEG_INFINITY, -0.01),
        clamp(0.02, 0.03),
    ] {
        let some = Edit {
            positions: "2,4..6".parse().unwrap(),
            rows: Some(vec![1]),
            heads: Some(vec![Head(3), Head(0)]),
            ..edit(hook, action.clone())
        };
        let (got, _) = passed(&model, &[some], &tokens, hook);
        let got = numbers(&got);
        for (token, (got, clean)) in got.chunks(h * e).zip(clean.chunks(h * e)).enumerate() {
            let (row, at) = (token / 6, token % 6);
            let mut want = wide(clean);
            if row == 1 && [2, 4, 5].contains(&at) {
                let mut x = heads_3_and_0(&want, e);
                defined(&action, &mut x, &heads_3_and_0(&wide(&vector), e));
                want[3 * e..4 * e].copy_from_slice(&x[..e]);
                want[..e].copy_from_slice(&x[e..]);
            }
            for (got, want) in got.iter().zip(want) {
                // f32 holds seven digits of numbers around 1.
                let off = (f64::from(*got) - want).abs();
                assert!(off < 1e-6, "{action:?} {row} {at}: {got} {want}");
            }
        }
    }
}

#[test]
fn edits_at_one_hook_apply_in_their_order_and_others_see_what_came_before() {
    let model = demo();
    let hook = HookPoint::block(1, Site::ResidPost);
    let tokens = ids(&model, 1, 5);
    let clean = numbers(&model.capture(&tokens, &[hook]).unwrap()[&hook]);
    let v = random(1, model.config().d_model, 5).into_values();
    let (add, double) = (
        edit(hook, Action::Add(v.clone())),
        edit(hook, Action::Scale(2.0)),
    );
    let d = v.len();
    for (order, want) in [
        (
            [add.clone(), double.clone()],
            &(|x: f32, v: f32| (x + v) * 2.0) as &dyn Fn(f32, f32) -> f32,
        ),
        ([double, add], &|x, v| x * 2.0 + v),
    ] {
        let (got, _) = passed(&model, &order, &tokens, hook);
        for (i, got) in numbers(&got).into_iter().enumerate().skip(d) {
            assert_eq!(got, want(clean[i], v[i % d]));
        }
    }
    // The next block reads the edited value.
    let next = HookPoint::block(2, Site::ResidPre);
    let zero = [edit(hook, Action::Zero)];
    let (read, _) = passed(&model, &zero, &tokens, next);
    assert!(numbers(&read)[d..].iter().all(|x| *x == 0.0));
}

/// Makes a number from row and column.
type Entry<'a> = &'a dyn Fn(usize, usize) -> f32;

#[test]
fn dictionary_edits_follow_their_formulas() {
    let model = demo();
    for hook in sites() {
        let sae = random_sae(&model, hook);
        let probe = random_probe(&sae);
        let d = sae.width();
        let tokens = ids(&model, 1, 7);
        // An earlier edit makes frozen and kept errors differ.
        let earlier = edit(HookPoint::block(0, Site::ResidPost), Action::Scale(1.5));
        let (x, _) = passed(&model, std::slice::from_ref(&earlier), &tokens, hook);
        let before = model.capture(&tokens, &[hook]).unwrap()[&hook].clone();
        let (x, before) = (
            Matrix::from_tensor(&x, d).unwrap(),
            Matrix::from_tensor(&before, d).unwrap(),
        );
        let latents = sae.encode(&x).unwrap();
        let decoded = sae.decode(&latents, &x).unwrap();
        let decoded_before = sae.decode(&sae.encode(&before).unwrap(), &before).unwrap();
        let linear = probe.split(sae.autoencoder().unwrap(), &x).unwrap().linear;
        let changes = [
            LatentChange::Set(FeatureId(9), 2.0),
            LatentChange::Scale(FeatureId(3), 0.0),
            LatentChange::Add(FeatureId(11), -0.5),
        ];
        let errors: [(ErrorTerm, Entry<'_>); 5] = [
            (ErrorTerm::Kept, &|i, j| x.row(i)[j] - decoded.row(i)[j]),
            (ErrorTerm::Dropped, &|_, _| 0.0),
            (ErrorTerm::Frozen, &|i, j| {
                before.row(i)[j] - decoded_before.row(i)[j]
            }),
            (ErrorTerm::Linear(Arc::clone(&probe)), &|i, j| {
                linear.row(i)[j]
            }),
            (ErrorTerm::Nonlinear(probe.clone()), &|i, j| {
                x.row(i)[j] - decoded.row(i)[j] - linear.row(i)[j]
            }),
        ];
        for (term, error) in errors {
            let edits = [
                earlier.clone(),
                edit(hook, dictionary(&sae, &changes, term.clone())),
            ];
            let (got, _) = passed(&model, &edits, &tokens, hook);
            let got = Matrix::from_tensor(&got, d).unwrap();
            assert_eq!(got.row(0), x.row(0), "the first position is left alone");
            for i in 1..7 {
                let nine = 2.0 - latents.get(i, FeatureId(9));
                let three = -latents.get(i, FeatureId(3));
                for (j, got) in got.row(i).iter().enumerate() {
                    let moved = nine * sae.w_dec.row(9)[j] + three * sae.w_dec.row(3)[j]
                        - 0.5 * sae.w_dec.row(11)[j];
                    let want = decoded.row(i)[j] + moved + error(i, j);
                    assert!(
                        (got - want).abs() < 2e-5,
                        "{hook} {term:?} {i} {j}: {got} {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_patched_stream_says_what_the_other_text_says() {
    for model in [demo(), tiny("llama")] {
        let tokens = ids(&model, 2, 8);
        let other = ((tokens.to_dtype(DType::F32).unwrap() + 3.0).unwrap())
            .to_dtype(DType::U32)
            .unwrap();
        let clean = bits(&model.logits(&other).unwrap());
        for hook in [
            HookPoint::block(1, Site::ResidPre),
            HookPoint::FinalNormalized,
        ] {
            let value = model.capture(&other, &[hook]).unwrap()[&hook].clone();
            let patch = Edit {
                positions: Positions::all(),
                ..edit(hook, Action::Patch(value))
            };
            let (_, logits) = passed(&model, &[patch], &tokens, hook);
            assert!(bits(&logits) == clean, "{hook}");
        }
        // One row for all, the first five positions alone, one head of a pattern.
        let hook = HookPoint::block(1, Site::Pattern);
        let value = model.capture(&other, &[hook]).unwrap()[&hook].clone();
        let patch = Edit {
            heads: Some(vec![Head(1)]),
            ..edit(
                hook,
                Action::Patch(value.narrow(0, 1, 1).unwrap().narrow(2, 0, 5).unwrap()),
            )
        };
        let (got, _) = passed(&model, &[patch], &tokens, hook);
        let before = model.capture(&tokens, &[hook]).unwrap()[&hook].clone();
        let row = |x: &Tensor, b: usize, head: usize, t: usize| {
            let x = x.narrow(0, b, 1).unwrap().narrow(1, head, 1).unwrap();
            numbers(&x.narrow(2, t, 1).unwrap())
        };
        for b in 0..2 {
            for t in 0..8 {
                let from = if (1..5).contains(&t) {
                    row(&value, 1, 1, t)
                } else {
                    row(&before, b, 1, t)
                };
                assert_eq!(row(&got, b, 1, t), from, "{b} {t}");
                assert_eq!(row(&got, b, 0, t), row(&before, b, 0, t), "{b} {t}");
            }
        }
    }
}

#[test]
fn a_replaced_pattern_looks_where_it_is_told() {
    let model = demo();
    let hook = HookPoint::block(1, Site::Pattern);
    let tokens = ids(&model, 1, 5);
    for (attend, want) in [
        (Attend::Uniform, [0.25, 0.25, 0.25, 0.25, 0.0]),
        (Attend::Previous, [0.0, 0.0, 1.0, 0.0, 0.0]),
        (Attend::First, [1.0, 0.0, 0.0, 0.0, 0.0]),
        (Attend::Itself, [0.0, 0.0, 0.0, 1.0, 0.0]),
    ] {
        let told = Edit {
            heads: Some(vec![Head(2)]),
            positions: Positions::all(),
            ..edit(hook, Action::Attend(attend))
        };
        let (got, _) = passed(&model, &[told], &tokens, hook);
        let rows = numbers(&got.narrow(1, 2, 1).unwrap());
        assert_eq!(rows[15..20], want, "{attend:?}");
        assert_eq!(rows[0], 1.0, "the first looks at itself");
    }
    // Zeroed scores stay masked where the mask is.
    let scores = HookPoint::block(1, Site::AttnScores);
    let (got, _) = passed(&model, &[edit(scores, Action::Zero)], &tokens, hook);
    assert_eq!(numbers(&got)[15..20], [0.25, 0.25, 0.25, 0.25, 0.0]);
}

#[track_caller]
fn refused(model: &Model, edit: Edit, phrase: &str) {
    let what = Edits::new(model, vec![edit]).unwrap_err().to_string();
    assert!(what.contains(phrase), "{what}");
}

#[test]
fn what_does_not_fit_is_refused_before_anything_runs() {
    let model = demo();
    let (z, resid) = (
        HookPoint::block(1, Site::Z),
        HookPoint::block(1, Site::ResidPost),
    );
    let sae = random_sae(&model, z);
    refused(
        &model,
        edit(HookPoint::block(9, Site::Z), Action::Zero),
        "no block 9",
    );
    refused(
        &model,
        edit(resid, Action::Add(vec![1.0; 3])),
        "the vector has 3 numbers",
    );
    refused(
        &model,
        edit(resid, Action::Add(vec![f32::NAN; 256])),
        "finite",
    );
    refused(
        &model,
        edit(resid, Action::ProjectOut(vec![0.0; 256])),
        "has no direction",
    );
    refused(
        &model,
        edit(resid, Action::Attend(Attend::First)),
        "hook_pattern",
    );
    let heads = |hook, heads: &[u32]| Edit {
        heads: Some(heads.iter().copied().map(Head).collect()),
        ..edit(hook, Action::Zero)
    };
    refused(&model, heads(resid, &[0]), "no head dimension");
    refused(&model, heads(z, &[99]), "99 is not one of");
    let narrow = random_sae(&model, HookPoint::block(1, Site::MlpPost));
    refused(
        &model,
        edit(z, dictionary(&narrow, &[], ErrorTerm::Kept)),
        "has width",
    );
    let far = [LatentChange::Set(FeatureId(64), 1.0)];
    refused(
        &model,
        edit(z, dictionary(&sae, &far, ErrorTerm::Kept)),
        "features 0 to 63",
    );
    let mut other = (*random_probe(&sae)).clone();
    other.model_fingerprint = "0".repeat(64);
    let error = ErrorTerm::Linear(Arc::new(other.clone()));
    refused(
        &model,
        edit(z, dictionary(&sae, &[], error)),
        "the model older",
    );
    other.sae_fingerprint = "other".to_owned();
    let error = ErrorTerm::Linear(Arc::new(other));
    refused(
        &model,
        edit(z, dictionary(&sae, &[], error)),
        "fit it again",
    );
    let clamp = Action::Clamp {
        direction: vec![1.0; 256],
        least: 2.0,
        most: 1.0,
    };
    refused(&model, edit(resid, clamp), "least ≤ most");
    let value = Tensor::zeros((1, 2, 3), DType::F32, &Device::Cpu).unwrap();
    refused(
        &model,
        edit(resid, Action::Patch(value)),
        "capture it at this hook",
    );
}

/// Lists every kind of edit: on the prompt, on new tokens, and several at one hook.
fn menagerie(model: &Model) -> Vec<(&'static str, Vec<Edit>)> {
    let z = HookPoint::block(1, Site::Z);
    let resid = HookPoint::block(1, Site::ResidPost);
    let pattern = HookPoint::block(0, Site::Pattern);
    let sae = random_sae(model, z);
    let row = random(1, model.config().d_model, 9).into_values();
    let far: Vec<f32> = row.iter().map(|x| 20.0 * x).collect();
    let set = [LatentChange::Set(FeatureId(9), 3.0)];
    let at = |positions: &str, edit: Edit| Edit {
        positions: positions.parse().unwrap(),
        ..edit
    };
    let patch = model.capture(&ids(model, 1, 3), &[resid]).unwrap()[&resid].clone();
    vec![
        ("none", vec![]),
        ("add", vec![edit(resid, Action::Add(far.clone()))]),
        (
            "add new",
            vec![at("new", edit(resid, Action::Add(far.clone())))],
        ),
        (
            "add prompt",
            vec![at("prompt", edit(resid, Action::Add(far.clone())))],
        ),
        ("add last", vec![at("last", edit(resid, Action::Add(far)))]),
        ("embed", vec![edit(HookPoint::Embed, Action::Scale(0.5))]),
        (
            "pattern",
            vec![edit(pattern, Action::Attend(Attend::Uniform))],
        ),
        (
            "kept",
            vec![edit(z, dictionary(&sae, &set, ErrorTerm::Kept))],
        ),
        (
            "frozen",
            vec![
                edit(
                    HookPoint::block(0, Site::ResidPost),
                    Action::ProjectOut(row),
                ),
                edit(z, dictionary(&sae, &set, ErrorTerm::Frozen)),
            ],
        ),
        (
            "final",
            vec![edit(HookPoint::FinalNormalized, Action::Scale(-1.0))],
        ),
        ("patch", vec![at("1..3", edit(resid, Action::Patch(patch)))]),
    ]
}

/// Computes logits of the last position of `tokens` without a cache; the first `prompt` tokens are the prompt.
fn anew(model: &Model, edits: &Edits, tokens: &[TokenId], prompt: usize) -> Tensor {
    let rows = [Row::new(tokens, prompt)];
    let tokens = token_tensor(&[tokens]).unwrap();
    let clean = match edits.frozen() {
        hooks if hooks.is_empty() => Clean::new(),
        hooks => model.capture(&tokens, &hooks).unwrap(),
    };
    let mut nothing = NoHooks;
    let mut edited = Edited::new(edits, (&rows, &clean), &mut nothing);
    let logits = model
        .run(Start::Tokens(&tokens), &mut edited)
        .unwrap()
        .unwrap();
    let t = tokens.dim(1).unwrap();
    logits.narrow(1, t - 1, 1).unwrap().flatten_all().unwrap()
}

#[test]
fn with_a_cache_and_without_one_edited_text_is_the_same_for_a_seed() {
    for name in ["demo", "llama", "gemma3", "gpt-neox"] {
        let model = if name == "demo" { demo() } else { tiny(name) };
        let prompt: Vec<TokenId> = [0, 40, 300, 7].map(TokenId).into();
        let mut texts = Vec::new();
        for (what, edits) in menagerie(&model) {
            let edits = Edits::new(&model, edits).unwrap();
            let sampling = Sampling {
                temperature: 0.9,
                tokens: 10,
                seed: 4,
                ignore_eos: true,
                ..Sampling::default()
            };
            let mut joined = String::new();
            let mut observe = |_, piece: &str| {
                joined.push_str(piece);
                ControlFlow::Continue(())
            };
            let cached = generate(&model, &prompt, edits.clone(), &sampling, &mut observe)
                .unwrap()
                .done()
                .unwrap();
            assert_eq!(cached.finish, Some(Finish::Length));
            assert_eq!(cached.text, joined);
            let choice = Choice::TopK {
                k: 40,
                temperature: 0.9,
            };
            let mut chooser = LogitsProcessor::from_sampling(4, choice);
            let mut text = prompt.clone();
            for _ in 0..10 {
                let logits = anew(&model, &edits, &text, prompt.len());
                text.push(TokenId(chooser.sample(&logits).unwrap()));
            }
            assert_eq!(cached.tokens, text[4..], "{name}: {what}");
            if what == "none" {
                let mut on = |_| ControlFlow::Continue(());
                let plain = model.generate(&prompt, &sampling, &mut NoHooks, &mut on);
                assert_eq!(Some(&cached.tokens), plain.unwrap().done().as_ref());
            }
            texts.push((what, cached.tokens));
        }
        // The edits have an effect: their texts differ from the first.
        let differ = texts.iter().filter(|(_, text)| *text != texts[0].1).count();
        assert!(differ >= texts.len() / 2, "{name}: {texts:?}");
    }
}

#[test]
fn a_run_beside_another_computes_bit_by_bit_what_it_would_alone() {
    for model in [demo(), tiny("qwen3"), tiny("gpt-neo")].map(Arc::new) {
        let prompt: Vec<TokenId> = [0, 40, 300, 7, 7].map(TokenId).into();
        let sampling = Sampling {
            tokens: 6,
            ignore_eos: true,
            ..Sampling::default()
        };
        for (what, edits) in menagerie(&model) {
            let edits = Edits::new(&model, edits).unwrap();
            let mut session = Session::new(&model, &prompt, &sampling);
            let wanted = Wanted {
                edits: edits.clone(),
                dial: None,
                samples: 1,
            };
            let mut beside = session.begin(&model, &wanted).unwrap().remove(0);
            let mut alone = Continuation::new(&model, &prompt, edits, &sampling).unwrap();
            let mut baseline = session.baseline(&model, 0).unwrap().at.resume(&model);
            let mut plain = model.generator(&prompt, &sampling).unwrap();
            for _ in 0..6 {
                let (a, b) = (beside.logits().unwrap(), alone.logits().unwrap());
                assert!(bits(&a) == bits(&b), "{what}");
                assert_eq!(beside.step().unwrap(), alone.step().unwrap(), "{what}");
                let (a, b) = (
                    baseline.logits(&mut NoHooks).unwrap(),
                    plain.logits(&mut NoHooks).unwrap(),
                );
                assert!(bits(&a) == bits(&b), "{what}");
                assert_eq!(
                    baseline.step(&mut NoHooks).unwrap(),
                    plain.step(&mut NoHooks).unwrap()
                );
            }
        }
    }
}

/// Counts the blocks that a pass goes through.
struct Counted(usize);

impl Hooks for Counted {
    fn wants(&self, hook: HookPoint) -> bool {
        hook.site() == Some(Site::ResidPost)
    }

    fn visit(&mut self, _: HookPoint, _: usize, _: &Tensor) -> Result<Option<Tensor>> {
        self.0 += 1;
        Ok(None)
    }
}

#[test]
fn what_no_edit_reaches_is_computed_once() {
    let model = demo();
    let prompt: Vec<TokenId> = [0, 40, 300].map(TokenId).into();
    let sampling = Sampling::default();
    for (layer, left) in [(0, 4), (2, 2), (3, 1)] {
        let hook = HookPoint::block(layer, Site::AttnOut);
        let (enters, hook) = Branch::before(hook, &model).unwrap();
        let mut keep = Capture::to_the_end([hook]);
        let mut reader = model.generator(&prompt, &sampling).unwrap();
        reader.logits(&mut keep).unwrap();
        let branch = Branch::Block(enters, 0, &keep.values[&hook]);
        let mut counted = Counted(0);
        let read = reader.pause();
        read.fork(&model, branch, &sampling, &mut counted).unwrap();
        assert_eq!(counted.0, left);
    }
}

#[test]
fn two_streams_advance_in_turn_and_without_strength_say_the_same() {
    let model = Arc::new(demo());
    let hook = sites()[1];
    let row = random_sae(&model, hook).w_dec.row(9).to_vec();
    let sampling = Sampling {
        tokens: 12,
        seed: 3,
        ignore_eos: true,
        ..Sampling::default()
    };
    let texts = |strength: f32, most: usize| {
        let moved = row.iter().map(|x| strength * x).collect();
        let edits = Edits::new(&model, vec![edit(hook, Action::Add(moved))]).unwrap();
        let mut order = Vec::new();
        let outcome = run(&model, edits, &TEXT.into(), &sampling, &mut |event| {
            if let Event::Tokens { stream, .. } = event {
                order.push(stream);
            }
            if order.len() < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .unwrap();
        (outcome, order)
    };
    let (same, order) = texts(0.0, 99);
    let whole = |outcome: Ended<Outcome, Outcome>| {
        let outcome = outcome.done().expect("not stopped");
        let sample = outcome.samples[0].clone();
        (outcome, sample)
    };
    let (outcome, same) = whole(same);
    assert_eq!(same.baseline.written, same.steered.written);
    let kls = |text: &Text| text.measures.iter().map(|m| m.kl).collect::<Vec<_>>();
    assert_eq!(kls(&same.steered), [0.0; 12], "bit by bit the same model");
    let logs = |text: &Text| text.measures.iter().map(|m| m.unedited).collect::<Vec<_>>();
    assert_eq!(logs(&same.steered), logs(&same.baseline));
    assert_eq!((logs(&same.baseline).len(), outcome.kl), (12, 0.0));
    assert_eq!(same.baseline.written.finish, Some(Finish::Length));
    assert_eq!(same.generated.map(|generated| generated.kl), Some(0.0));
    assert!(
        order
            .chunks(2)
            .all(|pair| *pair == [Stream::Baseline, Stream::Steered])
    );
    let (steered, _) = texts(30.0, 99);
    let (outcome, steered) = whole(steered);
    assert_eq!(steered.baseline, same.baseline);
    assert!(
        steered.steered.written != steered.baseline.written && outcome.kl > 0.01,
        "{steered:?}"
    );
    assert_eq!(outcome.shift.len(), CHANGES);
    let changes: Vec<f32> = outcome
        .shift
        .iter()
        .map(|c| (c.after - c.before).abs())
        .collect();
    assert!(changes.is_sorted_by(|a, b| a >= b), "{changes:?}");
    let (stopped, order) = texts(30.0, 5);
    assert_eq!((stopped.is_stopped(), order.len()), (true, 5));
    let stopped = stopped.into_value().samples.remove(0);
    let written = Stream::ALL.map(|stream| stopped.text(stream).written.tokens.len());
    assert_eq!(written, [3, 2]);
    assert_eq!(stopped.steered.written.finish, None);
}

/// Computes log p of every token at every position of `tokens` in one pass; the first `prompt` tokens are the prompt.
fn distributions(
    model: &Model,
    edits: &[Edit],
    tokens: &[TokenId],
    prompt: usize,
) -> Vec<Vec<f64>> {
    let edits = Edits::new(model, edits.to_vec()).unwrap();
    let rows = [Row::new(tokens, prompt)];
    let tokens = token_tensor(&[tokens]).unwrap();
    let clean = model.capture(&tokens, &edits.frozen()).unwrap();
    let mut nothing = NoHooks;
    let mut edited = Edited::new(&edits, (&rows, &clean), &mut nothing);
    let logits = model.run(Start::Tokens(&tokens), &mut edited);
    let logits = numbers(&logits.unwrap().unwrap());
    let softmax = |row: &[f32]| -> Vec<f64> {
        let sum: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
        row.iter().map(|x| f64::from(*x) - sum.ln()).collect()
    };
    logits.chunks(model.config().vocab).map(softmax).collect()
}

#[test]
fn divergences_along_the_text_equal_those_of_whole_passes_over_it() {
    for model in [demo(), tiny("llama"), tiny("gpt2")].map(Arc::new) {
        let bos = model.codec().bos().id;
        let prompt: Vec<TokenId> = bos
            .into_iter()
            .chain(model.codec().encode("The king").unwrap())
            .collect();
        let sampling = Sampling {
            tokens: 8,
            seed: 5,
            ignore_eos: true,
            ..Sampling::default()
        };
        for (what, edits) in menagerie(&model) {
            let of = Edits::new(&model, edits.clone()).unwrap();
            let mut on = |_| ControlFlow::Continue(());
            let outcome = run(&model, of, &"The king".into(), &sampling, &mut on)
                .unwrap()
                .into_value();
            let sample = &outcome.samples[0];
            let generated = sample.generated.clone().unwrap();
            let measures = &sample.steered.measures;
            let steered = &sample.steered.written.tokens;
            let text = [prompt.as_slice(), steered].concat();
            let first = prompt.len() - 1;
            let (before, after) = (
                distributions(&model, &[], &text, prompt.len()),
                distributions(&model, &edits, &text, prompt.len()),
            );
            let kl = |at: usize| -> f64 {
                let pairs = after[at].iter().zip(&before[at]);
                pairs
                    .map(|(after, before)| after.exp() * (after - before))
                    .sum()
            };
            let want: Vec<f64> = (first..first + steered.len()).map(kl).collect();
            assert_eq!(measures.len(), 8);
            for (i, (got, want)) in measures.iter().zip(&want).enumerate() {
                let off = (got.kl - want).abs();
                assert!(off < 1e-5 + 1e-3 * want, "{what}: {got:?} {want}");
                let id = steered[i].index();
                let logs = (
                    got.unedited - before[first + i][id],
                    got.written - after[first + i][id],
                );
                assert!(logs.0.abs().max(logs.1.abs()) < 1e-4, "{what}: {logs:?}");
            }
            // By its definition, from whole passes: f32 logits computed in another order differ by some 1e-5.
            let sum: f64 = (0..8).map(|i| -before[first + i][steered[i].index()]).sum();
            let (got, by_definition) = (sample.steered.perplexity().unwrap(), (sum / 8.0).exp());
            let off = (got / by_definition - 1.0).abs();
            assert!(off < 1e-4, "{what}: {got} {by_definition}");
            let mean = want.iter().sum::<f64>() / 8.0;
            assert!((generated.kl - mean).abs() < 1e-5 + 1e-3 * mean, "{what}");
            assert_eq!(measures[0].kl, outcome.kl, "{what}");
            for change in &generated.shift {
                let mean = |all: &[Vec<f64>]| -> f64 {
                    let at = first..first + 8;
                    at.map(|at| all[at][change.id.index()].exp()).sum::<f64>() / 8.0
                };
                let off = (f64::from(change.before) - mean(&before)).abs();
                let off = off.max((f64::from(change.after) - mean(&after)).abs());
                assert!(off < 1e-4, "{what}: {change:?}");
            }
            if what == "add new" {
                assert_eq!(outcome.kl, 0.0, "the prompt is left alone");
                assert!(generated.kl > 1e-3, "{generated:?}");
            }
        }
    }
}

#[test]
fn each_text_ends_with_its_own_eos() {
    let model = Arc::new(demo());
    let eos = model.ends().ids[0];
    // Towards the end of a text, as the unembedding has it.
    let all = model
        .logit_effect(&one_hot(model.config().d_model))
        .unwrap();
    let towards: Vec<f32> = (0..all.rows())
        .map(|i| 60.0 * all.row(i)[eos.index()])
        .collect();
    let edits = Edits::new(
        &model,
        vec![Edit {
            positions: "5..".parse().unwrap(),
            ..edit(HookPoint::block(3, Site::ResidPost), Action::Add(towards))
        }],
    );
    let sampling = Sampling {
        temperature: 0.0,
        tokens: 10,
        ..Sampling::default()
    };
    let mut joined = [String::new(), String::new()];
    let outcome = run(
        &model,
        edits.unwrap(),
        &"The king".into(),
        &sampling,
        &mut |event| {
            if let Event::Tokens { stream, tokens, .. } = event {
                let pieces = tokens.iter().map(|token| token.piece.as_str());
                joined[stream as usize].extend(pieces);
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap()
    .into_value();
    let sample = &outcome.samples[0];
    let [baseline, steered] = Stream::ALL.map(|stream| sample.text(stream).written.clone());
    assert_eq!(steered.finish, Some(Finish::Eos(eos)));
    assert_eq!(steered.tokens.last(), Some(&eos));
    assert!(steered.tokens.len() < 10);
    assert!(!steered.text.contains("endoftext"));
    assert_eq!(baseline.finish, Some(Finish::Length));
    assert_eq!(baseline.tokens.len(), 10);
    assert_eq!(joined, [baseline.text, steered.text]);
    assert_eq!(sample.steered.measures.len(), steered.tokens.len());
}

fn one_hot(d: usize) -> Matrix {
    let mut all = Matrix::zeros(d, d);
    (0..d).for_each(|i| all.row_mut(i)[i] = 1.0);
    all
}

#[test]
fn divergence_and_log_probabilities_equal_their_definitions() {
    let logits = Tensor::new(&[1.0f32, 2.0, 3.0], &Device::Cpu).unwrap();
    let after = log_probabilities(&logits).unwrap();
    let e = [1f64, 2.0, 3.0].map(f64::exp);
    for (got, e_i) in after.iter().zip(e) {
        assert!((got - (e_i / e.iter().sum::<f64>()).ln()).abs() < 1e-12);
    }
    let before = [0.5f64.ln(), 0.25f64.ln(), 0.25f64.ln()];
    let want: f64 = (0..3)
        .map(|i| after[i].exp() * (after[i] - before[i]))
        .sum();
    assert!((divergence(&before, &after) - want).abs() < 1e-12);
    assert_eq!(divergence(&after, &after), 0.0);
}

#[test]
fn a_dictionary_that_reads_whole_texts_or_writes_elsewhere_makes_no_edit() {
    let model = demo();
    let hook = HookPoint::block(1, Site::ResidPost);
    let made = |role| {
        let mut sae = (*random_sae(&model, hook)).clone();
        sae.role = role;
        DictionaryEdit::new(Arc::new(sae), vec![], ErrorTerm::Dropped).map(drop)
    };
    assert!(made(Role::Autoencoder).is_ok());
    let predictor = crate::sae::Predictor {
        heads: 1,
        layers: vec![],
    };
    let said = made(Role::Temporal(Arc::new(predictor))).unwrap_err();
    assert!(said.to_string().contains("reads whole texts"), "{said}");
    let said = made(Role::Transcoder(crate::sae::Transcoder::default())).unwrap_err();
    assert!(said.to_string().contains("the transcoder"), "{said}");
}

#[test]
fn an_edit_of_a_dictionary_of_one_head_moves_that_head_alone() {
    let model = demo();
    let hook = HookPoint::block(1, Site::Z);
    let (wide, heads) = (model.width(hook).unwrap(), model.config().heads);
    let e = wide / heads;
    let mut sae = (*random_sae(&model, hook)).clone();
    (sae.w_enc, sae.w_dec) = (random(64, e, 1), random(64, e, 3));
    sae.b_dec = random(1, e, 4).into_values();
    sae.provenance.head = Some(Head(2));
    let sae = Arc::new(sae);
    let change = [LatentChange::Add(FeatureId(5), 3.0)];
    let with = |heads: Option<Vec<Head>>| Edit {
        heads,
        ..edit(hook, dictionary(&sae, &change, ErrorTerm::Kept))
    };
    refused(&model, with(None), "give heads=2");
    refused(&model, with(Some(vec![Head(1)])), "reads only head 2");
    let tokens = ids(&model, 1, 7);
    let x = &model.capture(&tokens, &[hook]).unwrap()[&hook];
    let x = Matrix::from_tensor(x, wide).unwrap();
    let (got, _) = passed(&model, &[with(Some(vec![Head(2)]))], &tokens, hook);
    let got = Matrix::from_tensor(&got, wide).unwrap();
    let own = 2 * e..3 * e;
    for i in 0..7 {
        for j in 0..wide {
            let (got, x) = (got.row(i)[j], x.row(i)[j]);
            if i > 0 && own.contains(&j) {
                let want = x + 3.0 * sae.w_dec.row(5)[j - own.start];
                assert!((got - want).abs() < 1e-5, "{i} {j}: {got} {want}");
            } else {
                assert_eq!(got, x, "{i} {j}");
            }
        }
    }
}
