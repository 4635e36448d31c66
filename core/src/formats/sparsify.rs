//! sparsify (EleutherAI), version 1.3.3.
//!
//! **Files** `HOOKPOINT/cfg.json` and `HOOKPOINT/sae.safetensors`; a folder above may hold `config.json` with the model's name. Training states (`*.pt`) are
//! not needed.
//! **Orientation on disk** `encoder.weight [f, d]`, `encoder.bias [f]`, `W_dec [f, d]`, `b_dec [d]`, `W_skip [d, d]` (`x · W_skipᵀ`), as in Umbra.
//! **Forward pass** `x − b_dec` unless `transcode`, `· encoder.weightᵀ + encoder.bias`, ReLU, then the `k` largest or the largest of each of `k` groups, `Σ acts ·
//! W_dec + b_dec`, and `x · W_skipᵀ` where there is a skip connection. ReLU before or after the `k` largest leaves the same active features.
//! **Represented** all of these. **Not represented**, rejected by name: `signed`.
//! **Hook** from the folder's name: `layers.5` is the residual stream after block 5, `layers.5.mlp` the MLP's output.

use std::path::Path;

use serde_json::{Map, Value};

use super::parts::{self, Parts};
use super::place;
use super::weights::WeightFile;
use super::{Format, Found};
use crate::error::{Error, Notes, Result};
use crate::ids::{HookPoint, Site};
use crate::sae::{GroupMax, InputNorm, Role, Sae, Selection, TopK, Transcoder};
use crate::tensor_file::short;

pub(super) fn read(found: &Found) -> Result<(Sae, Notes)> {
    let mut notes = Notes::default();
    let cfg_path = place::within(&found.folder, "cfg.json")?;
    let cfg = place::json(&cfg_path)?;
    let file = WeightFile::open(&found.weights)?;
    let tensors = file.tensors()?;
    let [f, d] = tensors.sizes("encoder.weight")?;
    let o = tensors.sizes("W_dec")?[1];
    place::agrees(&cfg, "d_in", d, &cfg_path)?;
    let claimed = cfg.get("num_latents").and_then(Value::as_u64).unwrap_or(0);
    if claimed == 0 {
        if let Some(times) = place::count(&cfg, "expansion_factor", &cfg_path)?
            && times.checked_mul(d) != Some(f)
        {
            let what = format!(
                "by `expansion_factor` {times} it has {} latents, but the weights have {f}: one of the two belongs to another dictionary",
                times.saturating_mul(d)
            );
            return Err(Error::input(what, cfg_path));
        }
    } else {
        place::agrees(&cfg, "num_latents", f, &cfg_path)?;
    }
    let on = |key: &str| cfg.get(key).and_then(Value::as_bool).unwrap_or(false);
    if on("signed") {
        return Err(Error::Unsupported {
            what: format!("`signed` latents ({})", cfg_path.display()),
            remedy: "sparsify dropped them, train the dictionary again".to_owned(),
        });
    }
    let selection = selection(&cfg, f, &cfg_path)?;
    let skip = tensors.has("W_skip") || on("skip_connection");
    let transcode = on("transcode");
    let w_skip = if skip {
        Some(tensors.matrix("W_skip", [o, d])?)
    } else {
        None
    };
    let mut parts = Parts {
        stored: None,
        w_enc: tensors.matrix("encoder.weight", [f, d])?,
        b_enc: tensors.vector("encoder.bias", f)?,
        w_dec: tensors.matrix("W_dec", [f, o])?,
        b_dec: tensors.vector("b_dec", o)?,
        selection,
        input_norm: InputNorm::None,
        subtracts: !transcode,
        role: Role::Autoencoder,
    };
    tensors.note_unused(&[], &mut notes);
    let named = Named::from_folder(&found.folder);
    let mut parted = (transcode || skip).then_some(Transcoder {
        hook_out: named.hook,
        w_skip,
    });
    if transcode {
        parts.role = parted.take().map_or(Role::Autoencoder, Role::Transcoder);
        notes.add("It reads the input of the module in its name and writes the module's output");
    }
    if on("multi_topk") {
        notes.add(
            "It was also trained with the loss at 4 k (multi_topk), which changes nothing in use",
        );
    }
    let hook = if transcode { named.input } else { named.hook };
    parts::note_model(named.model.as_deref(), &mut notes);
    let provenance = parts::provenance(
        Format::Sparsify,
        hook,
        named.model.as_deref(),
        cfg,
        &mut notes,
    );
    let mut sae = parts.built(found.name(), provenance, &mut notes)?;
    if let Some(parted) = parted {
        sae.subtract_b_dec(false);
        notes.add("Its skip connection makes it a transcoder here, which does not subtract b_dec: w_enc · b_dec is subtracted from the encoder's bias");
        sae.role = Role::Transcoder(parted);
    }
    Ok((sae, notes))
}

fn selection(cfg: &Map<String, Value>, f: usize, path: &Path) -> Result<Selection> {
    let k = place::count(cfg, "k", path)?.unwrap_or(32);
    if k > f {
        let what = format!(
            "`k` is {k}, but there are only {f} latents: one of the two belongs to another dictionary"
        );
        return Err(Error::input(what, path));
    }
    match cfg
        .get("activation")
        .and_then(Value::as_str)
        .unwrap_or("topk")
    {
        "topk" => Ok(Selection::TopK(TopK { k })),
        "groupmax" if f.is_multiple_of(k) => Ok(Selection::GroupMax(GroupMax { k })),
        "groupmax" => {
            let what = format!(
                "`k` {k} does not divide {f} latents into groups, save the dictionary again"
            );
            Err(Error::input(what, path))
        }
        other => {
            let other = short(other);
            Err(Error::Unsupported {
                what: format!("`activation` {other} ({})", path.display()),
                remedy: "sparsify 1.3.3 has topk and groupmax".to_owned(),
            })
        }
    }
}

/// Facts in a folder's name and the folders above.
struct Named {
    hook: Option<HookPoint>,
    /// Returns the input hook of a transcoder with this name.
    input: Option<HookPoint>,
    model: Option<String>,
}

impl Named {
    fn from_folder(folder: &Path) -> Self {
        let mut names = place::parts(folder).into_iter();
        let mut name = names.next().unwrap_or_default();
        let is_seed = |name: &str| {
            name.strip_prefix("seed")
                .is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
        };
        if is_seed(&name) {
            name = names.next().unwrap_or_default();
        }
        let hook = hook(&name);
        let input = hook.and_then(|hook| match hook {
            HookPoint::Block(layer, Site::MlpOut) => Some(HookPoint::Block(layer, Site::MlpIn)),
            _ => None,
        });
        let model = folder.ancestors().skip(1).take(3).find_map(|above| {
            let cfg = place::json(&above.join("config.json")).ok()?;
            Some(cfg.get("model")?.as_str()?.to_owned())
        });
        Self { hook, input, model }
    }
}

/// Returns the hook of a module's output, by the module's path in transformers.
fn hook(name: &str) -> Option<HookPoint> {
    if matches!(name, "embed_tokens" | "wte" | "embed_in") {
        return Some(HookPoint::Embed);
    }
    let mut words = name.split('.');
    let block = ["layers", "h"].contains(&words.next()?);
    let layer: usize = words.next()?.parse().ok()?;
    let layer = Some(layer).filter(|n| block && place::is_layer(*n))?;
    let site = match (words.next(), words.next()) {
        (None, _) => Site::ResidPost,
        (Some("mlp"), None) => Site::MlpOut,
        (Some("attn" | "self_attn" | "attention"), None) => Site::AttnOut,
        _ => return None,
    };
    Some(HookPoint::block(layer, site))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_after_modules() {
        for (name, want) in [
            ("layers.5", "blocks.5.hook_resid_post"),
            ("h.3.attn", "blocks.3.hook_attn_out"),
            ("layers.0.mlp", "blocks.0.hook_mlp_out"),
            ("embed_tokens", "hook_embed"),
        ] {
            assert_eq!(hook(name).unwrap().to_string(), want);
        }
        for name in ["", "layers", "layers.x", "layers.1.mlp.up", "sae"] {
            assert_eq!(hook(name), None, "{name}");
        }
    }
}
