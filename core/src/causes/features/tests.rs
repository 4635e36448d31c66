//! Features as causes against torch, against finite differences, and against one full pass for each changed value.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use serde::Deserialize;

use super::*;
use crate::formats;
use crate::ids::Head;
use crate::models::{Hooks, Start};
use crate::sae::{InputNorm, Provenance, Relu, Sae, TopK};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

/// A case of `tests/golden/causes.py`.
#[derive(Debug, Deserialize)]
struct Case {
    model: String,
    hook: String,
    target: String,
    head: Option<u32>,
    norm: Option<String>,
    value: f64,
    features: Vec<(u32, usize, f64, f64, f64)>,
    errors: Vec<(usize, f64, f64)>,
    b_dec: f64,
    gradient_sum: f64,
}

/// Makes the numbers that the script makes.
fn table(rows: usize, columns: usize, seed: u32) -> Matrix {
    let value = |i: u32| ((i + 1).wrapping_mul(2_654_435_761) ^ (seed * 97)) % 1_000;
    let values = (0..(rows * columns) as u32).map(|i| value(i) as f32 / 500.0 - 1.0);
    Matrix::new(rows, columns, values.collect()).unwrap()
}

fn sae(d: usize, case: &Case) -> Sae {
    let bias: Vec<f32> = table(1, d, 5).values().iter().map(|x| x / 10.0).collect();
    let weights = ((table(12, d, 3), vec![0.0; 12]), (table(12, d, 4), bias));
    let made = Sae::new("made up", weights.0, weights.1, TopK { k: 3 });
    let norm = match case.norm.as_deref() {
        Some("layer") => InputNorm::Layer,
        _ => InputNorm::None,
    };
    made.with_input_norm(norm).with_provenance(Provenance {
        hook: Some(case.hook.parse().unwrap()),
        head: case.head.map(Head),
        ..Provenance::default()
    })
}

fn target(name: &str) -> Target {
    match name {
        "loss" => Target::Loss,
        "logit" => Target::Logit(TokenId(17)),
        _ => Target::Difference {
            right: TokenId(17),
            wrong: TokenId(300),
        },
    }
}

fn tokens() -> Vec<TokenId> {
    (0..9).map(|i| TokenId((i * 97 + 5) % 512)).collect()
}

fn done(ended: Ended<Features>) -> Features {
    ended.done().unwrap()
}

/// f32 passes of these small models differ from f64 by up to 2e-5 in logits of size 5; activations of made-up dictionaries go up to 20.
fn is_near(got: f64, want: f64) -> bool {
    (got - want).abs() < 1e-4 + 1e-5 * want.abs()
}

#[track_caller]
fn near(got: f64, want: f64, what: &str) {
    assert!(is_near(got, want), "{what}: {got} {want}");
}

#[test]
fn features_and_errors_are_those_of_torch() {
    let text = std::fs::read_to_string(golden("causes/features.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 7);
    for case in &cases {
        let model = Model::open(&golden(&format!("tiny-{}", case.model)))
            .unwrap()
            .0;
        let hook: HookPoint = case.hook.parse().unwrap();
        let width = match case.head {
            Some(_) => model.config().d_head,
            None => model.width(hook).unwrap(),
        };
        let sae = sae(width, case);
        let asked = (&*tokens(), target(&case.target));
        let found = features(&model, sae.by_token().unwrap(), asked, None, &mut |_| {
            Flow::Continue(())
        });
        let found = done(found.unwrap());
        let what = format!("{} {} {}", case.model, case.hook, case.target);
        assert_eq!(found.features.len(), case.features.len(), "{what}");
        for (feature, position, activation, ablation, gradient) in &case.features {
            let own = found
                .features
                .iter()
                .find(|one| (one.feature.0, one.position) == (*feature, *position));
            let own = own.unwrap();
            near(f64::from(own.activation), *activation, &what);
            near(own.ablation, *ablation, &what);
            near(own.gradient, *gradient, &what);
        }
        for (own, (position, ablation, gradient)) in found.errors.iter().zip(&case.errors) {
            assert_eq!(own.position, *position);
            near(own.ablation, *ablation, &what);
            near(own.gradient, *gradient, &what);
        }
        near(found.b_dec, case.b_dec, &what);
        near(found.gradient_sum, case.gradient_sum, &what);
        near(found.summed(), case.gradient_sum, &what);
        let clean = model.logits(&token_tensor(&[&tokens()]).unwrap()).unwrap();
        near(
            asked.1.of_logits(&clean, &tokens(), 0).unwrap()[0],
            case.value,
            &what,
        );
        let sizes = found.features.windows(2);
        assert!(
            sizes
                .into_iter()
                .all(|two| two[0].ablation.abs() >= two[1].ablation.abs())
        );
    }
}

#[test]
fn a_decoder_off_by_a_thousandth_is_told_from_torch_s() {
    let text = std::fs::read_to_string(golden("causes/features.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let case = &cases[0];
    let model = Model::open(&golden("tiny-gpt2")).unwrap().0;
    let mut sae = sae(model.config().d_model, case);
    sae.w_dec.values_mut().iter_mut().for_each(|w| *w *= 1.001);
    let asked = (&*tokens(), target(&case.target));
    let found = features(&model, sae.by_token().unwrap(), asked, None, &mut |_| {
        Flow::Continue(())
    });
    let found = done(found.unwrap());
    let (feature, position, _, ablation, _) = case.features[0];
    let mut all = found.features.iter();
    let own = all.find(|one| (one.feature.0, one.position) == (feature, position));
    assert!(!is_near(own.unwrap().ablation, ablation));
}

struct Demo {
    model: Model,
    sae: Sae,
    tokens: Vec<TokenId>,
}

fn demo() -> &'static Demo {
    static DEMO: OnceLock<Demo> = OnceLock::new();
    DEMO.get_or_init(|| {
        let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
        let model = Model::open(&demo.join("model")).unwrap().0;
        let sae = formats::open(&demo.join("saes/resid-2")).unwrap().0;
        let text = "Alice was not a bit hurt";
        let tokens = model.codec().encode_with_bos(text).unwrap();
        Demo { model, sae, tokens }
    })
}

/// Puts other numbers at one hook.
struct Put<'a>(HookPoint, &'a Matrix);

impl Hooks for Put<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.0
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let numbers = self.1.values().to_vec();
        Ok(Some(Tensor::from_vec(numbers, value.dims(), &Device::Cpu)?))
    }
}

#[test]
fn shared_prefixes_give_what_whole_passes_give() {
    let Demo { model, sae, tokens } = demo();
    let target = Target::parse("logit:  and", model.codec()).unwrap();
    let found = features(
        model,
        sae.by_token().unwrap(),
        (tokens, target),
        Some(4),
        &mut |_| Flow::Continue(()),
    );
    let found = done(found.unwrap());
    let input = token_tensor(&[tokens]).unwrap();
    let clean = model.clean_run(tokens, &[found.hook]).unwrap();
    let whole = Matrix::from_tensor(clean.value(found.hook).unwrap(), 256).unwrap();
    let value = |x: &Matrix| {
        let logits = model
            .run(Start::Tokens(&input), &mut Put(found.hook, x))
            .unwrap();
        target.of_logits(&logits.unwrap(), tokens, 0).unwrap()[0]
    };
    let untouched = value(&whole);
    for one in found.features.iter().step_by(13) {
        let mut x = whole.clone();
        let row = sae.w_dec.row(one.feature.index());
        for (x, w) in x.row_mut(one.position).iter_mut().zip(row) {
            *x -= one.activation * w;
        }
        // Sums of f32 in another order: logits of size 10.
        let off = (value(&x) - untouched - one.ablation).abs();
        assert!(off < 3e-5, "{one:?} {off}");
    }
    // Position 0 is left alone, every other position has its 32 features and its error.
    assert!(found.features.iter().all(|one| one.position > 0));
    assert_eq!(found.features.len(), 32 * (tokens.len() - 1));
    assert_eq!(found.errors.len(), tokens.len() - 1);
    near(found.summed(), found.gradient_sum, "sum");
    let agreement = found.agreement;
    assert!(agreement.low.unwrap() > 0.9, "{agreement:?}");
    assert!(
        agreement.integrated.unwrap() > agreement.all.unwrap(),
        "{agreement:?}"
    );
    assert!(agreement.integrated.unwrap() > 0.99, "{agreement:?}");
}

#[test]
fn a_gradient_is_the_slope_of_the_activation() {
    let Demo { model, sae, tokens } = demo();
    let found = features(
        model,
        sae.by_token().unwrap(),
        (tokens, Target::Loss),
        None,
        &mut |_| Flow::Continue(()),
    );
    let found = done(found.unwrap());
    let clean = model.clean_run(tokens, &[found.hook]).unwrap();
    let value = clean.value(found.hook).unwrap();
    for one in found.features.iter().take(12) {
        let from = clean.start(one.position);
        let later = value.narrow(1, from, tokens.len() - from).unwrap();
        let at = |share: f32| {
            let mut numbers = later.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for (x, w) in numbers.iter_mut().zip(sae.w_dec.row(one.feature.index())) {
                *x -= share * one.activation * w;
            }
            let moved = Tensor::from_vec(numbers, later.dims(), &Device::Cpu).unwrap();
            let place = crate::models::Place {
                hook: found.hook,
                from,
            };
            let logits = clean.replaced(place, &moved, false).unwrap();
            Target::Loss.of_logits(&logits, tokens, from).unwrap()[0]
        };
        let step = 0.02;
        let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
        // Losses of size 1 in f32 over a step of 0.02 leave 1e-4.
        assert!(
            (slope - one.gradient).abs() < 3e-4 + 0.01 * slope.abs(),
            "{one:?} {slope}"
        );
    }
    // The last position predicts nothing that is charged.
    let last = tokens.len() - 1;
    let of_last = found.features.iter().filter(|one| one.position == last);
    assert!(of_last.clone().count() > 0);
    for one in of_last {
        assert!(one.ablation == 0.0 && one.gradient == 0.0, "{one:?}");
    }
}

#[test]
fn a_stop_leaves_nothing_and_what_does_not_fit_is_refused() {
    let Demo { model, sae, tokens } = demo();
    let target = Target::Logit(TokenId(5));
    let stopped = features(
        model,
        sae.by_token().unwrap(),
        (tokens, target),
        None,
        &mut |at| {
            if at.done > 0 {
                Flow::Break(())
            } else {
                Flow::Continue(())
            }
        },
    );
    assert!(stopped.unwrap().is_stopped());
    let go = &mut |_| Flow::Continue(());
    let short = features(
        model,
        sae.by_token().unwrap(),
        (&tokens[..1], target),
        None,
        go,
    );
    assert!(short.unwrap_err().to_string().contains("at least 2"));
    let wide = Sae::new(
        "wide",
        (Matrix::zeros(3, 7), vec![0.0; 3]),
        (Matrix::zeros(3, 7), vec![0.0; 7]),
        Relu,
    );
    let wide = wide.reading(HookPoint::block(1, crate::ids::Site::ResidPost));
    assert!(features(model, wide.by_token().unwrap(), (tokens, target), None, go).is_err());
}

#[test]
fn the_sentence_says_what_the_numbers_say() {
    let one = |feature: u32, ablation: f64, gradient: f64| FeatureCause {
        feature: FeatureId(feature),
        position: 2,
        activation: 1.0,
        ablation,
        gradient,
        integrated: None,
    };
    let of = |features: Vec<FeatureCause>| Features {
        dictionary: "tiny".to_owned(),
        hook: HookPoint::block(0, crate::ids::Site::Z),
        agreement: agreement(&features),
        features,
        errors: Vec::new(),
        b_dec: 0.0,
        gradient_sum: 0.0,
    };
    let said = |features| of(features).conclusion("the loss", &|_| " so".to_owned());
    let agreed = said(vec![one(3, -1.5, -1.0), one(4, 0.5, 0.25)]);
    assert!(
        agreed.starts_with("Setting feature 3 at “ so” (position 2) to 0 lowers the loss by 1.500"),
        "{agreed}"
    );
    assert!(
        agreed.contains("of 2 activations of 2 features and 75 %")
            && agreed.ends_with("a·grad ranks it first too"),
        "{agreed}"
    );
    let other = said(vec![one(3, -1.5, -0.1), one(4, 0.5, 0.25)]);
    assert!(
        other.ends_with("a·grad would have named feature 4 at position 2"),
        "{other}"
    );
    let none = said(vec![one(3, 0.0, 0.0)]);
    assert!(none.starts_with("No feature of tiny"), "{none}");
    assert_eq!(median(vec![3.0, 1.0, 2.0, 10.0]), 2.5);
}

#[test]
fn a_transcoder_s_features_are_ablated_where_it_writes_as_edits_of_them_do() {
    use crate::ids::Site;
    use crate::sae::{Role, Transcoder};
    use crate::steer::{Action, DictionaryEdit, Edit, Edits, ErrorTerm, LatentChange};
    let model = Model::open(&golden("tiny-gpt2")).unwrap().0;
    let (reads, writes) = (
        HookPoint::block(0, Site::Ln2Normalized),
        HookPoint::block(0, Site::MlpOut),
    );
    let d = model.config().d_model;
    let bias: Vec<f32> = table(1, d, 5).values().iter().map(|x| x / 10.0).collect();
    let weights = ((table(12, d, 3), vec![0.0; 12]), (table(12, d, 4), bias));
    let sae = Sae::new("made up", weights.0, weights.1, TopK { k: 3 })
        .reading(reads)
        .with_role(Role::Transcoder(Transcoder {
            hook_out: Some(writes),
            w_skip: Some(table(d, d, 6)),
        }));
    let sae = std::sync::Arc::new(sae);
    let input = token_tensor(&[&tokens()]).unwrap();
    let clean = model.logits(&input).unwrap();
    for target in ["loss", "logit", "difference"].map(target) {
        let asked = (&*tokens(), target);
        let found = features(&model, sae.by_token().unwrap(), asked, None, &mut |_| {
            Flow::Continue(())
        });
        let found = done(found.unwrap());
        assert_eq!(found.hook, writes);
        assert!(found.features.len() > 10);
        let value = |logits: &Tensor| target.of_logits(logits, &tokens(), 0).unwrap()[0];
        let mut moved = 0;
        for cause in &found.features {
            let off = vec![LatentChange::Set(cause.feature, 0.0)];
            let off = DictionaryEdit::new(std::sync::Arc::clone(&sae), off, ErrorTerm::Kept);
            let mut edit = Edit::new(writes, Action::Dictionary(off.unwrap()));
            edit.positions = cause.position.to_string().parse().unwrap();
            let edits = Edits::new(&model, vec![edit]).unwrap();
            let change = value(&edits.logits(&model, &input).unwrap()) - value(&clean);
            near(cause.ablation, change, "an ablated feature");
            moved += usize::from(change.abs() > 1e-3);
        }
        assert!(moved > 5, "{moved}");
        // What the dictionary takes apart adds up to the value that it writes.
        near(found.summed(), found.gradient_sum, "all parts");
    }
}
