//! Indexes of several dictionaries, of some rows, merged, and resumed, through the built program.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use umbra_tests::at;

use super::umbra;

/// Runs `umbra index build` on the demo.
fn build(folder: &Path, more: &[&str]) -> Value {
    let (model, text) = (
        at("assets/demo/model"),
        at("assets/demo/text/held-out/alice.txt"),
    );
    let on = ["index", "build", "--model", &model, "--corpus", &text];
    umbra(folder, &[&on[..], more, &["--json"]].concat())
        .done()
        .json()
}

#[test]
fn a_build_names_the_files_that_it_reads_and_replaces_no_index_unasked() {
    let here = tempfile::tempdir().unwrap();
    let (model, text) = (at("assets/demo/model"), at("assets/demo/text/held-out"));
    let sae = at("assets/demo/saes/resid-2");
    let on = ["index", "build", "--model", &model, "--corpus", &text];
    let of = ["--sae", &sae, "--tokens", "1000", "--out", "i.sqlite"];
    let build = |more: &[&str]| umbra(here.path(), &[&on[..], &of, more].concat());
    let built = build(&["--dfa"]).done();
    for words in [
        "The limit keeps the first rows of the text",
        "nothing of ",
        "--dfa records nothing for resid-2",
    ] {
        assert!(built.err.contains(words), "{words}: {}", built.err);
    }
    let bytes = || std::fs::read(here.path().join("i.sqlite")).unwrap();
    let first = bytes();
    build(&["--seed", "7"]).refused(&["i.sqlite", "--overwrite"]);
    assert!(bytes() == first);
    build(&["--seed", "7", "--overwrite"]).done();
    assert!(bytes() != first);
    // Two dictionaries on one device: it is named once.
    let other = at("assets/demo/saes/attn-0");
    let of = ["--sae", &sae, "--sae", &other, "--tokens", "300"];
    let both = umbra(here.path(), &[&on[..], &of, &["--out", "both"]].concat()).done();
    assert_eq!(both.err.matches("Computing on").count(), 1, "{}", both.err);
}

fn show(folder: &Path, index: &str, feature: &str) -> Value {
    umbra(
        folder,
        &["index", "show", index, "--feature", feature, "--json"],
    )
    .done()
    .json()
}

#[test]
fn two_dictionaries_take_one_pass_and_a_file_each() {
    let here = tempfile::tempdir().unwrap();
    let [first, second] =
        ["attn-0", "ladder-256"].map(|name| at(&format!("assets/demo/saes/{name}")));
    let both = ["--sae", &first, "--sae", &second];
    let more = ["--tokens", "2000", "--effects", "--out", "both"];
    let built = build(here.path(), &[&both[..], &more].concat());
    let indexes = built["indexes"].as_array().unwrap();
    assert_eq!(indexes.len(), 2, "{built}");
    let total: f64 = built["seconds"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_f64)
        .sum();
    assert!(total > 0.0, "{built}");
    for (name, sae) in [("attn-0", &first), ("ladder-256", &second)] {
        let more = [
            "--sae",
            sae,
            "--tokens",
            "2000",
            "--effects",
            "--out",
            "one",
            "--overwrite",
        ];
        build(here.path(), &more);
        let together = std::fs::read(here.path().join(format!("both/{name}.sqlite"))).unwrap();
        assert!(together == std::fs::read(here.path().join("one")).unwrap());
    }
    let has_effect = |feature: &String| {
        let feature = show(here.path(), "both/ladder-256.sqlite", feature);
        let effects = feature["examples"].as_array().unwrap().iter();
        let mut effects = effects.filter_map(|example| example["loss_effect"].as_f64());
        effects.any(|effect| effect.abs() > 1e-3)
    };
    let active = (0..20).map(|feature| feature.to_string()).find(has_effect);
    let active = active.expect("some feature changes the loss");
    let args = [
        "index",
        "show",
        "both/ladder-256.sqlite",
        "--feature",
        &active,
    ];
    let said = umbra(here.path(), &args).done().out;
    assert!(said.contains("Δloss"), "{said}");
    let (model, text) = (at("assets/demo/model"), at("assets/demo/text/held-out"));
    let on = ["index", "build", "--model", &model, "--corpus", &text];
    let refused = |more: &[&str]| umbra(here.path(), &[&on[..], &both, more].concat());
    refused(&["--out", "a", "--out", "b", "--out", "c"]).refused(&["3 files", "2 dictionaries"]);
    refused(&["--hook", "blocks.0.attn.hook_z", "--out", "a"]).refused(&["--hook"]);
}

#[test]
fn indexes_of_rows_merge_to_the_index_of_all() {
    let here = tempfile::tempdir().unwrap();
    let sae = at("assets/demo/saes/attn-0");
    let of = ["--sae", &sae, "--context", "64", "--tokens", "4000"];
    let part = |more: &[&str]| build(here.path(), &[&of[..], more].concat());
    let whole = part(&["--out", "whole"]);
    let first = part(&["--rows", "0..20", "--out", "first"]);
    let rows = whole["rows"][0][1].as_u64().unwrap();
    assert_eq!(first["rows"], serde_json::json!([[0, 20]]));
    part(&["--rows", &format!("20..{rows}"), "--out", "second"]);
    let merge = [
        "index", "merge", "second", "first", "--out", "merged", "--json",
    ];
    let merged = umbra(here.path(), &merge).done().json();
    for key in ["tokens", "left_out", "corpus", "never_active", "rows"] {
        assert_eq!(merged[key], whole[key], "{key}");
    }
    for feature in ["0", "17", "200"] {
        let [a, b] = ["merged", "whole"].map(|index| show(here.path(), index, feature));
        for key in [
            "density",
            "min",
            "max",
            "histogram",
            "examples",
            "intervals",
        ] {
            assert_eq!(a[key], b[key], "{feature} {key}");
        }
        let [a, b] = [&a, &b].map(|of| of["mean"].as_f64().unwrap());
        assert!((a - b).abs() <= 1e-9 * b, "{a} {b}");
    }
    let twice = ["index", "merge", "first", "whole", "--out", "merged"];
    umbra(here.path(), &twice).refused(&["merged", "--overwrite"]);
    let twice = [&twice[..], &["--overwrite"]].concat();
    umbra(here.path(), &twice).refused(&["rows 0..20", "alice.txt"]);
    let wrong = ["index", "merge", "first", "--out", "merged"];
    assert_eq!(umbra(here.path(), &wrong).code, 2);
    let more = ["--rows", "5..5", "--out", "none"];
    let model = at("assets/demo/model");
    let args = ["index", "build", "--model", &model, "--corpus", "x"];
    let run = umbra(here.path(), &[&args[..], &of, &more].concat());
    assert!(run.code == 2 && run.err.contains("A..B"), "{run:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_build_resumes_to_the_same_file() {
    let here = tempfile::tempdir().unwrap();
    let (model, text) = (at("assets/demo/model"), at("assets/demo/text/held-out"));
    let sae = at("assets/demo/saes/attn-1");
    let args = [
        "index", "build", "--model", &model, "--corpus", &text, "--sae", &sae, "--device", "cpu",
        "--tokens", "60000", "--json", "--out",
    ];
    let whole = [&args[..], &["whole"]].concat();
    let whole = umbra(here.path(), &whole).done().json();
    assert_eq!(whole["resumed_rows"], 0);
    let args = [&args[..], &["index"]].concat();
    let mut child = Command::new(env!("CARGO_BIN_EXE_umbra-under-test"))
        .args(&args)
        .current_dir(here.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130));
    assert!(!here.path().join("index").exists());
    let resumed = umbra(here.path(), &args).done().json();
    assert_eq!(resumed["tokens"], whole["tokens"]);
    let bytes = |name: &str| std::fs::read(here.path().join(name)).unwrap();
    assert!(bytes("index") == bytes("whole"));
    assert!(!here.path().join("index.checkpoint").exists());
}
