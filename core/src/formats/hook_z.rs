//! The attention dictionaries of GPT-2 small of Kissane, Krzyzanowski and others (`attn-saes-gpt2-small-all-layers`).
//!
//! **Files** `NAME.pt`, a pickled state dict, and `NAME_cfg.json` with `act_size`, `dict_size`, `act_name`.
//! **Orientation on disk** `W_enc [d, f]`, `W_dec [f, d]`, `b_enc [f]`, `b_dec [d]`.
//! **Forward pass** heads concatenated (head slowest), `x − b_dec`, ReLU, `+ b_dec`. **Represented** all of it.

use serde_json::Value;

use super::parts::{self, Parts};
use super::place;
use super::weights::WeightFile;
use super::{Format, Found};
use crate::error::{Notes, Result};
use crate::ids::HookPoint;
use crate::sae::{InputNorm, Relu, Role, Sae, Selection};

/// Returns the name of the configuration beside the weights in `file`.
pub(super) fn cfg_of(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("{stem}_cfg.json")
}

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let name = found
        .weights
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let path = place::within(&found.folder, &cfg_of(&name))?;
    let cfg = place::json(&path)?;
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let [d, f] = tensors.sizes("W_enc")?;
    place::agrees(&cfg, "act_size", d, &path)?;
    place::agrees(&cfg, "dict_size", f, &path)?;
    let parts = Parts {
        stored: None,
        w_enc: tensors.transposed("W_enc", [d, f])?,
        b_enc: tensors.vector("b_enc", f)?,
        w_dec: tensors.matrix("W_dec", [f, d])?,
        b_dec: tensors.vector("b_dec", d)?,
        selection: Selection::Relu(Relu),
        input_norm: InputNorm::None,
        subtracts: true,
        role: Role::Autoencoder,
    };
    tensors.note_unused(&[], &mut notes);
    let hook = cfg.get("act_name").and_then(Value::as_str);
    let hook = hook.and_then(|hook| hook.parse::<HookPoint>().ok());
    let mut provenance =
        parts::provenance(Format::HookZ, hook, Some("gpt2-small"), cfg, &mut notes);
    provenance.prepend_bos = Some(true);
    provenance.context = Some(128);
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}
