//! Folders as SAELens writes and reads them, and those that must be refused.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::*;
use crate::dims::Matrix;
use crate::formats::tests::{Recorded, codes, difference, recorded as recorded_in};
use crate::sae::{Gated, InputNorm, JumpRelu, Provenance, Role, Selection, TopK};

/// As it is read without the registry.
fn read(folder: &Path) -> Result<(Sae, Notes)> {
    super::read(folder, None)
}

fn golden() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/sae-lens-topk"
    ))
}

/// A folder of another architecture, written by SAELens.
fn variant(architecture: &str) -> PathBuf {
    golden().join("../sae-lens-variants").join(architecture)
}

const VARIANTS: [&str; 8] = [
    "standard",
    "abstopk",
    "jumprelu",
    "gated",
    "transcoder",
    "skip_transcoder",
    "jumprelu_transcoder",
    "jumprelu_skip_transcoder",
];

fn cfg_with(change: impl FnOnce(&mut Value)) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("changed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(golden().join(WEIGHTS), folder.join(WEIGHTS)).unwrap();
    let mut cfg: Value =
        serde_json::from_str(&std::fs::read_to_string(golden().join(CFG)).unwrap()).unwrap();
    change(&mut cfg);
    std::fs::write(folder.join(CFG), cfg.to_string()).unwrap();
    (root, folder)
}

fn recorded() -> Recorded {
    recorded_in(&golden())
}

fn example(hook: &str) -> Sae {
    let weights = |n: usize, by: f32| (0..n).map(|i| (i as f32 * by).sin()).collect::<Vec<_>>();
    let other = [
        ("seed", json!(3)),
        ("fvu", json!(0.123_456_789_012_345_68)),
        (
            "umbra",
            json!({"z": [0.1, 1e-7], "a": {"split": "held out"}}),
        ),
    ];
    Sae::new(
        "example",
        (
            Matrix::new(6, 4, weights(24, 0.7)).unwrap(),
            weights(6, 1.3),
        ),
        (
            Matrix::new(6, 4, weights(24, 2.1)).unwrap(),
            weights(4, 0.2),
        ),
        TopK { k: 2 },
    )
    .with_provenance(Provenance {
        hook: Some(hook.parse().unwrap()),
        model: "tiny".to_owned(),
        prepend_bos: Some(true),
        context: Some(64),
        head: None,
        other: other.map(|(key, value)| (key.to_owned(), value)).into(),
    })
}

#[test]
fn codes_and_reconstructions_are_those_of_saelens() {
    let (sae, notes) = read(&golden()).unwrap();
    let recorded = recorded();
    let (got, recon) = codes(&sae, &recorded.x);
    assert!(difference(&got, &recorded.codes) < 1e-5);
    assert!(difference(&recon, &recorded.recon) < 1e-5);
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(sae.selection, Selection::TopK(TopK { k: 8 }));
    assert_eq!(
        sae.provenance.hook.unwrap().to_string(),
        "blocks.1.hook_resid_post"
    );
    assert_eq!(
        (sae.provenance.prepend_bos, sae.provenance.context),
        (Some(false), Some(32))
    );
    // The comparison can fail: one bias nudged by a thousandth.
    let mut nudged = sae;
    nudged.b_enc.iter_mut().for_each(|b| *b += 1e-3);
    assert!(difference(&codes(&nudged, &recorded.x).0, &recorded.codes) > 1e-4);
}

#[test]
fn every_architecture_computes_what_saelens_computed() {
    for architecture in VARIANTS {
        let folder = variant(architecture);
        let (mut sae, notes) = read(&folder).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        let recorded = recorded_in(&folder);
        let (got, recon) = codes(&sae, &recorded.x);
        let off = difference(&got, &recorded.codes);
        assert!(off < 1e-5, "{architecture}: codes off by {off}");
        let off = difference(&recon, &recorded.recon);
        assert!(off < 1e-5, "{architecture}: reconstructions off by {off}");
        // The comparison can fail: what is particular about the architecture nudged.
        match &mut sae.selection {
            Selection::JumpRelu(JumpRelu { thresholds: all })
            | Selection::Gated(Gated { b_mag: all, .. }) => {
                for value in all.iter_mut() {
                    *value += 0.05;
                }
            }
            _ => sae.b_enc.iter_mut().for_each(|b| *b += 0.05),
        }
        let off = difference(&codes(&sae, &recorded.x).0, &recorded.codes);
        assert!(off > 1e-4, "{architecture}: a nudge passed");
        let (mut sae, _) = read(&folder).unwrap();
        if let Role::Transcoder(transcoder) = &mut sae.role
            && let Some(w_skip) = &mut transcoder.w_skip
        {
            w_skip.values_mut()[0] += 0.05;
            let off = difference(&codes(&sae, &recorded.x).1, &recorded.recon);
            assert!(
                off > 1e-4,
                "{architecture}: a nudge of the skip connection passed"
            );
        }
    }
}

#[test]
fn every_architecture_written_read_and_written_keeps_its_bytes() {
    let root = tempfile::tempdir().unwrap();
    for architecture in VARIANTS {
        let (sae, _) = read(&variant(architecture)).unwrap();
        let folders = ["a", "b"].map(|name| root.path().join(architecture).join(name));
        write(&sae, &folders[0], Precision::F32).unwrap();
        let (again, notes) = read(&folders[0]).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(again.selection, sae.selection);
        assert_eq!(again.role, sae.role);
        let transcodes = architecture.ends_with("transcoder");
        assert_eq!(sae.role.transcodes(), transcodes);
        if transcodes {
            assert_eq!(sae.writes().unwrap().to_string(), "blocks.1.hook_mlp_out");
        }
        write(&again, &folders[1], Precision::F32).unwrap();
        for file in [CFG, WEIGHTS] {
            let [a, b] = folders
                .each_ref()
                .map(|folder| std::fs::read(folder.join(file)).unwrap());
            assert!(a == b, "{file} of {architecture}");
        }
        let cfg = std::fs::read_to_string(folders[0].join(CFG)).unwrap();
        let cfg: Value = serde_json::from_str(&cfg).unwrap();
        assert_eq!(cfg["architecture"], architecture);
        assert_eq!(cfg["k"].is_null(), architecture != "abstopk");
    }
}

#[test]
fn the_biases_of_a_gated_dictionary_are_folded_too() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("changed");
    std::fs::create_dir(&folder).unwrap();
    let from = variant("gated");
    std::fs::copy(from.join(WEIGHTS), folder.join(WEIGHTS)).unwrap();
    let cfg = std::fs::read_to_string(from.join(CFG)).unwrap();
    let mut cfg: Value = serde_json::from_str(&cfg).unwrap();
    cfg["apply_b_dec_to_input"] = json!(false);
    std::fs::write(folder.join(CFG), cfg.to_string()).unwrap();
    let (folded, plain) = (read(&folder).unwrap().0, read(&from).unwrap().0);
    // Not subtracting b_dec from x is subtracting it from x + b_dec.
    let x = recorded_in(&from).x;
    let mut moved = x.clone();
    for i in 0..moved.rows() {
        let row = moved.row_mut(i).iter_mut().zip(&plain.b_dec);
        row.for_each(|(value, bias)| *value += bias);
    }
    let want = codes(&plain, &moved).0;
    let off = difference(&codes(&folded, &x).0, &want);
    assert!(off < 1e-5, "{off}");
    let mut subtracting = folded.clone();
    subtracting.subtract_b_dec(true);
    assert_ne!(subtracting.b_enc, folded.b_enc);
    let off = difference(&codes(&subtracting, &x).0, &want);
    assert!(off < 1e-5, "{off}");
}

#[test]
fn tokens_brought_to_norm_and_biases_not_subtracted_are_as_saelens_has_them() {
    let root = tempfile::tempdir().unwrap();
    for (name, norm, subtracted) in [
        ("standard-layer_norm", InputNorm::Layer, true),
        ("gated-layer_norm", InputNorm::Layer, true),
        ("jumprelu-constant_norm_rescale", InputNorm::Constant, true),
        ("gated-not-applied", InputNorm::None, false),
        ("jumprelu-not-applied-layer_norm", InputNorm::Layer, false),
    ] {
        let folder = variant(name);
        let (mut sae, _) = read(&folder).unwrap();
        assert_eq!(
            (sae.input_norm, sae.apply_b_dec_to_input),
            (norm, subtracted)
        );
        let recorded = recorded_in(&folder);
        let (got, recon) = codes(&sae, &recorded.x);
        let off = difference(&got, &recorded.codes);
        assert!(off < 1e-5, "{name}: codes off by {off}");
        let off = difference(&recon, &recorded.recon);
        assert!(off < 1e-5, "{name}: reconstructions off by {off}");
        let folders = ["a", "b"].map(|file| root.path().join(name).join(file));
        write(&sae, &folders[0], Precision::F32).unwrap();
        let (again, _) = read(&folders[0]).unwrap();
        assert_eq!(
            (again.input_norm, again.apply_b_dec_to_input),
            (norm, subtracted)
        );
        write(&again, &folders[1], Precision::F32).unwrap();
        for file in [CFG, WEIGHTS] {
            let [a, b] = folders
                .each_ref()
                .map(|folder| std::fs::read(folder.join(file)).unwrap());
            assert!(a == b, "{file} of {name}");
        }
        // The comparison can fail: read another way.
        sae.input_norm = match norm {
            InputNorm::None => InputNorm::Layer,
            _ => InputNorm::None,
        };
        let off = difference(&codes(&sae, &recorded.x).0, &recorded.codes);
        assert!(off > 1e-3, "{name}: another norm passed");
        sae.input_norm = norm;
        sae.apply_b_dec_to_input = !subtracted;
        let off = difference(&codes(&sae, &recorded.x).0, &recorded.codes);
        assert!(off > 1e-3, "{name}: the bias made no difference");
    }
}

#[test]
fn temporal_dictionaries_encode_what_is_new_in_a_text() {
    for name in ["temporal", "temporal-untied"] {
        let folder = variant(name);
        let (mut sae, _) = read(&folder).unwrap();
        let recorded = recorded_in(&folder);
        let (got, recon) = codes(&sae, &recorded.x);
        let off = difference(&got, &recorded.codes);
        assert!(off < 1e-5, "{name}: codes off by {off}");
        let off = difference(&recon, &recorded.recon);
        assert!(off < 1e-5, "{name}: reconstructions off by {off}");
        let root = tempfile::tempdir().unwrap();
        let said = write(&sae, &root.path().join("a"), Precision::F32).unwrap_err();
        assert!(said.to_string().contains("temporal dictionary"), "{said}");
        // The comparison can fail: without what went before.
        sae.role = Role::Autoencoder;
        let off = difference(&codes(&sae, &recorded.x).0, &recorded.codes);
        assert!(off > 1e-3, "{name}: the context made no difference");
    }
}

#[test]
fn a_bias_that_is_not_subtracted_stays_so_and_can_be_folded() {
    let (_root, folder) = cfg_with(|cfg| cfg["apply_b_dec_to_input"] = json!(false));
    let (mut folded, notes) = read(&folder).unwrap();
    let (plain, _) = read(&golden()).unwrap();
    let x = recorded().x;
    let all: Vec<_> = (0..plain.features())
        .map(crate::ids::FeatureId::from)
        .collect();
    let got = folded.pre_activations(&x, &all).unwrap();
    // x · w + b is what the subtracting dictionary computes on x + b_dec.
    let mut moved = x.clone();
    for i in 0..moved.rows() {
        let row = moved.row_mut(i).iter_mut().zip(&plain.b_dec);
        row.for_each(|(value, bias)| *value += bias);
    }
    assert!(difference(&got, &plain.pre_activations(&moved, &all).unwrap()) < 1e-5);
    assert_eq!(folded.b_enc, plain.b_enc);
    folded.subtract_b_dec(true);
    let same = folded.pre_activations(&x, &all).unwrap();
    assert!(difference(&same, &got) < 1e-5 && folded.b_enc != plain.b_enc);
    assert!(
        notes
            .iter()
            .any(|note| note.contains("does not subtract b_dec"))
    );
}

#[test]
fn a_dictionary_written_read_and_written_keeps_its_bytes() {
    let root = tempfile::tempdir().unwrap();
    for (precision, hook) in [
        (Precision::F32, "blocks.2.hook_resid_post"),
        (Precision::F16, "blocks.0.attn.hook_z"),
    ] {
        let folders = [
            root.path().join(format!("{precision:?}/a")),
            root.path().join(format!("{precision:?}/b")),
        ];
        write(&example(hook), &folders[0], precision).unwrap();
        let (again, notes) = read(&folders[0]).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        write(&again, &folders[1], precision).unwrap();
        for file in [CFG, WEIGHTS] {
            let [a, b] = folders
                .each_ref()
                .map(|folder| std::fs::read(folder.join(file)).unwrap());
            assert!(a == b, "{file} of {precision:?}");
        }
        if precision == Precision::F32 {
            assert_eq!(
                (&again.w_enc, &again.b_dec),
                (&example(hook).w_enc, &example(hook).b_dec)
            );
        }
        assert_eq!(again.name, "a");
    }
}

#[test]
fn a_written_cfg_is_what_saelens_reads() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("z");
    write(&example("blocks.1.attn.hook_z"), &folder, Precision::F16).unwrap();
    let cfg: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join(CFG)).unwrap()).unwrap();
    for (key, want) in [
        ("architecture", json!("topk")),
        ("d_in", json!(4)),
        ("d_sae", json!(6)),
        ("k", json!(2)),
        ("dtype", json!("float32")),
        ("device", json!("cpu")),
        ("apply_b_dec_to_input", json!(true)),
        ("normalize_activations", json!("none")),
        ("reshape_activations", json!("hook_z")),
        ("rescale_acts_by_decoder_norm", json!(false)),
    ] {
        assert_eq!(cfg[key], want, "{key}");
    }
    let metadata = &cfg["metadata"];
    for (key, want) in [
        ("sae_lens_version", json!("6.54.12")),
        ("hook_name", json!("blocks.1.attn.hook_z")),
        ("model_name", json!("tiny")),
        ("prepend_bos", json!(true)),
        ("context_size", json!(64)),
        ("seed", json!(3)),
    ] {
        assert_eq!(metadata[key], want, "{key}");
    }
    let bytes = std::fs::read(folder.join(WEIGHTS)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, shape) in [
        ("W_enc", vec![4, 6]),
        ("b_enc", vec![6]),
        ("W_dec", vec![6, 4]),
        ("b_dec", vec![4]),
    ] {
        let view = file.tensor(name).unwrap();
        assert_eq!(
            (view.shape(), view.dtype()),
            (shape.as_slice(), safetensors::Dtype::F16),
            "{name}"
        );
    }
    assert_eq!(file.len(), 4);
}

#[test]
fn an_older_flat_file_reads_the_same() {
    let (_root, folder) = cfg_with(|cfg| {
        *cfg = json!({
            "d_in": 32, "d_sae": 128, "dtype": "float32", "hook_point": "blocks.1.hook_resid_post",
            "model_name": "tiny", "context_size": 32, "normalize_activations": null,
            "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 8},
        });
    });
    let (old, notes) = read(&folder).unwrap();
    let (new, _) = read(&golden()).unwrap();
    assert_eq!(
        (&old.w_enc, &old.selection, old.provenance.hook),
        (&new.w_enc, &new.selection, new.provenance.hook)
    );
    assert_eq!(old.provenance.prepend_bos, Some(true));
    assert!(notes.iter().any(|note| note.contains("older flat form")));
}

#[test]
fn what_cannot_be_represented_is_refused_by_name() {
    #[track_caller]
    fn check(key: &str, value: Value, want: &str) {
        let (_root, folder) = cfg_with(|cfg| cfg[key] = value);
        let refused = read(&folder).unwrap_err().to_string();
        assert!(
            refused.contains(want) && refused.contains("cfg.json"),
            "{refused}"
        );
    }
    check("architecture", json!("quantum"), "`architecture` quantum");
    check(
        "architecture",
        json!("crosscoder"),
        "supported are SAELens dictionaries of architecture standard, topk",
    );
    check(
        "normalize_activations",
        json!("constant_scalar_rescale"),
        "`normalize_activations` constant_scalar_rescale",
    );
    check(
        "rescale_acts_by_decoder_norm",
        json!("by half"),
        "`rescale_acts_by_decoder_norm` by half",
    );
    check(
        "reshape_activations",
        json!("fold"),
        "`reshape_activations` fold",
    );
    check(
        "reshape_activations",
        json!("hook_z"),
        "contradicts the hook blocks.1.hook_resid_post",
    );
    check("k", json!(129), "`k` is 129, but `d_sae` only 128");
    check("k", json!("eight"), "`k` is not a positive whole number");
    check(
        "metadata",
        json!({"sae_lens_version": "6.54.12", "hook_head_index": -1}),
        "`hook_head_index` -1",
    );
}

#[test]
fn damaged_weights_are_one_sentence_naming_file_and_tensor() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Vec<u8>), want: &str) {
        let (_root, folder) = cfg_with(|_| {});
        let path = folder.join(WEIGHTS);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let refused = read(&folder).unwrap_err().to_string();
        assert!(
            refused.contains(want) && refused.contains(WEIGHTS),
            "{refused}"
        );
    }
    check(
        |bytes| bytes.truncate(20_000),
        "not a complete safetensors file",
    );
    check(
        |bytes| bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes()),
        "not a complete safetensors file",
    );
    let last = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    };
    check(last, "holds NaN at entry");
    let rename = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(5).position(|w| w == b"b_enc").unwrap();
        bytes[at..at + 5].copy_from_slice(b"B_enc");
    };
    check(rename, "b_enc is missing from ");
    let (_root, folder) = cfg_with(|cfg| cfg["d_sae"] = json!(64));
    let refused = read(&folder).unwrap_err().to_string();
    assert!(
        refused.contains("tensor `W_dec` is [128, 32], but")
            && refused.contains("rest of the dictionary [64, 32]"),
        "{refused}"
    );
}

#[test]
fn weights_that_cannot_be_stored_are_refused_and_nothing_is_written() {
    let root = tempfile::tempdir().unwrap();
    let mut sae = example("blocks.0.hook_resid_pre");
    sae.b_dec[1] = 1e6;
    let folder = root.path().join("out");
    let refused = write(&sae, &folder, Precision::F16)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("`b_dec` holds 1000000, too large for f16"),
        "{refused}"
    );
    sae.b_dec[1] = f32::NAN;
    assert!(
        write(&sae, &folder, Precision::F32)
            .unwrap_err()
            .to_string()
            .contains("holds NaN")
    );
    std::fs::write(&folder, "a file where the folder should go").unwrap();
    sae.b_dec[1] = 0.0;
    assert!(write(&sae, &folder.join("below"), Precision::F32).is_err());
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

/// Keyword arguments of `from_pretrained` in a current file, and in one from before version 6.
fn with_kwargs(kwargs: &Value, flat: bool) -> (tempfile::TempDir, PathBuf) {
    cfg_with(|cfg| {
        if flat {
            *cfg = json!({
                "architecture": "standard", "d_in": 32, "d_sae": 128, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 8},
                "hook_point": "blocks.1.hook_resid_post", "model_name": "tiny", "model_from_pretrained_kwargs": kwargs,
            });
        } else {
            cfg["metadata"]["model_from_pretrained_kwargs"] = kwargs.clone();
        }
    })
}

#[test]
fn processing_that_a_file_names_is_read_and_the_rest_is_named() {
    let kwargs = json!({
        "center_writing_weights": true, "fold_ln": false, "center_unembed": "yes", "first_n_layers": 2,
    });
    for flat in [false, true] {
        let (_root, folder) = with_kwargs(&kwargs, flat);
        let (sae, notes) = read(&folder).unwrap();
        let named = crate::formats::processing(&sae).unwrap();
        assert_eq!(named.keys(), ["center_writing_weights"]);
        let notes: Vec<_> = notes.iter().collect();
        let notes = notes.join("\n");
        for word in [
            "processed by center_writing_weights",
            "`center_unembed` \"yes\"",
            "`first_n_layers` 2",
        ] {
            assert!(notes.contains(word), "{word}: {notes}");
        }
        assert!(!notes.contains("fold_ln"), "{notes}");
        // All of it is written again.
        write(&sae, &folder, Precision::F32).unwrap();
        assert_eq!(read(&folder).unwrap().0.provenance, sae.provenance);
    }
    let (_root, folder) = with_kwargs(&json!({}), false);
    let named = crate::formats::processing(&read(&folder).unwrap().0);
    assert!(named.unwrap().is_none());
    let (silent, _) = read(&golden()).unwrap();
    assert_eq!(crate::formats::processing(&silent), None);
}

#[test]
fn processing_is_noted_where_saelens_looks_for_it() {
    let mut sae = example("blocks.0.hook_resid_pre");
    let mut processing = crate::models::Processing::default();
    for steps in [vec![], vec!["fold_ln", "center_unembed"]] {
        for step in &steps {
            processing.set(step, true).unwrap();
        }
        crate::formats::name_processing(&mut sae.provenance, processing);
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sae");
        write(&sae, &folder, Precision::F32).unwrap();
        let cfg: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join(CFG)).unwrap()).unwrap();
        let kwargs = cfg["metadata"]["model_from_pretrained_kwargs"].as_object();
        let keys: Vec<_> = kwargs.unwrap().keys().cloned().collect();
        assert_eq!(keys, steps);
        let named = crate::formats::processing(&read(&folder).unwrap().0).unwrap();
        assert_eq!(named.keys(), processing.keys());
    }
}

/// A flat file from before version 6 with `more` in it.
fn old_with(more: &Value) -> (tempfile::TempDir, PathBuf) {
    cfg_with(|cfg| {
        *cfg = json!({
            "d_in": 32, "d_sae": 128, "dtype": "torch.float32", "hook_name": "blocks.1.hook_resid_post",
            "model_name": "tiny", "context_size": 32, "normalize_activations": "none", "architecture": "standard",
            "sae_lens_training_version": "3.13.0",
        });
        for (key, value) in more.as_object().unwrap() {
            cfg[key] = value.clone();
        }
    })
}

#[test]
fn old_settings_that_compute_otherwise_are_refused_by_name() {
    let topk = json!({"k": 8});
    for (more, want) in [
        (
            json!({"activation_fn_str": "tanh-relu"}),
            "`activation_fn_str` tanh-relu",
        ),
        (json!({"activation_fn": "tanh-relu"}), "tanh-relu"),
        (json!({"activation_fn_str": "gelu"}), "gelu"),
        (json!({"activation_fn_str": 3}), "`activation_fn_str` 3"),
        (
            json!({"activation_fn_str": "tanh-relu", "architecture": "gated"}),
            "of the architecture gated",
        ),
        (
            json!({"activation_fn_str": "topk", "activation_fn_kwargs": topk, "architecture": "jumprelu"}),
            "topk of the architecture jumprelu",
        ),
        (
            json!({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 8, "postact_fn": "identity"}}),
            "postact_fn",
        ),
        (json!({"is_transcoder": true}), "`is_transcoder` true"),
    ] {
        let (_root, folder) = old_with(&more);
        let said = read(&folder).unwrap_err().to_string();
        assert!(said.contains(want) && said.contains("cfg.json"), "{said}");
    }
    // What they usually say computes what the architecture says.
    for more in [
        json!({"activation_fn_str": "relu", "activation_fn_kwargs": {}, "finetuning_scaling_factor": false}),
        json!({"activation_fn_str": null, "finetuning_scaling_factor": true}),
        json!({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 8, "postact_fn": null}}),
    ] {
        let (_root, folder) = old_with(&more);
        read(&folder).unwrap();
    }
}

#[test]
fn decoders_that_were_finetuned_are_refused_by_name_unless_they_were_not_moved() {
    for (name, scale, taken) in [
        ("finetuning_scaling_factor", 1.5_f32, false),
        ("finetuning_scaling_factor", 1.0, true),
        ("scaling_factor", 0.5, false),
        ("scaling_factor", 1.0, true),
    ] {
        let (_root, folder) = old_with(&json!({"finetuning_scaling_factor": true}));
        let path = folder.join(WEIGHTS);
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let scales: Vec<u8> = [scale; 128].iter().flat_map(|s| s.to_le_bytes()).collect();
        let dtype = safetensors::Dtype::F32;
        let more = safetensors::tensor::TensorView::new(dtype, vec![128], &scales).unwrap();
        let all = file.tensors().into_iter().chain([(name.to_owned(), more)]);
        let written = safetensors::serialize(all, None).unwrap();
        drop(file);
        std::fs::write(&path, written).unwrap();
        let said = read(&folder);
        assert_eq!(said.is_ok(), taken, "{name} {scale}");
        if let Err(said) = said {
            assert!(said.to_string().contains(name), "{said}");
        }
    }
}

#[test]
fn a_dictionary_of_one_head_keeps_its_head() {
    let root = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| root.path().join(name));
    let mut sae = example("blocks.1.attn.hook_z");
    sae.provenance.head = Some(crate::ids::Head(3));
    write(&sae, &first, Precision::F32).unwrap();
    let (again, notes) = read(&first).unwrap();
    assert_eq!(again.provenance.head, sae.provenance.head);
    assert!(
        notes.iter().any(|note| note.contains("head 3")),
        "{notes:?}"
    );
    write(&again, &second, Precision::F32).unwrap();
    let text = |folder: &Path| std::fs::read_to_string(folder.join(CFG)).unwrap();
    assert_eq!(text(&first), text(&second));
    let cfg: Value = serde_json::from_str(&text(&first)).unwrap();
    assert_eq!(
        (
            &cfg["metadata"]["hook_head_index"],
            &cfg["reshape_activations"]
        ),
        (&json!(3), &json!("none"))
    );
    // The older form has it flat, by its older name too.
    let (_root, folder) =
        old_with(&json!({"hook_name": "blocks.1.attn.hook_z", "hook_point_head_index": 2}));
    assert_eq!(
        read(&folder).unwrap().0.provenance.head,
        Some(crate::ids::Head(2))
    );
}
