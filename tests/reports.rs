//! Reports of features from the command line: what is chosen, every form, figures, and what is refused. `browser.rs` opens them.

use std::fs;
use std::path::Path;

use serde_json::Value;
use umbra_core::FeatureIndex;
use umbra_tests::{at, names};

use crate::umbra;

#[test]
fn a_filter_chooses_the_features_of_a_report() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/resid-2.sqlite");
    let args = [
        "report",
        &index,
        "--where",
        "density<0.1% and max>=8",
        "--sort",
        "max",
        "--limit",
    ];
    let written = umbra(
        here.path(),
        &[&args[..], &["7", "--out", "r.json"]].concat(),
    )
    .done();
    assert_eq!(written.out, "Wrote 7 features to r.json\n");
    let json: Value =
        serde_json::from_slice(&fs::read(here.path().join("r.json")).unwrap()).unwrap();
    let got = json["features"].as_array().unwrap().iter();
    let got: Vec<u64> = got.map(|of| of["feature"].as_u64().unwrap()).collect();
    let summaries = FeatureIndex::open(index.as_ref())
        .unwrap()
        .summaries()
        .unwrap();
    let mut want: Vec<_> = summaries
        .iter()
        .filter(|of| of.density < 1e-3 && of.max >= 8.0)
        .collect();
    want.sort_by(|a, b| b.max.total_cmp(&a.max).then(a.feature.cmp(&b.feature)));
    let want: Vec<u64> = want.iter().take(7).map(|of| of.feature.0.into()).collect();
    assert_eq!(got, want);
    let none = ["report", &index, "--where", "max>1e6", "--out", "r.html"];
    umbra(here.path(), &none).refused(&["--where", "keeps none", "2048"]);
    let labelled = [
        "report",
        &index,
        "--where",
        "is:labelled",
        "--out",
        "r.html",
    ];
    umbra(here.path(), &labelled).refused(&["labels", "--project"]);
    let wrong = umbra(
        here.path(),
        &["report", &index, "--where", "denisty<1", "--out", "r.html"],
    );
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("--where"), "{}", wrong.err);
    assert_eq!(names(here.path()), ["r.json"]);
}

#[test]
fn a_whole_dictionary_is_a_table_and_a_few_features_are_markdown_and_figures() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/attn-0.sqlite");
    let features = FeatureIndex::open(index.as_ref()).unwrap().about().features;
    let args = [
        "report",
        &index,
        "--features",
        "all",
        "--out",
        "all.csv",
        "--json",
    ];
    let said = umbra(here.path(), &args).done().json();
    assert_eq!(said["features"], features);
    let table = fs::read_to_string(here.path().join("all.csv")).unwrap();
    // Token texts hold line breaks only inside quotes.
    let (mut rows, mut quoted) = (0, false);
    for c in table.chars() {
        match c {
            '"' => quoted = !quoted,
            '\n' if !quoted => rows += 1,
            _ => {}
        }
    }
    assert_eq!(rows, features + 1);
    let args = [
        "report",
        &index,
        "--features",
        "top:2",
        "--out",
        "two.md",
        "--figures",
        "figures",
    ];
    let said = umbra(here.path(), &[&args[..], &["--json"]].concat())
        .done()
        .json();
    let files = names(&here.path().join("figures"));
    assert_eq!(said["figures_files"], files.len());
    assert!(
        files.len() >= 4
            && files
                .iter()
                .all(|name| Path::new(name).extension().is_some_and(|e| e == "svg")),
        "{files:?}"
    );
    let text = fs::read_to_string(here.path().join("two.md")).unwrap();
    assert_eq!(text.matches("\n## \\#").count(), 2);
}

#[test]
fn a_report_without_target_features_or_form_is_refused() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/attn-0.sqlite");
    let usage = |args: &[&str], word: &str| {
        let run = umbra(here.path(), args);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.err.contains(word), "{}", run.err);
    };
    usage(&["report", &index, "--features", "1"], "--gallery");
    usage(&["report", &index, "--out", "r.html"], "top:10");
    usage(
        &[
            "report",
            &index,
            "--features",
            "1",
            "--where",
            "max>1",
            "--out",
            "r.md",
        ],
        "--where",
    );
    let refused = |args: &[&str], words: &[&str]| {
        umbra(here.path(), &[&["report", &index], args].concat()).refused(words);
    };
    refused(&["--features", "1", "--out", "r.pdf"], &["r.pdf", ".md"]);
    refused(
        &["--features", "99999", "--out", "r.md"],
        &["99999", "does not exist"],
    );
    assert_eq!(names(here.path()), Vec::<String>::new());
}

#[test]
fn correlations_are_measured_stored_and_exported() {
    let here = tempfile::tempdir().unwrap();
    let (model, sae) = (at("assets/demo/model"), at("assets/demo/saes/attn-0"));
    let text = at("assets/demo/text/held-out/alice.txt");
    let index = at("assets/demo/indexes/attn-0.sqlite");
    let export = |index: &str, out: &str| {
        let args = [
            "index",
            "export",
            index,
            "--to",
            "neuronpedia",
            "--out",
            out,
        ];
        let run = umbra(here.path(), &args).done();
        let batch = fs::read(here.path().join(out).join("batch-0.json")).unwrap();
        (serde_json::from_slice::<Value>(&batch).unwrap(), run.err)
    };
    let (batch, said) = export(&index, "without");
    assert!(said.contains("umbra index correlate"), "{said}");
    assert_eq!(
        batch["features"][0]["correlated_features_indices"],
        serde_json::json!([])
    );
    let args = [
        "index",
        "correlate",
        &index,
        "--model",
        &model,
        "--sae",
        &sae,
        "--corpus",
        &text,
    ];
    let more = ["--tokens", "3k", "--out", "with.sqlite", "--json"];
    let measured = umbra(here.path(), &[&args[..], &more].concat())
        .done()
        .json();
    let (batch, said) = export("with.sqlite", "with");
    assert!(!said.contains("umbra index correlate"), "{said}");
    let mut filled = 0;
    for feature in batch["features"].as_array().unwrap() {
        let number = feature["feature_index"].as_u64().unwrap() as usize;
        let of = &measured["features"][number];
        let listed: Vec<&Value> = of["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|of| &of["feature"])
            .collect();
        let exported: Vec<&Value> = feature["correlated_features_indices"]
            .as_array()
            .unwrap()
            .iter()
            .collect();
        assert_eq!(exported, listed);
        assert_eq!(
            feature["neuron_alignment_indices"]
                .as_array()
                .unwrap()
                .len(),
            3
        );
        filled += usize::from(exported.len() == 3);
    }
    assert!(filled > 10, "{filled}");
}
