//! Dictionaries of other libraries through the built program: encoded, converted, verified, exported, and hostile ones refused.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use umbra_tests::{at, demo_model, golden, largest_difference, names, tensors};

use crate::{has_keys, umbra};

/// Codes and reconstructions of `sae`, encoded in `folder` from the inputs beside the golden files `from`.
#[track_caller]
fn encoded(folder: &Path, sae: &str, from: &str, out: &str) -> Value {
    let acts = format!("{from}/io.safetensors");
    let args = [
        "sae", "encode", "--sae", sae, "--acts", &acts, "--key", "x", "--out", out, "--json",
    ];
    umbra(folder, &args).done().json()
}

/// Largest difference over the largest entry.
fn off(a: &Path, b: &Path, tensor: &str) -> f32 {
    let (a, b) = (tensors(a), tensors(b));
    let largest = b[tensor]
        .abs()
        .unwrap()
        .flatten_all()
        .unwrap()
        .max(0)
        .unwrap();
    largest_difference(&a[tensor], &b[tensor]) / largest.to_scalar::<f32>().unwrap()
}

/// Checks that codes and reconstructions in `out.safetensors` of `folder` equal those beside the golden files `from`.
#[track_caller]
fn as_recorded(folder: &Path, from: &str) {
    for tensor in ["codes", "recon"] {
        let ours = folder.join("out.safetensors");
        let off = off(&ours, format!("{from}/io.safetensors").as_ref(), tensor);
        assert!(off < 1e-5, "{from} {tensor}: {off}");
    }
}

#[test]
fn every_librarys_files_are_encoded_as_the_library_did() {
    let folder = tempfile::tempdir().unwrap();
    let root = golden("sae-files");
    let all = names(root.as_ref());
    assert!(all.len() > 5, "{all:?}");
    for name in all {
        let from = format!("{root}/{name}");
        let answer = encoded(folder.path(), &from, &from, "out.safetensors");
        has_keys(&answer, "out codes recon l0 selection");
        as_recorded(folder.path(), &from);
        let info = umbra(folder.path(), &["sae", "info", &from, "--json"])
            .done()
            .json();
        has_keys(
            &info,
            "format weights bytes features width memory_bytes tensors",
        );
        assert_eq!(info["features"], answer["codes"][1], "{name}");
    }
}

#[test]
fn cross_layer_transcoders_are_encoded_measured_and_converted_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = golden("circuit-tracer");
    for name in [
        "across-relu",
        "across-jump-relu",
        "gemma-scope-2-tiny-pt/clt",
    ] {
        let from = format!("{root}/{name}");
        let answer = encoded(folder.path(), &from, &from, "out.safetensors");
        assert_eq!(answer["codes"], json!([3, 12, 20]));
        as_recorded(folder.path(), &from);
        let info = umbra(folder.path(), &["sae", "info", &from, "--json"])
            .done()
            .json();
        assert_eq!(
            (&info["layers"], &info["features"]),
            (&json!(3), &json!(20))
        );
        let verified = umbra(folder.path(), &["sae", "verify", &from, "--json"])
            .done()
            .json();
        assert_eq!(verified["layers"], json!(3));
        umbra(folder.path(), &["sae", "compare", &from, &from]).refused(&["3 layers", "name one"]);
        umbra(
            folder.path(),
            &[
                "sae",
                "encode",
                "--sae",
                &from,
                "--acts",
                &format!("{from}/io.safetensors"),
                "--key",
                "codes",
                "--out",
                "no",
            ],
        )
        .refused(&["`codes`", "rows of 8"]);
    }
    // One layer of it, by its own file: what it adds to its own and to the next.
    let one = format!("{root}/across-relu/W_enc_1.safetensors");
    let answer = encoded(
        folder.path(),
        &one,
        &format!("{root}/across-relu"),
        "one.safetensors",
    );
    assert_eq!(answer["recon"], json!([36, 16]));
    let (from, out) = (format!("{root}/across-jump-relu"), "converted");
    let convert = ["sae", "convert", &from, out, "--to", "circuit-tracer"];
    umbra(folder.path(), &convert).done();
    encoded(folder.path(), out, &from, "out.safetensors");
    let ours = folder.path().join("out.safetensors");
    assert!(off(&ours, format!("{from}/io.safetensors").as_ref(), "recon") < 1e-5);
}

#[test]
fn a_converted_dictionary_gives_equal_outputs() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("sae-files/sparsify-topk", "sae-lens"),
        ("sae-files/sparsify-topk", "dictionary-learning"),
        ("sae-files/dictionary-learning-topk", "sparsify"),
        ("sae-files/dictionary-learning-relu", "sae-lens"),
        ("sae-files/gemma-scope", "sae-lens"),
        ("sae-files/gemma-scope", "dictionary-learning"),
        ("sae-files/openai-topk", "sae-lens"),
        ("sae-lens-variants/gated", "dictionary-learning"),
        ("sae-lens-variants/jumprelu", "dictionary-learning"),
        ("sae-files/sae-lens-topk-rescale-layernorm", "sae-lens"),
    ] {
        let from_folder = golden(from);
        let out = format!("{}-{to}", from.replace('/', "-"));
        umbra(
            folder.path(),
            &["sae", "convert", &from_folder, &out, "--to", to],
        )
        .done();
        encoded(folder.path(), &out, &from_folder, "out.safetensors");
        let ours = folder.path().join("out.safetensors");
        let theirs = format!("{from_folder}/io.safetensors");
        let off = off(&ours, theirs.as_ref(), "recon");
        assert!(off < 1e-5, "{from} as {to}: {off}");
    }
    let relu = format!("{}/dictionary-learning-relu", golden("sae-files"));
    umbra(
        folder.path(),
        &["sae", "convert", &relu, "no", "--to", "sparsify"],
    )
    .refused(&["by ReLU", "sparsify"]);
    assert!(!folder.path().join("no").exists());
    let args = [
        "sae", "convert", &relu, "folded", "--to", "sae-lens", "--fold", "scale=4", "--unfold",
        "scale=4",
    ];
    umbra(folder.path(), &args).done();
    encoded(folder.path(), "folded", &relu, "out.safetensors");
    let ours = folder.path().join("out.safetensors");
    assert!(off(&ours, format!("{relu}/io.safetensors").as_ref(), "codes") < 1e-5);
}

#[test]
fn claims_are_held_beside_what_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let sae = at("assets/demo/saes/resid-2");
    let (model, text) = (at("assets/demo/model"), at("assets/demo/text/held-out"));
    let verify = |sae: &str| {
        umbra(
            folder.path(),
            &[
                "sae", "verify", sae, "--model", &model, "--corpus", &text, "--tokens", "4000",
                "--json",
            ],
        )
    };
    let answer = verify(&sae).done().json();
    has_keys(
        &answer,
        "format reproduced decided selection claims verdict measured",
    );
    assert_eq!(
        (&answer["verdict"], &answer["format"]),
        (&json!("agrees"), &json!("SAELens"))
    );
    assert!(answer["measured"]["l0"].as_f64().unwrap() <= 32.0);
    // Without a model nothing is measured.
    let alone = umbra(folder.path(), &["sae", "verify", &sae, "--json"])
        .done()
        .json();
    assert_eq!(alone["verdict"], "cannot tell");
    assert_eq!(alone["measured"], Value::Null);
    // A file that claims another L0.
    let lies = folder.path().join("lies");
    fs::create_dir(&lies).unwrap();
    let weights = "sae_weights.safetensors";
    fs::copy(Path::new(&sae).join(weights), lies.join(weights)).unwrap();
    let cfg = fs::read_to_string(Path::new(&sae).join("cfg.json")).unwrap();
    let mut cfg: Value = serde_json::from_str(&cfg).unwrap();
    cfg["metadata"]["l0"] = json!(64.0);
    fs::write(lies.join("cfg.json"), cfg.to_string()).unwrap();
    let run = verify(&lies.to_string_lossy());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("L0 is 64 by metadata l0"), "{run:?}");
    let object: Value = serde_json::from_str(run.out.trim()).unwrap();
    assert_eq!(object["verdict"], "differs");
}

/// Its last hundred steps are more than the whole run: their mean is of a dictionary that was still far from what is saved.
#[test]
fn a_fresh_dictionary_does_not_differ_from_what_its_files_say() {
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (at("assets/demo/model"), at("assets/demo/text/held-out"));
    let mut train = vec![
        "train", "--model", &model, "--corpus", &text, "--out", "sae",
    ];
    train.extend(["--hook", "blocks.0.attn.hook_z", "--variant", "batch-topk"]);
    train.extend([
        "--features",
        "128",
        "--k",
        "8",
        "--batch",
        "128",
        "--tokens",
        "4k",
    ]);
    umbra(folder.path(), &train).done();
    let mut verify = vec!["--json", "sae", "verify", "sae", "--model", &model];
    verify.extend(["--corpus", &text, "--tokens", "4_000"]);
    let answer = umbra(folder.path(), &verify).done().json();
    assert_eq!(answer["verdict"], "cannot tell");
    assert_eq!(answer["claims"], json!([]));
    let told = answer["while_trained"].as_str().unwrap();
    assert!(
        told.contains("mean of the last 32 steps on held-out"),
        "{told}"
    );
    // What would have been claimed is not what is measured.
    let cfg = fs::read_to_string(folder.path().join("sae/cfg.json")).unwrap();
    let cfg: Value = serde_json::from_str(&cfg).unwrap();
    let seen = cfg["metadata"]["training_figures"]["fvu"].as_f64().unwrap();
    let measured = answer["measured"]["fvu"].as_f64().unwrap();
    assert!((seen - measured).abs() > 0.02, "{seen} {measured}");
}

#[test]
fn an_index_is_written_for_other_viewers() {
    let folder = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/attn-0.sqlite");
    let export = |to: &str, out: &str| {
        let args = [
            "index", "export", &index, "--to", to, "--out", out, "--json",
        ];
        umbra(folder.path(), &args).done().json()
    };
    let answer = export("neuronpedia", "np");
    has_keys(
        &answer,
        "out files features never_active model_id layer set",
    );
    let batch = fs::read_to_string(folder.path().join("np/batch-0.json")).unwrap();
    let batch: Value = serde_json::from_str(&batch).unwrap();
    assert_eq!(batch["features"].as_array().unwrap().len(), 128);
    let skipped = fs::read_to_string(folder.path().join("np/skipped_indexes.json")).unwrap();
    let skipped: Value = serde_json::from_str(&skipped).unwrap();
    let dead = skipped["skipped_indexes"].as_array().unwrap().len();
    assert_eq!(json!(dead), answer["never_active"]);
    let answer = export("circuit-tracer", "ct");
    let files = names(&folder.path().join("ct"));
    assert_eq!(json!(files.len()), answer["features"]);
}

#[test]
fn a_dictionary_of_one_head_takes_its_slice_of_what_is_captured() {
    let folder = tempfile::tempdir().unwrap();
    let (root, hook, model) = (folder.path(), "blocks.1.attn.hook_z", demo_model());
    fs::create_dir(root.join("head")).unwrap();
    let cfg = json!({
        "architecture": "standard", "d_in": 32, "d_sae": 2, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": true,
        "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {"sae_lens_version": "6.54.12", "hook_name": hook, "hook_head_index": 3, "model_name": "model"},
    });
    fs::write(root.join("head/cfg.json"), cfg.to_string()).unwrap();
    // The first feature reads the head's first number, the second its last, negated.
    let mut w_enc = vec![0.0_f32; 64];
    (w_enc[0], w_enc[63]) = (1.0, -1.0);
    let cpu = candle_core::Device::Cpu;
    let tensor = |values: Vec<f32>, shape: &[usize]| {
        candle_core::Tensor::from_vec(values, shape, &cpu).unwrap()
    };
    let weights = [
        ("W_enc", tensor(w_enc, &[32, 2])),
        ("b_enc", tensor(vec![0.0; 2], &[2])),
        ("W_dec", tensor(vec![0.5; 64], &[2, 32])),
        ("b_dec", tensor(vec![0.0; 32], &[32])),
    ];
    let weights = weights.map(|(name, of)| (name.to_owned(), of)).into();
    candle_core::safetensors::save(&weights, root.join("head/sae_weights.safetensors")).unwrap();
    let text = "The king said to the fox";
    let capture = [
        "capture", "--model", &model, "--text", text, "--hook", hook, "--out", "z",
    ];
    umbra(root, &capture).done();
    let encode = [
        "sae", "encode", "--sae", "head", "--acts", "z", "--key", hook, "--out", "codes",
    ];
    umbra(root, &encode).done();
    let numbers = |file: &str, name: &str| {
        let all = tensors(root.join(file));
        all[name].flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let (z, codes) = (numbers("z", hook), numbers("codes", "codes"));
    assert!(z.len() / 256 > 4 && codes.len() / 2 == z.len() / 256);
    for (z, codes) in z.chunks(256).zip(codes.chunks(2)) {
        let want = [z[3 * 32].max(0.0), (-z[3 * 32 + 31]).max(0.0)];
        assert_eq!(codes, want);
    }
    let on = ["--model", &model, "--sae", "head"];
    let read = [&["prompt", "--text", text, "--json"], on.as_slice()].concat();
    let read = umbra(root, &read).done().json();
    for (token, codes) in read["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .zip(codes.chunks(2))
    {
        for feature in token["features"].as_array().unwrap() {
            let which = feature["feature"].as_u64().unwrap();
            let got = feature["activation"].as_f64().unwrap();
            assert!(
                (got - f64::from(codes[which as usize])).abs() < 1e-4,
                "{token}"
            );
        }
    }
    umbra(root, &[&["heads", "show"], on.as_slice()].concat()).refused(&["reads only head 3"]);
}
