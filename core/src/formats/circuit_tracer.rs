//! Per-layer transcoders of circuit-tracer, and those of Hanna and others in the same format.
//!
//! **Files** `layer_N.safetensors` for each layer, beside `config.yaml` (`model_name`, `feature_input_hook`, `feature_output_hook`, `activation`, `k`).
//! **Orientation on disk** `W_enc [f, d]`, `W_dec [f, d]`, `b_enc [f]`, `b_dec [d]`, `W_skip [d, d]` (`x · W_skipᵀ`), all ours; `activation_function.threshold`.
//! **Forward pass** nothing is subtracted; ReLU, or `pre · [pre > threshold]`, or the `k` largest as they are. No ReLU follows the last two, so negative codes
//! survive where thresholds are negative or few pre-activations are positive. `· W_dec + b_dec + x · W_skipᵀ`.
//! **Represented** all of it. Zeroing the first position is part of attribution, not of the dictionary; a note says so. `cross_layer.rs` reads cross-layer
//! transcoders (`W_enc_N.safetensors`).

use std::path::Path;

use serde_json::{Map, Value};

use super::parts::{self, Parts};
use super::place;
use super::weights::{Tensors, WeightFile};
use super::{Format, Found};
use crate::error::{Error, Notes, Result};
use crate::ids::HookPoint;
use crate::sae::{InputNorm, Jump, JumpRelu, RawTopK, Relu, Role, Sae, Selection, Transcoder};

const THRESHOLD: &str = "activation_function.threshold";
/// Hooks of the transcoders of Hanna and others, whose configuration names none.
const HOOKS: [&str; 2] = ["mlp.hook_in", "hook_mlp_out"];
/// Hooks of cross-layer transcoders (`load_clt`).
pub(super) const ACROSS: [&str; 2] = ["hook_resid_mid", "hook_mlp_out"];

/// Reads the `config.yaml` of a folder; empty if there is none.
pub(super) fn config(folder: &Path) -> Result<Map<String, Value>> {
    if !folder.join("config.yaml").is_file() {
        return Ok(Map::new());
    }
    place::yaml(&place::within(folder, "config.yaml")?)
}

/// Returns the hooks that `layer` reads and writes, from `cfg` or else `otherwise`.
pub(super) fn hooks(
    cfg: &Map<String, Value>,
    layer: Option<usize>,
    otherwise: [&str; 2],
    notes: &mut Notes,
) -> [Option<HookPoint>; 2] {
    if !cfg.contains_key("feature_input_hook") {
        notes.add(format!(
            "There is no config.yaml to name its hooks; {} (read) and {} (written) are assumed",
            otherwise[0], otherwise[1]
        ));
    }
    let keys = ["feature_input_hook", "feature_output_hook"];
    [0, 1].map(|end| {
        let name = cfg.get(keys[end]).and_then(Value::as_str);
        let name = name.unwrap_or(otherwise[end]);
        format!("blocks.{}.{name}", layer?).parse().ok()
    })
}

/// Returns the selection of features above their thresholds. Where no threshold is negative, this is JumpReLU.
pub(super) fn jumping(thresholds: Vec<f32>) -> Selection {
    if thresholds.iter().any(|bar| *bar < 0.0) {
        Selection::Jump(Jump { thresholds })
    } else {
        Selection::JumpRelu(JumpRelu { thresholds })
    }
}

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let cfg = config(&found.folder)?;
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let [f, d] = tensors.sizes("W_enc")?;
    let o = tensors.sizes("W_dec")?[1];
    let selection = selection(&tensors, &cfg, f)?;
    let w_skip = if tensors.has("W_skip") {
        Some(tensors.matrix("W_skip", [o, d])?)
    } else {
        None
    };
    let path = place::parts(&found.weights);
    let layer = place::number_behind(path.get(..1).unwrap_or_default(), &["layer_"]);
    let [reads, writes] = hooks(&cfg, layer, HOOKS, &mut notes);
    let parts = Parts {
        stored: None,
        w_enc: tensors.matrix("W_enc", [f, d])?,
        b_enc: tensors.vector("b_enc", f)?,
        w_dec: tensors.matrix("W_dec", [f, o])?,
        b_dec: tensors.vector("b_dec", o)?,
        selection,
        input_norm: InputNorm::None,
        subtracts: false,
        role: Role::Transcoder(Transcoder {
            hook_out: writes,
            w_skip,
        }),
    };
    tensors.note_unused(&["k"], &mut notes);
    notes.add(
        "circuit-tracer's attribution sets its codes at the first position to 0; Umbra does not",
    );
    let model = cfg
        .get("model_name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    parts::note_model(model.as_deref(), &mut notes);
    let provenance = parts::provenance(
        Format::CircuitTracer,
        reads,
        model.as_deref(),
        cfg,
        &mut notes,
    );
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}

fn selection(tensors: &Tensors<'_>, cfg: &Map<String, Value>, f: usize) -> Result<Selection> {
    if tensors.has(THRESHOLD) {
        let thresholds = match tensors.scalar(THRESHOLD) {
            Ok(one) => vec![one as f32; f],
            Err(_several) => tensors.vector(THRESHOLD, f)?,
        };
        return Ok(jumping(thresholds));
    }
    let k = if tensors.has("k") {
        Some(tensors.scalar("k")?)
    } else {
        cfg.get("k").and_then(Value::as_f64)
    };
    let activation = cfg
        .get("activation")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match k {
        None if activation.to_ascii_lowercase().contains("topk") => {
            let what = "its activation is TopK, but neither the weights nor config.yaml have `k`: add it to config.yaml";
            Err(Error::input(what, tensors.path()))
        }
        None => Ok(Selection::Relu(Relu)),
        Some(k) if k.fract() == 0.0 && k >= 1.0 && k <= f as f64 => {
            Ok(Selection::RawTopK(RawTopK { k: k as usize }))
        }
        Some(k) => {
            let what = format!("`k` is {k} for {f} features, save the dictionary again");
            Err(Error::input(what, tensors.path()))
        }
    }
}
