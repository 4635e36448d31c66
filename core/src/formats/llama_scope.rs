//! Llama Scope (He and others 2024) and its successor for DeepSeek-R1-Distill, as published by OpenMOSS.
//!
//! **Files** `hyperparams.json` and `checkpoints/final.safetensors`; the successor has `config.json` and `sae_weights.safetensors`.
//! **Orientation on disk** `encoder.weight [f, d]`, `encoder.bias [f]`, `decoder.weight [d, f]`, `decoder.bias [d]`, mostly bf16.
//! **Forward pass** activations times `s = √d / dataset_average_activation_norm`, nothing is subtracted, positive and above `jump_relu_threshold · s`, `+
//! decoder.bias`, output ÷ s. The reader folds s in: `w_enc · s`, `w_dec ÷ s`, `b_dec ÷ s`, so the codes equal the library's. The successor has one
//! `log_jumprelu_threshold` per feature, whose exponential is the threshold; only SAELens's registry has its scale, which leaves thresholds unchanged.
//! **Represented** all of these, and dictionaries that write another hook than they read, as transcoders with a scale at each end.

use serde_json::{Map, Value};

use super::parts::{self, Parts};
use super::place;
use super::weights::{Tensors, WeightFile};
use super::{Format, Found, Known};
use crate::error::{Error, Notes, Result};
use crate::ids::HookPoint;
use crate::sae::{InputNorm, JumpRelu, Relu, Role, Sae, Selection, Transcoder};

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let path = place::within(&found.folder, "hyperparams.json")?;
    let cfg = place::json(&path)?;
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let number = |key: &str| {
        let found = cfg
            .get(key)
            .and_then(Value::as_f64)
            .filter(|n| n.is_finite());
        found.ok_or_else(|| {
            let what = format!("`{key}` is not a number, download the dictionary again");
            Error::input(what, &path)
        })
    };
    let threshold = number("jump_relu_threshold")?;
    let mut parts = weights(&tensors, |f| Ok(vec![threshold as f32; f]))?;
    let (d, f) = (parts.w_enc.columns(), parts.features());
    place::agrees(&cfg, "d_model", d, &path)?;
    place::agrees(&cfg, "d_sae", f, &path)?;
    tensors.note_unused(&[], &mut notes);
    let hook = |key: &str| {
        cfg.get(key)
            .and_then(Value::as_str)?
            .parse::<HookPoint>()
            .ok()
    };
    let (reads, writes) = (hook("hook_point_in"), hook("hook_point_out"));
    let scale = |end: &str, width: usize| {
        let norm = cfg
            .get("dataset_average_activation_norm")
            .and_then(|norm| norm.get(end)?.as_f64());
        norm.filter(|norm| norm.is_finite() && *norm > 0.0)
            .map(|norm| ((width as f64).sqrt() / norm) as f32)
    };
    let transcodes = cfg
        .get("hook_point_out")
        .is_some_and(|out| Some(out) != cfg.get("hook_point_in"));
    match scale("in", d) {
        Some(s) => {
            parts.scale_input(s);
            parts.selection =
                std::mem::replace(&mut parts.selection, Selection::Relu(Relu)).scaled(s);
            notes.add(format!(
                "Training multiplied activations by {s}, from their average norm: the factor is folded into weights and thresholds"
            ));
            if let Some(out) = scale("out", parts.w_dec.columns()).filter(|_| transcodes) {
                for value in parts.w_dec.values_mut().iter_mut().chain(&mut parts.b_dec) {
                    *value *= s / out;
                }
            }
        }
        None => notes.add(
            "hyperparams.json gives no average norm of the activations; they are not rescaled",
        ),
    }
    if transcodes {
        parts.role = Role::Transcoder(Transcoder {
            hook_out: writes,
            w_skip: None,
        });
    }
    finish(found, Format::LlamaScope, parts, (cfg, reads), notes)
}

/// Reads the successor's files.
pub(super) fn read_r1(found: &Found, known: Option<&Known>) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let path = place::within(&found.folder, "config.json")?;
    let cfg = place::json(&path)?;
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let mut parts = weights(&tensors, |f| {
        let logs = tensors.vector("log_jumprelu_threshold", f)?;
        Ok(logs.iter().map(|log| log.exp()).collect())
    })?;
    place::agrees(&cfg, "d_model", parts.w_enc.columns(), &path)?;
    if let Some(times) = place::count(&cfg, "expansion_factor", &path)?
        && times.checked_mul(parts.w_enc.columns()) != Some(parts.features())
    {
        let what = format!(
            "`expansion_factor` {times} does not fit {} features, one of the two belongs to another dictionary",
            parts.features()
        );
        return Err(Error::input(what, path));
    }
    match known.and_then(Known::factor) {
        Some(factor) => {
            parts.scale_input(factor);
            notes.add(format!(
                "Training multiplied activations by {factor} (`norm_scaling_factor` of the registry): the factor is folded into its weights"
            ));
        }
        None => notes.add("Only SAELens's registry gives the factor for its inputs; without it they are not rescaled"),
    }
    tensors.note_unused(&[], &mut notes);
    let hook = cfg.get("hook_point_in").and_then(Value::as_str);
    let hook = hook.and_then(|hook| hook.parse::<HookPoint>().ok());
    finish(found, Format::LlamaScopeR1, parts, (cfg, hook), notes)
}

fn weights(
    tensors: &Tensors<'_>,
    thresholds: impl FnOnce(usize) -> Result<Vec<f32>>,
) -> Result<Parts> {
    let [f, d] = tensors.sizes("encoder.weight")?;
    let o = tensors.sizes("decoder.weight")?[0];
    Ok(Parts {
        stored: None,
        w_enc: tensors.matrix("encoder.weight", [f, d])?,
        b_enc: tensors.vector("encoder.bias", f)?,
        w_dec: tensors.transposed("decoder.weight", [o, f])?,
        b_dec: tensors.vector("decoder.bias", o)?,
        selection: Selection::JumpRelu(JumpRelu {
            thresholds: thresholds(f)?,
        }),
        input_norm: InputNorm::None,
        subtracts: false,
        role: Role::Autoencoder,
    })
}

fn finish(
    found: &Found,
    format: Format,
    parts: Parts,
    (cfg, hook): (Map<String, Value>, Option<HookPoint>),
    mut notes: Notes,
) -> Result<(Sae, Notes)> {
    let path = place::parts(&found.folder);
    let model = if path.iter().any(|part| part.contains("Llama3_1-8B-Base")) {
        Some("meta-llama/Llama-3.1-8B")
    } else if path.iter().any(|part| part.contains("R1-Distill")) {
        Some("deepseek-ai/DeepSeek-R1-Distill-Llama-8B")
    } else {
        None
    };
    parts::note_model(model, &mut notes);
    let provenance = parts::provenance(format, hook, model, cfg, &mut notes);
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}
