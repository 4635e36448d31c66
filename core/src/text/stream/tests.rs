//! Checks that a stream's text is what the whole text has beyond the prompt, for any decoder and any cut of characters and stop strings.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Makes a small SentencePiece vocabulary with byte pieces, as in Llama 2; `change` rewrites its file.
fn sentence_piece(change: impl Fn(&mut Value)) -> TextCodec {
    let folder = tempfile::tempdir().unwrap();
    let from = repository("tests/golden/sentence-piece");
    let name = "tokenizer_config.json";
    std::fs::copy(from.join(name), folder.path().join(name)).unwrap();
    let text = std::fs::read_to_string(from.join("tokenizer.json")).unwrap();
    let mut value = serde_json::from_str(&text).unwrap();
    change(&mut value);
    std::fs::write(folder.path().join("tokenizer.json"), value.to_string()).unwrap();
    TextCodec::open(folder.path()).unwrap()
}

fn llama() -> TextCodec {
    sentence_piece(|_| {})
}

fn demo() -> TextCodec {
    TextCodec::open(&repository("assets/demo/model")).unwrap()
}

/// Returns the text of `tokens` after `prompt`, and checks that the pieces add up to it.
#[track_caller]
fn continued(codec: &TextCodec, prompt: &[TokenId], tokens: &[TokenId], stops: &[&str]) -> String {
    let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
    let mut stream = TextStream::new(codec, prompt, &stops);
    let mut joined: String = tokens.iter().map(|token| stream.push(*token)).collect();
    joined.push_str(&stream.end());
    assert_eq!(joined, stream.text());
    joined
}

const TEXT: &str = "The king ated  the\n日本 fox 🦊 é end";

/// Checks every cut between characters: prompt and continuation together are the whole text.
#[track_caller]
fn check(codec: &TextCodec) {
    let tokens = codec.encode_with_bos(TEXT).unwrap();
    let begun = usize::from(codec.bos().id.is_some());
    let mut cuts = 0;
    for cut in begun..tokens.len() {
        let (prompt, new) = tokens.split_at(cut);
        let before = codec.decode(&prompt[begun..]);
        if before.contains(REPLACEMENT) {
            continue;
        }
        cuts += 1;
        let text = continued(codec, prompt, new, &[]);
        assert_eq!(format!("{before}{text}"), TEXT, "{cut}");
    }
    assert!(cuts > 5, "{cuts}");
}

#[test]
fn prompt_and_continuation_read_as_the_whole_text() {
    check(&demo());
    check(&llama());
    for scheme in ["always", "first", "never"] {
        let metaspace = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
        let codec = sentence_piece(|file| {
            let decoders = json!([{"type": "ByteFallback"}, metaspace]);
            file["decoder"] = json!({"type": "Sequence", "decoders": decoders});
            if scheme == "never" {
                file["normalizer"] =
                    json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
            }
        });
        check(&codec);
    }
    // As in Gemma: nothing is put before a text and nothing dropped.
    let gemma = sentence_piece(|file| {
        file["normalizer"] = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
        let decoders = file["decoder"]["decoders"].as_array_mut().unwrap();
        decoders.pop();
    });
    check(&gemma);
}

#[test]
fn a_first_space_belongs_to_a_continuation_and_not_to_a_text() {
    let codec = llama();
    let at = codec.token_of(" at").unwrap();
    let bos = codec.bos().id.unwrap();
    let king = codec.encode_with_bos("The king").unwrap();
    assert_eq!(continued(&codec, &king, &[at, at], &[]), " at at");
    assert_eq!(continued(&codec, &[bos], &[at, at], &[]), "at at");
    assert_eq!(continued(&codec, &[], &[at, at], &[]), "at at");
    // The library decodes the whole text alike.
    assert_eq!(codec.decode(&[at, at]), "at at");
    let demo = demo();
    let king = demo.token_of(" king").unwrap();
    assert_eq!(continued(&demo, &[TokenId(0)], &[king], &[]), " king");
}

#[test]
fn runs_of_spaces_that_are_added_tokens_are_spaces() {
    let codec = sentence_piece(|file| {
        let spaces = json!({"id": 512, "content": "▁▁▁", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false});
        file["added_tokens"].as_array_mut().unwrap().push(spaces);
    });
    let king = codec.encode_with_bos("The king").unwrap();
    let at = codec.token_of(" at").unwrap();
    let text = continued(&codec, &king, &[TokenId(512), at], &[]);
    assert_eq!(text, "    at");
    let whole = [king.as_slice(), &[TokenId(512), at]].concat();
    assert_eq!(codec.decode(&whole[1..]), "The king    at");
    assert_eq!(codec.token_of("   "), Some(TokenId(512)));
}

#[test]
fn a_broken_character_becomes_what_the_library_makes_of_it() {
    for codec in [llama(), demo()] {
        let x = codec.encode("x").unwrap();
        let fox = codec.encode("x🦊").unwrap().split_off(x.len());
        let (x, parts) = (*x.last().unwrap(), fox.len());
        let king = codec.encode_with_bos("The king").unwrap();
        let (first, last) = (fox[0], fox[parts - 1]);
        let colon = *codec.encode(":").unwrap().last().unwrap();
        for tokens in [
            &fox[..parts - 1],
            &[first, x],
            &[first, x, last],
            &[last],
            &[colon, first, colon, x],
        ] {
            let whole = [king.as_slice(), tokens].concat();
            let want = codec.decode(&whole);
            let want = want.strip_prefix(&codec.decode(&king)).unwrap();
            assert_eq!(continued(&codec, &king, tokens, &[]), want);
            assert!(want.contains(REPLACEMENT));
        }
        assert_eq!(continued(&codec, &king, &fox, &[]), "🦊");
        // No part of a character is shown before it is complete.
        let mut stream = TextStream::new(&codec, &king, &[]);
        let pieces: Vec<String> = fox.iter().map(|token| stream.push(*token)).collect();
        assert!(parts > 1 && pieces[..parts - 1].iter().all(String::is_empty));
        assert_eq!(pieces.concat() + &stream.end(), "🦊");
    }
}

#[test]
fn a_text_ends_before_the_first_stop_string_and_nothing_of_it_is_shown() {
    let codec = llama();
    let king = codec.encode_with_bos("The king").unwrap();
    let tokens = &codec.encode_with_bos("The king ate the other pie").unwrap()[king.len()..];
    let whole = continued(&codec, &king, tokens, &[]);
    assert!(whole.starts_with(' ') && whole.ends_with(" pie"), "{whole}");
    let check = |stops: &[&str], want: &str| {
        assert_eq!(continued(&codec, &king, tokens, stops), want, "{stops:?}");
    };
    let begin = &whole[..2];
    check(&[begin], "");
    check(&[" "], "");
    check(&[" the"], whole.split(" the").next().unwrap());
    // Of two stop strings in the text, the first one ends it; an incomplete one is written.
    check(&["pie", " oth"], whole.split(" oth").next().unwrap());
    check(&["pies", " other pies"], &whole);
    let other = whole.split("e other").next().unwrap();
    check(&["other", "e other"], other);
    let mut stream = TextStream::new(&codec, &king, &[" oth".to_owned()]);
    for token in tokens {
        drop(stream.push(*token));
    }
    assert_eq!(stream.stop(), Some(" oth"));
}

#[test]
fn a_run_of_bytes_ends_a_text_where_it_completes_a_stop_string() {
    let codec = llama();
    let king = codec.encode_with_bos("The king").unwrap();
    let newline = codec.token_of("\n").unwrap();
    assert!(codec.byte_of(newline).is_some());
    let at = codec.token_of(" at").unwrap();
    let mut stream = TextStream::new(&codec, &king, &[" at\n\n".to_owned()]);
    let pieces: Vec<String> = [at, at, newline, newline]
        .map(|token| stream.push(token))
        .into();
    assert_eq!(pieces, ["", " at", "", ""]);
    assert_eq!((stream.stop(), stream.text()), (Some(" at\n\n"), " at"));
    assert_eq!(
        continued(&codec, &king, &[at, newline, newline, at], &["\n\n"]),
        " at"
    );
    assert_eq!(
        continued(&codec, &king, &[at, newline, at], &["\n\n"]),
        " at\n at"
    );
}

#[test]
fn a_decoder_that_joins_words_by_itself_is_asked() {
    let codec = sentence_piece(|file| {
        file["decoder"] = json!({"type": "BPEDecoder", "suffix": "▂"});
        file["normalizer"] = Value::Null;
        file["post_processor"] = Value::Null;
        file["model"] = json!({"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "the▂": 3, "ki": 4, "ng▂": 5}});
    });
    let of = |ids: &[u32]| -> Vec<TokenId> { ids.iter().map(|id| TokenId(*id)).collect() };
    let (prompt, new) = (of(&[3]), of(&[4, 5, 3]));
    assert_eq!(codec.decode(&of(&[3, 4, 5, 3])), "the king the");
    assert_eq!(continued(&codec, &prompt, &new, &[]), " king the");
}
