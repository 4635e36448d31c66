//! Requests written as command lines and read again.

use std::ffi::OsString;
use std::path::PathBuf;

use super::*;
use crate::corpus::{CorpusSpec, Part, Positions};
use crate::device::DeviceWish;
use crate::models::{BosWish, Form, Processing, Sampling};
use crate::workbench::materials::Sources;
use crate::workbench::steering::Request;
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
        sae: None,
        hook: None,
        edits: vec!["zero hook=blocks.1.attn.hook_z heads=3".parse().unwrap()],
        sources: Sources::default(),
        device: DeviceWish::Auto,
        prompt: "One day".to_owned(),
        sampling: Sampling::default(),
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
        sae: Some(PathBuf::from("saes/the one")),
        hook: Some("blocks.2.hook_resid_post".parse().unwrap()),
        edits: edits.map(|edit| edit.parse().unwrap()).to_vec(),
        sources: Sources {
            probe: Some(PathBuf::from("kept/probe.safetensors")),
            allow_mismatch: true,
            mean: Some(mean),
        },
        device: DeviceWish::Gpu(Some(2)),
        prompt: "- \"Well,\" said the fox;\n`it's $5`".to_owned(),
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
    };
    let line = check(&full);
    assert!(
        line.len() > plain.len() && line.contains("'saes/the one'"),
        "{line}"
    );
    // A field that went unwritten would leave the request read again like this one, which differs in every field.
    assert_ne!(check(&least()), line);
    let mut usual = least();
    for processing in [Processing::default(), "fold-ln".parse().unwrap()] {
        usual.processing = Some(processing);
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
