//! OpenAI's dictionaries of GPT-2 small (Gao and others 2024), as its repository sparse_autoencoder reads them.
//!
//! **Files** one pickled state dict, `SITE/autoencoders/LAYER.pt`; there is no configuration: the path gives layer and site.
//! **Orientation on disk** `pre_bias [d]`, `encoder.weight [f, d]`, `latent_bias [f]`, `decoder.weight [d, f]`; `activation` and its `k` beside them.
//! **Forward pass** TopK files first normalise each token, `(x − mean) ÷ (σ + 1e-5)` with N − 1 in σ; then `− pre_bias`, `· encoderᵀ + latent_bias`, the `k`
//! largest, ReLU, `· decoderᵀ + pre_bias`, and undo it, `· σ + mean`. ReLU files do not normalise.
//! **Represented** all of it. Open the model with its writing weights as they are (`center_writing_weights` off).

use serde_json::{Map, Value};

use super::parts::{self, Parts};
use super::place;
use super::weights::{Tensors, WeightFile};
use super::{Format, Found};
use crate::error::{Error, Key, Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{InputNorm, Relu, Role, Sae, Selection, TopK};
use crate::tensor_file::short;

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let [f, d] = tensors.sizes("encoder.weight")?;
    let selection = selection(&tensors, f)?;
    // Only TopK files were trained on normalised tokens (`model.py`).
    let input_norm = match selection {
        Selection::TopK(_) => {
            notes.add(
                "It normalises each token to mean 0 and variance 1 and undoes that in its output",
            );
            InputNorm::Layer
        }
        _ => InputNorm::None,
    };
    let parts = Parts {
        stored: None,
        w_enc: tensors.matrix("encoder.weight", [f, d])?,
        b_enc: tensors.vector("latent_bias", f)?,
        w_dec: tensors.transposed("decoder.weight", [d, f])?,
        b_dec: tensors.vector("pre_bias", d)?,
        selection,
        input_norm,
        subtracts: true,
        role: Role::Autoencoder,
    };
    let statistics = [
        "stats_last_nonzero",
        "latents_activation_frequency",
        "latents_mean_square",
    ];
    tensors.note_unused(&statistics, &mut notes);
    notes.add(format!(
        "It was trained on a model whose writing weights are not centred ({} none leaves them so)",
        Key::Process
    ));
    let hook = hook(&place::parts(&found.weights));
    let provenance = parts::provenance(
        Format::OpenAi,
        hook,
        Some("gpt2-small"),
        Map::new(),
        &mut notes,
    );
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}

fn selection(tensors: &Tensors<'_>, f: usize) -> Result<Selection> {
    let plain = tensors.plain();
    let wrong = |what: String| Error::input(what, tensors.path());
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match text(plain.get("activation")).as_deref() {
        Some("ReLU") => Ok(Selection::Relu(Relu)),
        Some("TopK") => {
            let state = plain.get("activation_state_dict");
            let of = |key: &str| state.and_then(|state| state.get(key));
            if let Some(after) = text(of("postact_fn")).filter(|after| after != "ReLU") {
                let after = short(&after);
                return Err(Error::Unsupported {
                    what: format!("`postact_fn` {after} ({})", tensors.path().display()),
                    remedy: "supported is TopK followed by ReLU".to_owned(),
                });
            }
            let k = of("k")
                .and_then(Value::as_u64)
                .and_then(|k| usize::try_from(k).ok());
            let k = k.filter(|k| (1..=f).contains(k));
            let k = k.ok_or_else(|| {
                wrong(format!(
                    "its `k` does not fit its {f} features, download it again"
                ))
            })?;
            Ok(Selection::TopK(TopK { k }))
        }
        other => {
            let other = short(other.unwrap_or("nothing"));
            Err(wrong(format!(
                "its `activation` is {other}, neither TopK nor ReLU: download it again"
            )))
        }
    }
}

/// Returns the hook by site and layer: `…/resid_post_mlp_v5_32k/autoencoders/5.pt`.
fn hook(parts: &[String]) -> Option<HookPoint> {
    let layer: usize = parts.first()?.strip_suffix(".pt")?.parse().ok()?;
    let layer = Some(layer).filter(|n| place::is_layer(*n))?;
    let site = parts.iter().skip(1).take(3).find_map(|part| {
        [
            ("resid_delta_attn", Site::AttnOut),
            ("resid_delta_mlp", Site::MlpOut),
            ("resid_post_attn", Site::ResidMid),
            ("resid_post_mlp", Site::ResidPost),
            ("mlp_post_act", Site::MlpPost),
        ]
        .into_iter()
        .find(|(name, _)| part.starts_with(name))
        .map(|(_, site)| site)
    })?;
    Some(HookPoint::block(layer, site))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_path_names_site_and_layer() {
        for (path, want) in [
            (
                "resid_post_mlp_v5_32k/autoencoders/5.pt",
                Some("blocks.5.hook_resid_post"),
            ),
            (
                "gpt2-small/resid_delta_attn_v5_128k/autoencoders/11.pt",
                Some("blocks.11.hook_attn_out"),
            ),
            ("mlp_post_act/1.pt", Some("blocks.1.mlp.hook_post")),
            ("downloads/1.pt", None),
        ] {
            let hook = hook(&place::parts(Path::new(path)));
            assert_eq!(hook.map(|hook| hook.to_string()).as_deref(), want);
        }
    }
}
