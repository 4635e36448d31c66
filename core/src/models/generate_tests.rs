//! Generation: cached equals uncached, the stories model's own reference, sampling by seed.

use std::ops::ControlFlow;
use std::path::PathBuf;

use candle_core::{D, Tensor};

use crate::Flow;
use crate::error::Result;
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::{Hooks, Model, NoHooks, Sampling, token_tensor};

fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

fn greedy(tokens: usize) -> Sampling {
    Sampling {
        temperature: 0.0,
        tokens,
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
            .unwrap();
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
        .unwrap();
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
            ..Sampling::default()
        };
        model
            .generate(&prompt, &sampling, &mut NoHooks, &mut on)
            .unwrap()
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
    assert_eq!((stopped.len(), stopped), (2, seen));
}

#[test]
fn generation_ends_with_the_context_and_refuses_a_longer_prompt() {
    let model = Model::open(&repository("tests/golden/tiny-gpt2"))
        .unwrap()
        .0;
    let prompt = vec![TokenId(3); 62];
    let new = model
        .generate(&prompt, &greedy(10), &mut NoHooks, &mut on)
        .unwrap();
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
        .unwrap();
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
            .unwrap();
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
