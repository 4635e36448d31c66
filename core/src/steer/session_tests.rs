//! Checks that a session's runs do not depend on those before them, and that its figures are those of their definitions.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::dims::Matrix;
use crate::formats;
use crate::ids::{FeatureId, HookPoint, Site};
use crate::models::{HookFn, Start, token_tensor};
use crate::sae::{JumpRelu, Relu, Sae};

fn demo() -> (Arc<Model>, Arc<Sae>) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    let model = Model::open(&demo.join("model")).unwrap().0;
    let sae = formats::open(&demo.join("saes/resid-2")).unwrap().0;
    (Arc::new(model), Arc::new(sae))
}

fn sampling(tokens: usize) -> Sampling {
    Sampling {
        tokens,
        seed: 7,
        ignore_eos: true,
        ..Sampling::default()
    }
}

/// Adds rows of the dictionary's feature 9 at its hook, at these positions.
fn add(model: &Model, sae: &Sae, strength: f32, positions: &str) -> Edits {
    let row = sae.direction(FeatureId(9)).unwrap();
    let row = row.iter().map(|x| strength * x).collect();
    let mut edit = Edit::new(sae.hook().unwrap(), Action::Add(row));
    edit.positions = positions.parse().unwrap();
    Edits::new(model, vec![edit]).unwrap()
}

fn wanted(edits: Edits, sae: &Arc<Sae>, samples: usize) -> Wanted {
    Wanted {
        edits,
        dial: Some(Dial::new(Arc::clone(sae), FeatureId(9)).unwrap()),
        samples,
    }
}

/// Runs to the end, or until this many tokens were told.
fn run(session: &mut Session, wanted: &Wanted, most: usize) -> (Outcome, Vec<Event>) {
    let (mut events, mut told) = (Vec::new(), 0);
    let mut observe = |event: Event| {
        if let Event::Tokens { tokens, .. } = &event {
            told += tokens.len();
        }
        events.push(event);
        if told < most {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let outcome = session.run(wanted, &mut observe).unwrap().into_value();
    (outcome, events)
}

#[test]
fn a_run_gives_bit_by_bit_what_a_new_session_gives_whatever_ran_before() {
    let (model, sae) = demo();
    let long = "The old king went into the wood and ".repeat(6);
    for (text, positions) in [("The old king", "all"), (long.as_str(), "40..")] {
        let prompt = model.codec().encode_with_bos(text).unwrap();
        let mut session = Session::new(&model, &prompt, &sampling(20));
        let early = HookPoint::block(0, Site::MlpOut);
        let early = Edits::new(&model, vec![Edit::new(early, Action::Zero)]).unwrap();
        let of = |strength| add(&model, &sae, strength, positions);
        // Stopped in the baseline, in the steered text; other strengths, another hook, more samples and fewer.
        for (edits, samples, most) in [
            (of(8.0), 1, 7),
            (of(9.0), 1, 30),
            (of(-20.0), 1, 999),
            (early, 2, 999),
            (of(12.0), 3, 25),
            (of(12.0), 2, 999),
            (add(&model, &sae, 12.0, "new"), 1, 999),
            (of(8.0), 3, 999),
        ] {
            let of = wanted(edits, &sae, samples);
            let mut fresh = Session::new(&model, &prompt, &sampling(20));
            let (again, events) = run(&mut session, &of, most);
            if most < 999 {
                continue;
            }
            assert_eq!(again, run(&mut fresh, &of, most).0);
            // What is told adds up to what is returned.
            for (i, sample) in again.samples.iter().enumerate() {
                for which in Stream::ALL {
                    told(&events, (i, which), sample.text(which));
                }
            }
        }
    }
}

/// Checks that the events of a text add up to it.
fn told(events: &[Event], of: (usize, Stream), text: &Text) {
    let (mut ids, mut pieces) = (Vec::new(), String::new());
    let (mut figures, mut acts) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Tokens {
                sample,
                stream,
                first,
                tokens,
            } if (*sample, *stream) == of => {
                assert_eq!(*first, ids.len());
                ids.extend(tokens.iter().map(|token| token.id));
                pieces.extend(tokens.iter().map(|token| token.piece.as_str()));
            }
            Event::Measures {
                sample,
                stream,
                first,
                measures,
            } if (*sample, *stream) == of => {
                assert_eq!(*first, figures.len());
                figures.extend_from_slice(measures);
            }
            Event::Activations {
                sample,
                stream,
                first,
                values,
            } if (*sample, *stream) == of => {
                assert_eq!(*first, acts.len());
                acts.extend_from_slice(values);
            }
            _ => {}
        }
    }
    assert_eq!(
        (ids, pieces),
        (text.written.tokens.clone(), text.written.text.clone())
    );
    assert_eq!((&figures, &acts), (&text.measures, &text.activations));
    assert_eq!(figures.len(), text.written.tokens.len());
    assert_eq!(acts.len(), text.written.tokens.len());
}

#[test]
fn samples_are_single_runs_of_the_seeds_that_follow() {
    let (model, sae) = demo();
    let prompt = model.codec().encode_with_bos("Once upon").unwrap();
    let of = |seed, samples| {
        let sampling = Sampling {
            seed,
            ..sampling(12)
        };
        let mut session = Session::new(&model, &prompt, &sampling);
        let edits = add(&model, &sae, 10.0, "1..");
        run(&mut session, &wanted(edits, &sae, samples), 999).0
    };
    let all = of(7, 3);
    for (i, sample) in all.samples.iter().enumerate() {
        let alone = of(7 + i as u64, 1);
        assert_eq!(*sample, alone.samples[0]);
        assert_eq!((&all.shift, all.kl), (&alone.shift, alone.kl));
    }
    let texts = |i: usize| all.samples[i].baseline.written.text.clone();
    assert!(texts(0) != texts(1) && texts(1) != texts(2));
    for (samples, ok) in [(0, false), (SAMPLES + 1, false), (1, true)] {
        let mut session = Session::new(&model, &prompt, &sampling(1));
        let of = wanted(Edits::default(), &sae, samples);
        let ran = session.run(&of, &mut |_| ControlFlow::Continue(()));
        assert_eq!(ran.is_ok(), ok);
    }
}

#[test]
fn the_dialled_feature_is_encoded_from_what_the_edits_leave() {
    let (model, sae) = demo();
    let hook = sae.hook().unwrap();
    let prompt = model.codec().encode_with_bos("Once upon a time").unwrap();
    let mut session = Session::new(&model, &prompt, &sampling(20));
    let edits = add(&model, &sae, 12.0, "1..");
    let (outcome, _) = run(&mut session, &wanted(edits.clone(), &sae, 1), 999);
    let sample = &outcome.samples[0];
    let strongest = |text: &Text| text.activations.iter().copied().fold(0.0, f32::max);
    assert!(strongest(&sample.steered) > strongest(&sample.baseline) + 1.0);
    for (text, edits) in [
        (&sample.baseline, Edits::default()),
        (&sample.steered, edits),
    ] {
        let ids = [prompt.as_slice(), &text.written.tokens].concat();
        let mut seen = Vec::new();
        let mut look = HookFn::new(hook, |_, value| {
            seen = value.flatten_all()?.to_vec1::<f32>()?;
            Ok(None)
        });
        let tokens = token_tensor(&[&ids]).unwrap();
        if edits.is_empty() {
            model.run(Start::Tokens(&tokens), &mut look).unwrap();
        } else {
            edits.run(&model, &tokens, &mut look).unwrap();
        }
        let x = Matrix::new(ids.len(), model.config().d_model, seen).unwrap();
        let latents = sae.encode(&x).unwrap();
        for (i, got) in text.activations.iter().enumerate() {
            let want = latents.get(prompt.len() + i, FeatureId(9));
            // Passes of another shape round the stream differently, by some 1e-6 of its size.
            assert!((got - want).abs() < 1e-3, "{i}: {got} {want}");
        }
    }
}

#[test]
fn one_features_activation_is_that_of_the_whole_code() {
    let (_, topk) = demo();
    let mut jump = (*topk).clone();
    let bars = (0..jump.features())
        .map(|f| 0.01 * (f % 40) as f32)
        .collect();
    jump.selection = JumpRelu { thresholds: bars }.into();
    let mut relu = (*topk).clone();
    relu.selection = Relu.into();
    let rows = 24;
    let x: Vec<f32> = (0..rows * topk.width())
        .map(|i| ((i * 7919 % 1013) as f32 / 506.0 - 1.0) * 2.0)
        .collect();
    let x = Matrix::new(rows, topk.width(), x).unwrap();
    for (sae, alone) in [(&*topk, false), (&jump, true), (&relu, true)] {
        let latents = sae.encode(&x).unwrap();
        let mut fired = 0;
        for feature in (0..topk.features() as u32).step_by(31).map(FeatureId) {
            let got = sae.activations(&x, feature).unwrap();
            for (i, got) in got.iter().enumerate() {
                let want = latents.get(i, feature);
                fired += usize::from(want != 0.0);
                assert!((got - want).abs() < 1e-5, "{feature}: {got} {want}");
            }
            let by_itself = sae.activations_alone(&x, feature).unwrap();
            let silent = latents_are_silent(sae, &x, feature);
            assert_eq!(by_itself.is_some(), alone || silent, "{feature}");
        }
        assert!(fired > 10, "{fired}");
    }
}

/// Whether no pre-activation of the feature is positive.
fn latents_are_silent(sae: &Sae, x: &Matrix, feature: FeatureId) -> bool {
    let pre = sae.pre_activations(x, &[feature]).unwrap();
    pre.values().iter().all(|pre| *pre <= 0.0)
}
