//! Qwen Scope, as published by Qwen.
//!
//! **Files** `layerN.sae.pt`, one pickled state dict per layer. Only the repository's name, `SAE-Res-MODEL-WnK-L0_k`, gives `k` and the model.
//! **Orientation on disk** `W_enc [f, d]`, `W_dec [d, f]`, `b_enc [f]`, `b_dec [d]`.
//! **Forward pass** nothing is subtracted, the `k` largest, `+ b_dec`. **Represented** all of it, at the residual stream after the layer named; a path without
//! the repository's name gives no `k` and is an error.

use super::parts::{self, Parts};
use super::place;
use super::weights::WeightFile;
use super::{Format, Found};
use crate::error::{Error, Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{InputNorm, Role, Sae, Selection, TopK};

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let path = place::parts(&found.weights);
    let named = Named::from_parts(&path);
    let Some(k) = named.k.filter(|k| *k > 0) else {
        let what = "only the name of its repository gives the number of active features: put it into a folder of that name (SAE-Res-MODEL-W64K-L0_50)";
        return Err(Error::input(what, &found.weights));
    };
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let [f, d] = tensors.sizes("W_enc")?;
    if k > f || named.features.is_some_and(|features| features != f) {
        let what = format!(
            "its folder's name claims {} features, {k} of them active, but the weights have {f}: one of the two belongs to another dictionary",
            named.features.unwrap_or(f)
        );
        return Err(Error::input(what, &found.weights));
    }
    let parts = Parts {
        stored: None,
        w_enc: tensors.matrix("W_enc", [f, d])?,
        b_enc: tensors.vector("b_enc", f)?,
        w_dec: tensors.transposed("W_dec", [d, f])?,
        b_dec: tensors.vector("b_dec", d)?,
        selection: Selection::TopK(TopK { k }),
        input_norm: InputNorm::None,
        subtracts: false,
        role: Role::Autoencoder,
    };
    tensors.note_unused(&[], &mut notes);
    let layer = place::number_behind(&path, &["layer"]);
    let hook = layer.map(|layer| HookPoint::block(layer, Site::ResidPost));
    notes.add(format!(
        "The name of its folder gives {k} active features per token"
    ));
    let provenance = parts::provenance(
        Format::QwenScope,
        hook,
        named.model.as_deref(),
        serde_json::Map::new(),
        &mut notes,
    );
    let sae = parts.built(found.name(), provenance, &mut notes)?;
    Ok((sae, notes))
}

/// Facts in a repository's name.
#[derive(Debug, Default, PartialEq)]
struct Named {
    model: Option<String>,
    features: Option<usize>,
    k: Option<usize>,
}

impl Named {
    fn from_parts(parts: &[String]) -> Self {
        let name = parts.iter().find_map(|part| part.split_once("SAE-Res-"));
        let Some((_, name)) = name else {
            return Self::default();
        };
        let (model, rest) = name.rsplit_once("-W").unwrap_or((name, ""));
        let (width, k) = rest.split_once("K-L0_").unwrap_or_default();
        let digits = k.find(|c: char| !c.is_ascii_digit()).unwrap_or(k.len());
        let width: Option<usize> = width.parse().ok();
        Self {
            model: Some(model.to_owned()),
            features: width.and_then(|width| width.checked_mul(1024)),
            k: k[..digits].parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_repository_names_model_width_and_k() {
        let parts = place::parts(Path::new(
            "Qwen/SAE-Res-Qwen3-8B-Base-W64K-L0_50/layer3.sae.pt",
        ));
        let named = Named::from_parts(&parts);
        let want = (Some("Qwen3-8B-Base"), Some(65536), Some(50));
        assert_eq!((named.model.as_deref(), named.features, named.k), want);
        assert_eq!(place::number_behind(&parts, &["layer"]), Some(3));
        assert_eq!(
            Named::from_parts(&["layer3.sae.pt".to_owned()]),
            Named::default()
        );
    }
}
