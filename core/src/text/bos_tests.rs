//! Tests when BOS precedes a text, by the files of a folder. Defaults of tokenizer classes and post-processors follow transformers 5.24.

use serde_json::{Value, json};

use super::*;

const BOS: TokenId = TokenId(0);
const TEXT: &str = "<|endoftext|>";

/// Makes a folder with the demo's vocabulary, whose one special token is [`TEXT`].
fn folder(family: &str, files: &[(&str, Value)], processor: Option<Value>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let demo = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../assets/demo/model/tokenizer.json"
    );
    let text = std::fs::read_to_string(demo).unwrap();
    let mut tokenizer: Value = serde_json::from_str(&text).unwrap();
    tokenizer["post_processor"] = processor.unwrap_or_default();
    let put = |name: &str, value: &Value| {
        std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    put("tokenizer.json", &tokenizer);
    put(
        "config.json",
        &json!({"model_type": family, "bos_token_id": 0, "eos_token_id": [7, 8]}),
    );
    for (name, value) in files {
        put(name, value);
    }
    folder
}

fn config(value: Value) -> Vec<(&'static str, Value)> {
    vec![("tokenizer_config.json", value)]
}

/// Returns a post-processor that puts `pieces` around a text, `$A`.
fn template(pieces: &[&str]) -> Value {
    let piece = |piece: &&str| match *piece {
        "$A" => json!({"Sequence": {"id": "A", "type_id": 0}}),
        name => json!({"SpecialToken": {"id": name, "type_id": 0}}),
    };
    let single: Vec<Value> = pieces.iter().map(piece).collect();
    json!({"type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {TEXT: {"id": TEXT, "ids": [0], "tokens": [TEXT]}, "e": {"id": "e", "ids": [5], "tokens": ["e"]}}})
}

#[track_caller]
fn check(
    family: &str,
    files: &[(&str, Value)],
    processor: Option<Value>,
    (want, why): (Option<TokenId>, &str),
) {
    let folder = folder(family, files, processor);
    let codec = TextCodec::open(folder.path()).unwrap();
    let bos = codec.bos();
    assert_eq!(bos.id, want, "{family} {files:?}: {}", bos.why);
    assert!(bos.why.contains(why), "{family} {files:?}: {}", bos.why);
    let tokens = codec.encode_with_bos("e").unwrap();
    assert_eq!(tokens.len(), 1 + usize::from(want.is_some()));
}

#[test]
fn what_is_said_of_bos_outright_wins() {
    let some = (Some(BOS), "add_bos_token true");
    let none = (None, "add_bos_token false");
    let said = |add: bool, token: Value| config(json!({"add_bos_token": add, "bos_token": token}));
    check("qwen2", &said(false, Value::Null), None, none);
    check("gpt2", &said(false, json!(TEXT)), None, none);
    check(
        "llama",
        &said(false, json!(TEXT)),
        Some(template(&[TEXT, "$A"])),
        none,
    );
    check("gpt_neox", &said(true, json!(TEXT)), None, some);
    check("qwen2", &said(true, json!({"content": TEXT})), None, some);
    // There is no token to put.
    check(
        "llama",
        &said(true, Value::Null),
        None,
        (None, "bos_token null"),
    );
    let unnamed =
        config(json!({"add_bos_token": true, "tokenizer_class": "PreTrainedTokenizerFast"}));
    check("llama", &unnamed, Some(template(&[TEXT, "$A"])), some);
}

#[test]
fn a_null_is_none_whatever_the_model_s_settings_and_the_post_processor_say() {
    let null = config(json!({"bos_token": null}));
    for family in ["gpt2", "llama", "qwen2", "gpt_neox"] {
        check(family, &null, None, (None, "bos_token null"));
        check(
            family,
            &null,
            Some(template(&[TEXT, "$A"])),
            (None, "bos_token null"),
        );
    }
    let in_map = [("special_tokens_map.json", json!({"bos_token": null}))];
    check(
        "gpt2",
        &in_map,
        None,
        (None, "special_tokens_map.json has bos_token null"),
    );
}

#[test]
fn a_post_processor_that_puts_bos_first_puts_it() {
    let named = config(json!({"bos_token": TEXT}));
    let some = (Some(BOS), "post-processor");
    for family in ["llama", "gpt_neox", "qwen3"] {
        check(family, &named, Some(template(&[TEXT, "$A", "e"])), some);
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
        let several = json!({"type": "Sequence", "processors": [bytes, template(&[TEXT, "$A"])]});
        check(family, &named, Some(several), some);
        let roberta = json!({"type": "RobertaProcessing", "sep": ["e", 5], "cls": [TEXT, 0], "trim_offsets": true, "add_prefix_space": false});
        check(family, &named, Some(roberta), some);
    }
    // A token that the post-processor appends does not begin a text.
    check(
        "gpt_neox",
        &named,
        Some(template(&["$A", TEXT])),
        (None, "TransformerLens"),
    );
    let folder = folder("llama", &named, Some(template(&[TEXT, "e", "$A"])));
    let said = TextCodec::open(folder.path()).unwrap_err().to_string();
    assert!(said.contains("2 tokens before each text"), "{said}");
}

#[test]
fn a_token_that_is_named_precedes_but_for_families_without() {
    let named = config(json!({"bos_token": TEXT}));
    for family in ["gpt2", "gpt_neo", "llama", "mistral", "gemma2", "phi3"] {
        check(
            family,
            &named,
            None,
            (Some(BOS), "tokenizer_config.json names"),
        );
    }
    for family in ["gpt_neox", "qwen2", "qwen3"] {
        check(family, &named, None, (None, "TransformerLens puts none"));
    }
    let in_map = [(
        "special_tokens_map.json",
        json!({"bos_token": {"content": TEXT}}),
    )];
    check(
        "llama",
        &in_map,
        None,
        (Some(BOS), "special_tokens_map.json names"),
    );
    let folder = folder("gpt2", &config(json!({"bos_token": "<s>"})), None);
    let said = TextCodec::open(folder.path()).unwrap_err().to_string();
    assert!(said.contains("<s>") && said.contains("lacks"), "{said}");
}

#[test]
fn where_no_file_names_one_the_class_does_and_then_the_number_in_the_settings() {
    // GPT-2's own folder on the hub says no more than this.
    let bare = config(json!({"model_max_length": 1024}));
    check("gpt2", &bare, None, (Some(BOS), "a GPT2Tokenizer takes"));
    check("gpt2", &[], None, (Some(BOS), "a GPT2Tokenizer takes"));
    check("qwen2", &bare, None, (None, "a Qwen2Tokenizer has none"));
    check("qwen3", &[], None, (None, "a Qwen2Tokenizer has none"));
    check("gpt_neox", &[], None, (None, "TransformerLens"));
    // The vocabulary lacks the class's token, so the class is a guess.
    check(
        "llama",
        &[],
        None,
        (Some(BOS), "config.json has bos_token_id 0"),
    );
    let fast = config(json!({"tokenizer_class": "PreTrainedTokenizerFast"}));
    check("llama", &fast, None, (None, "PreTrainedTokenizer has none"));
    check(
        "llama",
        &fast,
        Some(template(&[TEXT, "$A"])),
        (Some(BOS), "post-processor"),
    );
    let named = config(json!({"tokenizer_class": "GPT2TokenizerFast"}));
    check("llama", &named, None, (Some(BOS), "a GPT2Tokenizer takes"));
}

#[test]
fn special_tokens_are_known_whether_or_not_a_text_gets_them() {
    let named = config(json!({"bos_token": TEXT, "eos_token": null, "pad_token": "!"}));
    let in_folder = folder("gpt_neox", &named, None);
    let codec = TextCodec::open(in_folder.path()).unwrap();
    let pad = codec.token_of("!");
    assert!(pad.is_some());
    let want = Specials {
        bos: Some(BOS),
        pad,
        ..Specials::default()
    };
    assert_eq!((codec.specials(), codec.bos().id), (&want, None));
    assert!(codec.special().eq([BOS, pad.unwrap()]));
    let folder = folder("llama", &[], None);
    let codec = TextCodec::open(folder.path()).unwrap();
    assert_eq!(
        codec.specials().eos,
        Some(TokenId(7)),
        "the first of several"
    );
}

#[test]
fn a_text_that_begins_with_bos_gets_no_second_one_unless_asked() {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    let codec = TextCodec::open(Path::new(demo)).unwrap();
    let once = codec.encode_with_bos("Once").unwrap();
    assert_eq!(codec.encode_with_bos("<|endoftext|>Once").unwrap(), once);
    assert_eq!(codec.bos_note("Once").unwrap(), None);
    let said = codec.bos_note("<|endoftext|>Once").unwrap().unwrap();
    assert!(
        said.contains("already") && said.contains("setting `keep_double_bos`"),
        "{said}"
    );
    // Two BOS tokens in the text stay two.
    let two = codec
        .encode_with_bos("<|endoftext|><|endoftext|>Once")
        .unwrap();
    assert_eq!(two, [&[BOS], &once[..]].concat());
    let both = codec.with_double_bos();
    assert_eq!(both.encode_with_bos("<|endoftext|>Once").unwrap(), two);
    assert!(
        both.bos_note("<|endoftext|>")
            .unwrap()
            .unwrap()
            .contains("second")
    );
    let bare = codec.without_bos();
    assert_eq!(bare.encode_with_bos("<|endoftext|>Once").unwrap(), once);
    assert_eq!(bare.bos_note("<|endoftext|>Once").unwrap(), None);
}

#[test]
fn a_dictionary_s_own_bos_wins_over_the_model_s_rule_and_a_person_s_over_both() {
    let named = config(json!({"bos_token": TEXT}));
    let neox = folder("gpt_neox", &named, None);
    let neox = TextCodec::open(neox.path()).unwrap();
    let (with, note) = neox.as_trained(true);
    assert_eq!(with.bos().id, Some(BOS));
    assert!(note.unwrap().contains("BOS precedes every text"), "said");
    let (without, note) = with.as_trained(false);
    assert_eq!((without.bos().id, note.is_some()), (None, true));
    assert_eq!(neox.as_trained(false).1, None, "nothing differs");
    let (bare, note) = neox.without_bos().as_trained(true);
    assert_eq!(bare.bos().id, None);
    assert!(note.unwrap().contains("setting `no_bos`"), "said");
    // TransformerLens does the same if the tokenizer names no BOS token.
    let qwen = folder(
        "qwen2",
        &config(json!({"bos_token": null, "eos_token": TEXT})),
        None,
    );
    let (with, _) = TextCodec::open(qwen.path()).unwrap().as_trained(true);
    assert_eq!(with.bos().id, Some(BOS));
    let silent = folder(
        "qwen2",
        &config(json!({"bos_token": null, "eos_token": null})),
        None,
    );
    let (with, note) = TextCodec::open(silent.path()).unwrap().as_trained(true);
    assert_eq!(with.bos().id, None);
    assert!(note.unwrap().contains("names none"), "said");
}
