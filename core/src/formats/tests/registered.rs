//! Applies the facts that only SAELens's registry has, and compares with definitions in f64.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::built::{D, F, Four, defined, four, inputs, jump, nothing, relu, safetensors, write};
use super::{Recorded, check};
use crate::error::{Notes, Result};
use crate::formats::{self, Claimed, Located, Registry};
use crate::sae::Sae;

const HOOK: &str = "blocks.1.hook_resid_post";

/// A place in the hub's cache.
fn place(root: &Path, inside: &str) -> PathBuf {
    root.join("models--own--pack/snapshots/0123").join(inside)
}

fn dictionary(folder: &Path, cfg: &Value) -> Four {
    let parts = four();
    let enc = parts.w_enc.turned();
    safetensors(
        &folder.join("sae_weights.safetensors"),
        &[
            ("W_enc", &enc),
            ("b_enc", &parts.b_enc),
            ("W_dec", &parts.w_dec),
            ("b_dec", &parts.b_dec),
        ],
    );
    write(&folder.join("cfg.json"), cfg.to_string());
    parts
}

/// A file of version 6, or the flat form before.
fn cfg(version: Option<&str>, normalize: &str) -> Value {
    let mut cfg = json!({"architecture": "standard", "d_in": D, "d_sae": F, "apply_b_dec_to_input": true,
        "normalize_activations": normalize});
    match version {
        Some(version) => cfg["metadata"] = json!({"sae_lens_version": version, "hook_name": HOOK}),
        None => cfg["hook_point"] = json!(HOOK),
    }
    cfg
}

fn registry(root: &Path, overrides: &Value, entry: &Value) -> Registry {
    let text = json!({"pack": {"repo_id": "own/pack", "model": "tiny", "config_overrides": overrides, "saes": [entry]}});
    let path = root.join("pretrained_saes.yaml");
    write(&path, text.to_string()); // JSON is YAML
    Registry::open(&path).unwrap()
}

/// Opened by its place in the cache, which the registry knows.
fn opened(path: &Path, registry: &Registry) -> Result<(Sae, Notes)> {
    let known = registry.known_at(path);
    assert!(known.is_some());
    let path = path.to_path_buf();
    Located { path, known }.open()
}

#[track_caller]
fn says(notes: &Notes, words: &str) {
    assert!(notes.iter().any(|note| note.contains(words)), "{notes:?}");
    assert!(notes.iter().all(|note| note.lines().count() == 1));
}

#[test]
fn the_factor_that_only_the_registry_tells_is_folded() {
    let root = tempfile::tempdir().unwrap();
    let folder = place(root.path(), "run:v1");
    let entry = json!({"id": "layer_1", "path": "run:v1", "norm_scaling_factor": 2.5, "l0": 12.5, "variance_explained": 0.75,
        "neuronpedia": "tiny/1-res"});
    let known = registry(root.path(), &json!({}), &entry);
    for version in [Some("6.54.12"), None] {
        let parts = dictionary(&folder, &cfg(version, "expected_average_only_in"));
        let (sae, notes) = opened(&folder, &known).unwrap();
        says(
            &notes,
            "by 2.5 (`norm_scaling_factor` of the registry's pack:layer_1)",
        );
        says(&notes, "names tiny as its model");
        check("factor", &sae, &defined(&parts, true, 2.5, relu, nothing));
        assert_eq!(sae.provenance.model, "tiny");
        assert_eq!(sae.provenance.other["neuronpedia_id"], "tiny/1-res");
        let claims = formats::claims(&sae, &folder);
        let figures: Vec<_> = claims.iter().map(|one| (one.figure, one.value)).collect();
        assert_eq!(
            figures,
            [(Claimed::L0, 12.5), (Claimed::FvuOfRegistry, 0.25)]
        );
        // Without the registry it is used as it is, which is said.
        let (sae, notes) = formats::open(&folder).unwrap();
        says(&notes, "the registry no factor");
        check("as it is", &sae, &defined(&parts, true, 1.0, relu, nothing));
        // A file that says its inputs are not scaled is believed, as in SAELens.
        dictionary(&folder, &cfg(version, "none"));
        let (sae, notes) = opened(&folder, &known).unwrap();
        says(&notes, "is ignored");
        check("none", &sae, &defined(&parts, true, 1.0, relu, nothing));
    }
}

#[test]
fn the_registry_overrides_what_a_configuration_says() {
    let root = tempfile::tempdir().unwrap();
    let folder = place(root.path(), "layer_1");
    let overrides = json!({"normalize_activations": "constant_norm_rescale", "dataset_path": "own/text",
        "model_from_pretrained_kwargs": {"center_writing_weights": true}});
    let entry = json!({"id": "x", "path": "layer_1"});
    let known = registry(root.path(), &overrides, &entry);
    for version in [Some("6.54.12"), None] {
        let parts = dictionary(&folder, &cfg(version, "none"));
        let (sae, notes) = opened(&folder, &known).unwrap();
        says(
            &notes,
            "sets `normalize_activations` to \"constant_norm_rescale\" where its file has \"none\"",
        );
        says(&notes, "processed by center_writing_weights");
        assert_eq!(sae.provenance.other["dataset_path"], "own/text");
        assert!(formats::processing(&sae).is_some());
        // Token by token: x · √d / ‖x‖, and back.
        let x = inputs();
        let mut want = defined(&parts, true, 1.0, relu, nothing);
        for i in 0..want.x.rows() {
            let length: f64 = (0..D).map(|j| x.at(i, j).powi(2)).sum::<f64>().sqrt();
            let row = defined(&parts, true, (D as f64).sqrt() / length, relu, nothing);
            want.codes.row_mut(i).copy_from_slice(row.codes.row(i));
            want.recon.row_mut(i).copy_from_slice(row.recon.row(i));
        }
        check("by token", &sae, &want);
    }
}

#[test]
fn llama_scope_r1_takes_its_factor_and_keeps_its_thresholds() {
    let root = tempfile::tempdir().unwrap();
    let folder = place(root.path(), "L1R");
    let (parts, logs) = (four(), super::built::Part::drawn(8, &[F]));
    safetensors(
        &folder.join("sae_weights.safetensors"),
        &[
            ("encoder.weight", &parts.w_enc),
            ("encoder.bias", &parts.b_enc),
            ("decoder.weight", &parts.w_dec.turned()),
            ("decoder.bias", &parts.b_dec),
            ("log_jumprelu_threshold", &logs),
        ],
    );
    write(
        &folder.join("config.json"),
        json!({"d_model": D, "hook_point_in": HOOK}).to_string(),
    );
    let bars: Vec<f64> = (0..F).map(|f| logs.one(f).exp()).collect();
    let entry = json!({"id": "l1r", "path": "L1R", "norm_scaling_factor": 2.5});
    let known = registry(root.path(), &json!({}), &entry);
    let want =
        |scale: f64| -> Recorded { defined(&parts, false, scale, jump(bars.clone()), nothing) };
    check("R1", &opened(&folder, &known).unwrap().0, &want(2.5));
    let (sae, notes) = formats::open(&folder).unwrap();
    says(&notes, "Only SAELens's registry");
    check("R1 as it is", &sae, &want(1.0));
}

#[test]
fn other_formats_get_names_and_no_other_arithmetic() {
    let root = tempfile::tempdir().unwrap();
    let folder = place(root.path(), "layer_1/average_l0_9");
    let parts = four();
    safetensors(
        &folder.join("params.safetensors"),
        &[
            ("w_enc", &parts.w_enc.turned()),
            ("b_enc", &parts.b_enc),
            ("w_dec", &parts.w_dec),
            ("b_dec", &parts.b_dec),
            ("threshold", &super::built::Part::drawn(8, &[F])),
        ],
    );
    let plain = formats::open(&folder).unwrap().0;
    let entry = json!({"id": "blocks.7.hook_mlp_out", "path": "layer_1/average_l0_9", "l0": 9, "norm_scaling_factor": 2});
    let known = registry(root.path(), &json!({"dataset_path": "own/text"}), &entry);
    let (sae, notes) = opened(&folder, &known).unwrap();
    says(&notes, "is ignored");
    assert_eq!((&sae.w_enc, &sae.w_dec), (&plain.w_enc, &plain.w_dec));
    assert_eq!(sae.provenance.other["dataset_path"], "own/text");
    assert_eq!(sae.provenance.model, "tiny");
    if plain.provenance.hook.is_none() {
        says(&notes, "names blocks.7.hook_mlp_out as its hook");
    }
    let known = registry(root.path(), &json!({"k": 3}), &entry);
    let said = opened(&folder, &known).unwrap_err().to_string();
    assert!(said.contains("`k`") && said.contains("pack:"), "{said}");
}
