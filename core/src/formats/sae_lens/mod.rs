//! SAELens folders, version 6.54.12.
//!
//! **Files** `cfg.json` and `sae_weights.safetensors`; `sparsity.safetensors` and `runner_cfg.json` are not needed.
//! **Orientation on disk** `W_enc [d, f]`, `W_dec [f, d]`, `b_enc [f]`, `b_dec [d]`: only the encoder is transposed.
//! **Forward pass** `x − b_dec` (unless `apply_b_dec_to_input` is false), `· W_enc + b_enc`, the selection, `· W_dec + b_dec`.
//! **Represented** `standard` (ReLU), `topk` (the k largest, then ReLU), `abstopk` (the k of largest magnitude, signed), `jumprelu` (positive and above
//! `threshold [f]`), `transcoder`, `skip_transcoder`, `jumprelu_transcoder`, `jumprelu_skip_transcoder` (`W_dec [f, d_out]`, `W_skip [d_out, d]`; `b_dec` is
//! never subtracted), `gated` (`b_gate`, `b_mag`, `r_mag` instead of `b_enc`; `b_gate` is Umbra's `b_enc`), `matching_pursuit` (`W_dec` and `b_dec` alone) and
//! `temporal` (`attn_layers.N.*`, read and not written); inputs as they are or normalised token by token (`layer_norm`, `constant_norm_rescale`); training
//! checkpoints (`batchtopk`, `matryoshka_batchtopk`, `log_threshold`); flat files from before version 6. Ranking by decoder norm
//! (`rescale_acts_by_decoder_norm`) is folded into encoder and decoder, and the factor that training multiplied all inputs by (`activation_scaler.json`,
//! `activation_whitening.safetensors`, or `norm_scaling_factor` of the registry) into the weights. Where no file states a factor, none is applied, as in
//! SAELens. A single head's dictionary (`hook_head_index`) reads and writes that head's slice, a dictionary of an error what its parent leaves (`super::parent`). **Not represented**, rejected by name: every other architecture.

mod cfg;
pub(super) mod kwargs;
mod older;
mod scale;
mod weights;

use std::path::Path;

use serde_json::{Map, Value};

use self::cfg::{Architecture, Cfg, Scale};
use super::parts::Parts;
use super::weights::{Tensors, WeightFile};
use super::{Known, Precision, parent, place};
use crate::dims::Dims;
use crate::error::{Error, Notes, Result};
use crate::sae::{Provenance, Role, Sae, StoredLengths, Transcoder};
use crate::whole_file;

pub(super) const CFG: &str = "cfg.json";
const WEIGHTS: &str = "sae_weights.safetensors";

pub(super) fn read(folder: &Path, known: Option<&Known>) -> Result<(Sae, Notes)> {
    let path = place::within(folder, CFG)?;
    let file = WeightFile::open(&place::within(folder, WEIGHTS)?)?;
    read_as(
        place::json(&path)?,
        (&path, folder),
        &file.tensors()?,
        known,
    )
}

/// Reads a configuration with SAELens's keys, at `path` or made from the files there, and tensors with SAELens's names.
pub(super) fn read_as(
    mut cfg: Map<String, Value>,
    (path, folder): (&Path, &Path),
    tensors: &Tensors<'_>,
    known: Option<&Known>,
) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    if let Some(known) = known {
        known.replace(&mut cfg, &mut notes);
    }
    let cfg = Cfg::from_json(cfg, path, &mut notes)?;
    let weights = weights::read(tensors, &cfg, &mut notes)?;
    let pursues = cfg.architecture == Architecture::MatchingPursuit;
    let mut parts = Parts {
        stored: None,
        w_enc: weights.w_enc,
        b_enc: weights.b_enc,
        w_dec: weights.w_dec,
        b_dec: weights.b_dec,
        input_norm: cfg.input_norm,
        selection: weights.selection,
        subtracts: cfg.apply_b_dec_to_input && !cfg.architecture.transcodes(),
        role: match weights.predictor {
            Some(predictor) => Role::Temporal(predictor),
            None if cfg.architecture.transcodes() => Role::Transcoder(Transcoder {
                hook_out: cfg.hook_out,
                w_skip: weights.w_skip,
            }),
            None => Role::Autoencoder,
        },
    };
    let tied = match cfg.architecture {
        Architecture::Temporal(temporal) => temporal.tied,
        architecture => architecture == Architecture::MatchingPursuit,
    };
    if tied && !cfg.apply_b_dec_to_input {
        // Its decoder adds b_dec only where its encoder subtracts it.
        parts.b_dec.fill(0.0);
        parts.subtracts = true;
    }
    let scale = scale::of(folder, &cfg, known, &mut notes)?;
    if let Some(scale) = scale {
        scale::fold(&mut parts, &cfg, scale);
    }
    if cfg.by_decoder_norm && !pursues {
        parts.fold_decoder_norms();
        notes.add("It ranks pre-activations times the length of the decoder's row: the length is folded into the encoder, and codes equal SAELens's");
    }
    if matches!(parts.role, Role::Temporal(_)) {
        notes.add("It encodes what is new in each token of a text; rows of activations must be the tokens of one text in order");
    }
    kwargs::noted(&cfg.provenance, &mut notes);
    let mut sae = parts.built(
        name_of(folder, &cfg.provenance, &mut notes),
        cfg.provenance.clone(),
        &mut notes,
    )?;
    if cfg.scale == Scale::Whitening {
        sae.fold_whitening(&scale::whitening(folder)?)?;
        // A row of a whitened space has no length in this one.
        sae.stored_lengths = StoredLengths::default();
        notes.add("Training whitened its inputs: the whitening is folded into the weights");
    }
    Ok((sae, notes))
}

/// Returns the folder's name; for a checkpoint that of the run, with the step.
fn name_of(folder: &Path, provenance: &Provenance, notes: &mut Notes) -> String {
    let number = |key: &str| provenance.other.get(key).and_then(Value::as_u64);
    let Some(step) = number(super::AT_STEP) else {
        return super::folder_name(folder);
    };
    let of = number("training_steps").map_or_else(String::new, |steps| format!(" of {steps}"));
    notes.add(format!(
        "It is a checkpoint after step {step}{of} of a training run that may still be going on: the dictionary as it was then"
    ));
    let own = super::folder_name(folder);
    let whole = folder.canonicalize();
    let run = whole.as_deref().unwrap_or(folder).parent();
    match run.and_then(Path::file_name) {
        Some(run) if own == "checkpoint" => format!("{} at step {step}", run.to_string_lossy()),
        _ => own,
    }
}

pub(super) fn write(sae: &Sae, folder: &Path, precision: Precision) -> Result<()> {
    let written = if sae.role.transcodes() { "o" } else { "d" };
    let dims = Dims::new("save")
        .bind("w_enc", &sae.w_enc, "f d")?
        .bind("w_dec", &sae.w_dec, &format!("f {written}"))?
        .bind("b_enc", &sae.b_enc, "f")?
        .bind("b_dec", &sae.b_dec, written)?;
    if let Some(w_skip) = sae.role.transcoder().and_then(|to| to.w_skip.as_ref()) {
        dims.bind("w_skip", w_skip, "o d")?;
    }
    sae.selection.check(sae.features())?;
    sae.check_by_token()?;
    sae.check_alone()?;
    let architecture = Architecture::from_sae(sae)?;
    let cfg = cfg::text(sae, architecture, folder);
    let map = match &sae.error_of {
        Some(of) => parent::map_bytes(of, folder)?,
        None => None,
    };
    let weights = weights::bytes(sae, architecture, precision)?;
    whole_file::write_folder(folder, |to| {
        whole_file::write_bytes(&to.join(CFG), cfg.as_bytes())?;
        if let Some(map) = &map {
            whole_file::write_bytes(&to.join(parent::MAP), map)?;
        }
        whole_file::write_bytes(&to.join(WEIGHTS), &weights)
    })
}

/// Returns the error for a feature of SAELens that Umbra does not support.
fn refused(what: &str, path: &Path) -> Error {
    Error::Unsupported {
        what: format!("{what} ({})", path.display()),
        remedy: format!(
            "supported are SAELens dictionaries of architecture {}, with inputs as they are or by layer_norm or constant_norm_rescale",
            Architecture::NAMES.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
