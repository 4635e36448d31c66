//! Failing commands: one sentence that names the cause, exit code 1 and nothing half-written; exit code 2 for wrong usage.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use umbra_tests::{at, demo_model, golden, names};

use crate::journey::trained;
use crate::umbra;

/// A folder with a copy of the tiny model (`model`) and some texts.
fn room() -> TempDir {
    let room = tempfile::tempdir().unwrap();
    copy(golden("tiny-gpt2").as_ref(), &room.path().join("model"));
    fs::create_dir(room.path().join("nothing")).unwrap();
    fs::write(room.path().join("empty.txt"), "").unwrap();
    fs::write(room.path().join("latin.txt"), b"caf\xe9 ".repeat(400)).unwrap();
    fs::write(
        room.path().join("broken.jsonl"),
        "{\"sentence\": \"one\"}\n{\"words\": 2}\n",
    )
    .unwrap();
    fs::write(room.path().join("short.txt"), "a word").unwrap();
    fs::write(room.path().join("file"), "a file, no folder").unwrap();
    room
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// Cuts the end off a file.
fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() * 2 / 3]).unwrap();
}

/// Runs `args` in `room`, expects a refusal that says `words`, and that nothing new lies there.
#[track_caller]
fn refused(room: &TempDir, args: &[&str], words: &[&str]) {
    let before = names(room.path());
    umbra(room.path(), args).refused(words);
    assert_eq!(names(room.path()), before, "{args:?} left something");
}

fn training<'a>(model: &'a str, corpus: &'a str, hook: &'a str, out: &'a str) -> Vec<&'a str> {
    let args = [
        "train",
        "--model",
        model,
        "--corpus",
        corpus,
        "--hook",
        hook,
        "--features",
        "64",
        "--k",
        "4",
    ];
    [args.as_slice(), &["--tokens", "2000", "--out", out]].concat()
}

const HOOK: &str = "blocks.1.hook_resid_post";

#[test]
fn a_model_that_is_none_is_refused() {
    let room = room();
    for (model, words) in [
        ("nothing", "config.json"),
        ("nowhere", "nowhere"),
        ("short.txt", "short.txt"),
    ] {
        refused(&room, &["model", "info", "--model", model], &[words]);
        refused(&room, &training(model, "short.txt", HOOK, "sae"), &[words]);
    }
    truncate(&room.path().join("model/model.safetensors"));
    refused(
        &room,
        &["model", "info", "--model", "model"],
        &["model.safetensors"],
    );
}

#[test]
fn a_dictionary_that_is_none_is_refused() {
    let room = room();
    let model = demo_model();
    let prompt = |sae: &str, words: &[&str]| {
        refused(
            &room,
            &[
                "prompt", "--model", &model, "--sae", sae, "--text", "The fox",
            ],
            words,
        );
    };
    prompt("nothing", &["nothing"]);
    prompt("nowhere", &["nowhere"]);
    copy(trained().sae().as_ref(), &room.path().join("sae"));
    prompt("sae-lens", &["sae-lens"]);
    truncate(&room.path().join("sae/sae_weights.safetensors"));
    prompt("sae", &["sae_weights.safetensors"]);
    fs::remove_file(room.path().join("sae/sae_weights.safetensors")).unwrap();
    prompt("sae", &["sae_weights.safetensors"]);
}

#[test]
fn a_dictionary_of_another_model_is_refused_with_both_widths() {
    let room = room();
    let sae = trained().sae();
    let args = [
        "prompt", "--model", "model", "--sae", &sae, "--text", "The fox",
    ];
    refused(&room, &args, &["256", "32"]);
}

#[test]
fn a_hook_that_does_not_exist_is_refused_with_those_that_do() {
    let room = room();
    let corpus = at("assets/demo/text/held-out/alice.txt");
    for (hook, words) in [
        ("blocks.9.hook_resid_post", "blocks.0 to blocks.2"),
        ("blocks.1.hook_nothing", "hook_resid_post"),
    ] {
        refused(
            &room,
            &training("model", &corpus, hook, "sae"),
            &[hook, words],
        );
        let args = [
            "capture",
            "--model",
            "model",
            "--text",
            "The fox",
            "--hook",
            hook,
            "--out",
            "o.safetensors",
        ];
        refused(&room, &args, &[hook, words]);
    }
    let pattern = training("model", &corpus, "blocks.1.attn.hook_pattern", "sae");
    refused(&room, &pattern, &["hook_pattern"]);
}

#[test]
fn a_corpus_that_is_none_is_refused() {
    let room = room();
    for (corpus, words) in [
        ("empty.txt", "empty.txt"),
        ("nothing", "nothing"),
        ("nowhere", "nowhere"),
        ("latin.txt", "UTF-8"),
        ("broken.jsonl", "broken.jsonl"),
        ("short.txt", "row"),
    ] {
        refused(&room, &training("model", corpus, HOOK, "sae"), &[words]);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    let room = room();
    let corpus = at("assets/demo/text/held-out/alice.txt");
    refused(
        &room,
        &training("model", &corpus, HOOK, "file/sae"),
        &["file"],
    );
    let args = [
        "model",
        "logits",
        "--model",
        "model",
        "--text",
        "The fox",
        "--out",
        "file/o.safetensors",
    ];
    refused(&room, &args, &["file"]);
    assert_eq!(
        fs::read_to_string(room.path().join("file")).unwrap(),
        "a file, no folder"
    );
}

#[test]
fn an_index_that_is_none_is_refused() {
    let room = room();
    for index in ["file", "nowhere", "nothing"] {
        refused(&room, &["index", "show", index, "--feature", "1"], &[index]);
        refused(
            &room,
            &["report", index, "--features", "top:3", "--out", "r.html"],
            &[index],
        );
    }
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    let room = room();
    let help = umbra(room.path(), &["--help"]).done();
    for noun in crate::tidy::nouns(&help.out) {
        umbra(room.path(), &[noun.as_str(), "--help"]).done();
        let run = umbra(room.path(), &[noun.as_str(), "--nonsense"]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{run:?}");
    }
    for args in [[].as_slice(), &["nonsense"], &["eval", "--model", "model"]] {
        assert_eq!(umbra(room.path(), args).code, 2, "{args:?}");
    }
}

/// The object that a failure leaves under `--json`: its kind and path, checked to be the only one and to say what standard error says.
#[track_caller]
fn failed(room: &TempDir, args: &[&str], code: i32) -> (String, Option<String>, String) {
    let run = umbra(room.path(), args);
    assert_eq!(run.code, code, "{run:?}");
    let object = run.json();
    assert_eq!(object.as_object().unwrap().len(), 1, "{object}");
    let error = &object["error"];
    let message = error["message"].as_str().unwrap().to_owned();
    assert_eq!(message.lines().count(), 1);
    let on_stderr = run.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(on_stderr.contains(&format!("error: {message}")), "{run:?}");
    let path = error
        .get("path")
        .map(|path| path.as_str().unwrap().to_owned());
    (error["kind"].as_str().unwrap().to_owned(), path, message)
}

#[test]
fn under_json_a_failure_is_the_only_object_and_names_its_subject_first() {
    let room = room();
    let model = room.path().join("model");
    let (kind, path, message) =
        failed(&room, &["--json", "model", "info", "--model", "nowhere"], 1);
    assert_eq!((kind.as_str(), path.as_deref()), ("input", Some("nowhere")));
    assert!(message.starts_with("nowhere "), "{message}");

    // A tensor that the configuration asks for and the file lacks.
    let config = fs::read_to_string(model.join("config.json")).unwrap();
    let deeper = config.replace("\"n_layer\": 3", "\"n_layer\": 4");
    assert_ne!(config, deeper);
    fs::write(model.join("config.json"), deeper).unwrap();
    let (kind, path, message) = failed(&room, &["model", "info", "--model", "model", "--json"], 1);
    assert_eq!(kind, "missing");
    assert!(path.unwrap().ends_with("model.safetensors"));
    assert!(message.starts_with("transformer.h.3."), "{message}");
    assert!(
        message.contains(" is missing from model/model.safetensors: "),
        "{message}"
    );

    // A file of settings that cannot be read, before there is a command line at all.
    fs::write(room.path().join("run.toml"), "k = [").unwrap();
    let (kind, path, _) = failed(&room, &["train", "--config", "run.toml", "--json"], 1);
    assert_eq!(
        (kind.as_str(), path.as_deref()),
        ("input", Some("run.toml"))
    );
    let (kind, path, message) = failed(
        &room,
        &[
            "capture", "--json", "--model", "nowhere", "--text", "x", "--hook", "h", "--out", "o",
            "--rows", "1.5",
        ],
        2,
    );
    assert_eq!((kind.as_str(), path), ("usage", None));
    assert!(
        message.contains("--rows") && message.contains("`1.5` is not a whole number"),
        "{message}"
    );
    for (args, words) in [
        (["--json", "evl"].as_slice(), "'eval'"),
        (&["sae", "verfy", "--json"], "'verify'"),
        (&["--json", "eval"], "--model"),
        (&["--json"], "requires a subcommand"),
    ] {
        let (kind, _, message) = failed(&room, args, 2);
        assert_eq!(kind, "usage");
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_run_that_diverges_saves_nothing_and_leaves_its_checkpoint() {
    let room = room();
    let corpus = at("assets/demo/text/held-out/alice.txt");
    let mut args = training("model", &corpus, HOOK, "sae");
    let tokens = args.iter().position(|arg| *arg == "--tokens").unwrap();
    args[tokens + 1] = "3k";
    let wild = [
        "--variant",
        "signed-topk",
        "--batch",
        "16",
        "--learning-rate",
        "1",
        "--normalise",
        "none",
        "--checkpoint-every",
        "50",
    ];
    args.extend(wild);
    let run = umbra(room.path(), &args);
    run.refused(&["the run diverges", "step", "learning rate", "batch"]);
    let left = names(&room.path().join("sae"));
    assert!(
        !left
            .iter()
            .any(|name| name.contains("weights") || name == "cfg.json"),
        "{left:?}"
    );
    assert!(left.iter().any(|name| name == "checkpoint"), "{left:?}");
}
