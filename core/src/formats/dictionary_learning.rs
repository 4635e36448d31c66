//! dictionary_learning (Marks and others), version 0.1.0.
//!
//! **Files** `trainer_i/ae.pt`, a pickled state dict, or `checkpoints/ae_STEP.pt`, or a backup that nests the state dict under `ae`; `config.json` beside it or
//! one folder up, whose `trainer.dict_class` names the class.
//! **Orientation on disk** `encoder.weight [f, d]` and `decoder.weight [d, f]`; in JumpReLU and Matryoshka classes `W_enc [d, f]` and `W_dec [f, d]`.
//! **Forward pass** `AutoEncoder`: `x − bias`, ReLU, `+ bias`, after its loader normalises the decoder's columns (codes grow by the norms), which this reader
//! does too. `AutoEncoderNew`: nothing is subtracted, `+ decoder.bias`. `GatedAutoEncoder`: `x − decoder_bias`, the gate selects, `ReLU(exp(r_mag) · e +
//! mag_bias)`. `JumpReluAutoEncoder`: nothing is subtracted, positive and above `threshold [f]`. `AutoEncoderTopK`: `x − b_dec`, ReLU, the `k` largest.
//! `BatchTopKSAE`, `MatryoshkaBatchTopKSAE`: `x − b_dec`, positive and above one threshold, as they are used after training; −1 means that it was never set,
//! and the rule is plain ReLU.
//! **Represented** all of these. A backup's biases and thresholds are multiplied by its `norm_factor`, as the library does before it saves for use.
//! **Not represented**, rejected by name: other classes (crosscoders, the identity).

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::parts::{self, Parts};
use super::place;
use super::weights::{Tensors, WeightFile};
use super::{Format, Found};
use crate::error::{Error, Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{Gated, InputNorm, JumpRelu, Relu, Role, Sae, Selection, TopK};
use crate::tensor_file::short;

/// Supported classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    New,
    Gated,
    JumpRelu,
    TopK,
    BatchTopK,
    Matryoshka,
}

impl Class {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Plain, "AutoEncoder"),
        (Self::New, "AutoEncoderNew"),
        (Self::Gated, "GatedAutoEncoder"),
        (Self::JumpRelu, "JumpReluAutoEncoder"),
        (Self::TopK, "AutoEncoderTopK"),
        (Self::BatchTopK, "BatchTopKSAE"),
        (Self::Matryoshka, "MatryoshkaBatchTopKSAE"),
    ];

    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(_, named)| *named == name);
        found.map(|(class, _)| class)
    }

    /// Chooses the class by the tensors alone, where they leave no doubt.
    fn from_tensors(tensors: &Tensors<'_>) -> Option<Self> {
        let has = |name| tensors.has(name);
        Some(match () {
            () if has("group_sizes") => Self::Matryoshka,
            () if has("r_mag") => Self::Gated,
            () if has("W_enc") && has("threshold") => Self::JumpRelu,
            () if has("k") => return None,
            () if has("decoder.bias") => Self::New,
            () if has("bias") => Self::Plain,
            () => return None,
        })
    }
}

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let (cfg, cfg_path) = config(found, &tensors)?;
    let trainer = cfg
        .get("trainer")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let class = class(&trainer, &tensors, &cfg_path, &mut notes)?;
    let mut parts = match class {
        Class::JumpRelu | Class::Matryoshka => by_feature(class, &tensors, &mut notes)?,
        _ => by_modules(class, &tensors, &mut notes)?,
    };
    tensors.note_unused(&["k", "threshold", "group_sizes"], &mut notes);
    place::agrees(&trainer, "activation_dim", parts.w_enc.columns(), &cfg_path)?;
    place::agrees(&trainer, "dict_size", parts.features(), &cfg_path)?;
    if let Selection::TopK(TopK { k }) = parts.selection {
        place::agrees(&trainer, "k", k, &cfg_path)?;
        if k > parts.features() {
            let what = format!(
                "`k` is {k} but there are only {} features, save the dictionary again",
                parts.features()
            );
            return Err(Error::input(what, &found.weights));
        }
    }
    if class == Class::Plain && parts.norms().iter().any(|norm| (norm - 1.0).abs() > 1e-5) {
        parts.fold_decoder_norms();
        notes.add("Its decoder rows are normalised, as its library does on loading: encoder, bias and codes grow by their lengths");
    }
    undo_training_scale(&mut parts, &tensors, &mut notes);
    let model = trainer
        .get("lm_name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let hook = hook(&trainer, &mut notes);
    let context = cfg
        .get("buffer")
        .and_then(|buffer| buffer.get("ctx_len")?.as_u64());
    parts::note_model(model.as_deref(), &mut notes);
    let mut provenance = parts::provenance(
        Format::DictionaryLearning,
        hook,
        model.as_deref(),
        cfg,
        &mut notes,
    );
    provenance.context = context.and_then(|t| usize::try_from(t).ok());
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}

/// Reads `config.json` beside the weights or one folder up, or the trainer's settings inside a backup.
fn config(found: &Found, tensors: &Tensors<'_>) -> Result<(Map<String, Value>, PathBuf)> {
    let above = found.folder.parent().filter(|_| {
        found
            .folder
            .file_name()
            .is_some_and(|name| name == "checkpoints")
    });
    for folder in [Some(found.folder.as_path()), above].into_iter().flatten() {
        if folder.join("config.json").is_file() {
            let path = place::within(folder, "config.json")?;
            return Ok((place::json(&path)?, path));
        }
    }
    let mut cfg = Map::new();
    if let Some(Value::Object(trainer)) = tensors.plain().get("config") {
        cfg.insert("trainer".to_owned(), Value::Object(trainer.clone()));
    }
    Ok((cfg, found.weights.clone()))
}

fn class(
    trainer: &Map<String, Value>,
    tensors: &Tensors<'_>,
    cfg_path: &Path,
    notes: &mut Notes,
) -> Result<Class> {
    if let Some(name) = trainer.get("dict_class").and_then(Value::as_str) {
        return Class::named(name).ok_or_else(|| {
            let name = short(name);
            let names: Vec<_> = Class::ALL.iter().map(|(_, name)| *name).collect();
            Error::Unsupported {
                what: format!("`dict_class` {name} ({})", cfg_path.display()),
                remedy: format!("this version reads {}", names.join(", ")),
            }
        });
    }
    let class = Class::from_tensors(tensors).ok_or_else(|| {
        let what = "names no `trainer.dict_class`, and its tensors fit several classes: put the run's config.json beside it";
        Error::input(what, tensors.path())
    })?;
    let name = Class::ALL
        .iter()
        .find(|(of, _)| *of == class)
        .map_or("", |(_, name)| name);
    notes.add(format!(
        "No config.json names the class, its tensors are those of {name}"
    ));
    Ok(class)
}

/// Reads the classes made of torch's linear layers.
fn by_modules(class: Class, tensors: &Tensors<'_>, notes: &mut Notes) -> Result<Parts> {
    let [f, d] = tensors.sizes("encoder.weight")?;
    let bias = match class {
        Class::Plain => "bias",
        Class::New => "decoder.bias",
        Class::Gated => "decoder_bias",
        _ => "b_dec",
    };
    let gated = class == Class::Gated;
    let selection = match class {
        Class::Gated => Selection::Gated(Gated {
            b_mag: tensors.vector("mag_bias", f)?,
            r_mag: tensors.vector("r_mag", f)?,
        }),
        Class::TopK => Selection::TopK(TopK { k: k(tensors)? }),
        Class::BatchTopK => one_threshold(tensors, f, notes)?,
        _ => Selection::Relu(Relu),
    };
    Ok(Parts {
        stored: None,
        w_enc: tensors.matrix("encoder.weight", [f, d])?,
        b_enc: tensors.vector(if gated { "gate_bias" } else { "encoder.bias" }, f)?,
        w_dec: tensors.transposed("decoder.weight", [d, f])?,
        b_dec: tensors.vector(bias, d)?,
        selection,
        input_norm: InputNorm::None,
        subtracts: class != Class::New,
        role: Role::Autoencoder,
    })
}

/// Reads the classes whose tensors have SAELens's names.
fn by_feature(class: Class, tensors: &Tensors<'_>, notes: &mut Notes) -> Result<Parts> {
    let [d, f] = tensors.sizes("W_enc")?;
    let selection = match class {
        Class::Matryoshka => one_threshold(tensors, f, notes)?,
        _ => Selection::JumpRelu(JumpRelu {
            thresholds: tensors.vector("threshold", f)?,
        }),
    };
    Ok(Parts {
        stored: None,
        w_enc: tensors.transposed("W_enc", [d, f])?,
        b_enc: tensors.vector("b_enc", f)?,
        w_dec: tensors.matrix("W_dec", [f, d])?,
        b_dec: tensors.vector("b_dec", d)?,
        selection,
        input_norm: InputNorm::None,
        subtracts: class == Class::Matryoshka,
        role: Role::Autoencoder,
    })
}

fn k(tensors: &Tensors<'_>) -> Result<usize> {
    let k = tensors.scalar("k")?;
    if k.fract() == 0.0 && (1.0..1e9).contains(&k) {
        return Ok(k as usize);
    }
    let what =
        format!("tensor `k` is {k}, which is not a number of features: save the dictionary again");
    Err(Error::input(what, tensors.path()))
}

/// Returns the one threshold that whole-batch rules leave.
fn one_threshold(tensors: &Tensors<'_>, f: usize, notes: &mut Notes) -> Result<Selection> {
    let threshold = tensors.scalar("threshold")? as f32;
    if threshold < 0.0 {
        notes.add("Its threshold was never set (−1), so every positive pre-activation counts, as in its library");
        return Ok(Selection::Relu(Relu));
    }
    Ok(Selection::JumpRelu(JumpRelu {
        thresholds: vec![threshold; f],
    }))
}

/// Multiplies biases and thresholds by a backup's `norm_factor`, by which its training divided activations, as the library does when it saves for use.
fn undo_training_scale(parts: &mut Parts, tensors: &Tensors<'_>, notes: &mut Notes) {
    let factor = tensors.plain().get("norm_factor").and_then(Value::as_f64);
    let Some(factor) = factor.filter(|n| n.is_finite() && *n > 0.0 && *n != 1.0) else {
        return;
    };
    let factor = factor as f32;
    for bias in parts.b_enc.iter_mut().chain(&mut parts.b_dec) {
        *bias *= factor;
    }
    parts.selection = std::mem::replace(&mut parts.selection, Selection::Relu(Relu)).scaled(factor);
    notes.add(format!(
        "It is a backup of a run on activations divided by {factor}: biases and thresholds are multiplied by that factor"
    ));
}

/// Returns the hook by `submodule_name` and `layer`.
fn hook(trainer: &Map<String, Value>, notes: &mut Notes) -> Option<HookPoint> {
    let name = trainer.get("submodule_name").and_then(Value::as_str)?;
    // Files written by Umbra use TransformerLens's name.
    if let Ok(hook) = name.parse() {
        return Some(hook);
    }
    let layer = trainer.get("layer").and_then(Value::as_u64);
    let (start, number) = name.rsplit_once("_layer_").unwrap_or((name, ""));
    let site = match start {
        "resid_post" => Site::ResidPost,
        "resid_pre" => Site::ResidPre,
        "attn_out" | "attention_out" => Site::AttnOut,
        "mlp_out" => Site::MlpOut,
        _ => {
            let name = short(name);
            notes.add(format!(
                "It reads the module {name}, which matches no supported hook"
            ));
            return None;
        }
    };
    let layer = number.parse().ok().or(layer)?;
    let layer = usize::try_from(layer).ok();
    Some(HookPoint::block(
        layer.filter(|n| place::is_layer(*n))?,
        site,
    ))
}
