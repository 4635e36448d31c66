//! Compares the lens with a definition in f64 over reference values of another library, and with the model's own prediction.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use candle_core::{Device, safetensors};

use super::*;

fn golden(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")).join(path)
}

fn open(name: &str) -> Model {
    Model::open(&golden(name)).unwrap().0
}

fn tensors(path: &str) -> HashMap<String, Tensor> {
    safetensors::load(golden(path), &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<Vec<f64>> {
    let rows = tensor.flatten_to(tensor.rank() - 2).unwrap();
    let rows = rows.to_vec2::<f32>().unwrap();
    let wide = |row: Vec<f32>| row.into_iter().map(f64::from).collect();
    rows.into_iter().map(wide).collect()
}

fn tokens(reference: &HashMap<String, Tensor>) -> Vec<TokenId> {
    let ids = reference["tokens"].flatten_all().unwrap();
    let ids = ids.to_dtype(candle_core::DType::U32).unwrap();
    ids.to_vec1().unwrap().into_iter().map(TokenId).collect()
}

fn whole(model: &Model, tokens: &[TokenId], top: usize) -> Lens {
    let lens = read(model, tokens, top, &mut |_| ControlFlow::Continue(()));
    lens.unwrap().done().unwrap()
}

/// Computes ln softmax of x · Eᵀ, x normalised by GPT-2's final norm, by plain loops over the file's numbers.
fn log_probabilities(x: &[f64], weights: &HashMap<String, Tensor>) -> Vec<f64> {
    let vector = |name: &str| weights[name].to_vec1::<f32>().unwrap();
    let (gamma, beta) = (
        vector("transformer.ln_f.weight"),
        vector("transformer.ln_f.bias"),
    );
    let d = x.len() as f64;
    let mean = x.iter().sum::<f64>() / d;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / d;
    let normed: Vec<f64> = (0..x.len())
        .map(|i| {
            let unit = (x[i] - mean) / (variance + 1e-5).sqrt();
            unit * f64::from(gamma[i]) + f64::from(beta[i])
        })
        .collect();
    let embed = values(&weights["transformer.wte.weight"]);
    let logit = |row: &Vec<f64>| row.iter().zip(&normed).map(|(a, b)| a * b).sum::<f64>();
    let logits: Vec<f64> = embed.iter().map(logit).collect();
    let total = logits.iter().map(|l| l.exp()).sum::<f64>().ln();
    logits.into_iter().map(|l| l - total).collect()
}

#[test]
fn a_layers_guesses_are_the_definition_over_reference_values() {
    let reference = tensors("tiny-gpt2/reference.safetensors");
    let weights = tensors("tiny-gpt2/model.safetensors");
    let tokens = tokens(&reference);
    let lens = whole(&open("tiny-gpt2"), &tokens, 512);
    assert_eq!(lens.hooks.len(), 4);
    let (middle, end) = (
        values(&reference["blocks.1.hook_resid_post"]),
        values(&reference["logits"]),
    );
    let mut apart = 0.0_f64; // guesses of a middle layer that are not those of the end
    for t in 0..tokens.len() {
        let q = log_probabilities(&middle[t], &weights);
        let total = end[t].iter().map(|l| l.exp()).sum::<f64>().ln();
        let p: Vec<f64> = end[t].iter().map(|l| l - total).collect();
        let guess = lens.guess(2, t);
        // f32 logits of a few units carry about 1e-6; the hooks themselves are within 1e-5.
        let near = |got: f32, want: f64| {
            let difference = (f64::from(got) - want).abs();
            assert!(difference < 2e-5 * want.abs().max(1.0), "{t}: {got} {want}");
        };
        assert_eq!(guess.top.len(), 512);
        for next in &guess.top {
            near(next.probability, q[next.id.index()].exp());
        }
        near(guess.entropy, -q.iter().map(|q| q.exp() * q).sum::<f64>());
        let kl: f64 = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
        near(guess.kl, kl);
        apart = apart.max(kl);
        assert_eq!(guess.actual.is_some(), t + 1 < tokens.len());
        if let (Some(actual), Some(following)) = (guess.actual, tokens.get(t + 1)) {
            near(actual.probability, q[following.index()].exp());
            assert_eq!(guess.top[actual.rank - 1].id, *following);
        }
    }
    assert!(
        apart > 0.1,
        "the comparison could not tell the layers apart"
    );
}

#[test]
fn the_last_row_is_the_models_own_prediction_bit_by_bit() {
    for name in [
        "tiny-gpt2",
        "tiny-gpt-neo",
        "tiny-gpt-neox",
        "tiny-llama",
        "tiny-mistral",
        "tiny-qwen2",
        "tiny-qwen3",
        "tiny-gemma2",
        "tiny-gemma3",
        "tiny-phi3",
    ] {
        let model = open(name);
        let tokens = tokens(&tensors(&format!("{name}/reference.safetensors")));
        let lens = whole(&model, &tokens, 7);
        let logits = model.logits(&token_tensor(&[&tokens]).unwrap()).unwrap();
        let logits: Vec<Vec<f32>> = logits.squeeze(0).unwrap().to_vec2().unwrap();
        let last = lens.hooks.len() - 1;
        assert_eq!(last, model.config().layers);
        let mut middle = 0;
        for (t, logits) in logits.iter().enumerate() {
            let own = most_likely(model.codec(), logits, log_sum_exp(logits), 7);
            assert_eq!(lens.guess(last, t).top, own, "{name} at {t}");
            assert_eq!(lens.guess(last, t).kl, 0.0, "{name} at {t}");
            middle += usize::from(lens.guess(1, t).top != own);
        }
        assert!(
            middle > 0,
            "{name}: a middle layer says the same everywhere"
        );
    }
}

#[test]
fn positions_read_in_parts_give_what_they_give_together() {
    let model = open("tiny-llama");
    let tokens = tokens(&tensors("tiny-llama/reference.safetensors"));
    let whole = whole(&model, &tokens, 5);
    let mut seen = Vec::new();
    let mut observe = |at: Progress| {
        seen.push((at.done, at.total));
        ControlFlow::Continue(())
    };
    let parts = read_by(&model, &tokens, (5, 7), &mut observe)
        .unwrap()
        .done()
        .unwrap();
    let total = (whole.hooks.len() * tokens.len()) as u64;
    assert!(seen.is_sorted() && seen.last() == Some(&(total, total)));
    for row in 0..whole.hooks.len() {
        for t in 0..tokens.len() {
            let (one, other) = (whole.guess(row, t), parts.guess(row, t));
            // Products of other sizes sum in another order.
            assert!((one.kl - other.kl).abs() < 1e-5 && (one.entropy - other.entropy).abs() < 1e-5);
            assert_eq!(one.top[0].id, other.top[0].id);
        }
    }
    let stopped = read(&model, &tokens, 5, &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.unwrap(), Ended::STOPPED);
}
