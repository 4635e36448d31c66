//! Compares scores with whole runs, one context and one feature at a time, and continues what was stopped.

use std::path::Path;

use super::*;
use crate::corpus::Corpus;
use crate::models::token_tensor;
use crate::sae::Sae;
use crate::steer::shift::log_probabilities;
use crate::steer::{Action, Edit, Edits};
use crate::{Model, formats};

fn opened(sae: &str) -> (Model, Sae, Rows) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    let (sae, _) = formats::open(&demo.join("saes").join(sae)).unwrap();
    let (model, _) = Model::open(&demo.join("model")).unwrap();
    let (model, _) = formats::reader(&model, &sae);
    let text = "The old king looked at the fox and said that he had never seen so sly a creature. \
        Once upon a time there was a little girl who lived in a forest with her grandmother.";
    let corpus = Corpus::from_text("made up", &text.repeat(3));
    let (rows, _) = corpus.rows(model.codec(), 32).unwrap();
    (model, sae, rows)
}

fn asked() -> Asked {
    Asked {
        contexts: 6,
        tokens: 20,
        seed: 3,
        ..Asked::default()
    }
}

/// Measures one feature at one strength by whole runs; the norm is measured anew too.
fn by_hand(
    (model, sae): (&Model, &Sae),
    contexts: &[Vec<TokenId>],
    (feature, strength): (FeatureId, f64),
) -> (u32, Effect) {
    let hook = sae.hook().unwrap();
    let row = sae.direction(feature).unwrap();
    let length = |x: &[f32]| {
        let squares = x.iter().map(|x| f64::from(*x).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let values = |tokens: &[TokenId]| -> Vec<Vec<f32>> {
        let input = token_tensor(&[tokens]).unwrap();
        let value = model
            .capture(&input, &[hook])
            .unwrap()
            .remove(&hook)
            .unwrap();
        let flat: Vec<f32> = value.flatten_all().unwrap().to_vec1().unwrap();
        flat.chunks(row.len()).map(<[f32]>::to_vec).collect()
    };
    let all: Vec<f64> = contexts
        .iter()
        .flat_map(|tokens| values(tokens).into_iter().skip(1).map(|x| length(&x)))
        .collect();
    let norm = all.iter().sum::<f64>() / all.len() as f64;
    let factor = strength * norm / length(row);
    let by: Vec<f32> = row
        .iter()
        .map(|x| (f64::from(*x) * factor) as f32)
        .collect();
    let own = features::promoted((model, sae.by_token().unwrap()), &[feature]).unwrap();
    let named = model.codec().vocab_size();
    let (mut used, mut change) = (0, vec![0.0; named]);
    let (mut size, mut kl, mut wins) = (0.0, 0.0, 0.0);
    for tokens in contexts {
        let last = values(tokens).pop().unwrap();
        let x = crate::dims::Matrix::new(1, row.len(), last).unwrap();
        if sae.encode(&x).unwrap().get(0, feature) != 0.0 {
            continue;
        }
        used += 1;
        let edit = Edit {
            positions: "last".parse().unwrap(),
            ..Edit::new(hook, Action::Add(by.clone()))
        };
        let edits = Edits::new(model, vec![edit]).unwrap();
        let input = token_tensor(&[tokens]).unwrap();
        let end =
            |logits: candle_core::Tensor| logits.get(0).unwrap().get(tokens.len() - 1).unwrap();
        let before = end(model.logits(&input).unwrap());
        let after = end(edits.logits(model, &input).unwrap());
        kl += divergence(
            &log_probabilities(&before).unwrap(),
            &log_probabilities(&after).unwrap(),
        );
        let (before, after): (Vec<f32>, Vec<f32>) =
            (before.to_vec1().unwrap(), after.to_vec1().unwrap());
        let moved: Vec<f64> = (0..named)
            .map(|v| f64::from(after[v]) - f64::from(before[v]))
            .collect();
        let mean = moved.iter().sum::<f64>() / named as f64;
        for (sum, moved) in change.iter_mut().zip(&moved) {
            *sum += moved - mean;
            size += (moved - mean).abs() / named as f64;
        }
        let best = (0..named).max_by(|a, b| after[*a].total_cmp(&after[*b]));
        wins += f64::from(u8::from(best == Some(own[0][0].index())));
    }
    let n = f64::from(used);
    let gained = own[0]
        .iter()
        .map(|token| change[token.index()])
        .sum::<f64>()
        / 10.0;
    let effect = Effect {
        effect: change.iter().copied().fold(f64::MIN, f64::max) / n,
        kl: kl / n,
        selectivity: Some((gained - size) / n),
        wins: Some(wins / n),
    };
    (used, effect)
}

#[test]
fn scores_of_a_batch_are_whole_runs_one_by_one() {
    for (sae, features) in [("resid-2", [1631, 1060, 54]), ("attn-1", [5, 40, 200])] {
        let (model, sae, rows) = opened(sae);
        let subject = (&model, sae.by_token().unwrap());
        let drawn = Contexts::draw(subject, &rows, &asked()).unwrap();
        assert_eq!(drawn.len(), 6);
        assert!(drawn.tokens().iter().all(|t| (2..=20).contains(&t.len())));
        let features = features.map(FeatureId);
        let go = &mut |_| Flow::Continue(());
        let scores = score(subject, (&rows, &asked()), &features, None, go).unwrap();
        let scores = scores.done().unwrap();
        for feature in features {
            let got = scores.of(feature).unwrap();
            for (strength, got_effect) in STRENGTHS.iter().zip(&got.effects) {
                let (used, want) = by_hand((&model, &sae), drawn.tokens(), (feature, *strength));
                assert_eq!(got.contexts, used, "{feature}");
                for (a, b, figure) in [
                    (got_effect.effect, want.effect, "effect"),
                    (got_effect.kl, want.kl, "kl"),
                    (
                        got_effect.selectivity.unwrap(),
                        want.selectivity.unwrap(),
                        "selectivity",
                    ),
                    (got_effect.wins.unwrap(), want.wins.unwrap(), "wins"),
                ] {
                    // Both are f32 passes whose sums run in other orders.
                    let near = (a - b).abs() <= 1e-3 * b.abs() + 1e-5;
                    assert!(near, "{feature} {figure} at {strength}: {a} {b}");
                }
                assert!(want.effect > 0.0 && want.kl > 0.0, "something moves");
            }
        }
        // The comparison can fail: another strength is another effect.
        let [half, one, ..] = scores.scores[0].effects;
        assert!((half.effect - one.effect).abs() > 1e-2 * one.effect.abs());
    }
}

#[test]
fn what_was_stopped_goes_on_where_it_was_and_seeds_decide_the_contexts() {
    let (model, sae, rows) = opened("resid-2");
    let subject = (&model, sae.by_token().unwrap());
    let features: Vec<FeatureId> = (0..300).map(FeatureId).collect();
    let asked = Asked {
        contexts: 2,
        ..asked()
    };
    let go = &mut |_| Flow::Continue(());
    let whole = score(subject, (&rows, &asked), &features, None, go).unwrap();
    let whole = whole.done().unwrap();
    assert!(whole.is_whole());
    let stop = &mut |at: Progress| {
        if at.done >= 256 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    };
    let part = score(subject, (&rows, &asked), &features, None, stop).unwrap();
    assert!(part.is_stopped());
    let part = part.into_value();
    assert!(!part.is_whole() && part.scores == whole.scores[..256]);
    let mut runs = Vec::new();
    let rest = score(
        subject,
        (&rows, &asked),
        &features,
        Some(part.clone()),
        &mut |at| {
            runs.push(at.done);
            Flow::Continue(())
        },
    );
    assert_eq!(rest.unwrap().done().unwrap(), whole);
    assert!(runs.iter().all(|done| *done >= 256), "{runs:?}");
    // Scores of other contexts are not taken over.
    let other = Asked { seed: 4, ..asked };
    let other = score(subject, (&rows, &other), &features[..2], Some(part), go).unwrap();
    let other = other.done().unwrap();
    assert_eq!(other.scores.len(), 2);
    assert_ne!(other.scores[..], whole.scores[..2]);
}
