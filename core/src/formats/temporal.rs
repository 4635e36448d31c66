//! Temporal dictionaries in their authors' format (Lubana, Rager and others 2025; canrager/temporalSAEs).
//!
//! **Files** `conf.yaml` (`llm.dimin`, `sae.{exp_factor, n_heads, n_attn_layers, bottleneck_factor, sae_diff_type, kval_topk, tied_weights, scaling_factor}`)
//! and `latest_ckpt.safetensors`, in a folder whose path names the layer (`layer_12/temporal`). **Orientation on disk** `D [f, d]`, `b [d]`, `E [d, f]` unless
//! tied, `attn_layers.N.*` with SAELens's names. **Forward pass** SAELens's `temporal`, inputs times `scaling_factor`. **Represented** all of it, read as
//! SAELens's loader reads it (`temporal_sae_huggingface_loader`): the configuration in its keys, the tensors with its names. The hook is the layer's output.

use serde_json::{Map, Value, json};

use super::weights::WeightFile;
use super::{Format, Found, Known, place, sae_lens};
use crate::error::{Error, Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::Sae;

const CONF: &str = "conf.yaml";
/// Authors' names and SAELens's.
const NAMES: [(&str, &str); 3] = [("D", "W_dec"), ("b", "b_dec"), ("E", "W_enc")];
/// Keys with the same name in both.
const KEPT: [&str; 6] = [
    "n_heads",
    "n_attn_layers",
    "bottleneck_factor",
    "sae_diff_type",
    "kval_topk",
    "tied_weights",
];

pub(super) fn read(found: &Found, known: Option<&Known>) -> Result<(Sae, Notes)> {
    let path = place::within(&found.folder, CONF)?;
    let conf = place::yaml(&path)?;
    let part = |name: &str| {
        let part = conf.get(name).and_then(Value::as_object);
        part.ok_or_else(|| {
            let what = format!("has no `{name}`, download the dictionary's conf.yaml again");
            Error::input(what, &path)
        })
    };
    let (llm, sae) = (part("llm")?, part("sae")?);
    let number = |of: &Map<String, Value>, key: &str| {
        let number = of.get(key).and_then(Value::as_f64);
        number
            .filter(|n| n.is_finite() && *n > 0.0 && *n < 1e9)
            .ok_or_else(|| {
                let what = format!(
                    "`{key}` is not a positive number, download the dictionary's conf.yaml again"
                );
                Error::input(what, &path)
            })
    };
    let width = number(llm, "dimin")?;
    let mut cfg = Map::new();
    let mut set = |key: &str, value: Value| cfg.insert(key.to_owned(), value);
    set("architecture", json!("temporal"));
    set("d_in", json!(width as u64));
    set("d_sae", json!((width * number(sae, "exp_factor")?) as u64));
    set("apply_b_dec_to_input", json!(true));
    set("normalize_activations", json!("constant_scalar_rescale"));
    set(
        "activation_normalization_factor",
        json!(number(sae, "scaling_factor")?),
    );
    for key in KEPT {
        if let Some(value) = sae.get(key) {
            set(key, value.clone());
        }
    }
    let layer = place::number_behind(&place::parts(&found.folder), &["layer_"]);
    let hook = layer.map(|layer| HookPoint::block(layer, Site::ResidPost).to_string());
    let mut metadata = json!({ "source": { "format": Format::Temporal.name(), "config": conf } });
    if let Some(hook) = hook {
        metadata["hook_name"] = hook.into();
    }
    // First version whose configurations have these keys.
    metadata["sae_lens_version"] = "6.0.0".into();
    set("metadata", metadata);
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?.renamed(&NAMES);
    sae_lens::read_as(cfg, (&path, &found.folder), &tensors, known)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use crate::formats::tests::{check, codes, difference, recorded};
    use crate::formats::{self, Format};
    use crate::tensor_file::safe::{self, Tensor};
    use crate::tensor_file::{Float, header, widened};

    /// Writes tensors to a file of f32: name, shape, values.
    fn tensors(path: &Path) -> Vec<(String, Vec<usize>, Vec<f32>)> {
        let bytes = std::fs::read(path).unwrap();
        let header = header::read(&bytes).unwrap();
        let values = |place: &header::Place| widened(&bytes[place.begin..place.end], Float::F32);
        let places = header.places.iter();
        places
            .map(|(name, place)| (name.clone(), place.shape.clone(), values(place)))
            .collect()
    }

    /// Returns SAELens's golden dictionary in its authors' format.
    fn as_published(golden: &Path, root: &Path, tied: bool, scale: f32) -> PathBuf {
        let folder = root.join(format!("layer_12/temporal-{tied}-{scale}"));
        std::fs::create_dir_all(&folder).unwrap();
        let all = tensors(&golden.join("sae_weights.safetensors"));
        let theirs = |name: &str| match name {
            "W_dec" => "D".to_owned(),
            "b_dec" => "b".to_owned(),
            "W_enc" => "E".to_owned(),
            name => name.to_owned(),
        };
        let all: Vec<_> = all
            .into_iter()
            .map(|(name, shape, values)| (theirs(&name), shape, values))
            .collect();
        let views: Vec<Tensor<'_>> = all
            .iter()
            .map(|(name, shape, values)| Tensor::new(name, shape, values))
            .collect();
        let bytes = safe::bytes(&views, Float::F32).unwrap();
        std::fs::write(folder.join("latest_ckpt.safetensors"), bytes).unwrap();
        let cfg: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(golden.join("cfg.json")).unwrap())
                .unwrap();
        let lines: Vec<String> = super::KEPT
            .iter()
            .map(|key| format!("  {key}: {}", cfg[*key]))
            .collect();
        let conf = format!(
            "data:\n  dtype: float32\nllm:\n  dimin: 8\nsae:\n  exp_factor: 3.0\n  scaling_factor: {scale}\n{}\n",
            lines.join("\n")
        );
        std::fs::write(folder.join("conf.yaml"), conf).unwrap();
        folder
    }

    #[test]
    fn the_authors_files_are_what_saelens_makes_of_them() {
        let variants = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/sae-lens-variants"
        );
        let root = tempfile::tempdir().unwrap();
        // The second takes inputs times its factor.
        for (name, tied, scale) in [("temporal", true, 1.0), ("temporal-untied", false, 0.5)] {
            let golden = Path::new(variants).join(name);
            let want = recorded(&golden);
            let x = &want.x;
            let path = as_published(&golden, root.path(), tied, scale);
            assert_eq!(Format::detect(&path).unwrap(), Format::Temporal);
            let (sae, notes) = formats::open(&path).unwrap();
            check(name, &sae, &want);
            let hook = sae.provenance.hook.unwrap().to_string();
            assert_eq!(hook, "blocks.12.hook_resid_post");
            assert!(notes.iter().any(|note| note.contains("tokens of one text")));
            // Half the factor for inputs twice as large.
            let half = as_published(&golden, root.path(), tied, scale / 2.0);
            let (half, _) = formats::open(&half).unwrap();
            let mut twice = x.clone();
            twice.values_mut().iter_mut().for_each(|x| *x *= 2.0);
            let (same, larger) = codes(&half, &twice);
            let (got, mut recon) = codes(&sae, x);
            assert!(difference(&same, &got) < 1e-5);
            recon.values_mut().iter_mut().for_each(|x| *x *= 2.0);
            assert!(difference(&larger, &recon) < 1e-5);
        }
    }
}
