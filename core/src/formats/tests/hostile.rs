//! Files that lie, end early or are none: each one sentence that names the file and the problem.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::built::{Part, pickle, safetensors, write};
use super::golden;
use crate::formats;

/// A copy of a golden folder.
fn copied(name: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join(name);
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(golden().join(name)).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "io.safetensors" {
            std::fs::write(
                folder.join(entry.file_name()),
                std::fs::read(entry.path()).unwrap(),
            )
            .unwrap();
        }
    }
    (root, folder)
}

#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let said = match formats::open(path) {
        Ok((sae, _)) => panic!(
            "{} was read as {}",
            path.display(),
            sae.selection.describe()
        ),
        Err(refused) => refused.to_string(),
    };
    assert!(said.lines().count() == 1 && said.len() < 700, "{said}");
    for word in words {
        assert!(said.contains(word), "{said} lacks {word}");
    }
}

const FILES: [(&str, &str); 5] = [
    ("dictionary-learning-topk", "ae.pt"),
    ("gemma-scope", "params.npz"),
    ("openai-topk", "1.pt"),
    ("sae-lens-topk-rescale-layernorm", "sae_weights.safetensors"),
    ("sparsify-topk", "sae.safetensors"),
];

#[test]
fn weights_cut_off_anywhere_are_refused() {
    for (name, file) in FILES {
        let (_root, folder) = copied(name);
        let path = folder.join(file);
        let whole = std::fs::read(&path).unwrap();
        for end in [0, 1, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..end]).unwrap();
            refused(&folder, &[file]);
        }
        std::fs::write(&path, vec![0x80; 5000]).unwrap();
        refused(&folder, &[file]);
        std::fs::write(&path, vec![0; 5000]).unwrap();
        refused(&folder, &[file]);
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused_by_tensor() {
    for value in [f32::NAN, f32::INFINITY] {
        for (name, file) in [
            ("sparsify-topk", "sae.safetensors"),
            ("dictionary-learning-topk", "ae.pt"),
        ] {
            let (_root, folder) = copied(name);
            let path = folder.join(file);
            let mut bytes = std::fs::read(&path).unwrap();
            if file == "ae.pt" {
                // The checksum would speak first: PyTorch may leave it out.
                let list = bytes
                    .windows(9)
                    .rposition(|nine| nine == b"ae/data/5")
                    .unwrap()
                    - 30;
                bytes[list..list + 4].fill(0);
                let begin = bytes
                    .windows(9)
                    .position(|nine| nine == b"ae/data/5")
                    .unwrap();
                let at = (begin + 9).div_ceil(64) * 64;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            } else {
                let at = bytes.len() - 8;
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            std::fs::write(&path, bytes).unwrap();
            refused(&folder, &["tensor `", "training diverged", file]);
        }
    }
}

#[test]
fn headers_that_claim_more_than_there_is_are_refused() {
    let (_root, folder) = copied("sparsify-topk");
    let path = folder.join("sae.safetensors");
    for length in [1_u64 << 62, u64::MAX, 100_000_000] {
        let mut bytes = std::fs::read(golden().join("sparsify-topk/sae.safetensors")).unwrap();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        refused(&folder, &["sae.safetensors", &length.to_string()]);
    }
    let twice = r#"{"b_dec":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b_dec":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let bytes = [
        &(twice.len() as u64).to_le_bytes()[..],
        twice.as_bytes(),
        &[0; 8],
    ]
    .concat();
    std::fs::write(&path, bytes).unwrap();
    refused(&folder, &["`b_dec` is listed twice"]);
}

#[test]
fn configurations_of_another_dictionary_are_refused() {
    for (name, file, key, value, want) in [
        (
            "sparsify-topk",
            "cfg.json",
            "d_in",
            json!(33),
            "`d_in` is 33, but by the weights it is 32",
        ),
        (
            "sparsify-topk",
            "cfg.json",
            "num_latents",
            json!(64),
            "`num_latents` is 64",
        ),
        (
            "sparsify-topk",
            "cfg.json",
            "num_latents",
            json!(0),
            "`expansion_factor` 32 it has 1024",
        ),
        ("sparsify-topk", "cfg.json", "k", json!(129), "`k` is 129"),
        (
            "sparsify-topk",
            "cfg.json",
            "k",
            json!(-1),
            "`k` is not a positive",
        ),
        (
            "sparsify-topk",
            "cfg.json",
            "activation",
            json!("softmax"),
            "`activation` softmax",
        ),
        (
            "sparsify-topk",
            "cfg.json",
            "signed",
            json!(true),
            "`signed`",
        ),
        (
            "sparsify-topk",
            "cfg.json",
            "skip_connection",
            json!(true),
            "W_skip is missing from ",
        ),
        (
            "sae-lens-topk-rescale-layernorm",
            "cfg.json",
            "d_in",
            json!(1_u64 << 62),
            "`W_dec` is [128, 32]",
        ),
    ] {
        let (_root, folder) = copied(name);
        let path = folder.join(file);
        let mut cfg: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        cfg[key] = value;
        std::fs::write(&path, cfg.to_string()).unwrap();
        refused(&folder, &[want, name]);
    }
}

#[test]
fn runs_of_another_dictionary_and_no_json_are_refused() {
    for (key, value, want) in [
        (
            "activation_dim",
            json!(33),
            "`activation_dim` is 33, but by the weights it is 32",
        ),
        ("dict_size", json!(64), "`dict_size` is 64"),
        ("k", json!(9), "`k` is 9, but by the weights it is 8"),
        ("dict_class", json!("CrossCoder"), "`dict_class` CrossCoder"),
        ("dict_class", json!("AutoEncoder"), "bias is missing from "),
    ] {
        let (_root, folder) = copied("dictionary-learning-topk");
        let path = folder.join("config.json");
        let mut cfg: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        cfg["trainer"][key] = value;
        std::fs::write(&path, cfg.to_string()).unwrap();
        refused(&folder, &[want]);
    }
    let (_root, folder) = copied("sparsify-topk");
    for text in ["", "[", "[]", "null", &"[".repeat(100_000)] {
        std::fs::write(folder.join("cfg.json"), text).unwrap();
        refused(&folder, &["JSON", "cfg.json"]);
    }
    std::fs::write(folder.join("cfg.json"), [0xff; 10]).unwrap();
    refused(&folder, &["cfg.json"]);
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_refused_and_those_of_the_hub_are_not() {
    let (root, folder) = copied("sparsify-topk");
    let outside = root.path().join("elsewhere.safetensors");
    std::fs::rename(folder.join("sae.safetensors"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, folder.join("sae.safetensors")).unwrap();
    refused(&folder, &["link to a file outside", "sae.safetensors"]);
    std::fs::remove_file(folder.join("sae.safetensors")).unwrap();
    std::fs::create_dir(folder.join("sae.safetensors")).unwrap();
    refused(&folder, &["no dictionary here"]);
    // A pipe would be waited for.
    std::fs::remove_dir(folder.join("sae.safetensors")).unwrap();
    let pipe = folder.join("sae.safetensors");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|made| made.success()) {
        refused(&pipe, &["not a regular file"]);
        refused(&folder, &["sparsify-topk"]);
    }
    let shelf = root.path().join("models--a--b");
    let (blobs, snapshot) = (shelf.join("blobs"), shelf.join("snapshots/1/layers.1"));
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::create_dir_all(&snapshot).unwrap();
    for file in ["cfg.json", "sae.safetensors"] {
        std::fs::write(
            blobs.join(file),
            std::fs::read(golden().join("sparsify-topk").join(file)).unwrap(),
        )
        .unwrap();
        std::os::unix::fs::symlink(blobs.join(file), snapshot.join(file)).unwrap();
    }
    let (sae, _) = formats::open(&snapshot).unwrap();
    assert_eq!(
        sae.provenance.hook.unwrap().to_string(),
        "blocks.1.hook_resid_post"
    );
}

#[test]
fn what_is_no_dictionary_or_several_is_said() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    refused(&folder.join("nowhere"), &["no such dictionary"]);
    refused(folder, &["no dictionary here"]);
    for layer in 0..20 {
        let name = format!("set/layers.{layer}/sae.safetensors");
        write(&folder.join(name), b"");
    }
    refused(
        &folder.join("set"),
        &["in 20 folders, name one of them: layers.0, layers.1, layers.10"],
    );
    let part = Part::drawn(1, &[2, 2]);
    for layer in 0..20 {
        safetensors(
            &folder.join(format!("layer_{layer}.safetensors")),
            &[("W_enc", &part)],
        );
    }
    refused(
        folder,
        &[
            "holds 20 dictionaries",
            "layer_0.safetensors",
            "and 12 more",
        ],
    );
    refused(
        &folder.join("layer_0.safetensors"),
        &["W_enc", "no supported dictionary"],
    );
    let cross = folder.join("clt");
    safetensors(&cross.join("W_enc_0.safetensors"), &[("W_enc_0", &part)]);
    safetensors(&cross.join("W_dec_0.safetensors"), &[("W_dec_0", &part)]);
    refused(
        &cross,
        &["cross-layer transcoder of 1 layer", "W_enc_0.safetensors"],
    );
    refused(
        &cross.join("W_enc_0.safetensors"),
        &["`W_dec_0`", "where a decoder"],
    );
    let temporal = folder.join("temporal");
    safetensors(&temporal.join("latest_ckpt.safetensors"), &[("D", &part)]);
    write(&temporal.join("conf.yaml"), "sae:\n  n_heads: 8\n");
    refused(&temporal, &["has no `llm`", "conf.yaml"]);
    let alone = folder.join("alone");
    safetensors(&alone.join("sae_weights.safetensors"), &[("W_enc", &part)]);
    refused(&alone, &["no cfg.json beside it"]);
    let model = folder.join("model.pt");
    write(&model, pickle(&[("wte.weight", &part)]).file());
    refused(&model, &["wte.weight", "no supported dictionary"]);
    write(
        &folder.join("evil.pt"),
        crate::tensor_file::zip_tests::archive(&[(
            "x/data.pkl",
            b"\x80\x02cos\nsystem\n(X\x02\x00\x00\x00lstR.",
            false,
        )]),
    );
    refused(&folder.join("evil.pt"), &["`os.system`", "evil.pt"]);
    let small = folder.join("small/params.npz");
    write(
        &small,
        crate::tensor_file::zip_tests::archive(&[("W_enc.npy", b"no array", false)]),
    );
    refused(&small, &["array `W_enc`", "params.npz"]);
}
