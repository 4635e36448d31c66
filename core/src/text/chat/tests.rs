//! Tests of chats: the reading of messages, templates of several families against transformers, roles by token.

use std::path::Path;

use super::*;

#[test]
fn messages_are_a_list_an_object_or_lines() {
    let want = vec![Message::new("user", "Hi"), Message::new("assistant", "Yes")];
    let file = Path::new("chat.json");
    let (one, two) = (
        "{\"role\": \"user\", \"content\": \"Hi\"}",
        "{\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"Yes\"}]}",
    );
    for text in [
        format!("[{one}, {two}]"),
        format!("{{\"model\": \"m\", \"messages\": [{one}, {two}]}}"),
        format!("{one}\n\n{two}\n"),
    ] {
        assert_eq!(messages(&text, file).unwrap(), want, "{text}");
    }
    assert_eq!(messages(one, file).unwrap(), want[..1]);
    for (text, words) in [
        ("[]", "holds no messages"),
        ("3", "holds no messages"),
        ("Hi", "neither JSON"),
        ("{\"messages\": 3}", "no list"),
        ("{\"messages\": [], \"tools\": []}", "`tools`"),
        ("[{\"role\": \"user\"}]", "message 1 has no text"),
        ("[{\"content\": \"Hi\"}]", "message 1 has no `role`"),
        (
            "[{\"role\": \"user\", \"content\": \"\", \"name\": \"A\"}]",
            "`name`",
        ),
        (
            "[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]",
            "no text",
        ),
    ] {
        let said = messages(text, file).unwrap_err().to_string();
        assert!(said.contains("chat.json") && said.contains(words), "{said}");
    }
}

/// Texts and refusals that transformers makes of the templates (`tests/golden/chat.py`).
fn golden() -> serde_json::Value {
    let text = std::fs::read_to_string(folder().join("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/chat"))
}

/// 26 July 2024, 13:05:09 UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_721_999_109)
}

fn template(name: &str) -> Template {
    let path = folder().join("templates").join(format!("{name}.jinja"));
    let golden = golden();
    let words = &golden["words"][name];
    let named = [("bos_token", &words[0]), ("eos_token", &words[1])];
    let words = named
        .into_iter()
        .filter_map(|(key, word)| Some((key, word.as_str()?.to_owned())));
    let source = std::fs::read_to_string(&path).unwrap();
    Template::new(source, &path, words.collect())
}

fn chat(golden: &serde_json::Value, name: &serde_json::Value) -> Vec<Message> {
    serde_json::from_value(golden["chats"][name.as_str().unwrap()].clone()).unwrap()
}

#[test]
fn templates_of_nine_families_write_what_transformers_writes() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    let mut refused = 0;
    for case in cases {
        let name = case["template"].as_str().unwrap();
        let messages = chat(&golden, &case["chat"]);
        let got = template(name).render(&messages, case["answer"] == true, now());
        match (case["text"].as_str(), got) {
            (Some(want), got) => assert_eq!(got.unwrap(), want, "{name} {}", case["chat"]),
            (None, Ok(text)) => panic!("{name} {} wrote {text:?}", case["chat"]),
            (None, Err(error)) => {
                refused += 1;
                let why = case["error"].as_str().unwrap().trim_end_matches(['.', '!']);
                let (said, file) = (error.to_string(), format!("{name}.jinja"));
                assert!(said.contains(why) && said.contains(&file), "{said}");
            }
        }
    }
    assert_eq!((cases.len(), refused), (126, 22));
    // The date is that of the day.
    let messages = [Message::new("user", "Hi")];
    let later = now() + std::time::Duration::from_hours(24);
    let text = template("llama3").render(&messages, true, later).unwrap();
    assert!(text.contains("Today Date: 27 Jul 2024"), "{text}");
}

fn tiny() -> TextCodec {
    TextCodec::open(&folder().join("tiny")).unwrap()
}

#[test]
fn tokens_are_those_of_transformers_and_no_bos_is_added() {
    let (golden, codec) = (golden(), tiny());
    assert!(codec.bos().id.is_some(), "a text gets one");
    for case in golden["ids"].as_array().unwrap() {
        let messages = chat(&golden, &case["chat"]);
        let got = codec
            .encode_chat(&messages, case["answer"] == true)
            .unwrap();
        let want: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        let ids: Vec<u32> = got.tokens.iter().map(|id| id.0).collect();
        assert_eq!(ids, want, "{}", case["chat"]);
        assert_eq!(got.roles.len(), ids.len());
    }
    assert!(
        codec
            .encode_chat(&[], true)
            .unwrap_err()
            .to_string()
            .contains("no message")
    );
}

/// Each stretch of `text` with the number of its message (`-` for none), the first letter of its role, and a star for content.
fn shown(name: &str, messages: &[Message], answer: bool) -> Result<Vec<String>, String> {
    let template = template(name);
    let text = template.render(messages, answer, now()).unwrap();
    let turns = skeleton::turns(&template, messages, answer, now(), &text)?;
    assert_eq!(
        turns.iter().map(|turn| turn.bytes.len()).sum::<usize>(),
        text.len()
    );
    let show = |turn: &skeleton::Turn| {
        let place = turn.place.as_ref().map_or("none ".to_owned(), |place| {
            let message = place.message.map_or("-".to_owned(), |n| n.to_string());
            let star = if place.is_marker { "" } else { "*" };
            format!("{}{message}{star} ", &place.role[..1])
        });
        format!("{place}{}", &text[turn.bytes.clone()])
    };
    Ok(turns.iter().map(show).collect())
}

fn said(turns: &[(&str, &str)]) -> Vec<Message> {
    turns
        .iter()
        .map(|(role, text)| Message::new(*role, *text))
        .collect()
}

#[test]
fn markers_belong_to_the_turn_that_they_open_or_close() {
    let turns = said(&[("user", " Hi "), ("assistant", "Yes"), ("user", "user\nHi")]);
    let want = [
        "s- <|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n",
        "u0 <|im_start|>user\n",
        "u0*  Hi ",
        "u0 <|im_end|>\n",
        "a1 <|im_start|>assistant\n",
        "a1* Yes",
        "a1 <|im_end|>\n",
        "u2 <|im_start|>user\n",
        "u2* user\nHi",
        "u2 <|im_end|>\n",
        "a3 <|im_start|>assistant\n",
    ];
    assert_eq!(shown("smollm2", &turns, true).unwrap(), want);
    // A trimmed content, the role as the caller names it, and BOS outside all turns.
    let want = [
        "none <bos>",
        "u0 <start_of_turn>user\n",
        "u0* Hi",
        "u0 <end_of_turn>\n",
        "a1 <start_of_turn>model\n",
        "a1* Yes",
        "a1 <end_of_turn>\n",
        "u2 <start_of_turn>user\n",
        "u2* user\nHi",
        "u2 <end_of_turn>\n",
        "a3 <start_of_turn>model\n",
    ];
    assert_eq!(shown("gemma2", &turns, true).unwrap(), want);
    // End-of-text is written where no answer begins, and belongs to the last turn.
    let want = [
        "u0 <|user|>\n",
        "u0* Hi",
        "u0 <|end|>\n",
        "a1 <|assistant|>\n",
        "a1* Yes",
        "a1 <|end|>\n<|endoftext|>",
    ];
    let two = said(&[("user", "Hi"), ("assistant", "Yes")]);
    assert_eq!(shown("phi3", &two, false).unwrap(), want);
}

#[test]
fn a_system_message_within_a_turn_keeps_its_role() {
    let turns = said(&[
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Yes"),
    ]);
    let want = [
        "u1 <s>[INST] <<SYS>>\n",
        "s0* Be brief.",
        "u1 \n<</SYS>>\n\n",
        "u1* Hi",
        "u1  [/INST]",
        "a2  ",
        "a2* Yes",
        "a2  </s>",
    ];
    assert_eq!(shown("llama2", &turns, true).unwrap(), want);
    let want = [
        "none <|begin_of_text|>",
        "s0 <|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n",
        "s0* Be brief.",
        "s0 <|eot_id|>",
        "u1 <|start_header_id|>user<|end_header_id|>\n\n",
        "u1* Hi",
        "u1 <|eot_id|>",
        "a2 <|start_header_id|>assistant<|end_header_id|>\n\n",
        "a2* Yes",
        "a2 <|eot_id|>",
    ];
    assert_eq!(shown("llama3", &turns, false).unwrap(), want);
    // Without one the template adds a system turn by itself.
    let own = shown("llama3", &turns[1..], false).unwrap();
    assert!(
        own[1].starts_with("s- ") && own[1].contains("Today"),
        "{own:?}"
    );
    // Mistral moves it into the last turn of the user.
    let long = [&turns[..], &said(&[("user", "Bye")])].concat();
    let moved = shown("mistral", &long, true).unwrap();
    assert!(moved.contains(&"s0* Be brief.".to_owned()), "{moved:?}");
    assert_eq!(moved.last().unwrap(), "u3 [/INST]", "{moved:?}");
    assert!(moved.contains(&"u1* Hi".to_owned()), "{moved:?}");
}

#[test]
fn shortened_contents_are_found_and_changed_ones_are_unknown() {
    let turns = said(&[
        ("user", "Hi"),
        ("assistant", "<think>\nA greeting.\n</think>\n\nHello."),
        ("user", "Bye"),
    ]);
    let got = shown("qwen3", &turns, true).unwrap();
    assert!(got.contains(&"a1* Hello.".to_owned()), "{got:?}");
    let path = Path::new("loud.jinja");
    let loud = "{% for m in messages %}{{ m.role }}: {{ m.content | upper }}\n{% endfor %}";
    let check = |source: &str, words: &str| {
        let codec = tiny().with_chat_template(source, path);
        let encoded = codec.encode_chat(&said(&[("user", "Hi")]), true).unwrap();
        let why = encoded.roles.why_unknown().unwrap();
        assert!(why.contains(words), "{why}");
        assert!(encoded.notes.iter().any(|note| note.contains(words)));
        assert!((0..encoded.tokens.len()).all(|t| encoded.roles.place(t).is_none()));
    };
    check(loud, "changes the content of message 0");
    let twice = "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}";
    check(twice, "twice");
    let other =
        "{% for m in messages %}{{ 'a' if m.content == 'Hi' else 'b' }}{{ m.content }}{% endfor %}";
    check(other, "other markers");
}

#[test]
fn each_token_has_the_role_of_its_last_byte() {
    let codec = tiny();
    let turns = said(&[("user", "The king"), ("assistant", "Yes")]);
    let encoded = codec.encode_chat(&turns, false).unwrap();
    let roles = &encoded.roles;
    let of = |role: &str| -> String {
        let own = (0..roles.len()).filter(|t| roles.has(*t, role));
        own.map(|t| &encoded.text[encoded.spans[t].clone()])
            .collect()
    };
    assert_eq!(of("user"), "<|im_start|>user\nThe king<|im_end|>\n");
    assert_eq!(of("assistant"), "<|im_start|>assistant\nYes<|im_end|>\n");
    assert!(of("system").starts_with("<|im_start|>system\n"));
    assert_eq!(roles.names(), ["system", "user", "assistant"]);
    assert!((0..roles.len()).any(|t| roles.is_of(t, 1)));
    let content: String = (0..roles.len())
        .filter(|t| {
            roles
                .place(*t)
                .is_some_and(|place| place.role == "user" && !place.is_marker)
        })
        .map(|t| &encoded.text[encoded.spans[t].clone()])
        .collect();
    assert_eq!(content, "The king");
    // What follows a prompt that asks for an answer is the message after the last.
    let asked = codec.encode_chat(&turns[..1], true).unwrap().roles;
    let answer = asked.answer();
    assert_eq!(
        (answer.role.as_str(), answer.message, answer.is_marker),
        ("assistant", Some(1), false)
    );
}

#[test]
fn templates_are_found_where_models_have_them() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let found = |config: serde_json::Value| {
        Template::in_folder(folder.path(), &config, Vec::new()).unwrap()
    };
    let source = |config| found(config).unwrap().source().to_owned();
    assert_eq!(found(serde_json::json!({})), None);
    assert_eq!(found(serde_json::json!({"chat_template": null})), None);
    put("chat_template.json", "{\"chat_template\": \"C\"}");
    assert_eq!(source(serde_json::json!({})), "C");
    assert_eq!(source(serde_json::json!({"chat_template": "B"})), "B");
    let several =
        serde_json::json!([{"name": "rag", "template": "R"}, {"name": "default", "template": "D"}]);
    assert_eq!(source(serde_json::json!({"chat_template": several})), "D");
    let refused = |config: serde_json::Value| {
        let template = found(config).unwrap();
        template
            .render(&said(&[("user", "Hi")]), true, now())
            .unwrap_err()
            .to_string()
    };
    let unnamed = refused(serde_json::json!({"chat_template": [{"name": "rag", "template": "R"}]}));
    assert!(
        unnamed.contains("rag") && unnamed.contains("tokenizer_config.json"),
        "{unnamed}"
    );
    assert!(refused(serde_json::json!({"chat_template": 3})).contains("neither"));
    put("chat_template.jinja", "A");
    assert_eq!(source(serde_json::json!({"chat_template": "B"})), "A");
    let huge = "a".repeat(600_000);
    put("chat_template.jinja", &huge);
    assert!(refused(serde_json::json!({})).contains("600000 bytes"));
    let refused = tiny().with_chat_template(&huge, Path::new("m.gguf"));
    let said = refused
        .encode_chat(&said(&[("user", "Hi")]), true)
        .unwrap_err();
    assert!(
        said.to_string()
            .contains("m.gguf has a chat template of 600000"),
        "{said}"
    );
}

#[test]
fn a_template_can_neither_hang_nor_grow_nor_read_a_file() {
    let begun = std::time::Instant::now();
    for (source, words) in [
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "too long",
        ),
        (
            "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "too long",
        ),
        (
            "{{ [0] * 90000000 | tojson }}{{ ([0] * 90000000) | tojson }}",
            "fails",
        ),
        ("{% set x = [1] * 90000000 %}{{ x | tojson }}", "too long"),
        (
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "fails in line 1",
        ),
        ("{% include '/etc/hostname' %}", "fails"),
        ("{{ open('/etc/hostname') }}", "fails"),
        ("{{ messages[0].content", "fails"),
        ("{{ strftime_now('%Q%!') }}", "strftime_now"),
        (
            "{{ raise_exception('No. ') }}",
            "refuses these messages: No",
        ),
    ] {
        let template = Template::new(source, Path::new("bad.jinja"), Vec::new());
        let error = template
            .render(&said(&[("user", "Hi")]), true, now())
            .unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(words) && said.starts_with("bad.jinja"),
            "{source}: {said}"
        );
        assert!(!said.contains('\n'), "{said}");
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let long = "word ".repeat(200_000);
    let text = template("qwen3")
        .render(&said(&[("user", &long)]), true, now())
        .unwrap();
    assert!(
        text.contains(long.as_str()),
        "a million characters are rendered"
    );
}

#[test]
fn a_model_without_a_template_is_refused_with_the_remedy() {
    let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    let codec = TextCodec::open(Path::new(demo)).unwrap();
    assert!(codec.chat_template().is_none());
    let said = codec
        .encode_chat(&said(&[("user", "Hi")]), true)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("no chat template") && said.contains("chat_template.jinja"),
        "{said}"
    );
}
