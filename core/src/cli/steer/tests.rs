//! Requests written as command lines and read again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::*;
use crate::corpus::{CorpusSpec, Part, Positions};
use crate::device::DeviceWish;
use crate::models::{BosWish, Form, Processing, Sampling};
use crate::prompt::Input;
use crate::text::chat::Message;
use crate::workbench::materials::Sources;
use crate::workbench::steering::{Dictionary, Request};
use crate::workbench::text::TextRequest;

/// Checks that `request` is written as a line that asks for the same; returns the line.
#[track_caller]
fn check(request: &Request) -> String {
    let line = steer_line(request).unwrap();
    let words = shlex::split(&line).unwrap();
    let read = steer_request(words.into_iter().map(OsString::from)).unwrap();
    assert_eq!(read, *request, "{line}");
    line
}

fn least() -> Request {
    Request {
        model: PathBuf::from("model"),
        form: Form::F32,
        processing: None,
        bos: BosWish::default(),
        saes: Vec::new(),
        hook: None,
        edits: vec!["zero hook=blocks.1.attn.hook_z heads=3".parse().unwrap()],
        sources: Sources::default(),
        device: DeviceWish::Auto,
        prompt: "One day".into(),
        sampling: Sampling::default(),
        samples: 1,
    }
}

#[test]
fn every_field_of_a_request_is_on_its_line() {
    let plain = check(&least());
    let mut mean = TextRequest::from(CorpusSpec {
        paths: vec!["girls.txt".into(), "-old books/alice's.txt".into()],
        recursive: true,
        unwrap: true,
        column: Some("my text".to_owned()),
    });
    (mean.part, mean.seed) = (Part::HeldOut, 7);
    mean.reading.positions = Some(Positions::SaeLens);
    let edits = [
        "add feature=3 strength=-1.5 positions=prompt",
        "mean",
        "splice part=+linear",
        "patch from=\"It's \\\"here\\\"\" hook=blocks.0.hook_mlp_out rows=0,2",
    ];
    let full = Request {
        model: PathBuf::from("a model/$HOME.gguf"),
        form: Form::Stored,
        processing: Some("fold-ln,center-unembed".parse().unwrap()),
        bos: BosWish {
            left_out: true,
            doubled: true,
        },
        saes: vec![Dictionary::from_written(Path::new("saes/the one"))],
        hook: Some("blocks.2.hook_resid_post".parse().unwrap()),
        edits: edits.map(|edit| edit.parse().unwrap()).to_vec(),
        sources: Sources {
            probes: vec![PathBuf::from("kept/probe.safetensors")],
            allow_mismatch: true,
            mean: Some(mean),
        },
        device: DeviceWish::Gpu(Some(2)),
        prompt: "- \"Well,\" said the fox;\n`it's $5`".into(),
        sampling: Sampling {
            temperature: 0.123_456_789,
            top_p: Some(0.95),
            top_k: None,
            repetition_penalty: 1.1,
            seed: u64::MAX,
            tokens: 17,
            stop: vec!["\n\n".to_owned(), "--".to_owned()],
            ignore_eos: true,
        },
        samples: 3,
    };
    let line = check(&full);
    assert!(
        line.len() > plain.len() && line.contains("'saes/the one'"),
        "{line}"
    );
    // A field that went unwritten would leave the request read again like this one, which differs in every field.
    assert_ne!(check(&least()), line);
    let mut two = full;
    two.hook = None;
    two.saes = ["first=saes/a=b/one", "/two=2", "own/name:file=x"]
        .map(|sae| Dictionary::from_written(Path::new(sae)))
        .to_vec();
    let names: Vec<Option<&str>> = two.saes.iter().map(|sae| sae.name.as_deref()).collect();
    assert_eq!(names, [Some("first"), None, None]);
    two.sources
        .probes
        .push(PathBuf::from("kept/other.safetensors"));
    two.edits[0].sae = Some("first".to_owned());
    check(&two);
    let mut usual = least();
    for processing in [Processing::default(), "fold-ln".parse().unwrap()] {
        usual.processing = Some(processing);
        check(&usual);
    }
    let chat = |turns: &[(&str, &str)]| {
        let messages = turns.iter().map(|(role, text)| Message::new(*role, *text));
        Input::Chat(messages.collect())
    };
    for prompt in [
        chat(&[("user", "- Hi\n'you'")]),
        chat(&[("system", "Be brief."), ("user", "Hi")]),
        chat(&[("user", "Hi"), ("assistant", "\"Yes\""), ("user", "$5")]),
    ] {
        usual.prompt = prompt;
        check(&usual);
    }
}

#[test]
fn another_command_and_wrong_usage_are_refused() {
    let refused = |line: &str, phrase: &str| {
        let words = line.split(' ').map(OsString::from);
        let said = steer_request(words).unwrap_err().to_string();
        assert!(said.contains(phrase), "{said}");
    };
    refused("umbra eval --model m --sae s --corpus c", "another command");
    refused("umbra steer --model m", "--prompt");
    refused("umbra steer --model m --prompt p", "--edit");
}
