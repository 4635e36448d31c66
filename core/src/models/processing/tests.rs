//! Processing changes no logits (but by a constant per position), does to the weights what it says, and gives TransformerLens's values at hooks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::{D, Device, Tensor};

use super::{Processing, STEPS, Step};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Layer, Site};
use crate::models::verify::{self, Verification};
use crate::models::{Card, Footprint, Form, Model, NormKind, Opening};

/// Of the largest logit: f32 weights are rewritten and sums run in another order.
const TOLERANCE: f32 = 1e-4;

fn golden(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")).join(path)
}

/// Every small model there is, of all families and settings.
fn models() -> Vec<PathBuf> {
    let folders = [golden(""), golden("variants")];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("model.safetensors").exists())
        .collect();
    paths.sort();
    assert!(paths.len() >= 40, "{paths:?}");
    paths
}

fn only(step: &Step) -> Processing {
    let mut processing = Processing::default();
    processing.set(step.key, true).unwrap();
    processing
}

fn all() -> Processing {
    let mut all = Processing::default();
    for step in STEPS {
        all.set(step.key, true).unwrap();
    }
    all.where_allowed()
}

fn opened(path: &Path, processing: Processing) -> Result<Model> {
    Ok(Model::open_as(path, processing.into())?.0)
}

fn tokens(model: &Model) -> Tensor {
    let config = model.config();
    let t = config.context.min(24);
    let ids: Vec<u32> = (0..2 * t)
        .map(|i| (i * 7919 + 3) as u32 % config.vocab as u32)
        .collect();
    Tensor::from_vec(ids, (2, t), &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest magnitude.
fn most(tensor: &Tensor) -> f32 {
    values(tensor).iter().fold(0.0, |most, x| most.max(x.abs()))
}

fn less_mean(x: &Tensor) -> Tensor {
    x.broadcast_sub(&x.mean_keepdim(D::Minus1).unwrap())
        .unwrap()
}

/// How far logits move, of their largest; up to a constant per position if the unembedding is centred.
fn moved(plain: &Model, processed: &Model) -> f32 {
    let tokens = tokens(plain);
    let (before, after) = (
        plain.logits(&tokens).unwrap(),
        processed.logits(&tokens).unwrap(),
    );
    let shift = (&after - &before).unwrap();
    let shift = if processed.processing().has("center_unembed") {
        less_mean(&shift)
    } else {
        shift
    };
    most(&shift) / most(&before)
}

#[test]
fn every_step_that_a_model_allows_leaves_its_logits() {
    let mut taken = [0; STEPS.len()];
    for path in models() {
        let plain = opened(&path, Processing::default()).unwrap();
        assert!(plain.processing().is_none());
        let all = all();
        for (at, processing) in STEPS.iter().map(only).chain([all]).enumerate() {
            let Ok(processed) = opened(&path, processing) else {
                continue;
            };
            let moved = moved(&plain, &processed);
            assert!(
                moved < TOLERANCE,
                "{processing} of {}: {moved}",
                path.display()
            );
            if let Some(taken) = taken.get_mut(at) {
                *taken += 1;
            }
            let itself = verify::itself(&processed, &mut |_| ControlFlow::Continue(()))
                .unwrap()
                .into_value();
            assert!(itself.agrees(), "{}: {:?}", path.display(), itself.worst());
        }
    }
    // Each on the models that may have it: LayerNorm for the second, no soft cap for the third, no rotation for the last.
    assert!(
        taken[0] >= 40 && taken[1] >= 9 && taken[2] >= 35 && taken[3] >= 40 && taken[4] >= 5,
        "{taken:?}"
    );
}

#[test]
fn what_would_change_the_logits_is_refused_or_left_out_aloud() {
    for (tiny, key, why) in [
        ("tiny-llama", "center_writing_weights", "RMSNorm"),
        ("tiny-gemma3", "center_writing_weights", "RMSNorm"),
        ("tiny-gemma2", "center_unembed", "soft cap"),
        (
            "tiny-gpt-neox",
            "refactor_factored_attn_matrices",
            "position",
        ),
        ("tiny-qwen3", "refactor_factored_attn_matrices", "position"),
    ] {
        let mut processing = Processing::default();
        processing.set(key, true).unwrap();
        let path = golden(tiny);
        let refused = Model::open_as(&path, processing.into()).unwrap_err();
        let card = Card::from_path(&path, processing.into()).unwrap_err();
        assert_eq!(refused.to_string(), card.to_string());
        for word in [
            key,
            why,
            tiny.trim_start_matches("tiny-").split('-').next().unwrap(),
        ] {
            assert!(refused.to_string().contains(word), "{word}: {refused}");
        }
        let (model, notes) = Model::open_as(&path, processing.where_allowed().into()).unwrap();
        assert!(model.processing().is_none());
        assert!(
            notes
                .iter()
                .any(|note| note.contains(key) && note.contains(why))
        );
        assert!(model.allowed(processing).is_none());
    }
    // Had it not been refused.
    let path = golden("tiny-llama");
    let plain = opened(&path, Processing::default()).unwrap();
    let mut wrong = opened(&path, Processing::default()).unwrap();
    let decoder = std::sync::Arc::get_mut(&mut wrong.decoder).unwrap();
    (super::center_writing_weights::STEP.apply)(&wrong.config, decoder).unwrap();
    assert!(moved(&plain, &wrong) > 10.0 * TOLERANCE);
}

#[test]
fn the_weights_are_what_the_steps_say() {
    for path in models() {
        let model = opened(&path, all()).unwrap();
        let decoder = &model.decoder;
        let centred = model.config().norm == NormKind::LayerNorm;
        let ones = |weight: &Tensor| values(weight).iter().all(|w| *w == 1.0);
        // Means over a matrix's outputs, or over its inputs, within rounding of its entries.
        let writes_none = |w: &Tensor| most(&w.mean_keepdim(D::Minus1).unwrap()) < 1e-6 * most(w);
        let reads_none = |w: &Tensor| most(&w.mean_keepdim(0).unwrap()) < 1e-6 * most(w);
        assert!(ones(decoder.final_norm.weight()) && decoder.final_norm.bias().is_none());
        let unembed = decoder.unembed.weight().unwrap();
        assert_eq!(decoder.logit_cap.is_none(), writes_none(&unembed));
        assert_eq!(
            centred,
            writes_none(&decoder.embed.dense().unwrap()),
            "{}",
            path.display()
        );
        if let Some(positions) = &decoder.positions {
            assert!(writes_none(positions));
        }
        for block in &decoder.blocks {
            for norm in [&block.norm_attention, &block.norm_mlp] {
                assert!(ones(norm.weight()) && norm.bias().is_none());
            }
            for linear in [&block.attention.output, &block.mlp.down] {
                assert_eq!(centred, writes_none(&linear.weight().unwrap()));
                let bias = linear.bias().unwrap_or_default();
                let sum: f32 = bias.iter().sum();
                assert!(!centred || sum.abs() < 1e-5, "{sum}");
            }
            assert_eq!(centred, reads_none(&block.mlp.up.weight().unwrap()));
            let heads = block.attention.heads;
            let from = (heads.queries + heads.keys) * heads.width;
            let bias = block.attention.qkv.bias().unwrap_or_default();
            assert!(bias.iter().skip(from).all(|b| *b == 0.0));
        }
    }
}

#[test]
fn factors_are_even_and_orthogonal() {
    for tiny in ["tiny-gpt2", "tiny-gpt-neo"] {
        let model = opened(&golden(tiny), only(&STEPS[4])).unwrap();
        let (d, e) = (model.config().d_model, model.config().d_head);
        let attention = &model.decoder.blocks[1].attention;
        let weight = attention.qkv.weight().unwrap().contiguous().unwrap();
        let bias = Tensor::new(attention.qkv.bias().unwrap(), &Device::Cpu).unwrap();
        let biased = Tensor::cat(&[weight, bias.unsqueeze(0).unwrap()], 0).unwrap();
        let gram = |x: &Tensor| {
            let gram = x.t().unwrap().matmul(x).unwrap();
            let gram: Vec<Vec<f32>> = gram.to_vec2().unwrap();
            let diagonal: Vec<f32> = (0..e).map(|i| gram[i][i]).collect();
            let beside = (0..e * e).filter(|at| at / e != at % e);
            let most = beside.fold(0.0_f32, |most, at| most.max(gram[at / e][at % e].abs()));
            (diagonal, most)
        };
        for head in 0..model.config().heads {
            let part = |which: usize| {
                let from = (which * model.config().heads + head) * e;
                biased.narrow(1, from, e).unwrap().contiguous().unwrap()
            };
            let ((q, off_q), (k, off_k)) = (gram(&part(0)), gram(&part(1)));
            assert!(off_q < 1e-4 * q[0] && off_k < 1e-4 * k[0]);
            for (q, k) in q.iter().zip(&k) {
                assert!((q - k).abs() < 1e-4 * q, "{q} {k}");
            }
            assert!(q.is_sorted_by(|a, b| a >= b));
            let rows = attention.output.weight().unwrap();
            let rows = rows.narrow(0, head * e, e).unwrap().t().unwrap();
            assert_eq!(rows.dims(), [d, e]);
            let (ones, off) = gram(&rows.contiguous().unwrap());
            assert!(off < 1e-5 && ones.iter().all(|one| (one - 1.0).abs() < 1e-5));
        }
    }
}

fn compared(tiny: &str, values: &str, processing: Processing) -> Verification {
    let model = opened(&golden(tiny), processing).unwrap();
    let path = golden(&format!("transformer-lens/processed-{values}.safetensors"));
    let mut reference = crate::models::read_tensors(&path).unwrap();
    if processing.has("refactor_factored_attn_matrices") {
        // The sign of a singular vector is nobody's: magnitudes are compared.
        for site in [Site::Q, Site::K, Site::V, Site::Z] {
            let hook = HookPoint::block(1, site);
            let want = reference.remove(&hook.to_string()).unwrap();
            let got = &model.capture(&reference["tokens"], &[hook]).unwrap()[&hook];
            let apart = (got.abs().unwrap() - want.abs().unwrap()).unwrap();
            assert!(most(&apart) < 1e-4 * most(&want), "{hook}");
        }
    }
    verify::against(&model, &reference, &mut |_| ControlFlow::Continue(()))
        .unwrap()
        .into_value()
}

#[test]
fn hooks_of_a_processed_model_are_those_of_transformer_lens() {
    let usual = Processing::transformer_lens();
    for (tiny, values, processing, tensors) in [
        ("tiny-gpt2", "gpt2", usual, 13),
        ("tiny-gpt2", "gpt2-refactored", only(&STEPS[4]), 9),
        ("tiny-gpt-neox", "gpt-neox", usual, 13),
    ] {
        let compared = compared(tiny, values, processing);
        assert!(compared.agrees(), "{values}: {:?}", compared.worst());
        assert_eq!(compared.rows.len(), tensors);
    }
    let mut uncentred = usual;
    uncentred.set("center_unembed", false).unwrap();
    assert!(compared("tiny-qwen2", "qwen2", uncentred).agrees());
    // One step more or less is seen.
    for step in STEPS.iter().filter(|step| step.usual) {
        let mut other = usual;
        other.set(step.key, false).unwrap();
        assert!(
            !compared("tiny-gpt2", "gpt2", other).agrees(),
            "{}",
            step.key
        );
    }
}

#[test]
fn effects_on_logits_are_those_of_the_model_as_it_was() {
    let plain = opened(&golden("tiny-gpt2"), Processing::default()).unwrap();
    let mut processing = Processing::default();
    processing.set("fold_ln", true).unwrap();
    let folded = opened(&golden("tiny-gpt2"), processing).unwrap();
    let d = plain.config().d_model;
    let direction: Vec<f32> = (0..d).map(|i| (i as f32).sin()).collect();
    let direction = Matrix::new(1, d, direction).unwrap();
    let [before, after] = [&plain, &folded].map(|model| model.logit_effect(&direction).unwrap());
    for (a, b) in before.values().iter().zip(after.values()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let [before, after] = [&plain, &folded].map(|model| model.w_o(Layer(0)).unwrap());
    assert_eq!(before.values(), after.values());
}

#[test]
fn a_card_says_what_is_done_and_what_memory_it_takes() {
    let path = golden("tiny-gpt2");
    let usual = Opening::from(Processing::transformer_lens());
    let (card, noted) = Card::from_path(&path, usual).unwrap();
    let (model, notes) = Model::open_as(&path, usual).unwrap();
    assert_eq!(card.facts, model.facts());
    assert_eq!(card.processing, model.processing());
    assert_eq!(&card.footprint, model.footprint());
    assert_eq!(noted, notes);
    let said = card.facts.join("\n");
    for step in STEPS {
        assert_eq!(step.usual, said.contains(step.key), "{said}");
    }
    // The unembedding is no longer the embedding.
    let plain = Footprint::from_path(&path, Opening::default()).unwrap();
    let shared = 4 * (model.config().vocab * model.config().d_model) as u64;
    assert_eq!(card.footprint.memory_bytes, plain.memory_bytes + shared);
    let untied = golden("tiny-gpt-neox");
    let [before, after] =
        [Opening::default(), usual].map(|o| Footprint::from_path(&untied, o).unwrap());
    assert_eq!(before, after);
}

#[test]
fn names_of_steps_are_read_and_written() {
    for text in [
        "none",
        "fold-ln",
        "center-unembed,fold-value-biases",
        "refactor-factored-attn-matrices",
    ] {
        assert_eq!(text.parse::<Processing>().unwrap().to_string(), text);
    }
    let read: Processing = "fold_ln, center-writing-weights".parse().unwrap();
    assert_eq!(read.keys(), ["fold_ln", "center_writing_weights"]);
    let usual: Processing = "transformer-lens".parse().unwrap();
    assert_eq!(usual, Processing::transformer_lens());
    assert_eq!(usual.keys().len(), 4);
    let refused = "fold-everything"
        .parse::<Processing>()
        .unwrap_err()
        .to_string();
    assert!(refused.contains("fold-everything") && refused.contains("center-unembed"));
    assert!("".parse::<Processing>().is_err());
    for step in STEPS {
        assert_eq!(step.flag, step.key.replace('_', "-"));
    }
    assert_eq!(Opening::from(Form::Stored).form, Form::Stored);
}
