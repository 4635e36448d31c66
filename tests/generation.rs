//! Text that models write: where it ends, and that what is streamed is what `--json` says.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use umbra_tests::golden;

use crate::{has_keys, umbra};

/// Copies files of golden folders into a new one.
fn folder(parts: &[(&str, &[&str])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, names) in parts {
        for name in *names {
            let from = Path::new(&golden(from)).join(name);
            std::fs::copy(from, folder.path().join(name)).unwrap();
        }
    }
    folder
}

/// A small model with a SentencePiece vocabulary, as Llama 2 has it.
fn sentence_piece() -> TempDir {
    folder(&[
        ("tiny-llama", &["config.json", "model.safetensors"]),
        (
            "sentence-piece",
            &["tokenizer.json", "tokenizer_config.json"],
        ),
    ])
}

/// Runs `umbra model generate` and returns its `--json` answer, whose text must equal the streamed one.
#[track_caller]
fn written(model: &TempDir, more: &[&str]) -> Value {
    let path = model.path().to_string_lossy();
    let args = [
        "model", "generate", "--model", &path, "--prompt", "The king",
    ];
    let args = [args.as_slice(), more].concat();
    let streamed = umbra(model.path(), &args).done().out;
    let value = umbra(model.path(), &[args.as_slice(), &["--json"]].concat());
    let value = value.done().json();
    has_keys(&value, "tokens text finish");
    assert_eq!(streamed, format!("{}\n", value["text"].as_str().unwrap()));
    value
}

#[test]
fn a_continuation_keeps_its_first_space_and_streams_what_it_says() {
    let model = sentence_piece();
    let two = ["--tokens", "2", "--temperature", "1", "--top-k", "0"];
    assert_eq!(written(&model, &two)["text"], " ated");
    let stopped = written(&model, &[two.as_slice(), &["--stop", " at"]].concat());
    assert_eq!(
        (&stopped["text"], &stopped["finish"]),
        (&"".into(), &"stop".into())
    );
    for seed in ["1", "2", "3"] {
        let long = ["--tokens", "40", "--temperature", "1.5", "--seed", seed];
        written(&model, &long);
        written(
            &model,
            &[long.as_slice(), &["--stop", " t", "--stop", "e"]].concat(),
        );
    }
}

#[test]
fn steered_texts_keep_their_first_space() {
    let model = sentence_piece();
    let path = model.path().to_string_lossy();
    let args = ["steer", "--model", &path, "--prompt", "The king", "--json"];
    let more = ["--tokens", "2", "--temperature", "1", "--top-k", "0"];
    let edit = ["--edit", "scale by=1 hook=hook_embed"];
    let value = umbra(model.path(), &[args.as_slice(), &more, &edit].concat());
    let value = value.done().json();
    assert_eq!(value["baseline"]["text"], " ated");
    assert_eq!(value["steered"]["text"], " ated");
}

#[test]
fn a_text_ends_where_the_model_ends_it() {
    let model = folder(&[(
        "tiny-gpt2",
        &["config.json", "model.safetensors", "tokenizer.json"],
    )]);
    let greedy = ["--tokens", "8", "--temperature", "0"];
    let on = [greedy.as_slice(), &["--ignore-eos"]].concat();
    let whole = written(&model, &on);
    assert_eq!(whole["finish"], "length");
    let ids = whole["tokens"].as_array().unwrap();
    let last = ids.iter().rposition(|id| !ids[..2].contains(id));
    let first = last.and_then(|last| ids.iter().position(|id| *id == ids[last]));
    let first = first.expect("a token that is none of the first two");
    let settings = format!("{{\"eos_token_id\": [511, {}]}}", ids[first]);
    std::fs::write(model.path().join("generation_config.json"), settings).unwrap();
    let ended = written(&model, &greedy);
    assert_eq!(ended["finish"], "eos");
    assert_eq!(ended["tokens"].as_array().unwrap(), &ids[..=first]);
    let text = whole["text"].as_str().unwrap();
    assert!(text.starts_with(ended["text"].as_str().unwrap()) && text.len() > 1);
    assert_eq!(written(&model, &on), whole);
    let path = model.path().to_string_lossy();
    let info = umbra(model.path(), &["model", "info", "--model", &path, "--json"]);
    assert_eq!(info.done().json()["eos"].as_array().map(Vec::len), Some(2));
    let args = ["steer", "--model", &path, "--prompt", "The king", "--json"];
    let edit = ["--edit", "scale by=1 hook=hook_embed"];
    let steered = |more: &[&str]| {
        let args = [args.as_slice(), &edit, &greedy, more].concat();
        umbra(model.path(), &args).done().json()
    };
    for text in ["baseline", "steered"] {
        let (to_eos, on) = (steered(&[]), steered(&["--ignore-eos"]));
        for key in ["tokens", "text", "finish"] {
            assert_eq!(to_eos[text][key], ended[key]);
            assert_eq!(on[text][key], whole[key]);
        }
    }
}

#[test]
fn steering_tells_how_far_the_text_moves_beyond_the_prompt() {
    let model = golden("tiny-llama");
    let folder = tempfile::tempdir().unwrap();
    let args = ["steer", "--model", &model, "--prompt", "The king", "--json"];
    let more = ["--tokens", "6", "--ignore-eos"];
    let edit = [
        "--edit",
        "scale by=-3 hook=blocks.1.hook_resid_post positions=new",
    ];
    let args = [args.as_slice(), &more, &edit].concat();
    let value = umbra(folder.path(), &args).done().json();
    has_keys(
        &value,
        "edits units dial baseline steered shift kl kl_generated kl_by_token shift_generated perplexity tokens baseline_activations samples definitions stopped",
    );
    assert_eq!(value["kl"], 0.0);
    let by_token: Vec<f64> = serde_json::from_value(value["kl_by_token"].clone()).unwrap();
    assert_eq!((by_token.len(), by_token[0]), (6, 0.0));
    let mean = by_token.iter().sum::<f64>() / 6.0;
    assert!((value["kl_generated"].as_f64().unwrap() - mean).abs() < 1e-12 && mean > 1e-6);
    assert_eq!(value["shift_generated"].as_array().map(Vec::len), Some(20));
    assert!(
        value["definitions"]["kl_generated"]
            .as_str()
            .unwrap()
            .contains("teacher-forced")
    );
    let plain: Vec<&str> = args
        .iter()
        .copied()
        .filter(|arg| *arg != "--json")
        .collect();
    let out = umbra(folder.path(), &plain).done().out;
    assert!(
        out.contains("at the prompt's end") && out.contains("along the steered text"),
        "{out}"
    );
}
