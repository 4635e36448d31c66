//! Records and settings files of training runs, and Parquet corpora, through the built program.

use std::fs;

use serde_json::Value;
use umbra_tests::{at, demo_model, golden};

use crate::{has_keys, umbra};

fn toml(more: &str) -> String {
    let (model, corpus) = (
        golden("tiny-gpt2"),
        at("assets/demo/text/held-out/alice.txt"),
    );
    format!(
        "model = '{model}'\ncorpus = ['{corpus}']\nhook = 'blocks.1.hook_resid_post'\nfeatures = 64\nk = 4\ntokens = 4000\nbatch = 256\ncontext = 32\n{more}"
    )
}

#[test]
fn two_runs_from_one_file_are_listed_shown_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| fs::write(folder.path().join("run.toml"), text).unwrap();
    write(&toml("seed = 5\nno_split = true\n"));
    let train = |more: &[&str]| {
        let words = ["train", "--config", "run.toml"];
        umbra(folder.path(), &[words.as_slice(), more].concat())
    };
    train(&["--out", "runs/a"]).done();
    train(&["--out", "runs/b", "--k", "7"]).done();

    let list = umbra(folder.path(), &["runs", "list", "runs", "--json"])
        .done()
        .json();
    let runs = list["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{list}");
    has_keys(
        &runs[0],
        "run status begun_unix seconds model hook variant features k tokens_seen fvu l0 dead_fraction",
    );
    assert_eq!(
        (&runs[0]["status"], &runs[0]["tokens_seen"]),
        (&"finished".into(), &4000.into())
    );

    let compared = umbra(
        folder.path(),
        &["runs", "compare", "runs/a", "runs/b", "--json"],
    );
    let compared = compared.done().json();
    let differing = compared["differing"].as_object().unwrap();
    assert_eq!(differing.keys().collect::<Vec<_>>(), ["k"], "{compared}");
    assert_eq!(differing["k"], serde_json::json!([4, 7]));
    assert!(compared["figures"]["fvu"][1].as_f64() < compared["figures"]["fvu"][0].as_f64());

    let shown = umbra(folder.path(), &["runs", "show", "runs/a"]).done();
    for word in [
        "finished",
        "mean(x)",
        "corpus_sha256",
        "all of the text",
        "CPU",
    ] {
        assert!(shown.out.contains(word), "{word}: {shown:?}");
    }
    let record = fs::read_to_string(folder.path().join("runs/a/run.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(
        (&record["settings"]["seed"], &record["settings"]["k"]),
        (&5.into(), &4.into())
    );
    has_keys(
        &record["data"],
        "corpus corpus_sha256 corpus_documents split model_fingerprint",
    );
    let events = fs::read_to_string(folder.path().join("runs/a/events.jsonl")).unwrap();
    let points: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps = points.iter().filter(|point| point["event"] == "progress");
    assert_eq!(steps.count(), 4000_usize.div_ceil(256));
    assert_eq!(points.last().unwrap()["event"], "ended");

    // A settings file holds the other flags as well, and a resumed run keeps its record.
    write(&toml("").replace("tokens = 4000", "variant = 'batch-topk'\nsteps = 6"));
    // Job scripts always pass --resume: the first run has nothing to resume.
    let first = train(&["--out", "runs/d", "--resume", "--json"]).done();
    assert!(first.err.contains("no checkpoint in runs/d"), "{first:?}");
    let answer = first.json();
    assert_eq!(answer["variant"], "batch-topk", "{answer}");
    assert_eq!(answer["tokens_seen"], 6 * 256, "{answer}");
    let shown = umbra(folder.path(), &["runs", "show", "runs/d", "--json"]);
    let settings = &shown.done().json()["runs"][0]["record"]["settings"];
    assert_eq!(settings["variant"], "batch-topk", "{settings}");
    assert!(settings.get("beta").is_none(), "{settings}");

    write(&toml("sparsity = 3\n"));
    train(&["--out", "c"]).refused(&["`sparsity`", "run.toml"]);
    write(&toml("buffer = 'many'\n"));
    train(&["--out", "c"]).refused(&["buffer", "many"]);
    umbra(folder.path(), &["runs", "list", "runs/none"]).refused(&["runs/none"]);
    assert!(!folder.path().join("c").exists());
}

#[test]
fn parquet_is_a_corpus_of_text_or_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let capture = |file: &str, more: &[&str]| {
        let file = golden(&format!("parquet/{file}"));
        let words = [
            "capture",
            "--model",
            &model,
            "--hook",
            "blocks.0.hook_resid_pre",
            "--out",
            "o.safetensors",
            "--corpus",
            &file,
            "--json",
        ];
        umbra(folder.path(), &[words.as_slice(), more].concat())
    };
    let shape =
        |run: umbra_tests::Run| run.done().json()["shapes"]["blocks.0.hook_resid_pre"].clone();
    let rows = capture("input-ids.parquet", &[]);
    assert!(rows.err.contains("each begins with BOS"), "{rows:?}");
    assert_eq!(shape(rows), serde_json::json!([6, 8, 256]));
    assert_eq!(
        shape(capture("tokens.parquet", &["--context", "4"])),
        serde_json::json!([3, 4, 256])
    );
    assert_eq!(shape(capture("text.parquet", &["--context", "8"]))[1], 8);
    assert_eq!(
        shape(capture(
            "text.parquet",
            &["--context", "4", "--text-column", "body"]
        ))[1],
        4
    );
    capture("text.parquet", &["--text-column", "story"]).refused(&[
        "`story`",
        "id, text, body",
        "text.parquet",
    ]);
    capture("null-id.parquet", &[]).refused(&["input_ids", "record 2", "null-id.parquet"]);
}

#[test]
fn several_dictionaries_out_of_one_pass_are_those_that_train_alone() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let also = [
        "out=together/wide features=96 k=6 variant=batch-topk",
        "out=together/early hook=blocks.0.hook_resid_post",
    ];
    write("run.toml", &toml("seed = 5\n"));
    let train = |more: &[&str]| {
        let words = ["train", "--config", "run.toml"];
        umbra(folder.path(), &[words.as_slice(), more].concat())
    };
    let answer = train(&[
        "--out",
        "together/first",
        "--also",
        also[0],
        "--also",
        also[1],
        "--json",
    ]);
    let answer = answer.done().json();
    let all = answer["dictionaries"].as_array().unwrap();
    assert_eq!(all.len(), 3, "{answer}");
    assert_eq!(all[1]["variant"], "batch-topk");
    train(&["--out", "alone/first"]).done();
    let wide = ["--features", "96", "--k", "6", "--variant", "batch-topk"];
    train(&[["--out", "alone/wide"].as_slice(), &wide].concat()).done();
    train(&["--out", "alone/early", "--hook", "blocks.0.hook_resid_post"]).done();
    for name in ["first", "wide", "early"] {
        let bytes = |of: &str| {
            let path = folder.path().join(of).join(name);
            fs::read(path.join("sae_weights.safetensors")).unwrap()
        };
        assert!(bytes("together") == bytes("alone"), "{name}");
    }
    let listed = umbra(folder.path(), &["runs", "list", "together", "--json"]);
    let listed = listed.done().json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 3, "{listed}");

    for (also, phrase) in [
        ("k=3", "out=DIR"),
        ("out=together/new", "two dictionaries"),
        ("out=x seed=3", "seed"),
        ("out=x nonsense=3", "nonsense"),
        ("out=x k", "KEY=VALUE"),
    ] {
        train(&["--out", "together/new", "--also", also]).refused(&[phrase]);
    }
}
