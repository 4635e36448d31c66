//! Compares the rows of texts with their definition, on the demo.

use std::path::Path;

use super::*;
use crate::Model;
use crate::dims::Matrix;
use crate::ids::{FeatureId, TokenId};
use crate::latents::Latents;
use crate::models::token_tensor;
use crate::progress::{Ended, Flow};
use crate::sae::{InputNorm, Sae};

fn demo(name: &str) -> (Model, Sae) {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (model, _) = Model::open(&demo.join("model")).unwrap();
    let sae = Sae::open(&demo.join("saes").join(name)).unwrap().0;
    (model, sae)
}

fn texts() -> Labelled {
    let lines = [
        ("The rabbit ran into the hole.", "a"),
        (
            "\"Come back!\" cried the girl, and she ran after it as fast as she could.",
            "b",
        ),
        ("He said nothing.", "a"),
        ("The captain looked at the map for a long time.", "b"),
    ];
    let line =
        |(text, label): (&str, &str)| serde_json::json!({"text": text, "label": label}).to_string();
    Labelled::from_lines(&lines.map(line).join("\n")).unwrap()
}

fn go(_: crate::progress::Progress) -> Flow {
    std::ops::ControlFlow::Continue(())
}

/// Tokens of a text without BOS, their activations and the mean of `act` over them, in plain loops.
fn tokens(model: &Model, text: &str, context: usize) -> Vec<TokenId> {
    let mut tokens = model.codec().encode_with_bos(text).unwrap();
    tokens.truncate(context);
    tokens
}

#[test]
fn rows_are_means_over_the_tokens_behind_bos() {
    let (model, sae) = demo("resid-2");
    let hook = sae.hook().unwrap();
    let labelled = texts();
    for norm in [InputNorm::None, InputNorm::Layer, InputNorm::Constant] {
        let sae = sae.clone().with_input_norm(norm);
        let Ended::Done(read) = read(&model, &[&sae, &sae], &labelled, 9, &mut go).unwrap() else {
            panic!("it was stopped");
        };
        assert_eq!(
            (read.places.len(), read.dictionaries[1].place, read.cut),
            (1, 0, 2)
        );
        for (at, text) in labelled.texts.iter().enumerate() {
            let tokens = tokens(&model, &text.text, 9);
            assert!(tokens.len() > 3 && tokens[0] == model.codec().bos().id.unwrap());
            let value = model
                .capture(&token_tensor(&[&tokens]).unwrap(), &[hook])
                .unwrap();
            let x = Matrix::from_tensor(&value[&hook], model.width(hook).unwrap()).unwrap();
            let counted = 1..tokens.len();
            let mean = |value: &dyn Fn(usize) -> f64| {
                counted.clone().map(value).sum::<f64>() / counted.len() as f64
            };
            for d in 0..x.columns() {
                let want = mean(&|t| f64::from(x.row(t)[d]));
                let got = f64::from(read.places[0].x.row(at)[d]);
                // A pass of several texts adds in another order.
                assert!(
                    (got - want).abs() < 1e-3 * (1.0 + want.abs()),
                    "{got} {want}"
                );
            }
            let code = sae.encode(&x).unwrap();
            let one = &read.dictionaries[0];
            // What the features of a text write by `written`, and what the dictionary decodes of them.
            let decoded = sae.decode(&code, &x).unwrap();
            let nothing = sae.decode(&Latents::empty(x.rows()), &x).unwrap();
            for d in (0..x.columns()).step_by(7) {
                let want = mean(&|t| f64::from(decoded.row(t)[d] - nothing.row(t)[d]));
                let each = one.written.row(at).map(|(feature, act)| {
                    f64::from(act) * f64::from(sae.w_dec.row(feature.index())[d])
                });
                let got = each.sum::<f64>();
                assert!(
                    (got - want).abs() < 2e-3 * (1.0 + want.abs()),
                    "{norm:?}: {got} {want}"
                );
            }
            let feature = code.row(1).next().unwrap().0;
            let want = mean(&|t| f64::from(code.get(t, feature)));
            let got = f64::from(one.features.get(at, FeatureId(feature.0)));
            assert!((got - want).abs() < 1e-3 * (1.0 + want), "{got} {want}");
            assert_eq!(norm == InputNorm::None, one.features == one.written);
        }
    }
}

#[test]
fn a_reading_may_be_stopped_and_too_short_a_context_is_refused() {
    let (model, sae) = demo("resid-2");
    let mut stop = |_: crate::progress::Progress| std::ops::ControlFlow::Break(());
    assert!(
        read(&model, &[&sae], &texts(), 128, &mut stop)
            .unwrap()
            .is_stopped()
    );
    assert!(read(&model, &[&sae], &texts(), 1, &mut go).is_err());
}

#[test]
fn lines_become_texts_with_the_places_of_their_labels() {
    let lines = r#"{"text": "a", "label": "y", "spurious": true}
        {"text": "b", "label": "x", "spurious": false}

        {"text": "a", "label": "x", "spurious": true}"#;
    let read = Labelled::from_lines(lines).unwrap();
    assert_eq!(read.classes, ["x", "y"]);
    assert_eq!(read.spurious, ["false", "true"]);
    assert_eq!(read.attributes().unwrap(), [[1, 1], [0, 0]]);
    assert_eq!((read.repeated, read.labels()), (1, vec![1, 0]));
    assert_eq!(read.counts(), [1, 1]);
}

#[test]
fn lines_that_do_not_fit_are_refused_with_their_number() {
    let said = |lines: &str| Labelled::from_lines(lines).unwrap_err().to_string();
    let good = r#"{"text": "a", "label": 1}"#;
    assert!(said(&format!("{good}\n{{\"text\": \"b\"}}")).contains("line 2"));
    assert!(said(&format!("{good}\n{{\"text\": \"b\", \"label\": 0.5}}")).contains("line 2"));
    assert!(said(&format!("{good}\n{{\"text\": \" \", \"label\": 2}}")).contains("empty"));
    let second = r#"{"text": "b", "label": 2, "spurious": 1}"#;
    assert!(said(&format!("{good}\n{second}")).contains("some lines"));
    assert!(said(good).contains("the one label 1"));
    let two = format!("{good}\n{{\"text\": \"b\", \"label\": 2}}");
    let none = Labelled::from_lines(&two).unwrap();
    assert!(
        none.attributes()
            .unwrap_err()
            .to_string()
            .contains("spurious")
    );
    let three = "{\"text\": \"a\", \"label\": 1, \"spurious\": 1}\n{\"text\": \"b\", \"label\": 2, \"spurious\": 2}\n{\"text\": \"c\", \"label\": 3, \"spurious\": 2}";
    let three = Labelled::from_lines(three).unwrap().attributes();
    assert!(three.unwrap_err().to_string().contains("3 values"));
}
