//! Edits through the program: read from flags and files, in force in every command that takes them, refused in a sentence.

use std::sync::Arc;

use umbra_core::cli::steer_line;
use umbra_core::corpus::Positions;
use umbra_core::formats;
use umbra_core::models::{BosWish, Form, Model, Opening, Processing, Sampling};
use umbra_core::progress::Flow;
use umbra_core::steer;
use umbra_core::workbench::materials::{Sources, Stock};
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::steering::Request;
use umbra_core::workbench::text::TextRequest;

use umbra_tests::{demo_model, largest_difference, tensors};

use crate::umbra;

const RESID: &str = "blocks.2.hook_resid_post";

fn capture(folder: &std::path::Path, name: &str, more: &[&str]) {
    let model = demo_model();
    let args = [
        "capture",
        "--model",
        &model,
        "--text",
        "The old king",
        "--hook",
        RESID,
        "logits",
        "loss_sum",
        "--out",
        name,
    ];
    umbra(folder, &[args.as_slice(), more].concat()).done();
}

#[test]
fn a_file_of_edits_and_flags_do_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!(
        "[[edit]]\naction = \"scale\"\nby = 2\nhook = \"{RESID}\"\npositions = \"1..3\"\n\n\
         [[edit]]\naction = \"zero\"\nhook = \"blocks.3.attn.hook_z\"\nheads = [0, 2]\n"
    );
    std::fs::write(folder.path().join("edits.toml"), file).unwrap();
    let scale = format!("scale by=2 hook={RESID} positions=1..3");
    capture(folder.path(), "clean.safetensors", &[]);
    capture(
        folder.path(),
        "file.safetensors",
        &["--edits", "edits.toml"],
    );
    let zero = "zero hook=blocks.3.attn.hook_z heads=0,2";
    capture(
        folder.path(),
        "flags.safetensors",
        &["--edit", &scale, "--edit", zero],
    );
    capture(folder.path(), "one.safetensors", &["--edit", &scale]);
    let read = |name: &str| tensors(folder.path().join(name));
    let (clean, file, flags, one) = (
        read("clean.safetensors"),
        read("file.safetensors"),
        read("flags.safetensors"),
        read("one.safetensors"),
    );
    for name in [RESID, "logits", "loss_sum"] {
        assert_eq!(largest_difference(&file[name], &flags[name]), 0.0, "{name}");
    }
    assert!(largest_difference(&one["logits"], &flags["logits"]) > 1e-3);
    let part = |x: &candle_core::Tensor, from: usize, n: usize| x.narrow(1, from, n).unwrap();
    let doubled = (part(&clean[RESID], 1, 2) * 2.0).unwrap();
    assert_eq!(largest_difference(&part(&file[RESID], 1, 2), &doubled), 0.0);
    assert_eq!(
        largest_difference(&part(&file[RESID], 0, 1), &part(&clean[RESID], 0, 1)),
        0.0
    );
}

#[test]
fn text_is_written_under_edits_and_ends_where_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let written = |more: &[&str]| {
        let args = [
            "model",
            "generate",
            "--model",
            &model,
            "--prompt",
            "The king said",
            "--tokens",
            "24",
            "--temperature",
            "0",
            "--json",
        ];
        umbra(folder.path(), &[args.as_slice(), more].concat())
            .done()
            .json()
    };
    let plain = written(&[]);
    assert_eq!(plain["finish"], "length");
    assert_eq!(
        written(&["--edit", "scale by=1 hook=hook_embed"])["tokens"],
        plain["tokens"]
    );
    let edited = written(&[
        "--edit",
        "mean hook=blocks.2.hook_mlp_out positions=new",
        "--mean-of",
        &model_text(),
    ]);
    assert_ne!(edited["tokens"], plain["tokens"]);
    let text = plain["text"].as_str().unwrap();
    let stop: String = text.chars().skip(6).take(3).collect();
    let stopped = written(&["--stop", &stop]);
    assert_eq!(stopped["finish"], "stop");
    assert_eq!(
        stopped["text"].as_str().unwrap(),
        &text[..text.find(&stop).unwrap()]
    );
    let once = written(&["--repetition-penalty", "8"]);
    assert_ne!(once["tokens"], plain["tokens"]);
}

/// A text of the demo.
fn model_text() -> String {
    format!("{}/../text/held-out", demo_model())
}

#[test]
fn what_cannot_be_done_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let refused = |edit: &str, phrases: &[&str]| {
        let args = [
            "model", "generate", "--model", &model, "--prompt", "One day", "--edit", edit,
        ];
        umbra(folder.path(), &args).refused(phrases);
    };
    refused("explode", &["explode", "project-out"]);
    refused("add feature=1", &["--sae"]);
    refused("mean hook=blocks.1.hook_mlp_out", &["--mean-of"]);
    refused(
        "zero hook=blocks.9.hook_mlp_out",
        &["blocks.9", "no block 9"],
    );
    refused("zero hook=hook_embed heads=0", &["heads"]);
    refused(
        "patch file=none.safetensors key=x hook=hook_embed",
        &["none.safetensors"],
    );
}

/// A request of everything that a command line can say, on the demo.
fn request() -> Request {
    let demo = format!("{}/..", demo_model());
    let mut mean = TextRequest::new([format!("{demo}/text/held-out/alice.txt")]);
    mean.reading.positions = Some(Positions::First);
    let edits = [
        "add feature=7 strength=-6.5 positions=prompt",
        "mean hook=blocks.1.hook_mlp_out",
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
        sae: Some(format!("{demo}/saes/resid-2").into()),
        hook: None,
        edits: edits.map(|edit| edit.parse().unwrap()).to_vec(),
        sources: Sources {
            probe: Some(format!("{demo}/kept/resid-2.probe.safetensors").into()),
            allow_mismatch: false,
            mean: Some(mean),
        },
        prompt: "- \"Well,\" said the king;\nhe had $5".to_owned(),
        sampling: Sampling {
            temperature: 0.7,
            top_p: Some(0.9),
            top_k: None,
            repetition_penalty: 1.25,
            seed: 11,
            tokens: 8,
            stop: vec!["\n\n".to_owned()],
            ignore_eos: true,
        },
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
    let sae = formats::open(request.sae.as_ref().unwrap()).unwrap().0;
    let pair = Pair::new(&model, &Arc::new(sae));
    let mut stock = Stock::new(
        Arc::clone(&pair.model),
        Some(Arc::clone(&pair.sae)),
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
    [outcome.baseline.text, outcome.steered.text]
}

#[test]
fn a_request_written_as_a_command_line_runs_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let run = |request: &Request| {
        let line = steer_line(request).unwrap();
        let words = shlex::split(&line).unwrap();
        assert_eq!(words[0], "umbra");
        let mut args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        args.push("--json");
        let answer = umbra(folder.path(), &args).done().json();
        ["baseline", "steered"].map(|text| answer[text]["text"].as_str().unwrap().to_owned())
    };
    let whole = request();
    let written = run(&whole);
    assert_eq!(written, texts(&whole));
    assert_ne!(written[0], written[1]);
    // Each of these decides the texts, so a line that left one out would give others.
    let other = |change: fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        assert_ne!(run(&request), written);
    };
    other(|request| request.sampling.seed = 12);
    other(|request| drop(request.edits.pop()));
    other(|request| request.prompt.push('!'));
}
