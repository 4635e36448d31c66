//! Compares absorption with SAEBench's calculator and scikit-learn, and tries it on the demo.

use serde::Deserialize;

use super::*;
use crate::Model;
use crate::ids::{HookPoint, Site, TokenId};
use crate::progress::Flow;
use crate::sae::{Relu, Sae};

const GOLDEN: &str = include_str!("../../../../tests/golden/absorption.json");

#[derive(Deserialize)]
struct Golden {
    x: Vec<Vec<f32>>,
    labels: Vec<usize>,
    train: Vec<usize>,
    test: Vec<usize>,
    w_enc: Vec<Vec<f32>>,
    b_enc: Vec<f32>,
    w_dec: Vec<Vec<f32>>,
    classes: Vec<GoldenClass>,
}

#[derive(Deserialize)]
struct GoldenClass {
    weights: Vec<f64>,
    bias: f64,
    accuracy: f64,
    precision: f64,
    recall: f64,
    f1: f64,
    sparse: Vec<f64>,
    main: Vec<u32>,
    main_f1: f64,
    words: Vec<GoldenWord>,
}

#[derive(Deserialize)]
struct GoldenWord {
    word: usize,
    fraction: f64,
    full: bool,
    top: u32,
}

fn matrix(rows: &[Vec<f32>]) -> Matrix {
    Matrix::new(rows.len(), rows[0].len(), rows.concat()).unwrap()
}

fn labelled(labels: &[usize]) -> Words {
    let word = |(at, class): (usize, &usize)| Word {
        text: at.to_string(),
        token: TokenId::from(at),
        class: *class,
    };
    Words {
        classes: ["a", "b", "c"].map(str::to_owned).to_vec(),
        words: labels.iter().enumerate().map(word).collect(),
        are_letters: false,
        left_out: 0,
    }
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(GOLDEN).unwrap()
    }

    fn sae(&self) -> Sae {
        let mut sae = Sae::new(
            "golden",
            (matrix(&self.w_enc), self.b_enc.clone()),
            (matrix(&self.w_dec), vec![0.0; self.w_dec[0].len()]),
            Relu,
        )
        .reading(HookPoint::block(0, Site::ResidPost));
        sae.apply_b_dec_to_input = false;
        sae
    }

    fn probes(&self, words: &Words, x: &Matrix) -> Probes {
        let split = Split {
            train: self.train.clone(),
            test: self.test.clone(),
        };
        on_split(words, x, (vec![0, 1, 2], split)).unwrap()
    }
}

#[track_caller]
fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} is not {want}");
}

#[test]
fn probes_are_those_of_scikit_learn() {
    let golden = Golden::read();
    let (words, x) = (labelled(&golden.labels), matrix(&golden.x));
    let probes = golden.probes(&words, &x);
    for (i, want) in golden.classes.iter().enumerate() {
        let ((class, probe), quality) = (&probes.directions[i], &probes.qualities[i]);
        assert_eq!(*class, i);
        // The file rounds to 10 digits; both stop at relative gradients of 1e-9 and below.
        near(probe.bias, want.bias, 1e-5);
        for (got, want) in probe.weights.iter().zip(&want.weights) {
            near(*got, *want, 1e-5);
        }
        let figures = [
            quality.accuracy,
            quality.precision,
            quality.recall,
            quality.f1,
        ];
        let wants = [want.accuracy, want.precision, want.recall, want.f1];
        for (got, want) in figures.into_iter().zip(wants) {
            near(got, want, 1e-9);
        }
        assert_eq!(quality.words[0] + quality.words[1], 60);
    }
}

#[test]
fn sparse_weights_are_those_of_scikit_learn() {
    let golden = Golden::read();
    let codes = golden.sae().encode(&matrix(&golden.x)).unwrap();
    let columns = Columns::new(&codes, &golden.train, golden.w_enc.len());
    for (class, want) in golden.classes.iter().enumerate() {
        let is_of: Vec<bool> = golden
            .train
            .iter()
            .map(|at| golden.labels[*at] == class)
            .collect();
        let of = is_of.iter().filter(|is| **is).count() as f64;
        let weights = columns.fitted(Examples {
            x: &[],
            width: 0,
            is_of: &is_of,
            weights: [(is_of.len() as f64 - of) / of, 1.0],
            penalty: SPARSE_PENALTY,
        });
        for (got, want) in weights.unwrap().iter().zip(&want.sparse) {
            // The fit stops at violations of 1e-3 of the penalty, which move weights near 1 by less.
            near(*got, *want, 2e-3);
        }
    }
}

#[test]
fn every_word_is_judged_as_saebench_judges_it() {
    let golden = Golden::read();
    let (words, x, sae) = (labelled(&golden.labels), matrix(&golden.x), golden.sae());
    let probes = golden.probes(&words, &x);
    let spec = Spec::default();
    let found = absorption(sae.autoencoder().unwrap(), (&words, &x), &probes, &spec).unwrap();
    assert_eq!(found.classes.len(), 3);
    let mut means = [0.0; 2];
    for (got, want) in found.classes.iter().zip(&golden.classes) {
        let main: Vec<u32> = got.main.iter().map(|feature| feature.0).collect();
        assert_eq!(main, want.main, "{}", got.name);
        near(got.main_f1, want.main_f1, 1e-9);
        let n = want.words.len() as f64;
        assert_eq!(got.true_positives, want.words.len());
        let fraction = want.words.iter().map(|word| word.fraction).sum::<f64>() / n;
        // Codes are of f32 here and of f64 there.
        near(got.fraction.value, fraction, 1e-5);
        let full: Vec<(String, FeatureId)> = want
            .words
            .iter()
            .filter(|word| word.full)
            .map(|word| (word.word.to_string(), FeatureId(word.top)))
            .collect();
        assert_eq!(got.absorbed, full);
        near(got.full.value, full.len() as f64 / n, 1e-12);
        means = [means[0] + fraction / 3.0, means[1] + got.full.value / 3.0];
    }
    let fraction = found.fraction.unwrap();
    near(fraction.value, means[0], 1e-5);
    near(found.full.unwrap().value, means[1], 1e-12);
    let [low, high] = fraction.interval.unwrap();
    assert!(low < fraction.value && fraction.value < high);
    let features: usize = found.classes.iter().map(|class| class.main.len()).sum();
    near(found.main_features.unwrap(), features as f64 / 3.0, 1e-12);
}

#[test]
fn the_length_of_decoder_rows_and_the_scale_of_inputs_change_nothing() {
    let golden = Golden::read();
    let (x, sae) = (matrix(&golden.x), golden.sae());
    // Codes of half the size and decoder rows of twice the length give the same projections.
    let mut longer = sae.clone();
    longer.w_dec.values_mut().iter_mut().for_each(|w| *w *= 2.0);
    longer.w_enc.values_mut().iter_mut().for_each(|w| *w /= 2.0);
    longer.b_enc.iter_mut().for_each(|b| *b /= 2.0);
    let codes = longer.encode(&x).unwrap();
    let ones = scales(longer.autoencoder().unwrap(), &x).unwrap();
    let whole = sae.encode(&x).unwrap();
    for (i, scale) in ones.iter().enumerate() {
        for (feature, act) in codes.row(i) {
            let size = f64::from(act) * length(longer.direction(feature).unwrap()) * scale;
            let want = f64::from(whole.get(i, feature)) * length(sae.direction(feature).unwrap());
            near(size, want, 1e-6);
        }
    }
    // Of a dictionary that normalises its input, the factor of a token is the deviation that decoding multiplies by.
    let layer = sae.clone().with_input_norm(InputNorm::Layer);
    let factors = scales(layer.autoencoder().unwrap(), &x).unwrap();
    for (factor, row) in factors.iter().zip(x.iter_rows()) {
        let n = row.len() as f64;
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let squares: f64 = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum();
        near(*factor, (squares / (n - 1.0)).sqrt(), 2e-5);
    }
}

fn demo() -> Model {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    Model::open(path).unwrap().0
}

#[test]
fn words_are_tokens_of_a_space_and_letters() {
    let model = demo();
    let words = Words::from_vocabulary(&model).unwrap();
    assert!(words.words.len() > 2_000, "{}", words.words.len());
    for word in words.words.iter().step_by(97) {
        let spelled = format!(" {}", word.text);
        assert_eq!(model.codec().encode(&spelled).unwrap(), [word.token]);
        assert!(
            word.text
                .to_lowercase()
                .starts_with(&words.classes[word.class])
        );
    }
    let lines = "{\"word\": \"running\", \"label\": \"ing\"}\n\n{\"word\": \"wanted\", \"label\": \"ed\"}\n{\"word\": \"xylophonist\", \"label\": \"er\"}\n";
    let given = Words::from_lines(&model, lines).unwrap();
    assert_eq!(
        (given.classes.join(","), given.left_out),
        ("ed,ing".to_owned(), 1)
    );
    let refused = |lines: &str| Words::from_lines(&model, lines).unwrap_err().to_string();
    let twice = format!("{lines}{{\"word\": \"wanted\", \"label\": \"ing\"}}");
    assert!(refused(&twice).contains("line 5") && refused(&twice).contains("one label"));
    assert!(refused("{\"word\": \"wanted\", \"label\": \"ed\"}").contains("two labels or more"));
    assert!(refused("wanted").contains("line 1"));
    let unknown = given.chosen(&["ly".to_owned()]).unwrap_err().to_string();
    assert!(
        unknown.contains("`ly`") && unknown.contains("ed, ing"),
        "{unknown}"
    );
}

#[test]
fn a_word_is_read_at_its_own_token() {
    let model = demo();
    let mut words = Words::from_vocabulary(&model).unwrap();
    words.words = words.words.into_iter().step_by(40).collect();
    let hook = HookPoint::block(2, Site::ResidPost);
    let whole = |examples| {
        let read = read(&model, &words, (hook, examples, 3), &mut |_| {
            Flow::Continue(())
        })
        .unwrap();
        read.done().unwrap()
    };
    let alone = whole(Some(0));
    assert_eq!((alone.examples, alone.spelled), (0, None));
    for (i, word) in words.words.iter().enumerate().step_by(9) {
        let tokens = model
            .codec()
            .encode_with_bos(&format!("\n {}", word.text))
            .unwrap();
        let captured = model
            .capture(&crate::models::token_tensor(&[&tokens]).unwrap(), &[hook])
            .unwrap();
        let rows = Matrix::from_tensor(&captured[&hook], 256).unwrap();
        for (got, want) in alone.x.row(i).iter().zip(rows.row(rows.rows() - 1)) {
            near(f64::from(*got), f64::from(*want), 1e-3);
        }
    }
    // With lines before them the same words have other activations, and the model is asked to spell.
    let with = whole(Some(2));
    assert_eq!(with.examples, 2);
    assert!(with.spelled.is_some_and(|share| share < 0.6));
    assert_ne!(with.x, alone.x);
    // The demo does not spell, so no lines are chosen.
    let chosen = whole(None);
    assert_eq!((chosen.examples, chosen.x == alone.x), (0, true));
    let stopped = read(&model, &words, (hook, Some(0), 0), &mut |_| Flow::Break(())).unwrap();
    assert!(stopped.is_stopped());
}

#[test]
fn endings_of_words_are_known_to_the_demo_and_measured() {
    let model = demo();
    let mut words = Words::from_vocabulary(&model).unwrap();
    words.classes = ["ing", "ed", "other"].map(str::to_owned).to_vec();
    words.are_letters = false;
    words.words.retain(|word| word.text.len() > 3);
    for word in &mut words.words {
        let ending = words
            .classes
            .iter()
            .position(|class| word.text.ends_with(class));
        word.class = ending.unwrap_or(2);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/saes/resid-2");
    let (sae, _) = crate::formats::open(std::path::Path::new(path)).unwrap();
    let spec = Spec {
        classes: vec!["ing".to_owned()],
        draws: 100,
        ..Spec::default()
    };
    let hook = sae.provenance.hook.unwrap();
    let read = read(&model, &words, (hook, None, 0), &mut |_| Flow::Continue(()));
    let x = read.unwrap().done().unwrap().x;
    let probes = probes(&words, &x, &spec).unwrap();
    assert!(probes.qualities[0].is_known(), "{:?}", probes.qualities);
    let found = absorption(sae.autoencoder().unwrap(), (&words, &x), &probes, &spec).unwrap();
    let class = &found.classes[0];
    assert!(class.true_positives > 5 && class.main_f1 > 0.4, "{class:?}");
    assert_eq!(found.full.unwrap().value, class.full.value);
}
