//! `umbra search`: the features of several dictionaries on a text, under the keys that scripts read.

use serde_json::Value;
use umbra_tests::{at, demo_model, repository};

use crate::{has_keys, umbra};

const TEXT: &str = "The old king looked at the fox";

fn answer(args: &[&str]) -> Value {
    let model = demo_model();
    let of = ["search", "--model", &model, "--text", TEXT, "--json"];
    umbra(&repository(), &[&of[..], args].concat())
        .done()
        .json()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn several_dictionaries_are_searched_at_once_best_maximum_first() {
    let [resid, attn] = ["resid-2", "attn-3"].map(|name| at(&format!("assets/demo/saes/{name}")));
    let both = answer(&["--sae", &resid, "--sae", &attn]);
    has_keys(
        &both,
        "tokens dictionaries rank found results definitions device device_why",
    );
    let results = list(&both["results"]);
    assert_eq!(both["found"].as_u64(), Some(results.len() as u64));
    let tokens = list(&both["tokens"]).len();
    for result in results {
        has_keys(
            result,
            "sae feature max position token mean positions activations share tf_idf label name",
        );
        let positions = list(&result["positions"]);
        let inside = |at: &Value| (1..tokens as u64).contains(&at.as_u64().unwrap());
        assert!(!positions.is_empty() && positions.iter().all(inside));
        let acts = list(&result["activations"])
            .iter()
            .map(|act| act.as_f64().unwrap());
        let mean = acts.clone().sum::<f64>() / (tokens - 1) as f64;
        assert!((mean - result["mean"].as_f64().unwrap()).abs() < 1e-6);
        assert_eq!(acts.reduce(f64::max), result["max"].as_f64());
        assert!(
            result["tf_idf"].is_f64(),
            "the project around names the indexes"
        );
    }
    let max = |result: &Value| result["max"].as_f64().unwrap();
    assert!(results.is_sorted_by(|a, b| max(a) >= max(b)));
    // One dictionary alone gives its part of the list.
    for (name, sae) in [("resid-2", &resid), ("attn-3", &attn)] {
        let alone = answer(&["--sae", sae]);
        let part: Vec<&Value> = results.iter().filter(|one| one["sae"] == name).collect();
        assert!(part.len() > 10);
        let alone: Vec<&Value> = list(&alone["results"]).iter().collect();
        assert_eq!(alone, part, "{name}");
    }
}

#[test]
fn a_project_is_searched_whole_and_the_first_features_are_printed() {
    let (model, demo) = (demo_model(), at("assets/demo"));
    let of = [
        "search",
        "--model",
        &model,
        "--project",
        &demo,
        "--text",
        TEXT,
    ];
    let run = umbra(
        &repository(),
        &[&of[..], &["--rank", "tf-idf", "--limit", "5"]].concat(),
    );
    let out = run.done().out;
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 7, "{out}");
    assert!(lines[0].starts_with("dictionary") && lines[6].contains("by tf-idf"));
    let all = answer(&["--project", &demo, "--rank", "share"]);
    let saes = list(&all["dictionaries"]);
    assert_eq!(saes.len(), 9);
    let indexed = saes.iter().filter(|one| one["index"].is_string()).count();
    assert_eq!(indexed, 5);
    let share = |result: &Value| result["share"].as_f64().unwrap();
    assert!(list(&all["results"]).is_sorted_by(|a, b| share(a) >= share(b)));
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let (model, sae) = (demo_model(), at("assets/demo/saes/ladder-256"));
    let of = ["search", "--model", &model, "--sae", &sae];
    let run = |args: &[&str]| umbra(&repository(), &[&of[..], args].concat());
    run(&["--text", TEXT, "--rank", "tf-idf"]).refused(&["--rank", "--index"]);
    run(&["--text", ""]).refused(&["text"]);
    let index = at("assets/demo/indexes/attn-1.sqlite");
    run(&["--text", TEXT, "--index", &index]).refused(&["attn-1", "none of the dictionaries"]);
    run(&[
        "--text",
        TEXT,
        "--sae",
        &sae,
        "--hook",
        "blocks.1.hook_resid_post",
    ])
    .refused(&["--hook"]);
}
