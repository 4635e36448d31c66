//! `umbra evaluate core` and `umbra evaluate probe`: result files in SAEBench's schema, and what is refused.

use serde_json::Value;
use umbra_tests::{at, demo_model, repository};

use crate::{has_keys, umbra};

/// Fields of a result of SAEBench 0.6.0.
const FIELDS: &str = "eval_type_id eval_config eval_id datetime_epoch_millis eval_result_metrics eval_result_details eval_result_unstructured \
     sae_bench_commit_hash sae_lens_id sae_lens_release_id sae_lens_version sae_cfg_dict intervals definitions";

fn evaluated(verb: &str, args: &[&str]) -> Value {
    let model = demo_model();
    let of = ["evaluate", verb, "--model", &model, "--json"];
    umbra(&repository(), &[&of[..], args].concat())
        .done()
        .json()
}

/// Checks a result and the file of it in `folder`.
fn check(answer: &Value, (folder, kind): (&std::path::Path, &str), name: &str) -> Value {
    let mut results = answer["results"].as_array().unwrap().iter();
    let result = results.find(|one| one["sae_lens_id"] == name).unwrap();
    has_keys(result, FIELDS);
    assert_eq!(result["eval_type_id"], kind);
    has_keys(&result["sae_cfg_dict"], "architecture d_sae hook_name");
    let path = folder.join(format!("umbra_{name}_eval_results.json"));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(&written, result);
    written
}

#[test]
fn core_metrics_of_several_dictionaries_are_written_as_saebench_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("core");
    let text = at("assets/demo/text/held-out");
    let saes = ["attn-2", "attn-3"].map(|name| at(&format!("assets/demo/saes/{name}")));
    let answer = evaluated(
        "core",
        &[
            "--sae",
            &saes[0],
            "--sae",
            &saes[1],
            "--corpus",
            &text,
            "--tokens",
            "1500",
            "--out",
            out.to_str().unwrap(),
        ],
    );
    for name in ["attn-2", "attn-3"] {
        let result = check(&answer, (&out, "core"), name);
        let metrics = &result["eval_result_metrics"];
        let score = metrics["model_performance_preservation"]["ce_loss_score"]
            .as_f64()
            .unwrap();
        let ends = &result["intervals"]["ce_loss_score"];
        let [low, high] = [0, 1].map(|end: usize| ends[end].as_f64().unwrap());
        assert!(
            low <= score && score <= high && low < high,
            "{low} {score} {high}"
        );
        assert_eq!(metrics["sparsity"]["l0"], 32.0);
        assert_eq!(
            result["eval_result_details"].as_array().unwrap().len(),
            1024
        );
    }
}

#[test]
fn every_figure_of_labelled_texts_is_written_and_the_seed_decides() {
    let folder = tempfile::tempdir().unwrap();
    let labelled = at("tests/golden/labelled.jsonl");
    let sae = at("assets/demo/saes/attn-2");
    let probed = |task: &str, more: &[&str]| {
        let args = [
            "--sae",
            &sae,
            "--labelled",
            &labelled,
            "--task",
            task,
            "--draws",
            "200",
        ];
        evaluated("probe", &[&args[..], more].concat())
    };
    let out = folder.path().join("probing");
    let answer = probed("probing", &["--out", out.to_str().unwrap()]);
    let result = check(&answer, (&out, "sparse_probing"), "attn-2");
    has_keys(
        &result["eval_result_metrics"]["sae"],
        "sae_test_accuracy sae_top_1_test_accuracy sae_top_2_test_accuracy sae_top_5_test_accuracy",
    );
    let again = probed("probing", &[]);
    let metrics = |answer: &Value| answer["results"][0]["eval_result_metrics"].clone();
    assert_eq!(metrics(&again), metrics(&answer));
    assert_ne!(
        metrics(&probed("probing", &["--seed", "1"])),
        metrics(&answer)
    );
    let out = folder.path().join("tpp");
    let answer = probed("tpp", &["--k", "2,20", "--out", out.to_str().unwrap()]);
    let result = check(&answer, (&out, "tpp"), "attn-2");
    has_keys(
        &result["eval_result_metrics"]["tpp_metrics"],
        "tpp_threshold_2_total_metric tpp_threshold_20_intended_diff_only tpp_threshold_20_unintended_diff_only",
    );
}

#[test]
fn texts_that_do_not_fit_the_figure_are_refused_with_what_to_give() {
    let model = demo_model();
    let sae = at("assets/demo/saes/attn-2");
    let labelled = at("tests/golden/labelled.jsonl");
    let run = |args: &[&str]| {
        let of = ["evaluate", "probe", "--model", &model, "--sae", &sae];
        umbra(&repository(), &[&of[..], args].concat())
    };
    run(&["--labelled", &labelled, "--task", "scr"]).refused(&["3 values"]);
    run(&["--labelled", &labelled, "--k", "5000"]).refused(&["from 1 to"]);
    run(&["--labelled", "absent.jsonl"]).refused(&["cannot read the labelled texts"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts.jsonl");
    std::fs::write(&file, "{\"text\": \"a\", \"label\": 1}\n{\"text\": 2}\n").unwrap();
    run(&["--labelled", file.to_str().unwrap()]).refused(&["line 2", "texts.jsonl"]);
}
