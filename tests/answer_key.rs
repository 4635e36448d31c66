//! `umbra evaluate ioi` and `umbra evaluate task`: what scripts read, and what is refused.

use serde_json::{Value, json};
use umbra_tests::{at, demo_model, repository};

use crate::{has_keys, umbra};

fn evaluated(args: &[&str]) -> Value {
    let model = demo_model();
    let of = ["evaluate", "ioi", "--model", &model, "--json"];
    umbra(&repository(), &[&of[..], args].concat())
        .done()
        .json()
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn prompts_are_written_read_and_tested_under_the_keys_that_scripts_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prompts.jsonl");
    let path = file.to_str().unwrap();
    let written = evaluated(&[
        "--write-prompts",
        path,
        "--prompts-count",
        "40",
        "--seed",
        "3",
    ]);
    assert_eq!(written["prompts"], 40);
    let prompts = lines(&file);
    assert_eq!(prompts.len(), 40);
    for prompt in &prompts {
        has_keys(prompt, "text io s pos positions");
        has_keys(&prompt["positions"], "io s1 s2 end");
        assert!(prompt["io"].as_str().unwrap().starts_with(' '));
        let first = prompt["positions"]["io"].as_u64() < prompt["positions"]["s1"].as_u64();
        assert_eq!(prompt["pos"], if first { "ABB" } else { "BAB" });
    }
    let sae = at("assets/demo/saes/attn-2");
    let site = "blocks.2.attn.hook_z:6,7@end";
    let found = evaluated(&["--prompts", path, "--site", site, "--sae", &sae]);
    let dictionaries = found["dictionaries"].as_array().unwrap();
    let names: Vec<&Value> = dictionaries.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["supervised-mean", "attn-2"]);
    for one in dictionaries {
        assert!(one["sufficiency"].is_f64() && one["necessity"].is_f64());
        has_keys(&one["edit_accuracy"], "io pos s");
    }
    assert!(found["accuracy"].as_f64().unwrap() > 0.5);
    assert!(found["logit_difference"].as_f64().unwrap() > 0.0);
    // The file decides the prompts, so the same call gives the same figures.
    assert_eq!(
        evaluated(&["--prompts", path, "--site", site, "--sae", &sae]),
        found
    );
}

#[test]
fn a_task_of_one_s_own_is_tested_and_what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("task.jsonl");
    let nouns = [
        ("boy", "boys"),
        ("girl", "girls"),
        ("king", "kings"),
        ("bird", "birds"),
    ];
    let line = |noun: &str, many: bool| {
        let [answer, wrong] = if many {
            [" were", " was"]
        } else {
            [" was", " were"]
        };
        let number = if many { "many" } else { "one" };
        json!({ "text": format!("Once the {noun} who sang"), "answer": answer, "wrong": wrong,
            "attributes": { "number": number, "noun": noun.trim_end_matches('s') } })
        .to_string()
    };
    let all = nouns.map(|(one, many)| format!("{}\n{}\n", line(one, false), line(many, true)));
    std::fs::write(&file, all.concat()).unwrap();
    let (model, path) = (demo_model(), file.to_str().unwrap());
    let site = ["--site", "blocks.1.hook_resid_post@end"];
    let task = [
        "evaluate",
        "task",
        "--model",
        &model,
        "--json",
        "--prompts",
        path,
    ];
    let found = umbra(&repository(), &[&task[..], &site].concat())
        .done()
        .json();
    // Prompts that differ in number alone are each other's counterfactuals; so are those that differ in the noun.
    assert_eq!(found["attributes"], json!(["noun", "number"]));
    assert_eq!(found["prompts"], json!([4, 4]));
    let refused = |args: &[&str], said: &[&str]| {
        umbra(&repository(), &[&task[..], args].concat()).refused(said);
    };
    refused(&["--site", "blocks.9.hook_resid_post@end"], &["blocks.9"]);
    refused(&["--site", "blocks.1.hook_resid_post@s2"], &["s2", "end"]);
    let sae = at("assets/demo/saes/attn-3");
    refused(&[site[0], site[1], "--sae", &sae], &["attn-3"]);
    let ioi = ["evaluate", "ioi", "--model", &model, "--prompts", path];
    umbra(&repository(), &ioi).refused(&["evaluate task"]);
}
