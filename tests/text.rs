//! Text before documents, and which files are text: every command reads them by one rule and says so with its result.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use umbra_tests::{Run, at, demo_model, golden, tensors};

use crate::umbra;

/// Ids of a result that lists its tokens.
fn ids(value: &Value) -> Vec<u64> {
    let tokens = value["tokens"].as_array().unwrap();
    tokens.iter().map(|t| t["id"].as_u64().unwrap()).collect()
}

/// A copy of the demo's dictionary whose file says whether BOS preceded every text.
fn dictionary(folder: &Path, with_bos: bool) -> String {
    let from = at("assets/demo/saes/resid-2");
    let to = folder.join(if with_bos { "with" } else { "without" });
    fs::create_dir(&to).unwrap();
    fs::copy(
        Path::new(&from).join("sae_weights.safetensors"),
        to.join("sae_weights.safetensors"),
    )
    .unwrap();
    let cfg = fs::read_to_string(Path::new(&from).join("cfg.json")).unwrap();
    let mut cfg: Value = serde_json::from_str(&cfg).unwrap();
    assert_eq!(cfg["metadata"]["prepend_bos"], true);
    cfg["metadata"]["prepend_bos"] = json!(with_bos);
    fs::write(to.join("cfg.json"), cfg.to_string()).unwrap();
    to.to_string_lossy().into_owned()
}

#[test]
fn a_text_that_begins_with_bos_gets_no_second_one_whatever_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), at("assets/demo/saes/resid-2"));
    let text = "<|endoftext|>Once upon a time";
    let run = |args: &[&str]| umbra(folder.path(), args).done();
    let prompt = [
        "--json", "prompt", "--model", &model, "--sae", &sae, "--text", text,
    ];
    let once = run(&prompt);
    assert!(once.err.contains("already"), "{once:?}");
    assert_eq!(ids(&once.json())[..1], [0]);
    assert_ne!(ids(&once.json())[1], 0);
    let both = run(&[&prompt[..], &["--keep-double-bos"]].concat());
    assert!(both.err.contains("second one"), "{both:?}");
    assert_eq!(ids(&both.json())[..2], [0, 0]);
    assert_eq!(ids(&both.json())[1..], ids(&once.json()));

    let continued = |prompt: &str, more: &[&str]| -> Value {
        let args = [
            "--json", "model", "generate", "--model", &model, "--prompt", prompt,
        ];
        let more = [&["--temperature", "0", "--tokens", "6"], more].concat();
        run(&[&args[..], &more].concat()).json()
    };
    let plain = continued("Once upon a time", &[]);
    assert_eq!(continued(text, &[])["tokens"], plain["tokens"]);
    let edit = ["--edit", "zero hook=blocks.1.attn.hook_z"];
    let steer = |prompt: &str| {
        let args = [
            "--json", "steer", "--model", &model, "--prompt", prompt, "--tokens", "6",
        ];
        let run = run(&[&args[..], &edit].concat());
        assert_eq!(run.err.contains("already"), prompt == text, "{run:?}");
        run.json()["shift"].clone()
    };
    assert_eq!(steer(text), steer("Once upon a time"));
    let capture = |text: &str| {
        let args = [
            "capture",
            "--model",
            &model,
            "--hook",
            "hook_embed",
            "--out",
            "a.st",
            "--text",
            text,
        ];
        run(&args);
        tensors(folder.path().join("a.st"))["tokens"]
            .to_vec2::<i64>()
            .unwrap()
    };
    assert_eq!(capture(text), capture("Once upon a time"));
}

#[test]
fn documents_that_begin_with_bos_are_packed_as_those_that_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let words = "the old king went to the sea and came home again ".repeat(8);
    let put = |name: &str, before: &str| {
        let line = |n: usize| json!({"text": format!("{before}{n} {words}")}).to_string() + "\n";
        let lines: String = (0..6).map(line).collect();
        fs::write(folder.path().join(name), lines).unwrap();
    };
    put("plain.jsonl", "");
    put("begun.jsonl", "<|endoftext|>");
    let rows = |file: &str, more: &[&str]| {
        let args = [
            "capture",
            "--model",
            &model,
            "--hook",
            "hook_embed",
            "--context",
            "32",
            "--out",
            "a.st",
            "--corpus",
            file,
        ];
        let run = umbra(folder.path(), &[&args[..], more].concat()).done();
        let tokens = &tensors(folder.path().join("a.st"))["tokens"];
        (run, tokens.to_vec2::<i64>().unwrap())
    };
    let (plain, want) = rows("plain.jsonl", &[]);
    assert!(!plain.err.contains("already"), "{plain:?}");
    let (begun, found) = rows("begun.jsonl", &[]);
    assert!(
        begun
            .err
            .contains("6 of 6 documents begin with BOS already"),
        "{begun:?}"
    );
    assert_eq!(found, want);
    let (_, doubled) = rows("begun.jsonl", &["--keep-double-bos"]);
    assert_eq!(doubled[0][..2], [0, 0]);
    assert_eq!(doubled[0][2..], want[0][1..31]);
}

#[test]
fn a_dictionary_s_own_rule_wins_over_the_model_s_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let (with, without) = (
        dictionary(folder.path(), true),
        dictionary(folder.path(), false),
    );
    let prompt = |sae: &str, more: &[&str]| -> Run {
        let args = [
            "--json",
            "prompt",
            "--model",
            &model,
            "--sae",
            sae,
            "--text",
            "Once upon",
        ];
        umbra(folder.path(), &[&args[..], more].concat()).done()
    };
    let usual = prompt(&with, &[]);
    assert_eq!(usual.json()["bos"], 0);
    assert!(
        usual.json()["bos_why"]
            .as_str()
            .unwrap()
            .contains("tokenizer_config.json")
    );
    let bare = prompt(&without, &[]);
    assert!(
        bare.err.contains("the dictionary was trained without it"),
        "{bare:?}"
    );
    assert_eq!(bare.json()["bos"], Value::Null);
    assert_eq!(ids(&bare.json()), ids(&usual.json())[1..]);
    let asked = prompt(&with, &["--no-bos"]);
    assert!(asked.err.contains("--no-bos overrides"), "{asked:?}");
    assert_eq!(ids(&asked.json()), ids(&bare.json()));
}

#[test]
fn every_result_says_what_precedes_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let text = ["--text", "Once upon"];
    for args in [
        &["model", "info"][..],
        &["model", "logits", "--out", "l.st", text[0], text[1]],
        &["model", "lens", text[0], text[1]],
        &["model", "attention", text[0], text[1]],
        &["model", "generate", "--prompt", "Once", "--tokens", "1"],
        &[
            "capture",
            "--hook",
            "hook_embed",
            "--out",
            "c.st",
            text[0],
            text[1],
        ],
    ] {
        let run = umbra(
            folder.path(),
            &[&["--json"], args, &["--model", &model]].concat(),
        );
        let told = run.done().json();
        assert_eq!(told["bos"], 0, "{args:?}");
        assert_eq!(told["bos_why"], "tokenizer_config.json names <|endoftext|>");
    }
}

#[test]
fn records_are_the_same_text_whatever_the_file_is_called_and_packed_in() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let words = "the old king went to the sea and came home again ".repeat(4);
    let records: Vec<Value> = (0..4)
        .map(|n| json!({"text": format!("{n} {words}"), "id": n}))
        .collect();
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    let array = Value::from(records.clone()).to_string();
    let marked = format!("\u{feff}{lines}");
    let mut files = vec![];
    for (name, content) in [
        ("x.jsonl", &lines),
        ("x.ndjson", &lines),
        ("lines.json", &lines),
        ("array.json", &array),
        ("marked.jsonl", &marked),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
        files.push(name);
    }
    let mut all = files.iter().map(|file| {
        let args = [
            "capture",
            "--model",
            &model,
            "--hook",
            "hook_embed",
            "--context",
            "32",
            "--out",
            "a.st",
            "--corpus",
            file,
        ];
        umbra(folder.path(), &args).done();
        tensors(folder.path().join("a.st"))["tokens"]
            .to_vec2::<i64>()
            .unwrap()
    });
    let first = all.next().unwrap();
    assert!(all.all(|tokens| tokens == first));
}

#[test]
fn a_folder_from_before_safetensors_and_tokenizer_json_is_opened_whole() {
    let folder = tempfile::tempdir().unwrap();
    let model = golden("torch-folders/single");
    let told = umbra(
        folder.path(),
        &["--json", "model", "info", "--model", &model],
    );
    assert!(told.err.contains("vocab.json and merges.txt"), "{told:?}");
    let told = told.done().json();
    assert_eq!(told["tokenizer_tokens"], 301);
    assert_eq!(told["bos"], 0);
    let args = [
        "model",
        "logits",
        "--model",
        &model,
        "--out",
        "l.st",
        "--text",
        "it's isn't",
    ];
    umbra(folder.path(), &args).done();
    let cases = fs::read_to_string(golden("torch-folders/ids.json")).unwrap();
    let cases: Value = serde_json::from_str(&cases).unwrap();
    let case = &cases[2];
    assert!(case["text"].as_str().unwrap().starts_with("it's isn't"));
    let tokens = tensors(folder.path().join("l.st"))["tokens"]
        .to_vec2::<i64>()
        .unwrap();
    let want: Vec<i64> = serde_json::from_value(case["ids"].clone()).unwrap();
    assert_eq!(tokens[0][1..], want[..tokens[0].len() - 1]);
}
