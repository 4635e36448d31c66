//! Compares tokenizers in two files with ids from transformers (`tests/golden/torch_folders.py`), and with GPT-2's own if available.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn golden() -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/torch-folders");
    PathBuf::from(folder)
}

fn numbers(tokens: &[TokenId]) -> Vec<u32> {
    tokens.iter().map(|token| token.0).collect()
}

#[track_caller]
fn check(codec: &TextCodec, cases: &Value) {
    for case in cases.as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let want: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let got = codec.encode(text).unwrap();
        assert_eq!(numbers(&got), want, "{text:?}");
        assert_eq!(codec.decode(&got), text);
    }
}

#[test]
fn a_vocabulary_and_its_merges_give_the_ids_of_transformers() {
    let codec = TextCodec::open(&golden().join("single")).unwrap();
    let cases = std::fs::read_to_string(golden().join("ids.json")).unwrap();
    let cases: Value = serde_json::from_str(&cases).unwrap();
    assert!(cases.as_array().unwrap().len() >= 7);
    check(&codec, &cases);
    // Named by special_tokens_map.json and added by added_tokens.json.
    assert_eq!(codec.bos().id, Some(TokenId(0)));
    assert_eq!(codec.token_of("<|im_start|>"), Some(TokenId(300)));
    assert_eq!(codec.vocab_size(), 301);
    assert!(codec.special().eq([TokenId(0)]));
}

#[test]
fn the_same_tokens_may_be_added_by_the_settings_of_today() {
    let folder = tempfile::tempdir().unwrap();
    for file in vocabulary::FILES {
        std::fs::copy(golden().join("single").join(file), folder.path().join(file)).unwrap();
    }
    let put = |name: &str, value: Value| {
        std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    let token = |content: &str| json!({"content": content, "special": true, "normalized": false});
    put(
        "tokenizer_config.json",
        json!({"tokenizer_class": "GPT2TokenizerFast", "added_tokens_decoder": {"0": token("<|endoftext|>"), "300": token("<|im_start|>")}}),
    );
    let cases = std::fs::read_to_string(golden().join("ids.json")).unwrap();
    check(
        &TextCodec::open(folder.path()).unwrap(),
        &serde_json::from_str(&cases).unwrap(),
    );
    // Without settings, the family decides the class, and the class its special token.
    std::fs::remove_file(folder.path().join("tokenizer_config.json")).unwrap();
    put("config.json", json!({"model_type": "gpt_neo"}));
    let codec = TextCodec::open(folder.path()).unwrap();
    assert_eq!(numbers(&codec.encode("<|endoftext|>he").unwrap()), [0, 257]);
}

#[test]
fn qwen_s_vocabulary_is_split_as_qwen_s() {
    let folder = tempfile::tempdir().unwrap();
    for file in vocabulary::FILES {
        std::fs::copy(golden().join("single").join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(
        folder.path().join("config.json"),
        "{\"model_type\": \"qwen2\"}",
    )
    .unwrap();
    let qwen = TextCodec::open(folder.path()).unwrap();
    std::fs::write(
        folder.path().join("config.json"),
        "{\"model_type\": \"gpt2\"}",
    )
    .unwrap();
    let gpt2 = TextCodec::open(folder.path()).unwrap();
    // Qwen's tokenizer splits digits and composes characters first.
    let digits = |codec: &TextCodec| codec.encode("1234").unwrap();
    assert_eq!(digits(&qwen).len(), 4);
    assert_eq!(
        digits(&qwen).len() - digits(&gpt2).len(),
        2,
        "12 and 34 are entries"
    );
    let composed =
        |codec: &TextCodec| codec.encode("i\u{308}").unwrap() == codec.encode("ï").unwrap();
    assert!(composed(&qwen) && !composed(&gpt2));
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let refused = |file: &str, content: &str, words: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        for name in names() {
            std::fs::copy(
                golden().join("single").join(&name),
                folder.path().join(&name),
            )
            .unwrap();
        }
        std::fs::write(folder.path().join(file), content).unwrap();
        let said = TextCodec::open(folder.path()).unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    refused(
        "merges.txt",
        "#version: 0.2\nh e l\n",
        &["merges.txt", "line 2", "h e l"],
    );
    refused("merges.txt", "h €\n", &["vocab.json", "inconsistent"]);
    refused("vocab.json", "[1, 2]", &["vocab.json", "not a vocabulary"]);
    refused(
        "vocab.json",
        "{\"a\": -1}",
        &["vocab.json", "not a vocabulary"],
    );
    refused("added_tokens.json", "{\"<x>\": 305}", &["<x>", "305"]);
    refused(
        "tokenizer_config.json",
        "{\"tokenizer_class\": \"LlamaTokenizer\"}",
        &["LlamaTokenizer", "tokenizer.json"],
    );
}

/// Returns the files of the tokenizer alone.
fn names() -> Vec<String> {
    let files = std::fs::read_dir(golden().join("single")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "pytorch_model.bin").collect()
}

#[test]
fn gpt2_s_own_two_files_give_its_ids() {
    let files = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/gpt2-tokenizer"
    );
    let Ok(reference) = std::fs::read_to_string(format!("{files}/gpt2_tokenizer_reference.json"))
    else {
        println!("skipped: GPT-2's tokenizer is absent");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for file in vocabulary::FILES {
        std::fs::copy(format!("{files}/{file}"), folder.path().join(file)).unwrap();
    }
    std::fs::write(
        folder.path().join("config.json"),
        "{\"model_type\": \"gpt2\"}",
    )
    .unwrap();
    let codec = TextCodec::open(folder.path()).unwrap();
    let reference: Value = serde_json::from_str(&reference).unwrap();
    check(&codec, &reference["cases"]);
    let bos = TokenId(50_256);
    assert_eq!(codec.bos().id, Some(bos));
    assert_eq!(codec.encode("<|endoftext|>").unwrap(), [bos]);
}
