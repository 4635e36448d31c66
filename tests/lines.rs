//! Requests written as command lines: the program does what the library does with the same request.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use umbra_core::cli::{steer_line, train_line};
use umbra_core::corpus::{Part, Positions};
use umbra_core::device::DeviceWish;
use umbra_core::formats;
use umbra_core::models::{BosWish, Form, Model, Opening, Processing, Sampling};
use umbra_core::progress::Flow;
use umbra_core::steer;
use umbra_core::train::Spec;
use umbra_core::workbench::direct::train_dictionary;
use umbra_core::workbench::materials::{Sources, Stock};
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::steering::{Dictionary, Request};
use umbra_core::workbench::text::TextRequest;
use umbra_core::workbench::training::{Reads, Request as Training};

use umbra_tests::demo_model;

use crate::umbra;

/// A request of everything that a command line can say, on the demo.
fn request() -> Request {
    let demo = format!("{}/..", demo_model());
    let mut mean = TextRequest::new([format!("{demo}/text/held-out/alice.txt")]);
    mean.reading.positions = Some(Positions::First);
    let edits = [
        "add feature=7 strength=1.5 positions=prompt",
        "mean hook=blocks.3.hook_mlp_out",
        "splice part=+linear",
        "patch from=\"The crow's \\\"cheese\\\"\" hook=blocks.0.hook_mlp_out",
    ];
    Request {
        model: demo_model().into(),
        form: Form::F32,
        processing: Some(Processing::default()),
        bos: BosWish {
            left_out: false,
            doubled: true,
        },
        saes: vec![Dictionary::from_written(Path::new(&format!(
            "{demo}/saes/resid-2"
        )))],
        hook: None,
        edits: edits.map(|edit| edit.parse().unwrap()).to_vec(),
        sources: Sources {
            probes: vec![format!("{demo}/kept/resid-2.probe.safetensors").into()],
            allow_mismatch: false,
            mean: Some(mean),
        },
        device: DeviceWish::Cpu,
        prompt: "- \"Well,\" said the king;\nhe had $5".into(),
        sampling: Sampling {
            temperature: 0.9,
            top_p: Some(0.95),
            top_k: None,
            repetition_penalty: 1.1,
            seed: 11,
            tokens: 12,
            stop: vec!["\n\n".to_owned()],
            ignore_eos: true,
        },
        samples: 3,
    }
}

/// Both texts of `request` by the library.
fn texts(request: &Request) -> [String; 2] {
    let opening = Opening {
        form: request.form,
        processing: request.processing.unwrap(),
        bos: request.bos,
    };
    let model = Arc::new(Model::open_as(&request.model, opening).unwrap().0);
    let sae = formats::open(&request.saes[0].path).unwrap().0;
    let pair = Pair::new(&model, &Arc::new(sae));
    let mut stock = Stock::new(
        Arc::clone(&pair.model),
        Some(Arc::clone(&pair.sae).into()),
        request.sources.clone(),
    );
    let mut on = |_| Flow::Continue(());
    let edits = stock
        .edits(&request.edits, &mut on)
        .unwrap()
        .done()
        .unwrap()
        .edits;
    let (prompt, sampling) = (&request.prompt, &request.sampling);
    let mut on = |_| Flow::Continue(());
    let outcome = steer::run(&pair.model, edits, prompt, sampling, &mut on)
        .unwrap()
        .into_value();
    let sample = &outcome.samples[0];
    steer::Stream::ALL.map(|stream| sample.text(stream).written.text.clone())
}

#[test]
fn a_request_written_as_a_command_line_runs_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let steered = |request: &Request| {
        let answer = run(folder.path(), &steer_line(request).unwrap());
        ["baseline", "steered"].map(|text| answer[text]["text"].as_str().unwrap().to_owned())
    };
    let whole = request();
    let written = steered(&whole);
    assert_eq!(written, texts(&whole));
    assert_ne!(written[0], written[1]);
    // Each of these decides the texts, so a line that left one out would give others.
    let other = |change: fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        assert_ne!(steered(&request), written);
    };
    other(|request| request.sampling.seed = 12);
    other(|request| drop(request.edits.pop()));
    other(|request| request.prompt = "Another".into());
}

/// Runs a command line as a shell would and returns its answer.
fn run(folder: &Path, line: &str) -> Value {
    let words = shlex::split(line).unwrap();
    assert_eq!(words[0], "umbra");
    let mut args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    args.push("--json");
    umbra(folder, &args).done().json()
}

#[test]
fn a_training_run_written_as_a_command_line_trains_the_same_dictionary() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{}/../text/held-out/alice.txt", demo_model());
    let text = TextRequest::new([text]).of(Part::Train);
    let mut spec = Spec::default_for("blocks.1.attn.hook_z".parse().unwrap());
    for (key, value) in [
        ("variant", "batch-topk"),
        ("features", "32"),
        ("k", "4"),
        ("tokens", "2048"),
        ("batch", "256"),
        ("buffer", "2048"),
        ("seed", "5"),
        ("positions", "first"),
    ] {
        spec.set(key, value).unwrap();
    }
    let out = folder.path().join("it's one");
    let request = Training {
        reads: Reads::Text {
            model: demo_model().into(),
            opening: Opening::default(),
            text: text.clone(),
        },
        from: None,
        on: None,
        dictionaries: vec![(spec.clone(), out.clone())],
        checkpoint: None,
        device: DeviceWish::Cpu,
    };
    let answer = run(folder.path(), &train_line(&request).unwrap());
    assert_eq!(answer["tokens_seen"], 2048);
    let model = Model::open(&demo_model()).unwrap().0;
    let text = text.read(&model, None).unwrap().by(spec.positions);
    let want = train_dictionary(&spec, &model, &text).unwrap();
    let got = formats::open(&out).unwrap().0;
    assert_eq!(got.w_enc.values(), want.w_enc.values());
    assert_eq!(got.w_dec.values(), want.w_dec.values());
    assert_eq!(got.selection.describe(), want.selection.describe());
}
