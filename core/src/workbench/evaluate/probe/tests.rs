//! Runs the three figures on books, with the demo's model.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::*;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn demo(names: &[&str]) -> (Model, Vec<Sae>) {
    let demo = Path::new(ROOT).join("assets/demo");
    let model = Model::open(&demo.join("model")).unwrap().0;
    let open = |name: &&str| Sae::open(&demo.join("saes").join(name)).unwrap().0;
    (model, names.iter().map(open).collect())
}

/// Texts of `tests/golden/labelled.py`, three books with and without speech.
fn books() -> PathBuf {
    Path::new(ROOT).join("tests/golden/labelled.jsonl")
}

fn found(names: &[&str], request: &Request) -> (Found, Vec<(String, Value)>) {
    let (model, saes) = demo(names);
    let saes: Vec<&Sae> = saes.iter().collect();
    let mut on = |_: Progress| ControlFlow::Continue(());
    let found = run(&model, &saes, request, &mut on)
        .unwrap()
        .done()
        .unwrap();
    let results = results(&found, &saes, request, 1).unwrap();
    (found, results)
}

#[test]
fn books_are_told_apart_by_activations_and_by_a_few_features() {
    let request = Request {
        labelled: books(),
        ..Request::default()
    };
    let (found, results) = found(&["resid-2", "attn-2"], &request);
    assert_eq!(found.labelled.counts(), [100, 100, 100]);
    assert_eq!(found.split.test.len(), 60);
    let Figures::Probing {
        model,
        dictionaries,
    } = &found.figures
    else {
        panic!("another figure");
    };
    assert_eq!((model.len(), dictionaries.len()), (2, 2));
    let all = model[0].all.unwrap();
    assert!(all.value > 0.7 && all.interval.unwrap()[0] > 0.6, "{all:?}");
    assert!(dictionaries[0].top[2].estimate.value > 0.6);
    let (file, result) = &results[0];
    assert_eq!(file, "umbra_resid-2_eval_results.json");
    let metrics = &result["eval_result_metrics"];
    assert_eq!(metrics["llm"]["llm_test_accuracy"], all.value);
    let five = dictionaries[0].top[2].estimate;
    assert_eq!(metrics["sae"]["sae_top_5_test_accuracy"], five.value);
    let low = &result["intervals"]["sae_top_5_test_accuracy"][0];
    assert_eq!(*low, five.interval.unwrap()[0]);
    let classes =
        &result["eval_result_unstructured"]["labelled_results"]["sae_top_1_test_accuracy"];
    let values = ["jungle", "secret", "treasure"].map(|book| classes[book].as_f64().unwrap());
    let mean = values.iter().sum::<f64>() / 3.0;
    assert!((mean - metrics["sae"]["sae_top_1_test_accuracy"].as_f64().unwrap()).abs() < 1e-12);
    let said = conclusion(&found);
    assert!(said.contains("largest accuracy with 5 features"), "{said}");
}

#[test]
fn a_correlation_of_book_and_speech_is_removed_in_both_directions() {
    // Two of the three books, in a file of their own.
    let text = std::fs::read_to_string(books()).unwrap();
    let two: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("\"label\": \"treasure\""))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let labelled = folder.path().join("two.jsonl");
    crate::whole_file::write_bytes(&labelled, two.join("\n").as_bytes()).unwrap();
    let request = Request {
        labelled,
        task: Task::Scr,
        spec: Spec {
            sizes: vec![2, 20],
            ..Spec::default()
        },
    };
    let (found, results) = found(&["resid-2"], &request);
    let Figures::Scr(all) = &found.figures else {
        panic!("another figure");
    };
    // Of 50 texts of each pair 40 train: 20 of each where one pair is biased, which takes twice as many.
    assert_eq!(all[0].texts, [80, 20]);
    let metrics = &results[0].1["eval_result_metrics"]["scr_metrics"];
    for key in ["scr_dir1_threshold_2", "scr_dir2_threshold_20"] {
        assert!(metrics[key].is_number(), "{key}");
    }
    assert!(metrics.get("scr_metric_threshold_2").is_some());
    let three = Request {
        labelled: books(),
        ..request
    };
    let (model, saes) = demo(&["resid-2"]);
    let mut on = |_: Progress| ControlFlow::Continue(());
    let said = run(&model, &[&saes[0]], &three, &mut on).unwrap_err();
    assert!(said.to_string().contains("3 values"));
}

#[test]
fn it_may_be_stopped_while_texts_are_read_and_between_dictionaries() {
    let request = Request {
        labelled: books(),
        ..Request::default()
    };
    let (model, saes) = demo(&["attn-2", "attn-3"]);
    let saes: Vec<&Sae> = saes.iter().collect();
    let mut units = Vec::new();
    for unit in ["texts", "dictionaries"] {
        let mut on = |at: Progress| {
            units.push(at.unit);
            if at.unit == unit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        assert!(run(&model, &saes, &request, &mut on).unwrap().is_stopped());
    }
    units.dedup();
    assert_eq!(units, ["texts", "dictionaries"]);
}

#[test]
fn ablated_features_of_a_dictionary_perturb_the_probe_of_their_book_most() {
    let request = Request {
        labelled: books(),
        task: Task::Tpp,
        spec: Spec {
            sizes: vec![2, 50],
            ..Spec::default()
        },
    };
    let (found, results) = found(&["resid-2"], &request);
    let Figures::Tpp(all) = &found.figures else {
        panic!("another figure");
    };
    let fifty = &all[0].sizes[1];
    assert!(fifty.intended.value > 0.1, "{fifty:?}");
    assert!(fifty.total.value > 0.0, "{fifty:?}");
    let metrics = &results[0].1["eval_result_metrics"]["tpp_metrics"];
    assert_eq!(metrics["tpp_threshold_50_total_metric"], fifty.total.value);
    let section = section(&found, &request);
    assert!(section.title.contains("Targeted probe perturbation"));
}
