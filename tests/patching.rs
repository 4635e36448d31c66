//! `umbra patch`: keys, figures that follow from each other, exit codes, and edits that `umbra steer` takes.

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::{has_keys, umbra};

const CLEAN: &str = "The king took off";
const CORRUPT: &str = "The queen took off";
const TARGET: &str = "logit:  his -  her";

/// Runs `umbra patch` on the demo.
fn patch(args: &[&str]) -> umbra_tests::Run {
    let here = tempfile::tempdir().unwrap();
    let model = demo_model();
    umbra(
        here.path(),
        &[&["patch", "--model", &model, "--json"], args].concat(),
    )
}

fn rows(value: &Value) -> Vec<Vec<Option<f64>>> {
    let row = |row: &Value| row.as_array().unwrap().iter().map(Value::as_f64).collect();
    value.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn every_site_has_its_table_and_shares_that_follow_from_the_values() {
    for (site, columns) in [("resid_pre", 5), ("attn_out", 5), ("mlp_out", 5), ("z", 8)] {
        let args = [
            "--clean",
            CLEAN,
            "--corrupt",
            CORRUPT,
            "--target",
            TARGET,
            "--site",
            site,
        ];
        let value = patch(&args).done().json();
        has_keys(
            &value,
            "clean corrupt values recovered conclusion differs definitions",
        );
        let [clean, corrupt] = ["clean", "corrupt"].map(|key| value[key].as_f64().unwrap());
        assert!(clean > corrupt, "{value}");
        let (values, recovered) = (rows(&value["values"]), rows(&value["recovered"]));
        assert_eq!((values.len(), values[0].len()), (4, columns), "{site}");
        for (value, share) in values.concat().into_iter().zip(recovered.concat()) {
            let wanted = (value.unwrap() - corrupt) / (clean - corrupt);
            assert!((share.unwrap() - wanted).abs() < 1e-9);
        }
        if site == "resid_pre" {
            // The texts differ at position 2 alone, and that stream is all of the difference before the first block.
            let first: Vec<f64> = recovered[0].iter().flatten().copied().collect();
            assert!((first[2] - 1.0).abs() < 1e-4, "{first:?}");
            assert_eq!([first[0], first[1], first[3], first[4]], [0.0; 4]);
        }
    }
}

#[test]
fn paths_name_senders_and_ends_and_have_none_backwards() {
    let args = [
        "--clean",
        CLEAN,
        "--corrupt",
        CORRUPT,
        "--target",
        "loss",
        "--to",
        "L2.H1.v",
        "--to",
        "logits",
    ];
    let value = patch(&[&args[..], &["--mlps", "frozen"]].concat())
        .done()
        .json();
    assert_eq!(value["receivers"], serde_json::json!(["L2.H1.v", "logits"]));
    let values = rows(&value["values"]);
    assert_eq!(values.len(), 32);
    assert_eq!(value["senders"][9], "L1.H1");
    for (sender, row) in values.iter().enumerate() {
        assert_eq!((row[0].is_some(), row[1].is_some()), (sender < 16, true));
    }
    let one = patch(&[&args[..8], &["--from", "L1.H1"]].concat())
        .done()
        .json();
    assert_eq!(one["senders"], serde_json::json!(["L1.H1"]));
    patch(&[&args[..6], &["--to", "L0.H1.q"]].concat()).refused(&["before L0.H1.q"]);
}

#[test]
fn the_least_edit_is_what_steering_makes_of_it() {
    let sae = at("assets/demo/saes/resid-2");
    let args = [
        "--sae",
        &sae,
        "--corrupt",
        CORRUPT,
        "--target",
        TARGET,
        "--least",
        "3",
    ];
    let pair = patch(&[&args[..], &["--clean", CLEAN]].concat())
        .done()
        .json();
    let steps = pair["steps"].as_array().unwrap();
    let distances: Vec<f64> = steps
        .iter()
        .map(|step| step["distance"].as_f64().unwrap())
        .collect();
    assert!(
        steps.len() == 3 && distances.is_sorted_by(|a, b| a > b),
        "{distances:?}"
    );
    let alone = patch(&[&args[..], &["--reach=100"]].concat()).done().json();
    assert_eq!(alone["end"], "rounds");
    for found in [&pair, &alone] {
        let here = tempfile::tempdir().unwrap();
        let model = demo_model();
        let mut steer = vec![
            "steer", "--model", &model, "--sae", &sae, "--prompt", CORRUPT, "--tokens", "1",
            "--json",
        ];
        for edit in found["edits"].as_array().unwrap() {
            steer.extend(["--edit", edit.as_str().unwrap()]);
        }
        let steered = umbra(here.path(), &steer).done().json();
        let last = &found["steps"][2]["top"];
        let shift = steered["shift"].as_array().unwrap();
        let mut compared = 0;
        for next in last.as_array().unwrap() {
            if let Some(after) = shift.iter().find(|change| change["id"] == next["id"]) {
                let [after, next] =
                    [&after["after"], &next["probability"]].map(|p| p.as_f64().unwrap());
                assert!((after - next).abs() < 1e-4, "{after} {next}");
                compared += 1;
            }
        }
        assert!(compared >= 2, "{last} {shift:?}");
    }
    let won = patch(&[
        "--sae", &sae, "--text", CORRUPT, "--least", "--wins", " his",
    ])
    .done()
    .json();
    has_keys(&won, "aim steps end top_before edits conclusion");
    let aimless = patch(&["--sae", &sae, "--text", CORRUPT, "--least"]);
    assert_eq!(aimless.code, 2, "{aimless:?}");
    assert!(aimless.err.contains("--wins"), "{aimless:?}");
}

#[test]
fn texts_and_tokens_that_do_not_fit_are_wrong_usage() {
    for (args, words) in [
        (
            [
                "--clean",
                "The old king took off",
                "--corrupt",
                CORRUPT,
                "--target",
                TARGET,
            ],
            ["6 tokens", "5"],
        ),
        (
            [
                "--clean",
                CLEAN,
                "--corrupt",
                CORRUPT,
                "--target",
                "logit:  rabbit",
            ],
            [" rab|bit", "one token"],
        ),
        (
            ["--clean", CLEAN, "--corrupt", CORRUPT, "--target", "logits"],
            ["logit: A - B", "loss"],
        ),
    ] {
        let run = patch(&args);
        assert_eq!(run.code, 2, "{run:?}");
        for word in words {
            assert!(run.err.contains(word), "{run:?}");
        }
        has_keys(&run.json(), "error");
    }
    let same = patch(&["--clean", CLEAN, "--corrupt", CLEAN, "--target", "loss"])
        .done()
        .json();
    assert!(
        rows(&same["recovered"])
            .concat()
            .iter()
            .all(Option::is_none)
    );
    assert!(
        same["undecided"]
            .as_str()
            .is_some_and(|said| said.contains("both texts"))
    );
}
