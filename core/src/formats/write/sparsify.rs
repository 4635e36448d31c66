//! Writes a sparsify folder; the reader describes the layout.

use std::path::Path;

use serde_json::json;

use super::{Precision, Target, note_lost, reads_plainly, refused, with_b_dec};
use crate::error::{Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{GroupMax, Sae, Selection, TopK};
use crate::tensor_file::safe::{self, Tensor};
use crate::whole_file;

const TARGET: Target = Target::Sparsify;
/// Decoder rows this near to length 1 belong to a normalised decoder.
const NEAR: f32 = 1e-3;

pub(super) fn write(
    sae: &Sae,
    folder: &Path,
    precision: Precision,
    notes: &mut Notes,
) -> Result<()> {
    reads_plainly(sae, TARGET)?;
    let (activation, k) = match &sae.selection {
        Selection::TopK(TopK { k }) => ("topk", *k),
        Selection::GroupMax(GroupMax { k }) => ("groupmax", *k),
        other => return Err(refused(sae, &format!("by {}", other.describe()), TARGET)),
    };
    let (f, d, o) = (sae.features(), sae.width(), sae.w_dec.columns());
    if d != o {
        let what = format!("which reads {d} and writes {o} numbers");
        return Err(refused(sae, &what, TARGET));
    }
    let sae = &with_b_dec(sae, true, notes);
    let skip = sae.role.transcoder().and_then(|to| to.w_skip.as_ref());
    let unit = sae.decoder_lengths().iter().all(|l| (l - 1.0).abs() < NEAR);
    let cfg = json!({
        "activation": activation,
        "d_in": d,
        // Used where `num_latents` is 0.
        "expansion_factor": f.div_ceil(d),
        "k": k,
        "multi_topk": false,
        "normalize_decoder": unit,
        "num_latents": f,
        "skip_connection": skip.is_some(),
        "transcode": sae.role.transcodes(),
    });
    let mut tensors = vec![
        Tensor::new("encoder.weight", &[f, d], sae.w_enc.values()),
        Tensor::new("encoder.bias", &[f], &sae.b_enc),
        Tensor::new("W_dec", &[f, o], sae.w_dec.values()),
        Tensor::new("b_dec", &[o], &sae.b_dec),
    ];
    if let Some(skip) = skip {
        tensors.push(Tensor::new("W_skip", &[o, d], skip.values()));
    }
    let weights = safe::bytes(&tensors, precision.float())?;
    let named = sae.provenance.hook.and_then(hookpoint);
    let named = named.unwrap_or_else(|| "the module's path".to_owned());
    note_lost(
        sae,
        &format!(
            "neither hook nor model; sparsify takes the hook from the folder's name ({named})"
        ),
        notes,
    );
    whole_file::write_folder(folder, |to| {
        whole_file::write_bytes(&to.join("cfg.json"), format!("{cfg:#}\n").as_bytes())?;
        whole_file::write_bytes(&to.join("sae.safetensors"), &weights)
    })
}

/// Returns sparsify's name for a hook.
fn hookpoint(hook: HookPoint) -> Option<String> {
    match hook {
        HookPoint::Block(layer, Site::ResidPost) => Some(format!("layers.{layer}")),
        HookPoint::Block(layer, Site::MlpOut | Site::MlpIn) => Some(format!("layers.{layer}.mlp")),
        _ => None,
    }
}
