//! `--positions`: which positions count, in the printed and written results of every command that reads text.

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::journey::trained;
use crate::umbra;

/// Documents of twelve words, so that one position in twenty is a BOS between documents.
fn documents() -> String {
    at("tests/golden/positions/documents.jsonl")
}

/// Runs `words` with the demo's model, the small dictionary and short documents.
#[track_caller]
fn read(here: &std::path::Path, words: &[&str]) -> Value {
    let (model, sae, documents) = (demo_model(), trained().sae(), documents());
    let args = [
        "--model",
        &model,
        "--sae",
        &sae,
        "--corpus",
        &documents,
        "--context",
        "64",
        "--json",
    ];
    umbra(here, &[words, &args].concat()).done().json()
}

#[test]
fn every_figure_says_which_positions_it_is_over() {
    let here = tempfile::tempdir().unwrap();
    let eval = |rule: &str| {
        read(
            here.path(),
            &["eval", "--tokens", "900", "--positions", rule],
        )
    };
    let [text, first, sae_lens, all] = ["text", "first", "sae-lens", "all"].map(eval);
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap();
    for (value, rule) in [
        (&text, "text"),
        (&first, "first"),
        (&sae_lens, "sae-lens"),
        (&all, "all"),
    ] {
        assert_eq!(value["positions"], rule);
        // Rows of 64 tokens with at most 900 counted positions.
        let positions = number(value, "tokens") + number(value, "left_out");
        assert_eq!(positions % 64.0, 0.0, "{value}");
        assert!(number(value, "tokens") <= 900.0);
        for key in ["kl_sae", "cosine", "l2_ratio", "explained_variance"] {
            assert!(number(value, key).is_finite(), "{key} of {value}");
            assert!(value["definitions"][key].is_string());
        }
        let unexplained = 1.0 - number(value, "explained_variance");
        assert!((unexplained - number(value, "fvu")).abs() < 1e-6, "{value}");
    }
    assert_eq!(number(&all, "left_out"), 0.0);
    let rows = number(&first, "left_out");
    assert_eq!(number(&first, "tokens"), 63.0 * rows);
    // Every row starts with BOS and holds further ones.
    assert!(number(&text, "left_out") > 1.5 * rows);
    assert!(number(&text, "fvu") != number(&first, "fvu"));
    // The default is the rule that the dictionary was trained with.
    let usual = read(here.path(), &["eval", "--tokens", "900"]);
    assert_eq!(usual, text);
}

#[test]
fn an_index_and_a_probe_record_the_rule_and_leave_bos_out() {
    let here = tempfile::tempdir().unwrap();
    let build = |rule: &str, out: &str| {
        read(
            here.path(),
            &["index", "build", "--positions", rule, "--out", out],
        )
    };
    let (text, all) = (build("text", "text.sqlite"), build("all", "all.sqlite"));
    assert_eq!(
        (&text["positions"], &all["positions"]),
        (&"text".into(), &"all".into())
    );
    let (counted, in_all) = (
        text["tokens"].as_u64().unwrap(),
        all["tokens"].as_u64().unwrap(),
    );
    assert_eq!(counted + text["left_out"].as_u64().unwrap(), in_all);
    let shown = umbra(
        here.path(),
        &["index", "show", "text.sqlite", "--feature", "0"],
    )
    .done();
    assert!(shown.out.contains("positions by `text`"), "{}", shown.out);
    // The probe is fitted on evenly spaced positions; the notes say which positions count.
    let (train, held_out) = (
        at("assets/demo/text/train"),
        at("assets/demo/text/held-out/girls.txt"),
    );
    let (model, sae) = (demo_model(), trained().sae());
    let args = [
        "dark-matter",
        "fit",
        "--model",
        &model,
        "--sae",
        &sae,
        "--corpus",
        &train,
        "--held-out",
        &held_out,
        "--tokens",
        "6000",
        "--positions",
        "first",
        "--keep",
        "probe.safetensors",
        "--json",
    ];
    let probe = umbra(here.path(), &args).done().json();
    assert_eq!(probe["positions"], "first");
    let fitted = probe["fit_tokens"].as_u64().unwrap();
    // Rows of 128, as in training.
    assert_eq!(fitted, 127 * probe["fit_left_out"].as_u64().unwrap());
    assert!((6_000..6_000 + 127).contains(&fitted), "{probe}");
    // Saved and read again.
    assert_eq!(umbra(here.path(), &args).done().json(), probe);
}

#[test]
fn a_store_decides_the_rule_of_what_is_trained_on_it() {
    let here = tempfile::tempdir().unwrap();
    let (model, documents) = (demo_model(), documents());
    let capture = [
        "capture",
        "--model",
        &model,
        "--corpus",
        &documents,
        "--context",
        "64",
        "--hook",
        "blocks.1.attn.hook_z",
        "--positions",
        "sae-lens",
        "--store",
        "store",
        "--split",
        "all",
        "--json",
    ];
    let captured = umbra(here.path(), &capture).done().json();
    assert_eq!(captured["positions"], "sae-lens");
    assert!(captured["counted"].as_u64() < captured["tokens"].as_u64());
    let train = [
        "train",
        "--store",
        "store",
        "--features",
        "64",
        "--k",
        "4",
        "--tokens",
        "2000",
        "--batch",
        "256",
        "--out",
        "sae",
    ];
    let said = umbra(here.path(), &train).done().err;
    assert!(said.contains("positions by `sae-lens`"), "{said}");
    let file = |name: &str| -> Value {
        let text = std::fs::read_to_string(here.path().join("sae").join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(file("cfg.json")["metadata"]["positions"], "sae-lens");
    assert_eq!(
        file("cfg.json")["metadata"]["exclude_special_tokens"],
        serde_json::json!([0])
    );
    assert_eq!(file("run.json")["settings"]["positions"], "sae-lens");
    let other = [&train[..train.len() - 1], &["other", "--positions", "text"]].concat();
    umbra(here.path(), &other).refused(&["positions", "sae-lens"]);
    let info = umbra(here.path(), &["store", "info", "store", "--json"])
        .done()
        .json();
    assert_eq!(info["positions"], "sae-lens");
    // An evaluation takes the dictionary's rule and says so.
    let eval = [
        "eval",
        "--model",
        &model,
        "--sae",
        "sae",
        "--corpus",
        &documents,
        "--context",
        "64",
    ];
    let done = umbra(here.path(), &eval).done();
    assert!(
        done.err
            .contains("Positions count by `sae-lens`, as the dictionary's file says"),
        "{}",
        done.err
    );
    assert!(done.out.contains("positions by `sae-lens`"), "{}", done.out);
}

#[test]
fn the_mean_of_an_ablation_says_what_it_is_over() {
    let here = tempfile::tempdir().unwrap();
    let (model, documents) = (demo_model(), documents());
    let steer = |rule: &[&str]| {
        let args = [
            "steer",
            "--model",
            &model,
            "--prompt",
            "The old king",
            "--tokens",
            "2",
            "--edit",
            "mean hook=blocks.1.hook_resid_post",
            "--mean-of",
            &documents,
        ];
        umbra(here.path(), &[&args, rule].concat()).done().err
    };
    let (usual, all) = (steer(&[]), steer(&["--positions", "all"]));
    assert!(
        usual.contains("rows of 128 tokens, positions by `text`"),
        "{usual}"
    );
    assert!(
        all.contains("rows of 128 tokens, positions by `all`"),
        "{all}"
    );
}
