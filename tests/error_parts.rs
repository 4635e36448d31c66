//! The cost of the parts of an error: the contract of `umbra dark-matter splice` against torch and against `umbra eval`, several dictionaries, and kept results.

use std::path::Path;

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::journey::trained;
use crate::{has_keys, umbra};

const KEYS: &str = "ce_clean ce_sae ce_linear ce_nonlinear ce_zero ce_recovered_zero tokens fvu recovered norm_share r2_share ce_swapped removed conclusion definitions";

fn number(value: &Value, keys: &[&str]) -> f64 {
    let found = keys.iter().fold(value, |value, key| &value[*key]);
    found
        .as_f64()
        .unwrap_or_else(|| panic!("{keys:?}: {value}"))
}

#[test]
fn splice_prints_what_torch_computes_from_the_same_files() {
    let here = tempfile::tempdir().unwrap();
    for (name, skip) in [("gpt2", "0"), ("llama", "0"), ("gpt2-skip-8", "8")] {
        let text =
            std::fs::read_to_string(at(&format!("tests/golden/splice/{name}.json"))).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        for part in ["fit", "held_out"] {
            let rows = case[part].as_array().unwrap().iter();
            let lines = rows.map(|row| format!("{{\"input_ids\":{row}}}\n"));
            let path = here.path().join(format!("{part}.jsonl"));
            std::fs::write(path, lines.collect::<String>()).unwrap();
        }
        let model = at(&format!("tests/golden/{}", case["model"].as_str().unwrap()));
        let sae = at("tests/golden/sae-lens-topk");
        let args = [
            "dark-matter",
            "splice",
            "--model",
            &model,
            "--sae",
            &sae,
            "--corpus",
            "fit.jsonl",
            "--held-out",
            "held_out.jsonl",
            "--skip",
            skip,
            "--json",
        ];
        let got = umbra(here.path(), &args).done().json();
        has_keys(&got, KEYS);
        let want = &case["figures"];
        for keys in [
            &["ce_clean"][..],
            &["ce_sae"],
            &["ce_linear"],
            &["ce_nonlinear"],
            &["ce_zero"],
            &["tokens"],
            &["fvu", "sae"],
            &["fvu", "linear"],
            &["fvu", "nonlinear"],
            &["recovered", "linear"],
            &["recovered", "nonlinear"],
        ] {
            // A share of a cost of 0.15 nats moves by ten times the loss's own rounding in f32.
            let most = if keys[0] == "recovered" { 3e-4 } else { 2e-5 };
            let (got, want) = (number(&got, keys), number(want, keys));
            assert!((got - want).abs() <= most, "{name} {keys:?}: {got}, {want}");
        }
    }
}

/// Flags of a short measurement with the demo's model.
fn short(model: &str) -> Vec<String> {
    let words = [
        "--model",
        model,
        "--corpus",
        &at("assets/demo/text/train/jungle.txt"),
        "--held-out",
        &at("assets/demo/text/held-out/girls.txt"),
        "--tokens",
        "6000",
        "--context",
        "64",
        "--json",
    ];
    words.map(str::to_owned).to_vec()
}

fn run(here: &Path, verb: &str, more: &[&str]) -> Value {
    let short = short(&demo_model());
    let words: Vec<&str> = ["dark-matter", verb]
        .into_iter()
        .chain(more.iter().copied())
        .chain(short.iter().map(String::as_str))
        .collect();
    umbra(here, &words).done().json()
}

#[test]
fn several_dictionaries_are_spliced_in_one_go_and_kept_with_a_project() {
    let here = tempfile::tempdir().unwrap();
    let (sae, attn) = (trained().sae(), at("assets/demo/saes/attn-0"));
    let project = format!("version = 1\nname = \"Mine\"\nmodel = {:?}\n", demo_model());
    std::fs::write(here.path().join("umbra.toml"), project).unwrap();
    let value = run(
        here.path(),
        "splice",
        &[
            "--sae",
            &sae,
            "--sae",
            &attn,
            "--measured",
            "500",
            "--project",
            ".",
        ],
    );
    let all = value["dictionaries"].as_array().unwrap();
    assert_eq!(all.len(), 2);
    has_keys(
        &all[1],
        "ce_clean ce_sae ce_linear ce_nonlinear ce_zero tokens fvu recovered",
    );
    assert_eq!(all[0]["ce_clean"], all[1]["ce_clean"]);
    for one in all {
        // Neither part alone explains what both do, and zeros explain nothing.
        assert!(number(one, &["fvu", "linear"]) < number(one, &["fvu", "sae"]));
        assert_eq!(one["removed"]["linear"], one["ce_nonlinear"]);
        assert!(number(one, &["ce_zero"]) > number(one, &["ce_clean"]));
    }
    let kept = std::fs::read_to_string(here.path().join("kept/all.splice.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["result"]["dictionaries"][1]["sae"], "attn-0");
    let shown = umbra(here.path(), &["project", "show", "."]).done();
    assert!(shown.out.contains("splice"), "{shown:?}");
    let foreign = [
        "dark-matter",
        "splice",
        "--model",
        &at("tests/golden/tiny-gpt2"),
        "--sae",
        &attn,
        "--corpus",
        &at("assets/demo/text/train/jungle.txt"),
    ];
    umbra(here.path(), &foreign).refused(&["attn-0"]);
}

#[test]
fn splice_and_eval_print_the_same_cross_entropies() {
    let here = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), trained().sae());
    let text = std::fs::read_to_string(at("assets/demo/text/held-out/girls.txt")).unwrap();
    let short: String = text.chars().take(6_000).collect();
    std::fs::write(here.path().join("short.txt"), short).unwrap();
    let train = at("assets/demo/text/train/jungle.txt");
    let both = [
        "--model",
        &model,
        "--sae",
        &sae,
        "--context",
        "64",
        "--json",
        "--corpus",
    ];
    let splice = [
        "dark-matter",
        "splice",
        "--held-out",
        "short.txt",
        "--tokens",
        "6000",
    ];
    let spliced = umbra(here.path(), &[&splice[..], &both, &[&train]].concat());
    let spliced = spliced.done().json();
    let eval = umbra(
        here.path(),
        &[&["eval"], &both[..], &["short.txt"]].concat(),
    );
    let eval = eval.done().json();
    // f64 sums of the same losses in two orders.
    for key in ["ce_clean", "ce_sae", "ce_zero"] {
        let [ours, theirs] = [&spliced, &eval].map(|value| value[key].as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-13 * theirs, "{key}");
    }
}

#[test]
fn the_error_is_predicted_from_other_dictionaries_and_kept() {
    let here = tempfile::tempdir().unwrap();
    let (sae, attn) = (trained().sae(), at("assets/demo/saes/attn-0"));
    let project = format!("version = 1\nname = \"Mine\"\nmodel = {:?}\n", demo_model());
    std::fs::write(here.path().join("umbra.toml"), project).unwrap();
    let value = run(
        here.path(),
        "predict",
        &[
            "--sae",
            &sae,
            "--from",
            &attn,
            "--measured",
            "1000",
            "--project",
            ".",
        ],
    );
    has_keys(
        &value,
        "fvu_total fvu_nonlinear rows fit_tokens conclusion definitions",
    );
    let rows = value["rows"].as_array().unwrap();
    let relations = rows.iter().map(|row| row["relation"].as_str().unwrap());
    assert_eq!(relations.collect::<Vec<_>>(), ["same", "same", "earlier"]);
    assert_eq!(number(&rows[0], &["reduction"]), 0.0);
    assert_eq!(number(&rows[0], &["linear", "r2"]), 1.0);
    assert_eq!(rows[2]["source"], "attn-0");
    let left = number(&rows[2], &["fvu_left"]) / number(&value, &["fvu_nonlinear"]);
    assert!((1.0 - left - number(&rows[2], &["reduction"])).abs() < 1e-9);
    let kept = std::fs::read_dir(here.path().join("kept")).unwrap();
    let kept: Vec<_> = kept.map(|file| file.unwrap().file_name()).collect();
    assert!(
        kept[0].to_str().unwrap().ends_with(".predict.json"),
        "{kept:?}"
    );
}

#[test]
fn a_self_test_says_what_it_found_and_fails_where_it_does_not_hold() {
    let here = tempfile::tempdir().unwrap();
    let model = at("tests/golden/tiny-gpt2");
    let sae = at("tests/golden/sae-lens-topk");
    let text = std::fs::read_to_string(at("tests/golden/splice/gpt2.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    for part in ["fit", "held_out"] {
        let rows = case[part].as_array().unwrap().iter();
        let lines = rows.map(|row| format!("{{\"input_ids\":{row}}}\n"));
        let path = here.path().join(format!("{part}.jsonl"));
        std::fs::write(path, lines.collect::<String>()).unwrap();
    }
    let args = [
        "dark-matter",
        "self-test",
        "--model",
        &model,
        "--sae",
        &sae,
        "--corpus",
        "fit.jsonl",
        "--held-out",
        "held_out.jsonl",
        "--json",
    ];
    // A ridge as large as the predictors hides the linear error: exit code 1, and the figures.
    let ridged = umbra(here.path(), &[&args[..], &["--ridge", "1"]].concat());
    assert_eq!(ridged.code, 1, "{ridged:?}");
    let value: Value = serde_json::from_str(&ridged.out).unwrap();
    has_keys(
        &value,
        "planted grids fvu rms passes conclusion definitions",
    );
    assert_eq!(value["passes"], false);
    let planted = value["planted"].as_array().unwrap();
    assert_eq!(
        (planted[0]["kind"].as_str(), planted[0]["found"].as_bool()),
        (Some("linear"), Some(false))
    );
    assert_eq!(value["grids"].as_array().unwrap().len(), 3);
}
