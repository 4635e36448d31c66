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

/// A dictionary of the demo.
fn sae(name: &str) -> String {
    format!("{}/../saes/{name}", demo_model())
}

#[test]
fn two_dictionaries_steer_one_text_and_the_run_proves_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let [resid, attn] = ["resid-2", "attn-1"].map(sae);
    let steered = |more: &[&str]| {
        let args = [
            "steer",
            "--model",
            &model,
            "--sae",
            &resid,
            "--sae",
            &attn,
            "--prompt",
            "The old king",
            "--tokens",
            "6",
            "--json",
        ];
        umbra(folder.path(), &[args.as_slice(), more].concat())
    };
    let edits = [
        "--edit",
        "add feature=12 strength=8 sae=resid-2",
        "--edit",
        "set-feature feature=3 value=6 sae=attn-1",
    ];
    let save = ["--save-edits", "mine.toml"];
    let answer = steered(&[&edits[..], &save].concat()).done().json();
    let proof = &answer["proof"];
    let hooks: Vec<&str> = (proof["hooks"].as_array().unwrap().iter())
        .map(|hook| hook["hook"].as_str().unwrap())
        .collect();
    assert_eq!(hooks, ["blocks.1.attn.hook_z", RESID]);
    assert_eq!(proof["acted"], true);
    assert_eq!(proof["reached_new"], true);
    assert!(proof["logits"]["largest"].as_f64().unwrap() > 0.1);
    assert!(proof["generated"]["logits"]["kl"].as_f64().unwrap() > 0.0);
    // The row has length 1, and 8 of them are added everywhere.
    let delta = proof["hooks"][1]["delta"].as_f64().unwrap();
    assert!((delta - 8.0).abs() < 0.01, "{delta}");
    let strength = &answer["strengths"][0];
    assert_eq!(strength["raw"], 8.0);
    assert!((strength["folded"].as_f64().unwrap() - 8.0).abs() < 0.01);
    assert!(strength["of_mean_norm"].as_f64().unwrap() > 0.0);
    assert!(answer["strengths"][1].is_null());
    // The saved edits give the same texts.
    let again = steered(&["--edits", "mine.toml"]).done().json();
    assert_eq!(again["steered"], answer["steered"]);
    assert_eq!(again["edits"], answer["edits"]);
    // Nothing changed, and the reason is told.
    let idle = steered(&["--edit", "add feature=12 strength=0 sae=resid-2"])
        .done()
        .json();
    assert_eq!(idle["proof"]["acted"], false);
    let said = idle["proof"]["conclusion"].as_str().unwrap();
    assert!(said.contains("strength is 0"), "{said}");
    steered(&["--edit", "add feature=12 strength=1"]).refused(&["resid-2, attn-1", "sae="]);
    steered(&["--edit", "add feature=12 strength=1 sae=attn-3"]).refused(&["attn-3"]);
    let foreign = format!(
        "{}/../tests/golden/sae-lens-topk",
        env!("CARGO_MANIFEST_DIR")
    );
    steered(&["--sae", &foreign, "--edit", "add feature=1 sae=resid-2"])
        .refused(&["sae-lens-topk"]);
}

#[test]
fn vectors_of_edits_are_saved_and_are_for_one_model() {
    let folder = tempfile::tempdir().unwrap();
    let (model, resid) = (demo_model(), sae("resid-2"));
    let steered = |model: &str, more: &[&str]| {
        let args = [
            "steer",
            "--model",
            model,
            "--prompt",
            "The old king",
            "--tokens",
            "6",
            "--json",
        ];
        umbra(folder.path(), &[args.as_slice(), more].concat())
    };
    let add = ["--sae", &resid, "--feature", "12", "--strength", "8"];
    let save = ["--save-vectors", "v.safetensors"];
    let stack = steered(&model, &[&add[..], &save].concat()).done().json();
    let vectors = tensors(folder.path().join("v.safetensors"));
    assert_eq!(vectors.keys().collect::<Vec<_>>(), [RESID]);
    assert_eq!(vectors[RESID].dims(), [256]);
    let edit = format!("add file=v.safetensors key={RESID} positions=1..");
    let again = steered(&model, &["--edit", &edit]).done().json();
    assert_eq!(again["steered"]["text"], stack["steered"]["text"]);
    let tiny = format!("{}/../tests/golden/tiny-llama", env!("CARGO_MANIFEST_DIR"));
    steered(&tiny, &["--edit", &edit]).refused(&["v.safetensors", "fingerprint"]);
    let zero = [
        "--edit",
        "zero hook=blocks.1.hook_mlp_out",
        "--save-vectors",
        "w.safetensors",
    ];
    steered(&model, &zero).refused(&["adds no vector"]);
    assert!(!folder.path().join("w.safetensors").exists());
}
