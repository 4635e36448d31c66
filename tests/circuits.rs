//! `umbra heads circuit` on the demo: sums of every node, the graph file, and refusals.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::{has_keys, umbra};

const TEXT: &str = "The old king looked at the fox, and the fox ran";

fn saes(names: &[&str]) -> Vec<String> {
    let folder = |name: &&str| ["--sae".to_owned(), at(&format!("assets/demo/saes/{name}"))];
    names.iter().flat_map(folder).collect()
}

fn traced(folder: &Path, names: &[&str], more: &[&str]) -> umbra_tests::Run {
    let (model, saes) = (demo_model(), saes(names));
    let mut args = vec!["heads", "circuit", "--model", &model, "--text", TEXT];
    args.extend(saes.iter().map(String::as_str));
    args.extend(more);
    umbra(folder, &args)
}

#[test]
fn every_node_adds_up_and_the_graph_file_has_the_same_nodes() {
    let here = tempfile::tempdir().unwrap();
    let names = ["attn-3", "attn-2", "resid-2", "attn-1", "attn-0"];
    let target = [
        "--feature",
        "614",
        "--at",
        "6",
        "--out",
        "graph.json",
        "--json",
    ];
    let value = traced(here.path(), &names, &target).done().json();
    has_keys(
        &value,
        "feature at tokens dictionaries threshold depth most out nodes largest_residue sums_up definitions",
    );
    let nodes = value["nodes"].as_array().unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let mut values = BTreeMap::new();
    for node in nodes {
        let parts = node["children"].as_array().unwrap().iter();
        let parts: f64 = parts.map(|child| number(&child["contribution"])).sum();
        let sum = parts + number(&node["bias"]) + number(&node["discarded"]);
        assert!((sum - number(&node["value"])).abs() < 1e-4, "{sum} {node}");
        values.insert(node["id"].as_str().unwrap(), number(&node["value"]));
    }
    assert_eq!(values.len(), nodes.len(), "ids are unique");
    let root = nodes[0]["id"].as_str().unwrap();
    assert_eq!(root, "6_614_6");
    let text = std::fs::read(here.path().join("graph.json")).unwrap();
    let graph: Value = serde_json::from_slice(&text).unwrap();
    has_keys(&graph, "metadata qParams nodes links");
    let drawn: Vec<&str> = (graph["nodes"].as_array().unwrap().iter())
        .map(|node| node["node_id"].as_str().unwrap())
        .collect();
    let listed: Vec<&str> = nodes.iter().map(|n| n["id"].as_str().unwrap()).collect();
    assert_eq!(drawn, listed);
    assert_eq!(graph["metadata"]["slug"], "graph");
    // Links are the children, and lead from the part to the whole.
    let mut into: BTreeMap<&str, f64> = BTreeMap::new();
    for link in graph["links"].as_array().unwrap() {
        assert!(values.contains_key(link["source"].as_str().unwrap()));
        *into.entry(link["target"].as_str().unwrap()).or_default() += number(&link["weight"]);
    }
    let children = nodes[0]["children"].as_array().unwrap().iter();
    let children: f64 = children.map(|child| number(&child["contribution"])).sum();
    assert!((into[root] - children).abs() < 1e-9);
    // Attention in layer 2l, the residual stream in 2l + 1.
    let layers: Vec<u64> = (value["dictionaries"].as_array().unwrap().iter())
        .map(|listed| listed["viewer_layer"].as_u64().unwrap())
        .collect();
    assert_eq!(layers, [6, 4, 5, 2, 0]);
}

#[test]
fn limits_are_checked_and_dictionaries_that_do_not_fit_are_refused() {
    let here = tempfile::tempdir().unwrap();
    let run = |names: &[&str], more: &[&str]| traced(here.path(), names, more);
    let one = run(
        &["attn-1"],
        &["--feature", "3", "--depth", "1", "--most", "5", "--json"],
    );
    let nodes = one.done().json()["nodes"].as_array().unwrap().len();
    assert_eq!(nodes, 5);
    run(&["attn-1", "attn-1"], &["--feature", "3"]).refused(&["both read", "attn.hook_z"]);
    run(&["attn-1"], &["--feature", "99999"]).refused(&["99999"]);
    run(&["attn-1"], &["--feature", "3", "--at", "99"]).refused(&["99 is outside"]);
    run(&["attn-1"], &["--feature", "3", "--threshold", "2"]).refused(&["threshold", "2"]);
    let (model, saes) = (umbra_tests::golden("tiny-gpt2"), saes(&["attn-1"]));
    let mut args = vec!["heads", "circuit", "--model", &model, "--text", TEXT];
    args.extend(saes.iter().map(String::as_str));
    args.extend(["--feature", "3"]);
    umbra(here.path(), &args).refused(&["attn-1"]);
}
