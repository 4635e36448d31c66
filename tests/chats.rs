//! Chats on the command line: messages from flags and files become the tokens of the model's own template, and exactly one of text and chat is taken.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use umbra_tests::golden;

use crate::umbra;

/// A small model of random weights with a ChatML template, whose dictionary is `sae-lens-topk`.
fn model() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, name: &str| {
        let from = Path::new(&golden(from)).join(name);
        std::fs::copy(from, folder.path().join(name)).unwrap();
    };
    for name in ["config.json", "model.safetensors"] {
        copy("tiny-gpt2", name);
    }
    for name in ["tokenizer.json", "tokenizer_config.json"] {
        copy("chat/tiny", name);
    }
    folder
}

/// Token ids of a chat by transformers.
fn ids(chat: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(&golden("chat")).join("golden.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let all = value["ids"].as_array().unwrap();
    let of = |case: &&Value| case["chat"] == chat && case["answer"] == true;
    all.iter().find(of).unwrap()["ids"].clone()
}

fn answer(model: &TempDir, args: &[&str]) -> Value {
    let path = model.path().to_string_lossy();
    let args = [args, &["--model", &path, "--json"]].concat();
    umbra(model.path(), &args).done().json()
}

#[test]
fn a_model_s_description_names_its_chat_template() {
    let model = model();
    let value = answer(&model, &["model", "info"]);
    let file = value["chat_template"].as_str().unwrap();
    assert!(file.ends_with("tokenizer_config.json"), "{file}");
}

const ONE: [&str; 4] = ["--tokens", "3", "--temperature", "0"];

#[test]
fn messages_become_the_tokens_of_the_model_s_template() {
    let model = model();
    let generate = ["model", "generate", "--user", "Who are you?"];
    let value = answer(&model, &[&generate[..], &ONE].concat());
    assert_eq!(value["chat"]["tokens"], ids("one"));
    let text = value["chat"]["text"].as_str().unwrap();
    assert!(text.ends_with("<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"));
    let roles = value["chat"]["roles"].as_array().unwrap();
    assert_eq!(roles.len(), ids("one").as_array().unwrap().len());
    let last = json!({"role": "assistant", "message": 1, "marker": true});
    assert_eq!(roles.last(), Some(&last));
    let system = ["--system", "Be brief."];
    let value = answer(&model, &[&generate[..], &system, &ONE].concat());
    assert_eq!(value["chat"]["tokens"], ids("system"));
    // A file says the same, and JSON itself.
    let chat = json!({"messages": value["chat"]["messages"]}).to_string();
    std::fs::write(model.path().join("chat.json"), &chat).unwrap();
    for given in ["chat.json", chat.as_str()] {
        let again = ["model", "generate", "--chat", given];
        assert_eq!(answer(&model, &[&again[..], &ONE].concat()), value);
    }
}

#[test]
fn steering_and_features_read_chats_too() {
    let model = model();
    let steer = [
        "steer",
        "--edit",
        "scale by=3 hook=hook_embed",
        "--user",
        "Who are you?",
    ];
    let report = ["--for-report", "steered.json"];
    let value = answer(&model, &[&steer[..], &ONE, &report].concat());
    assert_eq!(value["chat"]["tokens"], ids("one"));
    let plain = answer(
        &model,
        &[&["model", "generate", "--user", "Who are you?"][..], &ONE].concat(),
    );
    assert_eq!(value["baseline"]["text"], plain["text"]);
    assert!(value["kl"].as_f64().unwrap() > 1e-6);
    // The result is a section of a report.
    let args = ["report", "--study", "steered.json", "--out", "r.html"];
    umbra(model.path(), &args).done();
    let page = std::fs::read_to_string(model.path().join("r.html")).unwrap();
    for words in ["Steered text", "scale by=3", "Who are you?", "<svg"] {
        assert!(page.contains(words), "{words}");
    }
    let sae = golden("sae-lens-topk");
    let hook = ["--hook", "blocks.1.hook_resid_post"];
    let read = ["prompt", "--user", "Who are you?", "--sae", &sae];
    let value = answer(&model, &[&read[..], &hook].concat());
    assert_eq!(value["chat"]["tokens"], ids("one"));
    assert_eq!(
        value["tokens"].as_array().unwrap().len(),
        ids("one").as_array().unwrap().len()
    );
}

#[test]
fn causes_and_sweeps_are_asked_of_chats() {
    let model = model();
    let attribute = ["attribute", "--target", "loss", "--user", "Who are you?"];
    let report = ["--for-report", "causes.json"];
    let value = answer(&model, &[&attribute[..], &report].concat());
    assert_eq!(value["chat"]["tokens"], ids("one"));
    let own = value["tokens"].as_array().unwrap().iter();
    let own: Vec<&Value> = own.map(|token| &token["id"]).collect();
    assert_eq!(json!(own), ids("one"));
    let args = ["report", "--study", "causes.json", "--out", "r.json"];
    umbra(model.path(), &args).done();
    let report = std::fs::read_to_string(model.path().join("r.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["sections"].as_array().unwrap().len(), 1);
    let texts = [
        "--clean",
        "Who are you?",
        "--corrupt",
        "Who are we?",
        "--as-user",
    ];
    let patch = ["patch", "--target", "loss", "--site", "z"];
    let value = answer(&model, &[&patch[..], &texts].concat());
    let clean = &value["clean_tokens"]["ids"];
    assert_eq!(*clean, ids("one"));
}

#[test]
fn exactly_one_of_text_and_chat_is_taken() {
    let model = model();
    let path = model.path().to_string_lossy();
    let wrong = |args: &[&str], words: &[&str]| {
        let args = [args, &["--model", &path]].concat();
        let run = umbra(model.path(), &args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(
            words.iter().all(|word| run.err.contains(word)),
            "{}",
            run.err
        );
    };
    let generate = ["model", "generate"];
    wrong(&generate, &["--prompt"]);
    wrong(
        &["model", "generate", "--prompt", "a", "--user", "b"],
        &["--user"],
    );
    wrong(
        &["model", "generate", "--user", "a", "--chat", "[]"],
        &["--chat"],
    );
    wrong(&["steer", "--prompt", "a", "--chat", "[]"], &["--chat"]);
    let refused = |args: &[&str], words: &[&str]| {
        let args = [args, &["--model", &path]].concat();
        umbra(model.path(), &args).refused(words);
    };
    refused(&["model", "generate", "--chat", "[]"], &["no messages"]);
    refused(
        &["model", "generate", "--chat", "gone.json"],
        &["gone.json"],
    );
    let alone = ["model", "generate", "--prompt", "a", "--system", "b"];
    refused(&alone, &["--system", "--user"]);
    let demo = umbra_tests::demo_model();
    let args = ["model", "generate", "--model", &demo, "--user", "Hi"];
    umbra(model.path(), &args).refused(&["no chat template", "chat_template.jinja"]);
}
