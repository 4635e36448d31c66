//! Llamascopium (OpenMOSS, Language-Model-SAEs), sparse autoencoders and transcoders.
//!
//! **Files** `config.json` and `sae_weights.safetensors` (or `.pt`). **Orientation on disk** `W_E [d, f]`, `b_E [f]`, `W_D [f, d_out]`, `b_D [d_out]` (missing
//! if `use_decoder_bias` is false), `activation_function.log_jumprelu_threshold [f]`, `dataset_average_activation_norm.HOOK`.
//! **Forward pass** nothing is subtracted; with `sparsity_include_decoder_norm` (the default) pre-activations are multiplied by the length of the decoder's row
//! before the activation function and divided by it afterwards. For JumpReLU this divides thresholds by the length, for ReLU it changes nothing, for TopK it
//! changes the ranking: the lengths become weights of the rank. **Represented** `sae` and `transcoder` with `relu`, `jumprelu` and `topk` at `norm_activation`
//! `inference` (folded in the file), `dataset-wise` (norms in the file, folded here) and, where both hooks are one, `token-wise` (`x · √d ÷ ‖x‖`, undone on the
//! output).
//! **Not represented**, rejected by name: GLU encoders (`pre · sigmoid(x · W_E_glu + b_E_glu)`), `batchtopk` (even in use it keeps the largest of all tokens
//! encoded together, so a token has no code of its own), norms by batch, other kinds, folders of distributed tensors.

use std::path::Path;

use serde_json::{Map, Value};

use super::parts::{self, Parts};
use super::place;
use super::weights::{Tensors, WeightFile};
use super::{Format, Found};
use crate::error::{Error, Key, Notes, Result};
use crate::ids::HookPoint;
use crate::sae::{InputNorm, JumpRelu, Relu, Role, Sae, Selection, TopK, Transcoder, WeightedTopK};
use crate::tensor_file::short;

const TOKEN_WISE: &str = "token-wise";
const LOG_THRESHOLD: &str = "activation_function.log_jumprelu_threshold";

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let path = place::within(&found.folder, "config.json")?;
    let cfg = place::json(&path)?;
    let text = |key: &str| cfg.get(key).and_then(Value::as_str);
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let norm = text("norm_activation").unwrap_or("inference");
    refuse_what_is_not_read(&cfg, &tensors, norm, &path)?;
    let [d, f] = tensors.sizes("W_E")?;
    let o = tensors.sizes("W_D")?[1];
    place::agrees(&cfg, "d_model", d, &path)?;
    let bias = cfg.get("use_decoder_bias") != Some(&Value::Bool(false));
    let mut parts = Parts {
        stored: None,
        w_enc: tensors.transposed("W_E", [d, f])?,
        b_enc: tensors.vector("b_E", f)?,
        w_dec: tensors.matrix("W_D", [f, o])?,
        b_dec: if bias {
            tensors.vector("b_D", o)?
        } else {
            vec![0.0; o]
        },
        selection: selection(&tensors, &cfg, f, &path)?,
        input_norm: if norm == TOKEN_WISE {
            InputNorm::Constant
        } else {
            InputNorm::None
        },
        subtracts: false,
        role: Role::Autoencoder,
    };
    if cfg.get("sparsity_include_decoder_norm") != Some(&Value::Bool(false)) {
        include_decoder_norm(&mut parts, &mut notes);
    }
    if norm == "dataset-wise" {
        fold_dataset_norms(&mut parts, &tensors, &cfg, &mut notes)?;
    }
    let hook = |key: &str| text(key).and_then(|hook| hook.parse::<HookPoint>().ok());
    let (reads, writes) = (hook("hook_point_in"), hook("hook_point_out"));
    if text("hook_point_out").is_some_and(|out| Some(out) != text("hook_point_in")) || o != d {
        parts.role = Role::Transcoder(Transcoder {
            hook_out: writes,
            w_skip: None,
        });
    }
    tensors.note_unused(&[LOG_THRESHOLD], &mut notes);
    let model = text("model_name").map(str::to_owned);
    parts::note_model(model.as_deref(), &mut notes);
    let provenance = parts::provenance(
        Format::Llamascopium,
        reads,
        model.as_deref(),
        cfg,
        &mut notes,
    );
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}

fn refused(what: &str, path: &Path) -> Error {
    Error::Unsupported {
        what: format!("{what} ({})", path.display()),
        remedy: "supported are Llamascopium's sae and transcoder with relu, jumprelu or topk, with fixed norms, or norms by token where one hook is read and written".to_owned(),
    }
}

fn refuse_what_is_not_read(
    cfg: &Map<String, Value>,
    tensors: &Tensors<'_>,
    norm: &str,
    path: &Path,
) -> Result<()> {
    let kind = cfg.get("sae_type").and_then(Value::as_str).unwrap_or("sae");
    if !["sae", "transcoder"].contains(&kind) {
        return Err(refused(&format!("`sae_type` {}", short(kind)), path));
    }
    if cfg.get("use_glu_encoder") == Some(&Value::Bool(true)) || tensors.has("W_E_glu") {
        let what = "`use_glu_encoder`, whose second encoder gates the first,";
        return Err(refused(what, path));
    }
    // Each of two hooks is normalised by its own length, and the length of the output is unknown when the input is read.
    let one_hook = kind == "sae" && cfg.get("hook_point_in") == cfg.get("hook_point_out");
    let by_token = norm == TOKEN_WISE && one_hook;
    if !["inference", "dataset-wise"].contains(&norm) && !by_token {
        return Err(refused(&format!("`norm_activation` {}", short(norm)), path));
    }
    Ok(())
}

fn selection(
    tensors: &Tensors<'_>,
    cfg: &Map<String, Value>,
    f: usize,
    path: &Path,
) -> Result<Selection> {
    let act = cfg.get("act_fn").and_then(Value::as_str).unwrap_or("relu");
    match act.to_ascii_lowercase().as_str() {
        "relu" => Ok(Selection::Relu(Relu)),
        "jumprelu" => {
            let logs = tensors.vector(LOG_THRESHOLD, f)?;
            let thresholds = logs.iter().map(|log| log.exp()).collect();
            Ok(Selection::JumpRelu(JumpRelu { thresholds }))
        }
        "topk" => {
            let k = place::count(cfg, "top_k", path)?.filter(|k| *k <= f);
            let what =
                format!("`top_k` is missing or beyond {f} features, save the dictionary again");
            let k = k.ok_or_else(|| Error::input(what, path))?;
            Ok(Selection::TopK(TopK { k }))
        }
        "batchtopk" => {
            let what = "`act_fn` batchtopk, by which a token's code depends on the tokens encoded with it,";
            Err(refused(what, path))
        }
        other => Err(refused(&format!("`act_fn` {}", short(other)), path)),
    }
}

fn include_decoder_norm(parts: &mut Parts, notes: &mut Notes) {
    let norms = parts.norms();
    match &mut parts.selection {
        Selection::JumpRelu(JumpRelu { thresholds }) => {
            for (bar, norm) in thresholds.iter_mut().zip(norms) {
                *bar /= norm;
            }
            notes.add("Its thresholds apply to pre-activations times the length of the decoder's row, so they are divided by that length");
        }
        Selection::TopK(TopK { k }) => {
            parts.selection = Selection::WeightedTopK(WeightedTopK {
                k: *k,
                weights: norms,
            });
            notes.add(format!(
                "It ranks pre-activations times the length of the decoder's row; converting it with {} decoder-norm gives rows of length 1 and a plain rank",
                Key::Fold
            ));
        }
        _ => {}
    }
}

/// Folds in the scales: activations are multiplied by √d ÷ average norm, and outputs divided by the other end's factor.
fn fold_dataset_norms(
    parts: &mut Parts,
    tensors: &Tensors<'_>,
    cfg: &Map<String, Value>,
    notes: &mut Notes,
) -> Result<()> {
    let factor = |key: &str, width: usize| -> Result<f32> {
        let hook = cfg.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = format!("dataset_average_activation_norm.{hook}");
        let norm = tensors.scalar(&name)?;
        if norm > 0.0 {
            return Ok(((width as f64).sqrt() / norm) as f32);
        }
        let what =
            format!("tensor `{name}` is {norm}, which is not a norm: save the dictionary again");
        Err(Error::input(what, tensors.path()))
    };
    let s = factor("hook_point_in", parts.w_enc.columns())?;
    let out = if cfg.contains_key("hook_point_out") {
        factor("hook_point_out", parts.w_dec.columns())?
    } else {
        s
    };
    parts.scale_input(s);
    for value in parts.w_dec.values_mut().iter_mut().chain(&mut parts.b_dec) {
        *value *= s / out;
    }
    notes.add(format!("Training multiplied activations by {s}, from their average norm: the factor is folded into the weights"));
    Ok(())
}
