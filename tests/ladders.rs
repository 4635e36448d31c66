//! Ladders of widths: trained in one pass of the model, joined to a project, measured on the same tokens, and refused where they do not belong together.

use std::path::Path;

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::{has_keys, umbra};

const WIDTHS: [&str; 4] = ["16", "32", "64", "128"];

/// Returns the numbers of an array.
fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().unwrap().iter();
    all.map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn a_ladder_is_trained_joined_to_a_project_and_measured() {
    let room = tempfile::tempdir().unwrap();
    let project = format!("version = 1\nname = \"Mine\"\nmodel = {:?}\n", demo_model());
    std::fs::write(room.path().join("umbra.toml"), project).unwrap();
    let (model, text) = (demo_model(), at("assets/demo/text/train/jungle.txt"));
    let training = [
        "ladder",
        "train",
        "--model",
        &model,
        "--corpus",
        &text,
        "--hook",
        "blocks.1.hook_resid_post",
        "--widths",
        "16,32,64,128",
        "--k",
        "8",
        "--tokens",
        "4096",
        "--batch",
        "512",
        "--buffer",
        "2048",
        "--out",
        "saes",
        "--project",
        ".",
        "--json",
    ];
    let trained = umbra(room.path(), &training).done();
    assert!(
        trained.err.contains("4 dictionaries were added"),
        "{trained:?}"
    );
    let saved = trained.json();
    assert_eq!(saved["dictionaries"].as_array().unwrap().len(), 4);
    umbra(room.path(), &training).refused(&["saes/16"]);
    let other = [&training[..8], &["--out", "more"]].concat();
    let given = [&other[..], &["--widths", "16,32", "--features", "8"]].concat();
    umbra(room.path(), &given).refused(&["--features", "--widths"]);
    umbra(room.path(), &[&other[..], &["--widths", "16"]].concat()).refused(&["two widths"]);
    let settings = "widths = [16, 16]\n";
    std::fs::write(room.path().join("run.toml"), settings).unwrap();
    let config = [&other[..], &["--k", "8", "--config", "run.toml"]].concat();
    umbra(room.path(), &config).refused(&["16 is named twice"]);

    measured(room.path(), (&model, &text));
}

/// Measures the dictionaries of the project and checks every figure's place.
fn measured(room: &Path, (model, text): (&str, &str)) {
    let held_out = at("assets/demo/text/held-out/girls.txt");
    let measuring = [
        "dark-matter",
        "ladder",
        "--model",
        model,
        "--corpus",
        &held_out,
        "--tokens",
        "2500",
        "--draws",
        "50",
        "--json",
    ];
    let kept = [
        &measuring[..],
        &["--project", ".", "--fit", text, "--fit-tokens", "6000"],
    ];
    let value = umbra(room, &kept.concat()).done().json();
    has_keys(
        &value,
        "hook dictionaries token_r2 nonlinear_gain fit tokens fit_tokens blocks conclusion notes definitions",
    );
    let all = value["dictionaries"].as_array().unwrap();
    let names: Vec<&str> = all
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, WIDTHS);
    for one in all {
        has_keys(one, "name features l0 fvu norm_mean fvu_nonlinear causes");
        let l0 = one["l0"].as_f64().unwrap();
        assert!(0.0 < l0 && l0 <= 8.0, "{one}");
        let causes = &one["causes"];
        let sum: f64 = ["unlearnt", "linear", "rest"]
            .iter()
            .map(|key| causes[key].as_f64().unwrap())
            .sum();
        assert!((sum - one["fvu"].as_f64().unwrap()).abs() < 1e-9, "{one}");
    }
    for (i, row) in value["token_r2"].as_array().unwrap().iter().enumerate() {
        let row = numbers(row);
        assert!(row.len() == 4 && row[i] == 1.0, "{row:?}");
        assert!(row.iter().all(|r2| (0.0..=1.0).contains(r2)), "{row:?}");
    }
    has_keys(&value["fit"], "a b c r2 intervals degrees_of_freedom");
    assert!(value["fit"]["c"].as_f64() >= Some(0.0) && value["fit"]["degrees_of_freedom"] == 1);
    let shown = umbra(room, &["project", "show", "."]).done().out;
    assert!(shown.contains("ladder"), "{shown}");
    beside(room, &measuring, &value);
}

/// Measures parts of the ladder by name.
fn beside(room: &Path, measuring: &[&str], whole: &Value) {
    let one = |width: &str| format!("saes/{width}");
    let [a, b, c] = ["128", "16", "64"].map(one);
    let three = [measuring, &["--sae", &a, "--sae", &b, "--sae", &c]].concat();
    let value = umbra(room, &three).done().json();
    assert!(
        value["fit"].is_null() && value["fit_tokens"].is_null(),
        "{value}"
    );
    // In the order given, with the figures of the whole ladder.
    let fvu = |value: &Value, at: usize| value["dictionaries"][at]["fvu"].as_f64().unwrap();
    assert_eq!(fvu(&value, 0), fvu(whole, 3));
    let foreign = at("assets/demo/saes/resid-2");
    let two = [measuring, &["--sae", &a, "--sae", &foreign]].concat();
    umbra(room, &two).refused(&["blocks.1.hook_resid_post", "blocks.2.hook_resid_post"]);
    umbra(room, &[measuring, &["--sae", &a]].concat()).refused(&["two dictionaries"]);
    umbra(room, &[measuring, &["--sae", &a, "--sae", &a]].concat()).refused(&["twice"]);
    let plain: Vec<&str> = three.into_iter().filter(|word| *word != "--json").collect();
    let table = umbra(room, &plain).done().out;
    let last = table.lines().last().unwrap_or_default();
    assert!(last.starts_with("From 16 to 128 features FVU"), "{table}");
    assert!(table.contains("no power law"), "{table}");
}
