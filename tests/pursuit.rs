//! `umbra dark-matter pursue` on the demo: its figures, what it lists, what a project keeps of it, and what it refuses.

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::{has_keys, umbra};

fn figure(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key}: {value}"))
}

#[test]
fn a_better_code_is_searched_kept_and_shown_with_its_project() {
    let room = tempfile::tempdir().unwrap();
    let (model, text) = (demo_model(), at("assets/demo/text/held-out/alice.txt"));
    let sae = at("assets/demo/saes/resid-2");
    let project =
        format!("version = 1\nname = \"Mine\"\nmodel = {model:?}\n[[dictionary]]\nsae = {sae:?}\n");
    std::fs::write(room.path().join("umbra.toml"), project).unwrap();
    let on = ["dark-matter", "pursue", "--model", &model, "--sae", &sae];
    let of = ["--corpus", &text, "--tokens", "400"];
    let run = |more: &[&str]| umbra(room.path(), &[&on, &of[..], more].concat());
    for method in ["gradient", "orthogonal"] {
        let value = run(&["--method", method, "--json", "--project", "."])
            .done()
            .json();
        has_keys(
            &value,
            "l0 fvu_encoder fvu_pursuit jaccard worse l0_pursuit clearly_worse tokens method k most_missed most_invented conclusion definitions",
        );
        // TopK with k = 32.
        assert!((figure(&value, "l0") - 32.0).abs() < 1e-9, "{value}");
        assert!(figure(&value, "l0_pursuit") <= 32.0);
        assert!(figure(&value, "fvu_pursuit") < figure(&value, "fvu_encoder"));
        for share in ["jaccard", "worse", "clearly_worse"] {
            assert!((0.0..=1.0).contains(&figure(&value, share)), "{value}");
        }
        assert!(figure(&value, "clearly_worse") <= figure(&value, "worse"));
        let missed = value["most_missed"][0].clone();
        has_keys(&missed, "feature shared missed invented missed_weight");
        let number = missed["feature"].to_string();
        let one = run(&["--method", method, "--json", "--feature", &number]);
        let one = one.done().json();
        assert_eq!(one["feature"]["missed"], missed["missed"]);
        let tokens = one["feature"]["should_have_fired"].as_array().unwrap();
        assert!(!tokens.is_empty() && tokens.len() <= 8);
        for token in tokens {
            has_keys(token, "row position weight pre_activation token at context");
            let at = token["at"].as_u64().unwrap() as usize;
            assert_eq!(token["context"][at], token["token"]);
        }
    }
    // The project holds the last one, and refuses it with another model.
    let show = || {
        umbra(room.path(), &["project", "show", "--json"])
            .done()
            .json()
    };
    let study = show()["studies"][0].clone();
    assert_eq!(
        (&study["study"], &study["of"]),
        (&"pursuit".into(), &"resid-2".into())
    );
    assert_eq!(
        study["made_with"]["settings"]["pursuit"]["method"],
        "orthogonal"
    );
    assert_eq!(study["problem"], Value::Null);
    let table = umbra(room.path(), &["project", "show"]).done().out;
    assert!(table.contains("pursuit of resid-2, on "), "{table}");
    let other = format!(
        "version = 1\nname = \"Mine\"\nmodel = {:?}\n",
        at("tests/golden/tiny-gpt2")
    );
    std::fs::write(room.path().join("umbra.toml"), other).unwrap();
    let problem = show()["studies"][0]["problem"].to_string();
    assert!(problem.contains("another fingerprint"), "{problem}");
}

#[test]
fn steps_and_shortlists_are_taken_and_what_cannot_be_is_refused() {
    let here = tempfile::tempdir().unwrap();
    let (model, text) = (demo_model(), at("assets/demo/text/held-out/alice.txt"));
    let sae = at("assets/demo/saes/attn-0");
    let on = ["dark-matter", "pursue", "--model", &model, "--sae", &sae];
    let of = ["--corpus", &text, "--tokens", "300"];
    let run = |more: &[&str]| umbra(here.path(), &[&on, &of[..], more].concat());
    let few = run(&["--method", "orthogonal", "--k", "3", "--json"])
        .done()
        .json();
    assert!(figure(&few, "l0_pursuit") <= 3.0 && figure(&few, "l0") > 20.0);
    let short = run(&["--method", "orthogonal", "--shortlist", "24", "--json"]);
    let whole = run(&["--method", "orthogonal", "--json"]).done().json();
    assert!(figure(&short.done().json(), "fvu_pursuit") > figure(&whole, "fvu_pursuit"));
    let table = run(&["--method", "orthogonal"]).done().out;
    let last = table.trim_end().lines().last().unwrap();
    assert_eq!(last, whole["conclusion"].as_str().unwrap());
    run(&["--k", "0"]).refused(&["between 1 and 256", "attn-0"]);
    run(&["--shortlist", "257"]).refused(&["between 1 and 256"]);
    run(&["--feature", "256"]).refused(&["256 features"]);
    assert_eq!(run(&["--method", "matching"]).code, 2);
}
