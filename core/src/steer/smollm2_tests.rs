//! Compares SmolLM2, a real model, with torch: its layers, and the effect of zeroing a head. Reads the GGUF file at `UMBRA_SMOLLM2_GGUF`.

use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::{EditSpec, Edits, Materials};
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::models::{Model, read_tensors};

fn shared(name: &str) -> PathBuf {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/smollm2-reference"
    );
    PathBuf::from(folder).join(name)
}

/// Opens the model and its reference values, if both are available.
fn at_hand() -> Option<(Model, Value)> {
    let file = std::env::var_os("UMBRA_SMOLLM2_GGUF").map(PathBuf::from);
    let reference = shared("smollm2_reference.json");
    let (Some(file), true) = (file, reference.exists()) else {
        println!(
            "skipped: UMBRA_SMOLLM2_GGUF is not set or {} is absent",
            reference.display()
        );
        return None;
    };
    let text = std::fs::read_to_string(reference).unwrap();
    let model = Model::open(&file).unwrap().0;
    Some((model, serde_json::from_str(&text).unwrap()))
}

fn tokens(prompt: &Value) -> Tensor {
    let ids: Vec<u32> = serde_json::from_value(prompt["token_ids"].clone()).unwrap();
    Tensor::new(ids, &Device::Cpu)
        .unwrap()
        .unsqueeze(0)
        .unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|v| f64::from(*v).powi(2));
    squares.sum::<f64>().sqrt()
}

#[track_caller]
fn near(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap();
    let off = (got - want).abs();
    assert!(off < 2e-3 + 1e-4 * want.abs(), "{what}: {got} {want}");
}

#[test]
fn norms_of_every_layer_and_head_are_those_of_torch() {
    let Some((model, reference)) = at_hand() else {
        return;
    };
    let layers = model.config().layers;
    for prompt in reference["prompts"].as_array().unwrap() {
        let tokens = tokens(prompt);
        let t = tokens.dim(1).unwrap();
        let sites = [
            (Site::ResidPre, "resid_pre_l2_last_pos"),
            (Site::AttnOut, "attn_out_l2_last_pos"),
            (Site::MlpOut, "mlp_out_l2_last_pos"),
            (Site::ResidPost, "resid_post_l2_last_pos"),
            (Site::Z, "z_l2_per_head_last_pos"),
        ];
        let hooks: Vec<HookPoint> = (0..layers)
            .flat_map(|layer| sites.map(|(site, _)| HookPoint::block(layer, site)))
            .collect();
        let captured = model.capture(&tokens, &hooks).unwrap();
        let want = &prompt["torch_f32"]["activations"];
        for layer in 0..layers {
            for (site, key) in sites {
                let hook = HookPoint::block(layer, site);
                let last = values(&captured[&hook].narrow(1, t - 1, 1).unwrap());
                let what = format!("{hook} of {}", prompt["name"]);
                if site != Site::Z {
                    near(norm(&last), &want[key][layer], &what);
                    continue;
                }
                for (head, z) in last.chunks_exact(model.config().d_head).enumerate() {
                    near(norm(z), &want[key][layer][head], &what);
                }
            }
        }
    }
}

#[test]
fn activations_of_a_prompt_are_those_of_torch() {
    let Some((model, reference)) = at_hand() else {
        return;
    };
    let tokens = tokens(&reference["prompts"][0]);
    let t = tokens.dim(1).unwrap();
    let want = read_tensors(&shared("ioi_activations.safetensors")).unwrap();
    let off = |got: &[f32], want: &[f32], what: &str| {
        assert_eq!(got.len(), want.len(), "{what}");
        let largest = want.iter().fold(1.0_f32, |a, b| a.max(b.abs()));
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-3 * largest, "{what}: {got} {want}");
        }
    };
    let embed = model.capture(&tokens, &[HookPoint::Embed]).unwrap();
    off(
        &values(&embed[&HookPoint::Embed]),
        &values(&want["embed"]),
        "embed",
    );
    let sites = [
        (Site::Z, "z"),
        (Site::ResidPost, "resid_post"),
        (Site::MlpOut, "mlp_out"),
        (Site::AttnOut, "attn_out"),
        (Site::Pattern, "pattern"),
    ];
    for (site, name) in sites {
        for layer in 0..model.config().layers {
            let hook = HookPoint::block(layer, site);
            let got = model.capture(&tokens, &[hook]).unwrap();
            let want = want[name].get(layer).unwrap();
            off(&values(&got[&hook]), &values(&want), &hook.to_string());
        }
    }
    let logits = model.logits(&tokens).unwrap().narrow(1, t - 1, 1).unwrap();
    off(&values(&logits), &values(&want["logits_last"]), "logits");
}

/// Materials of zeroing, which needs none.
struct Nothing;

impl Materials for Nothing {
    fn dictionary(&mut self, _: Option<&str>) -> Result<Arc<crate::sae::Sae>> {
        unreachable!()
    }

    fn probe(&mut self, _: Option<&str>) -> Result<Arc<crate::dark_matter::Probe>> {
        unreachable!()
    }

    fn mean(&mut self, _: HookPoint, _: Option<&str>) -> Result<Vec<f32>> {
        unreachable!()
    }
}

#[test]
fn zeroing_a_head_moves_the_logits_as_in_torch() {
    let Some((model, reference)) = at_hand() else {
        return;
    };
    let prompt = &reference["prompts"][0];
    let tokens = tokens(prompt);
    let t = tokens.dim(1).unwrap();
    let id = |word: &str| model.codec().encode(word).unwrap()[0].index();
    let (mary, john) = (id(" Mary"), id(" John"));
    let all = &prompt["torch_f32"]["logit_diff_after_zeroing_head_z_all_positions"];
    for layer in [0, 14, 29] {
        for head in 0..model.config().heads {
            let zero = format!("zero hook=blocks.{layer}.attn.hook_z heads={head}");
            let zero: EditSpec = zero.parse().unwrap();
            let zero = zero.resolve(&model, &mut Nothing).unwrap();
            let edits = Edits::new(&model, vec![zero]).unwrap();
            let logits = edits.logits(&model, &tokens).unwrap();
            let last = values(&logits.narrow(1, t - 1, 1).unwrap());
            let got = f64::from(last[mary] - last[john]);
            near(
                got,
                &all[layer][head],
                &format!("head {head} of layer {layer}"),
            );
        }
    }
}
