//! Compares exchanges of features with hooks of PyTorch, and the scores with their definitions, on the demo.

use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::progress::Flow;
use crate::sae::Sae;

#[derive(Deserialize)]
struct Golden {
    questions: Vec<serde_json::Value>,
    positions: Vec<usize>,
    answers: Vec<u32>,
    cases: Vec<Case>,
    whole: Vec<Exchange>,
    whole_answers: Vec<u32>,
}

#[derive(Deserialize)]
struct Case {
    features: Vec<u32>,
    keep: bool,
    pairs: Vec<Exchange>,
    answers: Vec<u32>,
    edited: Vec<Vec<f32>>,
}

fn demo() -> (Model, Sae) {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (model, _) = Model::open(&folder.join("model")).unwrap();
    let (sae, _) = crate::formats::open(&folder.join("saes/resid-2")).unwrap();
    (model, sae)
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/golden/disentangle.json")).unwrap()
}

fn tokens(numbers: &[u32]) -> Vec<TokenId> {
    numbers.iter().copied().map(TokenId).collect()
}

#[test]
fn exchanges_are_those_of_hooks_in_pytorch() {
    let (golden, (model, sae)) = (golden(), demo());
    let lines: Vec<String> = golden.questions.iter().map(ToString::to_string).collect();
    let questions = from_lines(&model, &lines.join("\n")).unwrap();
    assert_eq!(questions.attributes, ["name", "gender"]);
    let positions: Vec<usize> = questions.questions.iter().map(|one| one.position).collect();
    assert_eq!(positions, golden.positions);
    let entities = Entities::new(&model, sae.autoencoder().unwrap(), &questions.questions).unwrap();
    assert_eq!(entities.answers, tokens(&golden.answers));
    for case in &golden.cases {
        let features: Vec<FeatureId> = case.features.iter().copied().map(FeatureId).collect();
        let patch = Patch::Features(&features);
        let edited = entities.edited(&case.pairs, &patch, case.keep).unwrap();
        for (got, want) in edited.iter_rows().zip(&case.edited) {
            for (got, want) in got.iter().zip(want) {
                // Activations near 10, f32 in another order.
                assert!((got - want).abs() < 2e-3, "{got} is not {want}");
            }
        }
        let answers = entities.patched(&case.pairs, &patch, case.keep).unwrap();
        assert_eq!(answers, tokens(&case.answers));
    }
    let whole = entities
        .patched(&golden.whole, &Patch::Whole, false)
        .unwrap();
    assert_eq!(whole, tokens(&golden.whole_answers));
}

#[test]
fn the_scores_of_the_demo_are_shares_of_its_pairs() {
    let (model, sae) = demo();
    let questions = from_people(&model, 240, 1).unwrap();
    assert_eq!(questions.questions.len(), 480);
    let spec = Spec {
        draws: 200,
        ..Spec::default()
    };
    let measure = || {
        let sae = sae.autoencoder().unwrap();
        let found = disentangle(
            &model,
            sae,
            (&questions, &spec),
            &mut |_| Flow::Continue(()),
        );
        found.unwrap().done().unwrap()
    };
    let found = measure();
    assert_eq!(found, measure());
    let mut sums = [0.0; 2];
    for attribute in &found.attributes {
        let [asked, known] = attribute.questions;
        assert!(asked == 240 && known > 120, "{attribute:?}");
        assert!(!attribute.features.is_empty() && attribute.pairs[0] > 20);
        let scores = attribute.scores;
        let mean = f64::midpoint(scores.cause.value, scores.isolation.value);
        assert!((scores.disentanglement.value - mean).abs() < 1e-12);
        let pairs = attribute.pairs[0] as f64;
        let count = scores.cause.value * pairs;
        assert!((count - count.round()).abs() < 1e-9);
        let best = attribute
            .tried
            .iter()
            .map(|one| one.cause + one.isolation)
            .fold(0.0, f64::max);
        let chosen = attribute
            .tried
            .iter()
            .find(|one| one.features == attribute.features.len())
            .unwrap();
        assert_eq!(chosen.cause + chosen.isolation, best);
        sums = [
            sums[0] + scores.cause.value / 2.0,
            sums[1] + scores.isolation.value / 2.0,
        ];
    }
    assert!((found.scores.cause.value - sums[0]).abs() < 1e-12);
    assert!((found.scores.isolation.value - sums[1]).abs() < 1e-12);
    // Names are still read at the person's token behind this block, gender no longer is.
    let whole: Vec<f64> = found
        .attributes
        .iter()
        .map(|one| one.whole.cause.value)
        .collect();
    assert!(whole[0] > 0.6 && whole[1] < 0.4, "{whole:?}");
    assert!(found.attributes[0].scores.cause.value > 0.0);
}

#[test]
fn pairs_have_different_answers_and_one_attribute() {
    let (model, sae) = demo();
    let questions = from_people(&model, 60, 2).unwrap();
    let entities = Entities::new(&model, sae.autoencoder().unwrap(), &questions.questions).unwrap();
    let known = known(&questions, &entities, &model).unwrap();
    let spec = Spec::default();
    let parts = split(&questions, &known, &spec);
    for (of, known) in known.iter().enumerate() {
        let mut both = [parts[0][of].clone(), parts[1][of].clone()].concat();
        both.sort_unstable();
        assert_eq!(&both, known);
        assert_eq!(parts[0][of].len(), (0.7 * known.len() as f64) as usize);
    }
    let study = Study {
        questions: &questions,
        entities: &entities,
        parts: &parts,
        spec: &spec,
    };
    for (attribute, tests) in parts[1].iter().enumerate() {
        let pairs = study.pairs(1, attribute, (500, 0));
        let one = |at: usize| &questions.questions[at];
        let fits = |pair: &Exchange, asked: usize| {
            let (base, source) = (one(pair.0), one(pair.1));
            base.attribute == asked && source.attribute == asked && base.answer != source.answer
        };
        assert!(pairs.cause.iter().all(|pair| fits(pair, attribute)));
        assert!(pairs.isolation.iter().all(|pair| fits(pair, 1 - attribute)));
        assert!(pairs.cause.len() > 5 && pairs.isolation.len() <= pairs.cause.len());
        assert!(pairs.cause.iter().all(|pair| tests.contains(&pair.0)));
    }
}

#[test]
fn questions_that_cannot_be_asked_are_refused() {
    let (model, sae) = demo();
    let line = |text: &str, entity: &str, attribute: &str, answer: &str| {
        json!({"text": text, "entity": entity, "attribute": attribute, "answer": answer})
            .to_string()
    };
    let refused = |lines: &[String]| {
        from_lines(&model, &lines.join("\n"))
            .unwrap_err()
            .to_string()
    };
    let good = line("Then Tom smiled because", "Tom", "gender", " he");
    assert!(refused(&["{}".to_owned()]).contains("line 1"));
    let said = refused(&[
        good.clone(),
        line("Then Tom smiled because", "Mary", "gender", " she"),
    ]);
    assert!(said.contains("line 2") && said.contains("“Mary”"), "{said}");
    let said = refused(&[
        good.clone(),
        line("Then Tom ran because", "Tom", "gender", " she"),
    ]);
    assert!(said.contains("one answer to an attribute"), "{said}");
    assert!(
        refused(&[line("Then Tom smiled because", "Tom", "gender", "")]).contains("empty answer")
    );
    let run = |questions: &Questions| {
        let spec = Spec::default();
        let found = disentangle(
            &model,
            sae.autoencoder().unwrap(),
            (questions, &spec),
            &mut |_| Flow::Continue(()),
        );
        found.unwrap_err().to_string()
    };
    let one = from_lines(&model, &good).unwrap();
    assert!(run(&one).contains("two attributes or more"));
    let few = from_lines(
        &model,
        &[good, line("Tom was born in", "Tom", "country", " France")].join("\n"),
    )
    .unwrap();
    assert!(run(&few).contains("does not know the attribute"));
}
