//! Tests a tokenizer and its BOS rule on the demo, on folders made here, and on GPT-2 if it is available.

use serde_json::Value;

use super::*;

fn demo() -> TextCodec {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    TextCodec::open(Path::new(folder)).unwrap()
}

#[test]
fn byte_level_characters_and_bytes_are_inverse() {
    for byte in 0..=255_u8 {
        let c = byte_level_char(byte).to_string();
        assert_eq!(byte_level_bytes(&c), Some(vec![byte]), "{byte}");
    }
    assert_eq!(byte_level_char(b' '), 'Ġ');
    assert_eq!(byte_level_char(b'\n'), 'Ċ');
    assert_eq!(byte_level_bytes("▁a"), None);
}

#[test]
fn text_survives_encoding_and_tokens_join_to_it() {
    let codec = demo();
    for text in [
        "The old king said: “Go home.”\nAnd so it was.",
        " leading and  double space",
        "",
        "日本 🦊",
    ] {
        let tokens = codec.encode(text).unwrap();
        assert_eq!(codec.decode(&tokens), text);
        let bytes: Vec<u8> = tokens.iter().flat_map(|t| codec.bytes(*t)).collect();
        assert_eq!(bytes, text.as_bytes());
    }
}

#[test]
fn bos_comes_first_says_why_and_can_be_left_out() {
    let codec = demo();
    assert_eq!(codec.bos().id, Some(TokenId(0)));
    assert_eq!(codec.bos().why, "tokenizer_config.json names <|endoftext|>");
    let with = codec.encode_with_bos("The king").unwrap();
    assert_eq!(with[0], TokenId(0));
    let bare = codec.without_bos();
    assert_eq!(bare.encode_with_bos("The king").unwrap(), with[1..]);
    assert_eq!(bare.bos().why, "left out by setting `no_bos`");
}

#[test]
fn special_tokens_written_in_a_text_are_parsed() {
    let codec = demo();
    let tokens = codec.encode("one<|endoftext|>two").unwrap();
    assert!(tokens.contains(&TokenId(0)));
    assert_eq!(codec.display(TokenId(0)), "<|endoftext|>");
}

#[test]
fn parts_of_a_character_are_shown_as_bytes() {
    let codec = demo();
    let fox = codec.encode("🦊").unwrap();
    assert!(fox.len() > 1);
    assert_eq!(codec.display(fox[0]).chars().next(), Some('⟨'));
    assert_eq!(codec.decode(&fox), "🦊");
}

#[test]
fn a_token_is_found_by_its_text() {
    let codec = demo();
    let king = codec.token_of(" king").unwrap();
    assert_eq!(codec.display(king), " king");
    assert_eq!(codec.token_of("\n"), codec.encode("\n").unwrap().pop());
    assert_eq!(codec.token_of("<|endoftext|>"), Some(TokenId(0)));
    assert_eq!(codec.token_of(" no single token"), None);
}

#[test]
fn a_folder_without_a_tokenizer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = TextCodec::open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("tokenizer.json"), "{refused}");
    std::fs::write(folder.path().join("config.json"), "{\"bos_token_id\": 7}").unwrap();
    let numbers = TextCodec::numbers(folder.path(), 100).unwrap();
    assert_eq!(numbers.bos().id, Some(TokenId(7)));
    assert_eq!(numbers.display(TokenId(3)), "⟨3⟩");
    assert!(numbers.encode("x").is_err());
}

#[test]
fn a_tokenizer_of_another_model_is_refused_and_a_smaller_one_noted() {
    let codec = demo();
    let size = codec.vocab_size();
    let check = |vocab: usize| {
        let mut notes = Notes::default();
        let checked = codec.check_vocabulary(vocab, &mut notes);
        (checked, notes)
    };
    let (checked, notes) = check(size);
    assert!(checked.is_ok() && notes.is_empty());
    let (checked, notes) = check(size * 2);
    assert!(checked.is_ok() && notes.iter().any(|note| note.contains("no text")));
    let said = check(size - 1).0.unwrap_err().to_string();
    let last = format!("token {}", size - 1);
    assert!(
        said.contains(&last) && said.contains("tokenizer.json"),
        "{said}"
    );
    let mut other = codec.clone();
    other.bos.id = Some(TokenId(9_999_999));
    let said = other.check_vocabulary(size, &mut Notes::default());
    assert!(said.unwrap_err().to_string().contains("9999999"));
}

#[test]
fn added_tokens_beyond_the_embedding_are_noted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    let path = Path::new(folder).join("tokenizer.json");
    let mut tokenizer = Tokenizer::from_file(&path).unwrap();
    let size = tokenizer.get_vocab_size(true);
    let added = tokenizers::AddedToken::from("<pad>", true);
    tokenizer.add_special_tokens([added]).unwrap();
    let codec = TextCodec::from_tokenizer(tokenizer, (demo().specials, demo().bos), &path).unwrap();
    let mut notes = Notes::default();
    codec.check_vocabulary(size, &mut notes).unwrap();
    assert!(notes.iter().any(|note| note.contains("<pad>")), "{notes:?}");
}

/// Returns GPT-2's tokenizer from its two files, if they are available.
fn gpt2() -> Option<(TextCodec, Value)> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/gpt2-tokenizer"
    );
    let read = |name: &str| std::fs::read_to_string(Path::new(folder).join(name)).ok();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (vocab, merges) = (read("vocab.json")?, read("merges.txt")?);
    let reference = json(&read("gpt2_tokenizer_reference.json")?);
    let merges: Vec<&str> = merges
        .lines()
        .filter(|line| !line.starts_with("#version"))
        .collect();
    let bytes = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = serde_json::json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {"type": "BPE", "vocab": json(&vocab), "merges": merges},
    });
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    Some((TextCodec::open(folder.path()).unwrap(), reference))
}

#[test]
fn gpt2_splits_every_reference_text_and_shows_every_byte() {
    let Some((codec, reference)) = gpt2() else {
        println!("skipped: GPT-2's tokenizer is absent");
        return;
    };
    let cases = reference["cases"].as_array().unwrap();
    assert!(cases.len() >= 34);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let want: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let got = codec.encode(text).unwrap();
        assert_eq!(
            got.iter().map(|t| t.0).collect::<Vec<_>>(),
            want,
            "{text:?}"
        );
        let bytes: Vec<u8> = got.iter().flat_map(|t| codec.bytes(*t)).collect();
        assert_eq!(bytes, text.as_bytes());
        assert_eq!(codec.decode(&got), text);
    }
    // Every entry is bytes; the 256 single bytes are all present.
    let mut single = [false; 256];
    for id in 0..codec.vocab_size() as u32 {
        if let [byte] = codec.bytes(TokenId(id))[..] {
            single[usize::from(byte)] = true;
        }
    }
    assert!(single.iter().all(|there| *there));
    assert_eq!(codec.display(TokenId(220)), " ");
    assert_eq!(codec.display(TokenId(198)), "\n");
    assert_eq!(codec.display(TokenId(447)), "⟨E2⟩⟨80⟩");
}
