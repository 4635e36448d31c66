//! Gemma Scope 2, autoencoders and transcoders of Gemma 3, as published by Google DeepMind.
//!
//! **Files** `SITE/layer_N_width_W_l0_SIZE[_affine]/params.safetensors`; where `config.json` is missing beside it, the path gives the facts.
//! **Orientation on disk** `w_enc [d, f]`, `w_dec [f, d_out]`, `b_enc [f]`, `b_dec [d_out]`, `threshold [f]`, and `affine_skip_connection [d, d_out]`, which is
//! not transposed: `x · affine_skip_connection`.
//! **Forward pass** nothing is subtracted, positive and above `threshold`, `+ b_dec`, and the skip connection where there is one.
//! **Represented** all of it. Sites: `resid_post` is the block's output, `attn_out` the input of the attention's output projection (`hook_z`), `mlp_out` the
//! MLP's output after its norm; a transcoder reads the MLP's input after its norm and weight (`mlp.hook_in`) and writes the MLP's output after its norm.
//! `cross_layer.rs` reads cross-layer transcoders (`w_dec` of three dimensions). **Not represented**, rejected by name: crosscoders.

use std::path::Path;

use serde_json::{Map, Value};

use super::parts;
use super::place;
use super::weights::WeightFile;
use super::{Format, Found, cross_layer, gemma_scope};
use crate::error::{Error, Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{Role, Sae, Transcoder};
use crate::tensor_file::short;

/// Reads the `config.json` of a folder; empty if there is none.
pub(super) fn config(folder: &Path, notes: &mut Notes) -> Result<Map<String, Value>> {
    if !folder.join("config.json").is_file() {
        notes.add("There is no config.json; its path gives model and hook");
        return Ok(Map::new());
    }
    let path = place::within(folder, "config.json")?;
    let cfg = place::json(&path)?;
    let architecture = cfg.get("architecture").and_then(Value::as_str);
    match architecture.filter(|of| *of != "jump_relu") {
        None => Ok(cfg),
        Some(other) => Err(Error::Unsupported {
            what: format!("`architecture` {} ({})", short(other), path.display()),
            remedy: "this version reads jump_relu of Gemma Scope 2".to_owned(),
        }),
    }
}

/// Returns the model that the dictionary was trained on.
pub(super) fn model(parts: &[String], cfg: &Map<String, Value>) -> Option<String> {
    let named = cfg.get("model_name").and_then(Value::as_str);
    named.map(str::to_owned).or_else(|| {
        let (_, name) = parts
            .iter()
            .find_map(|part| part.split_once("gemma-scope-2-"))?;
        Some(format!("gemma-3-{name}"))
    })
}

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    if tensors.shape("w_dec")?.len() == 3 {
        return cross_layer::read_gemma_scope_2(found, &tensors);
    }
    let mut notes = Notes::default();
    let cfg = config(&found.folder, &mut notes)?;
    let mut parts = gemma_scope::weights(&tensors)?;
    let named = Named::from_parts(&place::parts(&found.folder), &cfg);
    let skip = "affine_skip_connection";
    let (d, o) = (parts.w_enc.columns(), parts.w_dec.columns());
    if cfg.get("affine_connection") == Some(&Value::Bool(true)) && !tensors.has(skip) {
        let what = "`affine_connection` is true, but the weights have no affine_skip_connection: one of the two belongs to another dictionary";
        return Err(Error::input(what, &found.weights));
    }
    if named.transcoder || tensors.has(skip) || d != o {
        let w_skip = if tensors.has(skip) {
            Some(tensors.transposed(skip, [d, o])?)
        } else {
            None
        };
        parts.role = Role::Transcoder(Transcoder {
            hook_out: named
                .layer
                .map(|layer| HookPoint::block(layer, Site::MlpOut)),
            w_skip,
        });
    }
    tensors.note_unused(&[], &mut notes);
    let hook = named
        .layer
        .zip(named.site)
        .map(|(layer, site)| HookPoint::block(layer, site));
    parts::note_model(named.model.as_deref(), &mut notes);
    let mut provenance = parts::provenance(
        Format::GemmaScope2,
        hook,
        named.model.as_deref(),
        cfg,
        &mut notes,
    );
    provenance.prepend_bos = named.model.is_some().then_some(true);
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}

/// Facts in the configuration or the path.
#[derive(Debug, Default, PartialEq)]
struct Named {
    model: Option<String>,
    site: Option<Site>,
    transcoder: bool,
    layer: Option<usize>,
}

impl Named {
    fn from_parts(parts: &[String], cfg: &Map<String, Value>) -> Self {
        let text = |key: &str| cfg.get(key).and_then(Value::as_str);
        let by_path = parts.iter().take(4).find_map(|part| {
            let part = part.strip_suffix("_all").unwrap_or(part);
            Some(match part {
                "resid_post" => (Site::ResidPost, false),
                "attn_out" => (Site::Z, false),
                "mlp_out" => (Site::MlpOut, false),
                "transcoder" => (Site::MlpIn, true),
                _ => return None,
            })
        });
        let by_cfg = text("hf_hook_point_in").and_then(|hook| {
            let transcodes = text("hf_hook_point_out").is_some_and(|out| out != hook);
            let site = if hook.contains("pre_feedforward_layernorm") {
                Site::MlpIn
            } else if hook.contains("post_feedforward_layernorm") {
                Site::MlpOut
            } else if hook.contains("o_proj") {
                Site::Z
            } else if hook.split('.').next_back() == Some("output") && !hook.contains("norm") {
                Site::ResidPost
            } else {
                return None;
            };
            Some((site, transcodes))
        });
        let layer = text("hf_hook_point_in").and_then(|hook| {
            let (_, behind) = hook.split_once("layers.")?;
            let layer = behind.split('.').next()?.parse().ok();
            layer.filter(|n| place::is_layer(*n))
        });
        let (site, transcoder) = by_cfg.or(by_path).unzip();
        Self {
            model: model(parts, cfg),
            site,
            transcoder: transcoder.unwrap_or(false),
            layer: layer.or_else(|| place::number_behind(parts, &["layer_"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_or_a_configuration_names_hook_and_model() {
        let path = "google/gemma-scope-2-1b-pt/resid_post_all/layer_7_width_16k_l0_small";
        let parts = place::parts(Path::new(path));
        let named = Named::from_parts(&parts, &Map::new());
        let want = (Some("gemma-3-1b-pt"), Some(Site::ResidPost), Some(7), false);
        assert_eq!(
            (
                named.model.as_deref(),
                named.site,
                named.layer,
                named.transcoder
            ),
            want
        );
        let cfg = json!({"model_name": "google/gemma-3-4b-it", "hf_hook_point_in": "model.layers.3.pre_feedforward_layernorm.output",
            "hf_hook_point_out": "model.layers.3.post_feedforward_layernorm.output"});
        let named = Named::from_parts(&parts, cfg.as_object().unwrap());
        let want = (
            Some("google/gemma-3-4b-it"),
            Some(Site::MlpIn),
            Some(3),
            true,
        );
        assert_eq!(
            (
                named.model.as_deref(),
                named.site,
                named.layer,
                named.transcoder
            ),
            want
        );
    }
}
