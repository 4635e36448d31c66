//! Compares attention patterns with those of another library and with values computed by hand.

use std::ops::ControlFlow;
use std::path::PathBuf;

use candle_core::{DType, Device, safetensors};

use super::*;

fn golden(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")).join(path)
}

#[test]
fn patterns_and_their_figures_are_the_references() {
    for (name, layer) in [("tiny-gpt2", 1), ("tiny-gemma3", 5), ("tiny-llama", 1)] {
        let (model, _) = Model::open(&golden(name)).unwrap();
        let path = golden(&format!("{name}/reference.safetensors"));
        let reference = safetensors::load(path, &Device::Cpu).unwrap();
        let ids = reference["tokens"].to_dtype(DType::U32).unwrap();
        let ids = ids.flatten_all().unwrap().to_vec1::<u32>().unwrap();
        let tokens: Vec<_> = ids.into_iter().map(TokenId).collect();
        let t = tokens.len();
        let hook = format!("blocks.{layer}.attn.hook_pattern");
        let want = reference[&hook]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap();
        let found = patterns(&model, &tokens, Layer(layer)).unwrap();
        let all = overview(&model, &tokens, &mut |_| ControlFlow::Continue(()));
        let all = all.unwrap().done().unwrap();
        let config = model.config();
        assert_eq!(all.heads.len(), config.layers * config.heads);
        assert_eq!((found.heads, found.cut, all.cut), (config.heads, 0, 0));
        for head in (0..config.heads).map(Head::from) {
            let want = &want[head.index() * t * t..][..t * t];
            let got = found.of(head);
            let difference = got.iter().zip(want).map(|(a, b)| (a - b).abs());
            assert!(
                difference.fold(0.0, f32::max) < 1e-5,
                "{name} {hook} {head}"
            );
            let row = |at: usize| &want[at * t..][..t];
            for at in [0, 3, t - 1] {
                assert_eq!(found.sources(head, at), &got[at * t..][..t]);
                let looked_at: Vec<f32> = (0..t).map(|by| got[by * t + at]).collect();
                assert_eq!(found.destinations(head, at), looked_at);
                assert!((found.sources(head, at).iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
            let glance = &all.heads[layer as usize * config.heads + head.index()];
            assert_eq!((glance.layer, glance.head), (Layer(layer), head));
            let over =
                |value: &dyn Fn(usize) -> f32| (1..t).map(value).sum::<f32>() / (t - 1) as f32;
            let entropy = |at: usize| {
                let terms = row(at).iter().filter(|a| **a > 0.0);
                -terms.map(|a| a * a.ln()).sum::<f32>()
            };
            for (got, want) in [
                (glance.previous, over(&|at| row(at)[at - 1])),
                (glance.first, over(&|at| row(at)[0])),
                (glance.entropy, over(&entropy)),
            ] {
                assert!((got - want).abs() < 1e-4, "{name} {head}: {got} {want}");
            }
        }
    }
}

#[test]
fn a_thumbnail_keeps_the_largest_weight_of_each_block() {
    let pattern: Vec<f32> = (0..36).map(|i| i as f32).collect(); // [6, 6]
    assert_eq!(
        smaller(&pattern, 6, 3),
        [7., 9., 11., 19., 21., 23., 31., 33., 35.]
    );
    assert_eq!(smaller(&pattern, 6, 6), pattern);
    assert_eq!(smaller(&pattern[..25], 5, 2), [12., 14., 22., 24.]);
}

#[test]
fn the_strongest_come_first_and_nothing_is_listed_that_is_not_looked_at() {
    let weights = [0.25, 0.0, 0.5, 0.25];
    assert_eq!(strongest(&weights, 2), [(2, 0.5), (0, 0.25)]);
    assert_eq!(strongest(&weights, 9), [(2, 0.5), (0, 0.25), (3, 0.25)]);
}

#[test]
fn what_is_stopped_gives_nothing_and_a_layer_that_is_not_there_is_refused() {
    let (model, _) = Model::open(&golden("tiny-gpt2")).unwrap();
    let tokens = [TokenId(1), TokenId(2)];
    let stopped = overview(&model, &tokens, &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap(), Ended::STOPPED);
    let refused = patterns(&model, &tokens, Layer(9)).unwrap_err().to_string();
    assert!(refused.contains("block 9"), "{refused}");
}
