//! Generation: cached equals uncached, the stories model's own reference, sampling by seed.

use std::ops::ControlFlow;
use std::path::PathBuf;

use candle_core::{D, Tensor};

use crate::Flow;
use crate::error::Result;
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::{Finish, Hooks, Model, NoHooks, Sampling, token_tensor};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn greedy(tokens: usize) -> Sampling {
    Sampling {
        temperature: 0.0,
        tokens,
        ignore_eos: true,
        ..Sampling::default()
    }
}

fn on(_: TokenId) -> Flow {
    ControlFlow::Continue(())
}

fn uncached(model: &Model, prompt: &[TokenId], tokens: usize) -> Vec<TokenId> {
    let mut all = prompt.to_vec();
    for _ in 0..tokens {
        let logits = model.logits(&token_tensor(&[&all]).unwrap()).unwrap();
        let best = logits.argmax(D::Minus1).unwrap().flatten_all().unwrap();
        all.push(TokenId(*best.to_vec1::<u32>().unwrap().last().unwrap()));
    }
    all.split_off(prompt.len())
}

#[test]
fn cached_greedy_tokens_equal_uncached_ones() {
    for path in [
        "tests/golden/tiny-gpt2",
        "tests/golden/tiny-llama",
        "tests/golden/tiny-gpt-neo",
        "tests/golden/tiny-gpt-neox",
        "tests/golden/tiny-mistral",
        "tests/golden/tiny-qwen3",
        "tests/golden/tiny-gemma2",
        "tests/golden/tiny-gemma3",
        "assets/demo/model",
    ] {
        let model = Model::open(&repository(path)).unwrap().0;
        let prompt = [TokenId(0), TokenId(40), TokenId(300), TokenId(7)];
        let cached = model
            .generate(&prompt, &greedy(24), &mut NoHooks, &mut on)
            .unwrap()
            .into_value();
        assert_eq!(cached, uncached(&model, &prompt, 24), "{path}");
    }
}

#[test]
fn hooks_see_the_prompt_and_then_each_new_position() {
    struct Seen(Vec<(usize, Vec<usize>)>);
    impl Hooks for Seen {
        fn wants(&self, hook: HookPoint) -> bool {
            hook == HookPoint::block(1, Site::Pattern)
        }
        fn visit(&mut self, _: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
            self.0.push((first, value.dims().to_vec()));
            Ok(None)
        }
    }
    let model = Model::open(&repository("tests/golden/tiny-llama"))
        .unwrap()
        .0;
    let prompt = [TokenId(0), TokenId(40), TokenId(300)];
    let mut seen = Seen(Vec::new());
    model
        .generate(&prompt, &greedy(3), &mut seen, &mut on)
        .unwrap()
        .into_value();
    let expected = vec![
        (0, vec![1, 4, 3, 3]),
        (3, vec![1, 4, 1, 4]),
        (4, vec![1, 4, 1, 5]),
    ];
    assert_eq!(seen.0, expected);
}

#[test]
fn a_seed_decides_what_is_sampled_and_the_observer_can_stop() {
    let model = Model::open(&repository("assets/demo/model")).unwrap().0;
    let prompt = model.codec().encode_with_bos("Once upon a time").unwrap();
    let sample = |seed| {
        let sampling = Sampling {
            seed,
            tokens: 12,
            ignore_eos: true,
            ..Sampling::default()
        };
        model
            .generate(&prompt, &sampling, &mut NoHooks, &mut on)
            .unwrap()
            .into_value()
    };
    assert_eq!(sample(1), sample(1));
    assert_ne!(sample(1), sample(2));
    let mut seen = Vec::new();
    let stopped = model
        .generate(&prompt, &greedy(12), &mut NoHooks, &mut |token| {
            seen.push(token);
            if seen.len() == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert!(stopped.is_stopped());
    assert_eq!((stopped.value().len(), stopped.into_value()), (2, seen));
}

#[test]
fn generation_ends_with_the_context_and_refuses_a_longer_prompt() {
    let model = Model::open(&repository("tests/golden/tiny-gpt2"))
        .unwrap()
        .0;
    let prompt = vec![TokenId(3); 62];
    let new = model
        .generate(&prompt, &greedy(10), &mut NoHooks, &mut on)
        .unwrap()
        .into_value();
    assert_eq!(new.len(), 3, "the token after position 63 is the last");
    let refused = model
        .generate(&[TokenId(3); 65], &greedy(1), &mut NoHooks, &mut on)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("65") && refused.contains("64"),
        "{refused}"
    );
    let nothing = model
        .generate(&prompt, &greedy(0), &mut NoHooks, &mut on)
        .unwrap()
        .into_value();
    assert!(nothing.is_empty());
}

#[test]
fn the_stories_model_tells_its_reference_story() {
    let folder = repository("../shared/data/stories260k");
    if !folder.exists() {
        println!("skipped: {} is absent", folder.display());
        return;
    }
    let text = std::fs::read_to_string(folder.join("stories260K_reference.json")).unwrap();
    let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wanted: Vec<u32> =
        serde_json::from_value(reference["greedy_from_bos"]["token_ids"].clone()).unwrap();
    for path in ["hf", "stories260K.gguf"] {
        let model = Model::open(&folder.join(path)).unwrap().0;
        let bos = model.codec().bos().id.unwrap();
        assert_eq!(bos.0, wanted[0]);
        let new = model
            .generate(&[bos], &greedy(256), &mut NoHooks, &mut on)
            .unwrap()
            .into_value();
        let new: Vec<u32> = new.iter().map(|t| t.0).collect();
        assert_eq!(new, wanted[1..], "{path}");
    }
}

#[test]
fn a_text_that_grows_beyond_the_original_context_is_turned_anew() {
    let folder = repository("tests/golden/variants/phi3-long");
    let model = Model::open(&folder).unwrap().0;
    let mut text: Vec<TokenId> = [0, 3, 17, 9].map(TokenId).into();
    let sampling = Sampling {
        temperature: 0.0,
        tokens: 12,
        ignore_eos: true,
        ..Sampling::default()
    };
    let mut generator = model.generator(&text, &sampling).unwrap();
    for _ in 0..12 {
        let cached = generator.logits(&mut NoHooks).unwrap();
        let whole = model.logits(&token_tensor(&[&text]).unwrap()).unwrap();
        let last = whole.narrow(1, text.len() - 1, 1).unwrap();
        let off = (last.flatten_all().unwrap() - cached).unwrap().abs();
        let off: f32 = off.unwrap().max_all().unwrap().to_scalar().unwrap();
        assert!(off < 1e-4, "{} tokens: {off}", text.len());
        text.extend(generator.step(&mut NoHooks).unwrap());
    }
    assert_eq!(text.len(), 16);
}

/// Logits of each token as it is chosen, and the token.
fn choices(model: &Model, sampling: &Sampling, prompt: &[TokenId]) -> Vec<(Vec<f32>, TokenId)> {
    let mut generator = model.generator(prompt, sampling).unwrap();
    let mut all = Vec::new();
    loop {
        let logits = generator.logits(&mut NoHooks).unwrap().to_vec1().unwrap();
        let Some(token) = generator.step(&mut NoHooks).unwrap() else {
            return all;
        };
        all.push((logits, token));
        if generator.is_over() {
            return all;
        }
    }
}

#[test]
fn tokens_come_from_the_likeliest_that_top_k_and_top_p_leave() {
    let model = Model::open(&repository("assets/demo/model")).unwrap().0;
    let prompt = model.codec().encode_with_bos("Once upon a time").unwrap();
    for (top_k, top_p) in [(Some(3), None), (None, Some(0.5)), (Some(5), Some(0.6))] {
        let sampling = Sampling {
            temperature: 1.3,
            top_k,
            top_p,
            tokens: 40,
            ignore_eos: true,
            ..Sampling::default()
        };
        let mut ranks = std::collections::BTreeSet::new();
        for (logits, token) in choices(&model, &sampling, &prompt) {
            let warm: Vec<f64> = logits.iter().map(|l| (f64::from(*l) / 1.3).exp()).collect();
            let sum: f64 = warm.iter().sum();
            let own = warm[token.index()];
            let before: Vec<f64> = warm.iter().copied().filter(|w| *w > own).collect();
            assert!(
                top_k.is_none_or(|k| before.len() < k),
                "{top_k:?} {top_p:?}"
            );
            // A token is taken while those before it do not hold p yet; the sum is over f32.
            let held = before.iter().sum::<f64>() / sum;
            assert!(top_p.is_none_or(|p| held < p + 1e-4), "{held} {top_p:?}");
            ranks.insert(before.len());
        }
        assert!(ranks.len() > 1, "something is left to chance: {ranks:?}");
    }
}

#[test]
fn a_repetition_penalty_weighs_what_the_text_already_holds() {
    let model = Model::open(&repository("tests/golden/tiny-gpt2"))
        .unwrap()
        .0;
    let prompt = [3, 9, 9, 40].map(TokenId);
    let sampling = Sampling {
        repetition_penalty: 1.7,
        ..greedy(16)
    };
    let mut held = prompt.to_vec();
    let mut moved = 0;
    for (logits, token) in choices(&model, &sampling, &prompt) {
        let weighed = |(id, logit): (usize, &f32)| {
            let logit = *logit;
            match held.contains(&TokenId::from(id)) {
                true if logit >= 0.0 => logit / 1.7,
                true => logit * 1.7,
                false => logit,
            }
        };
        let all: Vec<f32> = logits.iter().enumerate().map(weighed).collect();
        let best = |all: &[f32]| {
            (0..all.len())
                .max_by(|a, b| all[*a].total_cmp(&all[*b]))
                .unwrap()
        };
        assert_eq!(token.index(), best(&all));
        moved += usize::from(best(&all) != best(&logits));
        held.push(token);
    }
    assert!(moved > 0, "the penalty never decided");
}

#[test]
fn a_text_ends_with_the_token_that_completes_a_stop_string() {
    let model = Model::open(&repository("assets/demo/model")).unwrap().0;
    let prompt = model.codec().encode_with_bos("Once upon a time").unwrap();
    let all = model
        .generate(&prompt, &greedy(20), &mut NoHooks, &mut on)
        .unwrap()
        .into_value();
    let text = model.codec().decode(&all);
    let written = |new: &[TokenId]| model.codec().decode(new);
    // From inside the fourth token into the fifth.
    let before = model.codec().decode(&all[..4]);
    let stop = text[before.len() - 1..].chars().take(3).collect::<String>();
    let sampling = Sampling {
        stop: vec!["never written".to_owned(), stop.clone()],
        ..greedy(20)
    };
    let mut generator = model.generator(&prompt, &sampling).unwrap();
    let mut new = Vec::new();
    let mut pieces = String::new();
    while let Some(token) = generator.step(&mut NoHooks).unwrap() {
        new.push(token);
        pieces.push_str(generator.piece());
    }
    let at = text.find(&stop).unwrap();
    assert!(written(&new).len() >= at + stop.len());
    assert!(written(&new[..new.len() - 1]).len() < at + stop.len());
    assert_eq!(generator.finish(), Some(&Finish::Stop(stop)));
    assert_eq!(
        (pieces.as_str(), generator.text()),
        (&text[..at], &text[..at])
    );
    for (sampling, why) in [(greedy(2), Finish::Length), (greedy(5000), Finish::Context)] {
        let mut generator = model.generator(&prompt, &sampling).unwrap();
        while generator.step(&mut NoHooks).unwrap().is_some() {}
        assert_eq!(generator.finish(), Some(&why));
    }
    let empty = Sampling {
        stop: vec![String::new()],
        ..greedy(2)
    };
    assert!(model.generator(&prompt, &empty).is_err());
    let none = Sampling {
        repetition_penalty: 0.0,
        ..greedy(2)
    };
    assert!(model.generator(&prompt, &none).is_err());
}

/// A copy of tiny-gpt2 in which these tokens end a text.
fn ending_at(ids: &str) -> (tempfile::TempDir, Model) {
    let from = repository("tests/golden/tiny-gpt2");
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    }
    let settings = format!("{{\"eos_token_id\": {ids}}}");
    std::fs::write(folder.path().join("generation_config.json"), settings).unwrap();
    let model = Model::open(folder.path()).unwrap().0;
    (folder, model)
}

#[test]
fn a_text_ends_with_the_first_token_that_ends_texts_unless_it_is_to_go_on() {
    let plain = Model::open(&repository("tests/golden/tiny-gpt2"))
        .unwrap()
        .0;
    let prompt = plain.codec().encode_with_bos("The king").unwrap();
    let all = plain
        .generate(&prompt, &greedy(12), &mut NoHooks, &mut on)
        .unwrap()
        .into_value();
    let ids: Vec<u32> = all.iter().map(|token| token.0).collect();
    // The first token that is not among those before it, from the third on.
    let at = (2..12).find(|i| !ids[..*i].contains(&ids[*i])).unwrap();
    let never = (0..512).find(|id| !ids.contains(id)).unwrap();
    for list in [format!("{}", ids[at]), format!("[{never}, {}]", ids[at])] {
        let (_folder, model) = ending_at(&list);
        let sampling = Sampling {
            ignore_eos: false,
            ..greedy(12)
        };
        let mut generator = model.generator(&prompt, &sampling).unwrap();
        let (mut new, mut pieces) = (Vec::new(), String::new());
        while let Some(token) = generator.step(&mut NoHooks).unwrap() {
            new.push(token);
            pieces.push_str(generator.piece());
        }
        assert_eq!(new, all[..=at], "{list}");
        assert_eq!(generator.finish(), Some(&Finish::Eos(all[at])));
        assert_eq!(pieces, plain.codec().decode(&all[..at]));
        assert_eq!(generator.text(), pieces);
        let on_and_on = model.generate(&prompt, &greedy(12), &mut NoHooks, &mut on);
        assert_eq!(on_and_on.unwrap().into_value(), all);
    }
    let (_folder, model) = ending_at("null");
    let sampling = Sampling {
        ignore_eos: false,
        ..greedy(12)
    };
    let whole = model.generate(&prompt, &sampling, &mut NoHooks, &mut on);
    assert_eq!(whole.unwrap().done(), Some(all));
}
