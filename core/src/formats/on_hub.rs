//! Fetches a dictionary from the HuggingFace hub, and only its own files of the repository.

use std::path::PathBuf;

use super::detect::{FIXED, LISTED, layer_of_name};
use super::{cross_layer, hook_z};
use crate::error::{Error, Result};
use crate::hub::{Event, Hub, Name, files_in};
use crate::progress::{Ended, Flow};

/// Small files that describe the weights beside them.
const BESIDE: [&str; 7] = [
    "cfg.json",
    "config.json",
    "config.yaml",
    "conf.yaml",
    "hyperparams.json",
    "activation_scaler.json",
    "activation_whitening.safetensors",
];
/// Endings of weight files.
const ENDS: [&str; 4] = [".pt", ".pth", ".safetensors", ".npz"];

/// Fetches the files of the dictionary `name` into the hub's cache and returns the path for [`super::open`].
pub fn fetch(
    hub: &Hub,
    name: &Name,
    observe: &mut dyn FnMut(Event<'_>) -> Flow,
) -> Result<Ended<PathBuf>> {
    let choose = |files: &[String]| Ok(wanted(name, files)?.1);
    let Ended::Done(folder) = hub.fetch_chosen(name, &choose, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let (weights, _) = wanted(name, &files_in(&folder))?;
    Ok(Ended::Done(folder.join(weights)))
}

/// Returns the weight files of a repository that the name means, and all files to fetch, weights last: once they are there, so is the rest.
fn wanted(name: &Name, files: &[String]) -> Result<(String, Vec<String>)> {
    let path = name.file.as_deref().unwrap_or_default();
    let has = |file: &str| files.iter().any(|listed| listed == file);
    let is_weights = |file: &str| ENDS.iter().any(|end| file.ends_with(end));
    if let Some(layers) = layers_in(path, files) {
        return Ok((path.to_owned(), layers));
    }
    // SAELens names a layer of a cross-layer transcoder by its number alone.
    let layer = format!("W_enc_{path}.safetensors");
    let weights = if has(path) && is_weights(path) {
        path.to_owned()
    } else if has(&layer) {
        layer
    } else {
        in_folder(name, path, files)?
    };
    let (folder, file) = match weights.rsplit_once('/') {
        Some((folder, file)) => (format!("{folder}/"), file),
        None => (String::new(), weights.as_str()),
    };
    // The folder above may hold files that a checkpoint's run or all layers share.
    let above = folder
        .strip_suffix('/')
        .map(|folder| match folder.rsplit_once('/') {
            Some((above, _)) => format!("{above}/"),
            None => String::new(),
        });
    let mut all: Vec<String> = BESIDE
        .iter()
        .map(|beside| format!("{folder}{beside}"))
        .collect();
    all.push(format!("{folder}{}", hook_z::cfg_of(file)));
    if let Some(layer) = cross_layer::circuit_tracer_layer(file) {
        all.push(format!("{folder}W_dec_{layer}.safetensors"));
    }
    if let Some(above) = above {
        all.extend(["config.json", "hyperparams.json"].map(|beside| format!("{above}{beside}")));
    }
    all.retain(|file| has(file));
    all.push(weights.clone());
    Ok((weights, all))
}

/// Returns the common prefix of the files in the folder `path`.
fn before(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    }
}

/// Returns all files of the cross-layer transcoder in the folder `path`, if the names of its files say that it is one; Gemma Scope 2's folders say so
/// themselves.
fn layers_in(path: &str, files: &[String]) -> Option<Vec<String>> {
    let before = before(path);
    let says_so = path.split('/').any(|part| part == "clt");
    let is_layer = |name: &str| {
        let of_gemma = says_so && name.ends_with(".safetensors") && layer_of_name(name).is_some();
        of_gemma || cross_layer::circuit_tracer_layer(name).is_some()
    };
    let inside = || {
        files
            .iter()
            .filter_map(|file| Some((file, file.strip_prefix(&before)?)))
    };
    if !inside().any(|(_, name)| is_layer(name)) {
        return None;
    }
    let is_wanted =
        |name: &str| is_layer(name) || name.starts_with("W_dec_") || BESIDE.contains(&name);
    let wanted = inside().filter(|(_, name)| is_wanted(name) && !name.contains('/'));
    Some(wanted.map(|(file, _)| file.clone()).collect())
}

/// Returns the one weight file in the folder `path`.
fn in_folder(name: &Name, path: &str, files: &[String]) -> Result<String> {
    let before = before(path);
    let has = |file: &str| {
        files
            .iter()
            .any(|listed| *listed == format!("{before}{file}"))
    };
    if has("checkpoints/final.safetensors") {
        return Ok(format!("{before}checkpoints/final.safetensors"));
    }
    for (fixed, beside) in FIXED {
        if has(fixed) && beside.is_none_or(has) {
            return Ok(format!("{before}{fixed}"));
        }
    }
    let inside = || files.iter().filter_map(|file| file.strip_prefix(&before));
    let weights: Vec<&str> = inside()
        .filter(|file| !file.contains('/') && ENDS.iter().any(|end| file.ends_with(end)))
        .collect();
    if let [one] = weights.as_slice() {
        return Ok(format!("{before}{one}"));
    }
    let mut places: Vec<String> = inside()
        .filter(|file| ENDS.iter().any(|end| file.ends_with(end)))
        .map(|file| match file.rsplit_once('/') {
            Some((folder, _)) => format!("{before}{folder}"),
            None => format!("{before}{file}"),
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    let what = if places.is_empty() {
        "has no dictionary there, check the name and the path after the colon".to_owned()
    } else {
        let some: Vec<&str> = places.iter().take(LISTED).map(String::as_str).collect();
        format!(
            "matches {} dictionaries, name one as {}:{}, of {}",
            places.len(),
            name.repo,
            places[0],
            some.join(", ")
        )
    };
    Err(Error::input(what, name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, files: &[&str], want: &[&str]) {
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        let name = Name::of_dictionary(name).unwrap();
        let (weights, all) = wanted(&name, &files).unwrap();
        assert_eq!(all, want);
        assert_eq!(all.last(), Some(&weights));
    }

    #[test]
    fn only_the_files_of_the_dictionary_are_wanted() {
        let scope = [
            "README.md",
            "layer_1/width_16k/average_l0_9/params.npz",
            "layer_2/width_16k/average_l0_8/params.npz",
        ];
        check(
            "g/scope:layer_2/width_16k/average_l0_8",
            &scope,
            &[scope[2]],
        );
        check(
            "g/scope:layer_2/width_16k/average_l0_8/params.npz",
            &scope,
            &[scope[2]],
        );
        let sparsify = [
            "config.json",
            "layers.1/cfg.json",
            "layers.1/sae.safetensors",
            "layers.2/cfg.json",
            "layers.2/sae.safetensors",
        ];
        check(
            "e/sae:layers.2",
            &sparsify,
            &[
                "layers.2/cfg.json",
                "config.json",
                "layers.2/sae.safetensors",
            ],
        );
        let run = [
            "r/trainer_0/config.json",
            "r/trainer_0/ae.pt",
            "r/trainer_0/checkpoints/ae_9.pt",
        ];
        check(
            "e/sae:r/trainer_0",
            &run,
            &["r/trainer_0/config.json", "r/trainer_0/ae.pt"],
        );
        check(
            "e/sae:r/trainer_0/checkpoints/ae_9.pt",
            &run,
            &["r/trainer_0/config.json", "r/trainer_0/checkpoints/ae_9.pt"],
        );
        let llama = [
            "L1/hyperparams.json",
            "L1/checkpoints/final.safetensors",
            "L2/hyperparams.json",
        ];
        check(
            "f/llama:L1",
            &llama,
            &["L1/hyperparams.json", "L1/checkpoints/final.safetensors"],
        );
        let z = ["a_L0.pt", "a_L0_cfg.json", "a_L1.pt", "a_L1_cfg.json"];
        check("c/attn:a_L1.pt", &z, &["a_L1_cfg.json", "a_L1.pt"]);
        let layers = ["config.yaml", "layer_0.safetensors", "layer_1.safetensors"];
        check(
            "m/transcoders:layer_1.safetensors",
            &layers,
            &["config.yaml", "layer_1.safetensors"],
        );
        let files: Vec<String> = layers.iter().map(|file| (*file).to_owned()).collect();
        for (name, want) in [
            (
                "m/transcoders",
                "matches 2 dictionaries, name one as m/transcoders:layer_0.safetensors",
            ),
            ("m/transcoders:layer_7.safetensors", "no dictionary there"),
        ] {
            let said = wanted(&Name::of_dictionary(name).unwrap(), &files)
                .unwrap_err()
                .to_string();
            assert!(said.contains(want) && said.starts_with(name), "{said}");
        }
    }

    #[test]
    fn a_cross_layer_transcoder_is_all_its_layers_or_the_two_files_of_one() {
        let across = [
            "config.yaml",
            "W_dec_0.safetensors",
            "W_dec_1.safetensors",
            "W_enc_0.safetensors",
            "W_enc_1.safetensors",
        ];
        for one in ["m/clt:1", "m/clt:W_enc_1.safetensors"] {
            let want = ["config.yaml", "W_dec_1.safetensors", "W_enc_1.safetensors"];
            check(one, &across, &want);
        }
        let all = |name: &str, files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            wanted(&Name::of_dictionary(name).unwrap(), &files).unwrap()
        };
        assert_eq!(
            all("m/clt", &across),
            (String::new(), across.map(str::to_owned).to_vec())
        );
        let scope = [
            "clt/w/params_layer_0.safetensors",
            "clt/w/params_layer_1.safetensors",
            "clt/v/params_layer_0.safetensors",
        ];
        assert_eq!(
            all("g/scope:clt/w", &scope),
            (
                "clt/w".to_owned(),
                scope[..2].iter().map(|file| (*file).to_owned()).collect()
            )
        );
    }
}
