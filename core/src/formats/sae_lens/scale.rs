//! Rescaling of all inputs in training, which the weights must make up for: one factor, or whitening. Definitions: SAELens 6.54.12
//! `training/activation_scaler.py`.

use std::path::Path;

use serde_json::Value;

use super::cfg::{Architecture, Cfg, Scale};
use crate::error::{Error, Notes, Result};
use crate::formats::parts::Parts;
use crate::formats::{Known, place};
use crate::sae::{Relu, Selection, Whitening};

const SCALER: &str = "activation_scaler.json";
const WHITENING: &str = "activation_whitening.safetensors";

/// Returns the factor that inputs were multiplied by, if the folder states one.
pub(super) fn of(
    folder: &Path,
    cfg: &Cfg,
    known: Option<&Known>,
    notes: &mut Notes,
) -> Result<Option<f32>> {
    let factor = known.and_then(|known| Some((known.factor()?, known.name())));
    if let (Some((factor, name)), false) = (&factor, cfg.scale == Scale::Average) {
        notes.add(format!(
            "The registry's {name} has a `norm_scaling_factor` of {factor}, which is ignored: the dictionary's own file says how inputs are scaled"
        ));
    }
    if let Scale::Factor(factor) = cfg.scale {
        notes.add(format!(
            "Training multiplied its inputs by {factor}: the factor is folded into its weights"
        ));
        return Ok(Some(factor));
    }
    if cfg.scale != Scale::Average {
        return Ok(None);
    }
    if let Some((factor, name)) = factor {
        notes.add(format!(
            "Training multiplied its inputs by {factor} (`norm_scaling_factor` of the registry's {name}): the factor is folded into its weights"
        ));
        return Ok(Some(factor));
    }
    if !folder.join(SCALER).is_file() {
        notes.add(format!(
            "It was trained on inputs of one average norm, but the folder has no {SCALER} and the registry no factor for it: inputs are not rescaled, as in SAELens, which is right only if the factor is folded into its weights"
        ));
        return Ok(None);
    }
    let path = place::within(folder, SCALER)?;
    let found = place::json(&path)?;
    match found.get("scaling_factor") {
        None | Some(Value::Null) => Ok(None),
        Some(factor) => {
            let factor = factor.as_f64().map(|factor| factor as f32);
            let factor = factor.filter(|factor| factor.is_finite() && *factor > 0.0);
            let factor = factor.ok_or_else(|| {
                let what = "`scaling_factor` is not a positive number, save the checkpoint again";
                Error::input(what, path)
            })?;
            notes.add(format!(
                "Training multiplied its inputs by {factor} ({SCALER}): the factor is folded into its weights"
            ));
            Ok(Some(factor))
        }
    }
}

/// Folds the factor in, so that the dictionary takes inputs as they are. Thresholds on the output of a unit decoder row and residual bounds are in the scale of
/// the inputs.
pub(super) fn fold(parts: &mut Parts, cfg: &Cfg, scale: f32) {
    if cfg.architecture == Architecture::MatchingPursuit {
        // Matching pursuit takes the same rounds at any scale, so every activation shrinks by the factor.
        parts.b_dec.iter_mut().for_each(|b| *b /= scale);
    } else {
        parts.scale_input(scale);
    }
    let batch = cfg.architecture == Architecture::BatchTopK && cfg.by_decoder_norm;
    if batch || cfg.architecture == Architecture::MatchingPursuit {
        let selection = std::mem::replace(&mut parts.selection, Selection::Relu(Relu));
        parts.selection = selection.scaled(1.0 / scale);
    }
}

/// Opens the whitening of a checkpoint.
pub(super) fn whitening(folder: &Path) -> Result<Whitening> {
    if !folder.join(WHITENING).is_file() {
        let what = format!(
            "trained on whitened inputs and saved without {WHITENING}, copy that file here"
        );
        return Err(Error::input(what, folder));
    }
    crate::formats::whitening(&place::within(folder, WHITENING)?)
}
