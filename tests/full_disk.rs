//! A disk that fills up while a command saves: one sentence, exit code 1, no partial output, and older files unchanged.
//!
//! The limit on file size (`ulimit -f`) simulates the full disk: the write fails midway.
#![cfg(unix)]

use std::fs;

use umbra_tests::{Run, at, golden, names};

use crate::umbra;

/// Runs `args` in `folder` with files limited to 1 KiB.
fn umbra_on_full_disk(folder: &std::path::Path, args: &[&str]) -> Run {
    // The signal that would end the program is ignored, so that the write fails as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\"";
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    umbra_tests::run("sh", folder, &[&["-c", script, program], args].concat())
}

/// Checks that `run` holds complete records and nothing else.
#[track_caller]
fn only_whole_records(run: &std::path::Path) {
    for name in fs::read_dir(run).map_or_else(|_| Vec::new(), |_| names(run)) {
        let text = fs::read_to_string(run.join(&name)).unwrap();
        let whole = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert!(text.ends_with('\n'), "{name}");
        match name.as_str() {
            "run.json" => assert!(whole(&text), "{text}"),
            "events.jsonl" => assert!(text.lines().all(whole), "{text}"),
            other => panic!("{other} is left"),
        }
    }
}

#[test]
fn nothing_is_left_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let (model, corpus) = (
        golden("tiny-gpt2"),
        at("assets/demo/text/held-out/alice.txt"),
    );
    let hook = "blocks.1.attn.hook_z";
    let train = [
        "train",
        "--model",
        &model,
        "--corpus",
        &corpus,
        "--hook",
        hook,
        "--features",
        "64",
        "--k",
        "4",
    ];
    let train = [train.as_slice(), &["--tokens", "2000", "--out", "sae"]].concat();
    let full = umbra_on_full_disk(folder.path(), &train);
    full.refused(&["sae"]);
    assert!(!full.err.contains(".umbra-"), "{full:?}");
    only_whole_records(&folder.path().join("sae"));

    umbra(folder.path(), &train).done();
    let index = [
        "index", "build", "--model", &model, "--sae", "sae", "--corpus", &corpus, "--tokens",
        "2000",
    ];
    let index = [index.as_slice(), &["--out", "i.sqlite"]].concat();
    umbra_on_full_disk(folder.path(), &index).refused(&["i.sqlite"]);
    assert_eq!(names(folder.path()), ["sae"]);

    umbra(folder.path(), &index).done();
    fs::write(folder.path().join("o.safetensors"), "older").unwrap();
    fs::write(folder.path().join("r.html"), "older").unwrap();
    let capture = [
        "capture",
        "--model",
        &model,
        "--text",
        "The old fox",
        "--hook",
        hook,
        "--out",
        "o.safetensors",
    ];
    umbra_on_full_disk(folder.path(), &capture).refused(&["o.safetensors"]);
    let report = [
        "report",
        "i.sqlite",
        "--features",
        "top:3",
        "--out",
        "r.html",
    ];
    umbra_on_full_disk(folder.path(), &report).refused(&["r.html"]);
    let probe = [
        "dark-matter",
        "fit",
        "--model",
        &model,
        "--sae",
        "sae",
        "--corpus",
        &corpus,
        "--keep",
        "p.safetensors",
    ];
    let probe = [probe.as_slice(), &["--tokens", "1000"]].concat();
    umbra_on_full_disk(folder.path(), &probe).refused(&["p.safetensors"]);
    assert_eq!(
        names(folder.path()),
        ["i.sqlite", "o.safetensors", "r.html", "sae"]
    );
    for older in ["o.safetensors", "r.html"] {
        assert_eq!(
            fs::read_to_string(folder.path().join(older)).unwrap(),
            "older"
        );
    }
}
