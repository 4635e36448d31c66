//! Decides which library wrote a dictionary: by the names of its files, and in doubt by the names of its tensors.

use std::path::{Path, PathBuf};

use super::weights::WeightFile;
use super::{Format, cross_layer, hook_z, place};
use crate::error::{Error, Result};
use crate::tensor_file::short;

/// Largest number of files named in a sentence.
pub(super) const LISTED: usize = 8;

/// Files of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) format: Format,
    /// Folder of its configuration.
    pub(super) folder: PathBuf,
    pub(super) weights: PathBuf,
}

impl Found {
    /// Returns the name of the weight file.
    pub(super) fn file(&self) -> String {
        let name = self.weights.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Returns the dictionary's name: its folder's where the folder holds nothing else, else its file's.
    pub(super) fn name(&self) -> String {
        let fixed = FIXED.iter().any(|(file, _)| self.weights.ends_with(file));
        if fixed || self.weights.ends_with("checkpoints/final.safetensors") {
            return super::folder_name(&self.folder);
        }
        let stem = self.weights.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }
}

/// Fixed names of weight files, and the file that must lie beside each, if any.
pub(super) const FIXED: [(&str, Option<&str>); 8] = [
    ("params.npz", None),
    ("params.safetensors", None),
    ("sae.safetensors", Some("cfg.json")),
    ("sae_weights.safetensors", None),
    ("sae_weights.pt", Some("config.json")),
    ("ae.pt", None),
    ("latest_ckpt.safetensors", Some("conf.yaml")),
    ("final.safetensors", None),
];

/// Detects the dictionary at `path`, a folder or a file.
pub(super) fn detect(path: &Path) -> Result<Found> {
    if path.is_dir() {
        return in_folder(path);
    }
    place::regular(path)?;
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(found) = by_fixed_name(folder, &name)? {
        return Ok(found);
    }
    // A configuration stands for its folder.
    if ["json", "yaml"]
        .iter()
        .any(|end| path.extension().is_some_and(|has| has == *end))
    {
        return in_folder(folder);
    }
    by_tensors(folder, path)
}

fn in_folder(folder: &Path) -> Result<Found> {
    let has = |name: &str| folder.join(name).is_file();
    if has("hyperparams.json") && has("checkpoints/final.safetensors") {
        place::within(folder, "checkpoints/final.safetensors")?;
        return Ok(Found {
            format: Format::LlamaScope,
            folder: folder.to_path_buf(),
            weights: folder.join("checkpoints/final.safetensors"),
        });
    }
    for (name, _) in FIXED {
        if has(name)
            && let Some(found) = by_fixed_name(folder, name)?
        {
            return Ok(found);
        }
    }
    let weights = weight_files(folder)?;
    if let Some(layers) = cross_layer::files(folder)? {
        let name = |(_, path): &(Format, PathBuf)| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        };
        let [first, last] =
            [layers.first(), layers.last()].map(|file| file.map_or_else(String::new, name));
        let what = format!(
            "is a cross-layer transcoder of {} layers: umbra sae info, encode, verify and convert accept the folder, name one layer here, {first} to {last}",
            layers.len()
        );
        return Err(Error::input(what, folder));
    }
    match weights.as_slice() {
        [one] => by_tensors(folder, &place::within(folder, one)?),
        [] => Err(none_here(folder)),
        several => {
            // Activations, training states and the like may lie beside a dictionary.
            let mut known = several.iter().filter_map(|name| {
                let path = place::within(folder, name).ok()?;
                by_tensors(folder, &path).ok()
            });
            if let (Some(found), None) = (known.next(), known.next()) {
                return Ok(found);
            }
            let some: Vec<&str> = several.iter().take(LISTED).map(String::as_str).collect();
            let more = several.len() - some.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let what = format!(
                "holds {} dictionaries, name one of its files: {}{more}",
                several.len(),
                some.join(", ")
            );
            Err(Error::input(what, folder))
        }
    }
}

/// Returns the error for a folder without a dictionary; it names the folders inside that hold one.
fn none_here(folder: &Path) -> Error {
    let holds = |folder: &Path| {
        let has = |name: &str| folder.join(name).is_file();
        has("hyperparams.json") || FIXED.iter().any(|(name, _)| has(name))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut inside: Vec<String> = entries
        .filter(|entry| holds(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    inside.sort_unstable();
    if inside.is_empty() {
        return Error::input(
            "no dictionary here, name a folder or a file of one: SAELens's folders have cfg.json and sae_weights.safetensors",
            folder,
        );
    }
    let what = format!(
        "holds dictionaries in {} folders, name one of them: {}",
        inside.len(),
        inside[..inside.len().min(LISTED)].join(", ")
    );
    Error::input(what, folder)
}

/// Names of configuration files, with the weight files that they accompany.
const SETTINGS: [(&str, &[&str]); 5] = [
    ("cfg.json", &["sae_weights.safetensors", "sae.safetensors"]),
    (
        "config.json",
        &["ae.pt", "sae_weights.safetensors", "sae_weights.pt"],
    ),
    ("config.yaml", &[]),
    ("conf.yaml", &["latest_ckpt.safetensors"]),
    ("hyperparams.json", &["checkpoints/final.safetensors"]),
];

/// Returns whether a file has the name of a dictionary's configuration.
pub(crate) fn may_be_settings(name: &str) -> bool {
    SETTINGS.iter().any(|(settings, _)| *settings == name)
}

/// Returns the files of `folder` that make up a dictionary or a set of dictionaries, by their names.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let has = |name: &str| folder.join(name).is_file();
    let numbered = |name: &String| {
        let stem = name.strip_suffix(".safetensors").unwrap_or_default();
        let starts = ["layer_", "W_enc_", "W_dec_"];
        let mut numbers = starts.iter().filter_map(|start| stem.strip_prefix(start));
        numbers.any(|number| number.parse::<u32>().is_ok())
    };
    let mut names = weight_files(folder).unwrap_or_default();
    names.retain(numbered);
    let is_set = !names.is_empty();
    let fixed = FIXED.iter().map(|(name, _)| *name);
    let weights = fixed.chain(["checkpoints/final.safetensors"]);
    names.extend(weights.filter(|name| has(name)).map(str::to_owned));
    let mut others = Vec::new();
    for (settings, weights) in SETTINGS {
        let of_set = settings == "config.yaml" && is_set;
        // `config.json` beside SAELens's own settings belongs to something else.
        let is_other = settings == "config.json" && has("cfg.json") && !has("ae.pt");
        let beside = weights.iter().any(|name| has(name));
        if has(settings) && (of_set || beside) && !is_other {
            others.push(settings);
        }
    }
    if others.contains(&"cfg.json") && has("sparsity.safetensors") {
        others.push("sparsity.safetensors");
    }
    names.extend(others.into_iter().map(str::to_owned));
    names.iter().map(|name| folder.join(name)).collect()
}

/// Returns the files of a folder that may be weights, sorted.
pub(super) fn weight_files(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|source| Error::io("cannot read the folder", folder, source))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| may_be_weights(name))
        .filter(|name| folder.join(name).is_file())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Returns whether a file has the name of a weight file.
pub(crate) fn may_be_weights(name: &str) -> bool {
    let ends = [".pt", ".pth", ".safetensors", ".npz"];
    ends.iter().any(|end| name.ends_with(end)) && !name.starts_with('.')
}

fn by_fixed_name(folder: &Path, name: &str) -> Result<Option<Found>> {
    let Some((_, beside)) = FIXED.iter().find(|(fixed, _)| *fixed == name) else {
        return Ok(None);
    };
    if beside.is_some_and(|beside| !folder.join(beside).is_file()) {
        return Ok(None);
    }
    let weights = place::within(folder, name)?;
    let has = |name: &str| folder.join(name).is_file();
    let format = match name {
        "params.npz" => Format::GemmaScope,
        "params.safetensors" => Format::GemmaScope2,
        "sae.safetensors" => Format::Sparsify,
        "sae_weights.safetensors" if has("cfg.json") => Format::SaeLens,
        "sae_weights.safetensors" | "sae_weights.pt" => {
            return of_open_moss(folder, weights).map(Some);
        }
        "latest_ckpt.safetensors" => Format::Temporal,
        "final.safetensors" => {
            let above = folder
                .parent()
                .filter(|above| above.join("hyperparams.json").is_file());
            return Ok(above.map(|above| Found {
                format: Format::LlamaScope,
                folder: above.to_path_buf(),
                weights,
            }));
        }
        _ => Format::DictionaryLearning,
    };
    Ok(Some(Found {
        format,
        folder: folder.to_path_buf(),
        weights,
    }))
}

/// Tells Llamascopium's files from its predecessor's: both are `config.json` and `sae_weights`.
fn of_open_moss(folder: &Path, weights: PathBuf) -> Result<Found> {
    let file = WeightFile::open(&weights)?;
    let tensors = file.tensors()?;
    let format = if tensors.has("W_E") {
        Format::Llamascopium
    } else if tensors.has("log_jumprelu_threshold") {
        Format::LlamaScopeR1
    } else {
        let what = "has no cfg.json beside it and matches no other library, copy the dictionary's whole folder";
        return Err(Error::input(what, weights));
    };
    Ok(Found {
        format,
        folder: folder.to_path_buf(),
        weights,
    })
}

/// Returns the layer in the name of a file that holds one of several layers.
pub(super) fn layer_of_name(name: &str) -> Option<usize> {
    place::number_behind(&[name.to_owned()], &["layer_"])
}

/// Detects weights without a fixed name by their tensors.
fn by_tensors(folder: &Path, path: &Path) -> Result<Found> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(encoder) = name.strip_prefix("W_dec_") {
        let what = format!(
            "is the decoder of one layer of a cross-layer transcoder, name its encoder, W_enc_{encoder}"
        );
        return Err(Error::input(what, path));
    }
    let file = WeightFile::open(path)?;
    let tensors = file.tensors()?;
    let has = |name: &str| tensors.has(name);
    let beside = |name: &str| folder.join(name).is_file();
    let safetensors = name.ends_with(".safetensors");
    let format = if cross_layer::circuit_tracer_layer(&name).is_some() {
        Format::CircuitTracer
    } else if has("pre_bias") && has("latent_bias") {
        Format::OpenAi
    } else if has("encoder_linear.weight") {
        Format::Goodfire
    } else if has("W_E") && has("W_D") && beside("config.json") {
        Format::Llamascopium
    } else if has("W_enc") && beside(&hook_z::cfg_of(&name)) {
        Format::HookZ
    } else if has("w_enc") && safetensors {
        Format::GemmaScope2
    } else if (has("W_enc") || has("w_enc")) && name.ends_with(".npz") {
        Format::GemmaScope
    } else if has("W_enc") && name.ends_with(".sae.pt") {
        Format::QwenScope
    } else if has("W_enc") && has("W_dec") && name.starts_with("layer_") && safetensors {
        Format::CircuitTracer
    } else if is_deepseek(&name) && has("encoder.weight") && has("decoder.bias") {
        Format::DeepSeekR1
    } else if !safetensors && (has("encoder.weight") || (has("W_enc") && has("threshold"))) {
        Format::DictionaryLearning
    } else {
        let names: Vec<String> = tensors.names().take(LISTED).map(short).collect();
        let what = format!(
            "its tensors ({}) match no supported dictionary, name the file of one",
            names.join(", ")
        );
        return Err(Error::input(what, path));
    };
    Ok(Found {
        format,
        folder: folder.to_path_buf(),
        weights: path.to_path_buf(),
    })
}

/// Returns whether a file has the name of a DeepSeek-R1 dictionary, which ends in its layer: `…-SAE-l19.pt`.
fn is_deepseek(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let layer = stem.rsplit_once("-l").map_or("", |(_, layer)| layer);
    !layer.is_empty() && layer.chars().all(|c| c.is_ascii_digit())
}
