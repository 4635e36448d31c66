//! Edits through the built program: read from flags and files, applied by every command that accepts them, rejected in one sentence.

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
