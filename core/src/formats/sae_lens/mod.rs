//! SAELens folders, read and written as its version 6.54.12 has them.
//!
//! **Files** `cfg.json` and `sae_weights.safetensors`; `sparsity.safetensors` and `runner_cfg.json` are not needed.
//! **Orientation on disk** `W_enc [d, f]`, `W_dec [f, d]`, `b_enc [f]`, `b_dec [d]`: only the encoder is transposed.
//! **Forward pass** `x − b_dec` (unless `apply_b_dec_to_input` is false), `· W_enc + b_enc`, the selection, `· W_dec + b_dec`.
//! **Represented** `standard` (ReLU), `topk` (the k largest, then ReLU), `abstopk` (the k of largest magnitude, signed), `jumprelu` (positive and above
//! `threshold [f]`), `transcoder`, `skip_transcoder`, `jumprelu_transcoder`, `jumprelu_skip_transcoder` (`W_dec [f, d_out]`, `W_skip [d_out, d]`; `b_dec` is
//! never subtracted) and `gated` (`b_gate`, `b_mag`, `r_mag` instead of `b_enc`, of which `b_gate` is ours), with inputs as they are or brought to norm token by token (`layer_norm`, `constant_norm_rescale`), without ranking
//! by decoder norm; the flat files from before version 6 too. A bias that is not subtracted is folded into those of the encoder. **Not represented**, refused
//! by name: every other architecture, inputs scaled by a factor that the folder does not hold, `rescale_acts_by_decoder_norm`, a single head's dictionary
//! (`hook_head_index`).

mod cfg;
pub(super) mod kwargs;
mod weights;

use std::path::Path;

use self::cfg::{Architecture, Cfg};
use super::Precision;
use crate::dims::Dims;
use crate::error::{Error, Notes, Result};
use crate::sae::{Sae, Selection, Transcoder};
use crate::whole_file;

const CFG: &str = "cfg.json";
const WEIGHTS: &str = "sae_weights.safetensors";

/// Whether `folder` holds a SAELens dictionary.
pub(super) fn detect(folder: &Path) -> bool {
    folder.join(CFG).is_file() && folder.join(WEIGHTS).is_file()
}

pub(super) fn read(folder: &Path) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let cfg = Cfg::read(&folder.join(CFG), &mut notes)?;
    let path = folder.join(WEIGHTS);
    let mut weights = weights::read(&path, &cfg, &mut notes)?;
    if !cfg.subtract_b_dec && !cfg.architecture.transcodes() {
        fold_b_dec(&mut weights);
        notes.add("apply_b_dec_to_input is false: w_enc · b_dec is added to the encoder's bias, which computes the same");
    }
    kwargs::noted(&cfg.provenance, &mut notes);
    let sae = Sae {
        name: super::folder_name(folder),
        w_enc: weights.w_enc,
        b_enc: weights.b_enc,
        w_dec: weights.w_dec,
        b_dec: weights.b_dec,
        selection: weights.selection,
        input_norm: cfg.input_norm,
        transcoder: cfg.architecture.transcodes().then_some(Transcoder {
            hook_out: cfg.hook_out,
            w_skip: weights.w_skip,
        }),
        provenance: cfg.provenance,
    };
    Ok((sae, notes))
}

pub(super) fn write(sae: &Sae, folder: &Path, precision: Precision) -> Result<()> {
    let written = if sae.transcoder.is_some() { "o" } else { "d" };
    let dims = Dims::of("save")
        .bind("w_enc", &sae.w_enc, "f d")?
        .bind("w_dec", &sae.w_dec, &format!("f {written}"))?
        .bind("b_enc", &sae.b_enc, "f")?
        .bind("b_dec", &sae.b_dec, written)?;
    if let Some(w_skip) = sae.transcoder.as_ref().and_then(|to| to.w_skip.as_ref()) {
        dims.bind("w_skip", w_skip, "o d")?;
    }
    sae.selection.check(sae.features())?;
    let architecture = Architecture::of(sae)?;
    let cfg = cfg::text(sae, architecture);
    let weights = weights::bytes(sae, architecture, precision)?;
    whole_file::write_folder(folder, |to| {
        whole_file::write_bytes(&to.join(CFG), cfg.as_bytes())?;
        whole_file::write_bytes(&to.join(WEIGHTS), &weights)
    })
}

/// Makes `x · w_encᵀ + b_enc` and `(x − b_dec) · w_encᵀ + b_enc'` equal.
fn fold_b_dec(weights: &mut weights::Weights) {
    let through = |row: &[f32]| -> f64 {
        let products = row.iter().zip(&weights.b_dec);
        products.map(|(w, b)| f64::from(*w) * f64::from(*b)).sum()
    };
    let through: Vec<f64> = weights.w_enc.iter_rows().map(through).collect();
    for (bias, through) in weights.b_enc.iter_mut().zip(&through) {
        *bias = (f64::from(*bias) + through) as f32;
    }
    if let Selection::Gated { b_mag, r_mag } = &mut weights.selection {
        for ((bias, grown), through) in b_mag.iter_mut().zip(r_mag).zip(&through) {
            *bias = (f64::from(*bias) + f64::from(grown.exp()) * through) as f32;
        }
    }
}

/// The refusal of something SAELens does and this version does not.
fn refused(what: &str, path: &Path) -> Error {
    Error::Unsupported {
        what: format!("{what} ({})", path.display()),
        remedy: format!(
            "this version reads SAELens dictionaries of architecture {}, inputs as they are or by layer_norm or constant_norm_rescale",
            Architecture::NAMES.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
