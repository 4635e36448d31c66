//! `--separate-documents`: the notes and records of commands that read packed documents, and combinations that are rejected.

use serde_json::Value;
use umbra_tests::{demo_model, tensors};

use crate::{has_keys, umbra};

/// Short documents; many of them share a row.
fn corpus(folder: &std::path::Path) -> String {
    let text = folder.join("text.jsonl");
    let line = |i: usize| {
        let words = ["the old king", "a small fox", "the miller", "her daughter"];
        let said: Vec<&str> = (0..6 + i % 5).map(|j| words[(i * 7 + j * 3) % 4]).collect();
        format!("{{\"text\": \"{} said {}.\"}}\n", said.join(" and "), i)
    };
    std::fs::write(&text, (0..160).map(line).collect::<String>()).unwrap();
    text.to_string_lossy().into_owned()
}

#[test]
fn captured_rows_give_each_document_what_it_gives_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (demo_model(), corpus(folder.path()));
    let hook = "blocks.2.hook_resid_post";
    let args = |out: &str| {
        let out = folder.path().join(out).to_string_lossy().into_owned();
        let args = ["capture", "--model", &model, "--hook", hook, "--out", &out];
        args.map(str::to_owned).to_vec()
    };
    let captured = |out: &str, more: &[&str]| {
        let mut args = args(out);
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let said = umbra(folder.path(), &args).done().err;
        (tensors(folder.path().join(out)), said)
    };
    let packed = ["--corpus", &text, "--context", "64", "--rows", "2"];
    let (apart, said) = captured(
        "apart.safetensors",
        &[packed.as_slice(), &["--separate-documents"]].concat(),
    );
    assert!(said.contains("kept apart"), "{said}");
    let (across, said) = captured("across.safetensors", &packed);
    assert!(
        said.contains("as in SAELens (--separate-documents"),
        "{said}"
    );
    let rows: Vec<Vec<i64>> = apart["tokens"].to_vec2().unwrap();
    let row = &rows[0];
    let begins: Vec<usize> = (0..64).filter(|at| row[*at] == 0).collect();
    assert!(begins.len() > 2 && begins[0] == 0, "{row:?}");
    let (from, to) = (begins[1], begins[2]);
    let ids: Vec<String> = row[from..to].iter().map(i64::to_string).collect();
    let out = folder.path().join("logits.safetensors");
    let out = out.to_string_lossy().into_owned();
    let args = [
        "model",
        "logits",
        "--model",
        &model,
        "--tokens",
        &ids.join(","),
        "--out",
        &out,
    ];
    umbra(folder.path(), &args).done();
    let alone = &tensors(&out)["logits"];
    let logits = |captured: &[&str]| {
        let flags = [
            "capture", "--model", &model, "--hook", "logits", "--out", &out,
        ];
        umbra(folder.path(), &[flags.as_slice(), captured].concat()).done();
        let logits = &tensors(&out)["logits"];
        logits
            .narrow(0, 0, 1)
            .unwrap()
            .narrow(1, from, to - from)
            .unwrap()
    };
    let with = logits(&[packed.as_slice(), &["--separate-documents"]].concat());
    let off = umbra_tests::largest_difference(&with, alone);
    assert!(off < 1e-3, "{off}");
    let off = umbra_tests::largest_difference(&logits(&packed), alone);
    assert!(off > 0.1, "{off}");
    let off = umbra_tests::largest_difference(&apart[hook], &across[hook]);
    assert!(off > 0.1, "{off}");
}

#[test]
fn a_store_a_dictionary_and_an_index_say_how_documents_were_read() {
    let folder = tempfile::tempdir().unwrap();
    let (model, text) = (demo_model(), corpus(folder.path()));
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let run = |args: &[&str]| umbra(folder.path(), args);
    let hook = "blocks.1.hook_resid_post";
    let read = ["--model", &model, "--corpus", &text, "--context", "64"];
    let store = at("store");
    let to_store = [
        "capture", "--hook", hook, "--store", &store, "--split", "all",
    ];
    let apart = [&to_store, read.as_slice(), &["--separate-documents"]].concat();
    run(&apart).done();
    run(&[&to_store, read.as_slice()].concat())
        .refused(&["documents: kept apart, here: read across"]);
    let short = [
        "--features",
        "64",
        "--k",
        "4",
        "--tokens",
        "1k",
        "--batch",
        "64",
        "--seed",
        "0",
    ];
    let (from_store, from_text) = (at("from-store"), at("from-text"));
    let trains = ["train", "--store", &store, "--out", &from_store];
    let otherwise = ["--separate-documents", "false"];
    let refused = run(&[trains.as_slice(), &short, &otherwise].concat());
    refused.refused(&[
        "captured with documents kept apart",
        "attention across documents",
    ]);
    run(&[trains.as_slice(), &short].concat()).done();
    let trains = ["train", "--hook", hook, "--out", &from_text, "--no-split"];
    let with = ["--separate-documents", "true"];
    run(&[&trains, read.as_slice(), &short, &with].concat()).done();
    let metadata = |folder: &str| -> Value {
        let text = std::fs::read_to_string(format!("{folder}/cfg.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["metadata"].clone()
    };
    for folder in [&from_store, &from_text] {
        assert_eq!(metadata(folder)["separate_documents"], true);
    }
    // The dictionary's file decides, and a note names the other reading.
    let eval = ["eval", "--sae", &from_text, "--json"];
    let own = run(&[&eval, read.as_slice()].concat()).done();
    assert!(own.err.contains("kept apart"), "{}", own.err);
    assert_eq!(own.json()["separate_documents"], true);
    let other = run(&[&eval, read.as_slice(), &["--separate-documents=false"]].concat()).done();
    assert!(
        other.err.contains("trained with documents kept apart"),
        "{}",
        other.err
    );
    assert_ne!(own.json()["ce_clean"], other.json()["ce_clean"]);
    let index = at("index.sqlite");
    let build = [
        "index", "build", "--sae", &from_text, "--out", &index, "--json",
    ];
    let built = run(&[&build, read.as_slice()].concat()).done().json();
    has_keys(&built, "separate_documents positions");
    assert_eq!(built["separate_documents"], true);
    let bare = ["eval", "--sae", &from_text, "--no-bos"];
    let bare = run(&[bare.as_slice(), read.as_slice()].concat());
    bare.refused(&["--separate-documents", "BOS"]);
}
