//! Readings of the demo model.

use std::path::Path;

use super::*;
use crate::ids::{HookPoint, Site};
use crate::sae::{AbsTopK, InputNorm, Sae, Selection, TopK};

fn demo() -> Model {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    Model::open(Path::new(path)).unwrap().0
}

/// Builds a dictionary whose feature `i` reads only coordinate `i`.
fn coordinates(d: usize) -> Sae {
    let mut w = Matrix::zeros(d, d);
    for i in 0..d {
        w.row_mut(i)[i] = 1.0;
    }
    Sae::new(
        "coordinates",
        (w.clone(), vec![0.0; d]),
        (w, vec![0.0; d]),
        TopK { k: 16 },
    )
    .reading(HookPoint::block(1, Site::Z))
}

#[test]
fn a_text_gives_its_tokens_with_their_strongest_features_and_next_tokens() {
    let model = demo();
    // Signed: half of the coordinates of z are negative.
    let mut sae = coordinates(256);
    sae.selection = Selection::AbsTopK(AbsTopK { k: 16 });
    let reading = read(&model, sae.by_token().unwrap(), "The king was", 5).unwrap();
    let strongest = (1..reading.tokens.len()).flat_map(|t| reading.strongest(t, 10));
    assert!(strongest.filter(|(_, act)| *act < 0.0).count() > 2);
    assert_eq!(reading.texts.len(), reading.tokens.len());
    assert_eq!(Some(reading.tokens[0]), model.codec().bos().id);
    assert_eq!(reading.texts[1..].concat(), "The king was");
    let hook = sae.hook().unwrap();
    let input = token_tensor(&[&reading.tokens]).unwrap();
    let z = &model.capture(&input, &[hook]).unwrap()[&hook];
    let z = Matrix::from_tensor(z, 256).unwrap();
    for t in 0..reading.tokens.len() {
        let mut want: Vec<_> = z.row(t).iter().copied().enumerate().collect();
        want.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        let want = want.into_iter().map(|(i, act)| (FeatureId::from(i), act));
        assert_eq!(reading.strongest(t, 10), want.take(10).collect::<Vec<_>>());
    }
    let next = &reading.next[reading.tokens.len() - 1];
    assert_eq!(next.len(), 5);
    assert!(next.is_sorted_by(|a, b| a.probability >= b.probability));
    let all = read(&model, sae.by_token().unwrap(), "The king was", 4096).unwrap();
    let sum: f32 = all.next[0].iter().map(|next| next.probability).sum();
    assert!((sum - 1.0).abs() < 1e-4 && &all.next[reading.tokens.len() - 1][..5] == next);
}

#[test]
fn the_model_alone_gives_the_same_tokens_and_next_tokens() {
    let model = demo();
    let sae = coordinates(256);
    let with = read(&model, sae.by_token().unwrap(), "The king was", 5).unwrap();
    let text = Input::Text("The king was".to_owned());
    let without = read_without(&model, &text, 5).unwrap();
    assert_eq!(
        (&without.tokens, &without.texts, &without.next),
        (&with.tokens, &with.texts, &with.next)
    );
    assert_eq!(without.latents.rows(), with.tokens.len());
    assert!(without.strongest(1, 10).is_empty());
}

#[test]
fn every_token_has_its_place_in_the_text() {
    let model = demo();
    for text in [
        "The king  was\n\n  in Oz, he said. ",
        "naïve café, 東京 🦊!",
        "<|endoftext|>Once",
    ] {
        let reading = read_without(&model, &Input::Text(text.to_owned()), 0).unwrap();
        let begun = usize::from(reading.spans[0].is_empty());
        assert_eq!(reading.text, text);
        for (span, shown) in reading.spans.iter().zip(&reading.texts).skip(begun) {
            let part = &text[span.clone()]; // on bounds of characters
            assert!(part == shown || shown.contains('⟨'), "{part:?} {shown:?}");
        }
        let mut covered = 0;
        for span in &reading.spans[begun..] {
            assert!(span.start <= covered, "{span:?} leaves a gap in {text:?}");
            covered = covered.max(span.end);
        }
        assert_eq!(covered, text.len());
        // The same tokens, given as numbers, stand for the same text.
        let ids = Input::Tokens {
            ids: reading.tokens.as_slice().into(),
            apart: false,
        };
        let again = read_without(&model, &ids, 0).unwrap();
        let begun = begun.max(usize::from(again.spans[0].is_empty()));
        assert!(text.ends_with(&again.text));
        let shift = text.len() - again.text.len();
        for (span, same) in again.spans.iter().zip(&reading.spans).skip(begun) {
            assert_eq!(span.start + shift..span.end + shift, *same, "{text:?}");
        }
    }
    // Half a character is shown as one.
    let fox = model.codec().encode("🦊").unwrap();
    assert!(fox.len() > 1);
    let (text, spans) = model.codec().decode_with_spans(&fox[..1]);
    assert_eq!(
        (text.as_str(), spans.len(), &spans[0]),
        ("\u{FFFD}", 1, &(0..3))
    );
}

#[test]
fn a_reading_stops_before_the_next_block_and_is_otherwise_the_same() {
    let (model, sae) = (demo(), coordinates(256));
    let input = Input::Text("The king was".to_owned());
    let mut asked = 0;
    let mut after = |most: usize| {
        asked = 0;
        read_while(
            &model,
            Some(sae.by_token().unwrap()),
            &input,
            3,
            &mut || {
                asked += 1;
                if asked > most {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
        .unwrap()
    };
    assert!(after(0).is_stopped() && after(2).is_stopped());
    let whole = after(usize::MAX).done().unwrap();
    assert!(asked > model.config().layers);
    let plain = read_input(&model, sae.by_token().unwrap(), &input, 3).unwrap();
    assert_eq!(
        (whole.latents.acts, whole.next),
        (plain.latents.acts, plain.next)
    );
}

#[test]
fn a_text_longer_than_the_context_is_cut_and_says_so() {
    let reading = read(
        &demo(),
        coordinates(256).by_token().unwrap(),
        &"a word ".repeat(300),
        0,
    )
    .unwrap();
    assert_eq!((reading.tokens.len(), reading.latents.rows()), (256, 256));
    assert!(reading.cut > 0 && reading.next.iter().all(Vec::is_empty));
}

#[test]
fn tokens_are_read_as_they_are_and_those_of_another_vocabulary_refused() {
    let (model, sae) = (demo(), coordinates(256));
    let said = read(&model, sae.by_token().unwrap(), "The king was", 0).unwrap();
    // No BOS is added, and the tokens are not decoded and tokenized again.
    let tokens = |tokens: &[TokenId]| Input::Tokens {
        ids: tokens.into(),
        apart: false,
    };
    let bare = read_input(
        &model,
        sae.by_token().unwrap(),
        &tokens(&said.tokens[1..]),
        0,
    )
    .unwrap();
    assert_eq!(bare.tokens, said.tokens[1..]);
    let same = read_input(&model, sae.by_token().unwrap(), &tokens(&said.tokens), 0).unwrap();
    assert_eq!(same.latents.acts, said.latents.acts);
    let refused = read_input(
        &model,
        sae.by_token().unwrap(),
        &tokens(&[TokenId(4_000_000)]),
        0,
    );
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("4000000"), "{refused}");
}

#[test]
fn a_dictionary_of_another_width_is_refused() {
    let refused = read(&demo(), coordinates(255).by_token().unwrap(), "x", 0)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("blocks.1.attn.hook_z") && refused.contains("256"),
        "{refused}"
    );
}

/// A dictionary with a normalisation and features that overlap.
fn overlapping(norm: InputNorm) -> Sae {
    let (f, d) = (40, 256);
    let mut w = Matrix::zeros(f, d);
    for i in 0..f {
        for j in 0..d {
            w.row_mut(i)[j] = (((i * 37 + j * 101) % 64) as f32 - 30.0) / 200.0;
        }
    }
    let bias: Vec<f32> = (0..d).map(|j| (j % 5) as f32 / 50.0).collect();
    let mut sae = coordinates(d).with_input_norm(norm);
    (sae.w_enc, sae.w_dec) = (w.clone(), w);
    (sae.b_enc, sae.b_dec) = (vec![0.01; f], bias);
    sae.name = "overlapping".to_owned();
    sae
}

#[test]
fn shares_are_parts_of_the_reconstruction_less_its_bias_and_sum_to_1() {
    let model = demo();
    for norm in [InputNorm::None, InputNorm::Layer, InputNorm::Constant] {
        let sae = overlapping(norm);
        let reading = read(&model, sae.by_token().unwrap(), "The king was in Oz", 0).unwrap();
        let hook = sae.hook().unwrap();
        let input = token_tensor(&[&reading.tokens]).unwrap();
        let x = Matrix::from_tensor(&model.capture(&input, &[hook]).unwrap()[&hook], 256).unwrap();
        // What the features add to a token: the reconstruction less that of no feature.
        let n = reading.tokens.len();
        let part = |latents: &Latents| sae.decode(latents, &x).unwrap();
        let (whole, none) = (part(&reading.latents), part(&Latents::empty(n)));
        let added = |t: usize, of: &Matrix| -> Vec<f64> {
            let pairs = of.row(t).iter().zip(none.row(t));
            pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (mut over, mut squares) = (std::collections::BTreeMap::new(), 0.0);
        let mut compared = 0;
        for t in 0..n {
            let r = added(t, &whole);
            let sum: f64 = reading
                .latents
                .row(t)
                .map(|(f, _)| reading.share(t, f))
                .sum();
            assert!((sum - 1.0).abs() < 1e-5, "{norm:?} {sum}");
            if reading.counts[t] {
                squares += dot(&r, &r);
            }
            for (feature, act) in reading.latents.row(t) {
                let mut rows = vec![Vec::new(); n];
                rows[t] = vec![(feature, act)];
                let alone = added(t, &part(&Latents::from_unsorted(&rows).unwrap()));
                let want = dot(&alone, &r) / dot(&r, &r);
                // Decoded in f32, and a difference of two reconstructions.
                let share = reading.share(t, feature);
                assert!((share - want).abs() < 1e-4, "{norm:?} {share} {want}");
                compared += 1;
                if reading.counts[t] {
                    *over.entry(feature).or_insert(0.0) += dot(&alone, &r);
                }
            }
        }
        assert!(compared > 20, "{compared}");
        let parts = reading.parts();
        assert_eq!(parts.len(), over.len());
        assert!(parts.is_sorted_by(|a, b| a.share.abs() >= b.share.abs()));
        for part in parts {
            let want = over[&part.feature] / squares;
            assert!((part.share - want).abs() < 1e-4, "{} {want}", part.share);
            assert_eq!(reading.latents.get(part.at, part.feature), part.act);
        }
    }
}

#[test]
fn a_text_is_read_by_all_dictionaries_as_by_each() {
    let model = demo();
    let mut late = coordinates(256).reading(HookPoint::block(2, Site::ResidPost));
    late.name = "late".to_owned();
    let saes = [late, coordinates(256), overlapping(InputNorm::None)];
    let plain: Vec<_> = saes.iter().map(|sae| sae.by_token().unwrap()).collect();
    let input = Input::from("The king was in Oz");
    let mut go_on = || ControlFlow::Continue(());
    let all = read_by_all(&model, &plain, &input, 0, &mut go_on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(all.len(), 3);
    for (reading, sae) in all.iter().zip(&plain) {
        let alone = read_input(&model, *sae, &input, 0).unwrap();
        assert_eq!(
            (&reading.latents, &reading.shares),
            (&alone.latents, &alone.shares)
        );
        assert_eq!(
            (&reading.tokens, &reading.texts),
            (&alone.tokens, &alone.texts)
        );
        assert!(!reading.latents.features.is_empty());
    }
    assert_ne!(all[0].latents, all[1].latents);
    let mut asked = 0;
    let mut stop = || {
        asked += 1;
        if asked > model.config().layers + 1 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    assert!(
        read_by_all(&model, &plain, &input, 0, &mut stop)
            .unwrap()
            .is_stopped()
    );
}

#[test]
fn features_that_change_between_two_texts_are_those_of_aligned_tokens() {
    let model = demo();
    let sae = coordinates(256);
    let read = |text| read(&model, sae.by_token().unwrap(), text, 0).unwrap();
    let (one, other) = (read("The old king was here"), read("The king was there"));
    let aligned = Aligned::new(&one, &other).unwrap();
    // BOS and "The" are equal; " old" is left out.
    let left_out: Vec<_> = aligned
        .steps
        .iter()
        .filter(|step| step.other.is_none())
        .collect();
    assert_eq!(left_out.len(), 1);
    assert_eq!(one.texts[left_out[0].one.unwrap()], " old");
    assert_eq!((aligned.changes[0], aligned.changes[1]), (0.0, 0.0));
    let act = |reading: &Reading, at: Option<usize>, feature| {
        at.map_or(0.0, |t| reading.latents.get(t, feature))
    };
    for found in &aligned.features {
        let change = |step: &Step| {
            act(&other, step.other, found.feature) - act(&one, step.one, found.feature)
        };
        let largest = aligned.steps[1..]
            .iter()
            .map(change)
            .fold(0.0_f32, |most, change| {
                if change.abs() > most.abs() {
                    change
                } else {
                    most
                }
            });
        assert_eq!(found.change, largest);
        assert_eq!(change(&aligned.steps[found.step]), largest);
        let sum: f64 = aligned.steps[1..]
            .iter()
            .map(|step| {
                f64::from(act(&other, step.other, found.feature))
                    - f64::from(act(&one, step.one, found.feature))
            })
            .sum();
        assert!((found.sum - sum).abs() < 1e-9);
    }
    assert!(aligned.features.len() > 5);
    assert!(Aligned::new(&one, &one).unwrap().features.is_empty());
}
