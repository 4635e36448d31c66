//! Sweeps through the built program: the object that scripts read, what is wrong usage, the search for a limit, and scores that go on where they were stopped.

use umbra_tests::{at, demo_model};

use crate::umbra;

const PROMPTS: &str = "The old king looked at\n\nOnce upon a time there was\n";

fn swept(folder: &std::path::Path, more: &[&str]) -> umbra_tests::Run {
    std::fs::write(folder.join("prompts.txt"), PROMPTS).unwrap();
    let (model, sae) = (demo_model(), at("assets/demo/saes/resid-2"));
    let args = [
        "sweep",
        "--model",
        &model,
        "--sae",
        &sae,
        "--prompts",
        "prompts.txt",
        "--continuation",
        "4",
        "--json",
    ];
    umbra(folder, &[args.as_slice(), more].concat())
}

#[test]
fn points_have_three_keys_and_several_features_are_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let one = ["--feature", "1060", "--strengths=-8,0,8"];
    let object = swept(folder.path(), &one).done().json();
    let points = object["points"].as_array().unwrap();
    assert_eq!(object["prompts"], 2);
    for (point, strength) in points.iter().zip([-8.0, 0.0, 8.0]) {
        assert_eq!(point.as_object().unwrap().len(), 3, "{point}");
        assert_eq!(point["strength"], strength);
        assert!(point["probability"].is_null());
        let kl = point["kl"].as_f64().unwrap();
        assert_eq!(kl == 0.0, strength == 0.0, "{point}");
    }
    let with_token = [one.as_slice(), &["--token", " her"]].concat();
    let object = swept(folder.path(), &with_token).done().json();
    let shares: Vec<f64> = object["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["probability"].as_f64().unwrap())
        .collect();
    assert!(shares.is_sorted() && shares[2] > shares[0], "{shares:?}");
    let several = ["--feature", "1060,1107", "--strengths", "8", "--promoted"];
    let object = swept(folder.path(), &several).done().json();
    let features = object["features"].as_array().unwrap();
    assert_eq!(features.len(), 2);
    assert!(object["points"].is_null() && features[1]["points"].is_array());
}

#[test]
fn a_token_that_is_several_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let several = ["--feature", "1060", "--token", " the old king"];
    let run = swept(folder.path(), &several);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.err.contains("--token") && run.err.contains("3 tokens"),
        "{run:?}"
    );
    let unknown = swept(folder.path(), &["--feature", "99999"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
}

#[test]
fn the_limit_comes_with_its_rule_and_every_strength_that_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    let object = swept(folder.path(), &["--feature", "1060", "--limit"]);
    let object = object.done().json();
    assert!(object["rule"].as_str().unwrap().contains("at most 4 times"));
    let steps = object["steps"].as_array().unwrap();
    let held = steps.iter().filter(|step| step["holds"] == true);
    let held = held.map(|step| step["strength"].as_f64().unwrap());
    let limit = object["limit"].as_f64().unwrap();
    assert!(
        limit > 0.0
            && held
                .into_iter()
                .any(|strength| (strength - limit).abs() < 1e-9)
    );
}

#[test]
fn scores_are_stored_in_a_copy_of_the_index_and_shown_with_a_feature() {
    let folder = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), at("assets/demo/saes/attn-0"));
    let (index, text) = (
        at("assets/demo/indexes/attn-0.sqlite"),
        at("assets/demo/text/held-out"),
    );
    let score = [
        "index",
        "score",
        "--model",
        &model,
        "--sae",
        &sae,
        "--index",
        &index,
        "--out",
        "scored.sqlite",
        "--corpus",
        &text,
        "--tokens",
        "2k",
        "--contexts",
        "2",
        "--device",
        "cpu",
        "--json",
    ];
    let object = umbra(folder.path(), &score).done().json();
    let scored = object["features"].as_array().unwrap();
    assert_eq!(object["scored"], object["live"]);
    let first = &scored[0];
    let feature = first["feature"].to_string();
    let show = [
        "index",
        "show",
        "scored.sqlite",
        "--feature",
        &feature,
        "--json",
    ];
    let shown = umbra(folder.path(), &show).done().json();
    assert_eq!(&shown["steering"], first);
}
