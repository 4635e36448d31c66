//! Gemma Scope (Lieberum and others 2024), autoencoders and transcoders of Gemma 2, as published by Google DeepMind.
//!
//! **Files** `layer_N/width_W/average_l0_X/params.npz`; there is no configuration: the path gives model, layer and site.
//! **Orientation on disk** `W_enc [d, f]`, `W_dec [f, d]` (some files write `w_enc`, `w_dec`), `b_enc [f]`, `b_dec [d]`, `threshold [f]`.
//! **Forward pass** nothing is subtracted, positive and above `threshold`, `+ b_dec`. The autoencoders of the embedding were trained on embeddings without
//! Gemma's factor √d, so the reader divides their encoder by it and multiplies their decoder.
//! **Represented** all of it. A transcoder reads `ln2.hook_normalized` and writes `hook_mlp_out`; only the path tells it from an autoencoder.

use super::parts::{self, Parts};
use super::place;
use super::weights::{Tensors, WeightFile};
use super::{Format, Found};
use crate::error::{Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{InputNorm, JumpRelu, Role, Sae, Selection, Transcoder};

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let mut parts = weights(&tensors)?;
    tensors.note_unused(&[], &mut notes);
    let named = Named::from_parts(&place::parts(&found.folder));
    if named.embedding {
        parts.scale_input(1.0 / (parts.w_enc.columns() as f32).sqrt());
        // The bias has the scale of the embedding and takes no factor.
        parts.b_dec = tensors.vector("b_dec", parts.w_dec.columns())?;
        notes.add("It was trained on the embedding without its factor √d: its encoder is divided by √d and its decoder multiplied");
    }
    if named.transcoder {
        parts.role = Role::Transcoder(Transcoder {
            hook_out: named
                .layer
                .map(|layer| HookPoint::block(layer, Site::MlpOut)),
            w_skip: None,
        });
    } else if named.site.is_none() && !named.embedding {
        notes.add("Its path names no repository of Gemma Scope, so it is read as an autoencoder; a transcoder's file looks the same");
    }
    parts::note_model(named.model.as_deref(), &mut notes);
    let mut provenance = parts::provenance(
        Format::GemmaScope,
        named.hook(),
        named.model.as_deref(),
        serde_json::Map::new(),
        &mut notes,
    );
    provenance.prepend_bos = named.model.is_some().then_some(true);
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}

/// Reads the tensors of either version, whose names differ in the case of one letter.
pub(super) fn weights(tensors: &Tensors<'_>) -> Result<Parts> {
    let either = |upper: &'static str, lower: &'static str| {
        if tensors.has(lower) { lower } else { upper }
    };
    let (w_enc, w_dec) = (either("W_enc", "w_enc"), either("W_dec", "w_dec"));
    let [d, f] = tensors.sizes(w_enc)?;
    let o = tensors.sizes(w_dec)?[1];
    Ok(Parts {
        stored: None,
        w_enc: tensors.transposed(w_enc, [d, f])?,
        b_enc: tensors.vector("b_enc", f)?,
        w_dec: tensors.matrix(w_dec, [f, o])?,
        b_dec: tensors.vector("b_dec", o)?,
        selection: Selection::JumpRelu(JumpRelu {
            thresholds: tensors.vector("threshold", f)?,
        }),
        input_norm: InputNorm::None,
        subtracts: false,
        role: Role::Autoencoder,
    })
}

/// Facts in a path.
#[derive(Debug, Default, PartialEq)]
struct Named {
    model: Option<String>,
    site: Option<Site>,
    transcoder: bool,
    embedding: bool,
    layer: Option<usize>,
}

impl Named {
    fn from_parts(parts: &[String]) -> Self {
        let scope = parts.iter().find_map(|part| {
            let (_, name) = part.split_once("gemma-scope-")?;
            // `2b-pt-res`; Gemma Scope 2 has `2-1b-pt`.
            let mut words = name.split('-');
            let (size, kind, site) = (words.next()?, words.next()?, words.next()?);
            size.ends_with('b')
                .then(|| (size.to_owned(), kind.to_owned(), site.to_owned()))
        });
        let embedding = parts.iter().any(|part| part == "embedding");
        let mut named = Self {
            layer: place::number_behind(parts, &["layer_"]),
            embedding,
            ..Self::default()
        };
        if let Some((size, kind, site)) = scope {
            let tuned = if kind == "it" { "-it" } else { "" };
            named.model = Some(format!("gemma-2-{size}{tuned}"));
            named.transcoder = site.starts_with("transcoder");
            named.site = match site.as_str() {
                "res" => Some(Site::ResidPost),
                "mlp" => Some(Site::MlpOut),
                "att" => Some(Site::Z),
                _ if named.transcoder => Some(Site::Ln2Normalized),
                _ => None,
            };
        }
        named
    }

    fn hook(&self) -> Option<HookPoint> {
        if self.embedding {
            return Some(HookPoint::Embed);
        }
        Some(HookPoint::block(self.layer?, self.site?))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn paths_name_model_layer_and_site() {
        for (path, model, hook) in [
            (
                "google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71",
                "gemma-2-2b",
                "blocks.20.hook_resid_post",
            ),
            (
                "/hub/models--google--gemma-scope-9b-it-res/snapshots/1/layer_9/width_16k/average_l0_47",
                "gemma-2-9b-it",
                "blocks.9.hook_resid_post",
            ),
            (
                "gemma-scope-27b-pt-att/layer_3/width_16k/x",
                "gemma-2-27b",
                "blocks.3.attn.hook_z",
            ),
            (
                "gemma-scope-2b-pt-mlp/layer_0/width_16k/x",
                "gemma-2-2b",
                "blocks.0.hook_mlp_out",
            ),
            (
                "gemma-scope-2b-pt-transcoders/layer_5/width_16k/x",
                "gemma-2-2b",
                "blocks.5.ln2.hook_normalized",
            ),
            (
                "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6",
                "gemma-2-2b",
                "hook_embed",
            ),
        ] {
            let named = Named::from_parts(&place::parts(Path::new(path)));
            assert_eq!(named.model.as_deref(), Some(model), "{path}");
            assert_eq!(named.hook().unwrap().to_string(), hook, "{path}");
            assert_eq!(named.transcoder, path.contains("transcoders"));
        }
        let unknown = Named::from_parts(&place::parts(Path::new("downloads/params")));
        assert_eq!((unknown.hook(), unknown.model), (None, None));
    }
}
