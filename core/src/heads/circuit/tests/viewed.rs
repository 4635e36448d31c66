//! The graph file against the keys and types of circuit-tracer's `graph_models.py`.

use serde_json::Value;

use super::*;

/// Fields of a class with the types that its reader requires; `?` allows null.
const METADATA: &[(&str, &str)] = &[
    ("slug", "str"),
    ("scan", "str"),
    ("transcoder_list", "strs"),
    ("prompt_tokens", "strs"),
    ("prompt", "str"),
    ("node_threshold", "float?"),
    ("schema_version", "int?"),
];
const PARAMETERS: &[(&str, &str)] = &[
    ("pinnedIds", "strs"),
    ("supernodes", "list"),
    ("linkType", "str"),
    ("clickedId", "str"),
    ("sg_pos", "str"),
];
const NODE: &[(&str, &str)] = &[
    ("node_id", "str"),
    ("feature", "int"),
    ("layer", "str"),
    ("ctx_idx", "int"),
    ("feature_type", "str"),
    ("token_prob", "float"),
    ("is_target_logit", "bool"),
    ("run_idx", "int"),
    ("reverse_ctx_idx", "int"),
    ("jsNodeId", "str"),
    ("clerp", "str"),
    ("influence", "float?"),
    ("activation", "float?"),
];
const LINK: &[(&str, &str)] = &[("source", "str"), ("target", "str"), ("weight", "float")];

#[track_caller]
fn is_of(value: &Value, class: &[(&str, &str)]) {
    let object = value.as_object().unwrap();
    for (key, kind) in class {
        let field = object
            .get(*key)
            .unwrap_or_else(|| panic!("{key} is missing: {value}"));
        let optional = kind.ends_with('?') && field.is_null();
        let fits = match kind.trim_end_matches('?') {
            "str" => field.is_string(),
            "strs" => field
                .as_array()
                .is_some_and(|list| list.iter().all(Value::is_string)),
            "list" => field.is_array(),
            "int" => field.is_i64() || field.is_u64(),
            "float" => field.is_number(),
            "bool" => field.is_boolean(),
            other => panic!("{other}"),
        };
        assert!(optional || fits, "{key} is no {kind}: {field}");
    }
    assert_eq!(object.len(), class.len(), "{value}");
}

fn graph() -> (Circuit, Value) {
    let model = tiny("gpt2");
    let hooks = [
        z(2),
        z(1),
        HookPoint::block(1, Site::ResidPre),
        HookPoint::block(1, Site::ResidMid),
        z(0),
        HookPoint::block(0, Site::MlpOut),
    ];
    let saes = dictionaries(&model, &hooks, 0);
    let settings = Settings {
        threshold: 0.002,
        ..ALL
    };
    let circuit = traced(&model, &saes, &tokens(&model, 9), (5, 8), settings);
    let named = |listed: &Listed, feature: FeatureId| {
        (listed.hook == z(0)).then(|| format!("label of {feature}"))
    };
    let graph = viewer_graph(&circuit, "graph", &named);
    (circuit, graph)
}

#[test]
fn the_graph_has_the_viewer_s_keys_and_types() {
    let (circuit, graph) = graph();
    is_of(&graph["metadata"], METADATA);
    is_of(&graph["qParams"], PARAMETERS);
    let nodes = graph["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), circuit.nodes.len());
    for node in nodes {
        is_of(node, NODE);
    }
    let links = graph["links"].as_array().unwrap();
    assert_eq!(links.len(), circuit.links().count());
    for link in links {
        is_of(link, LINK);
    }
    let texts = |key: &str| {
        let mut texts: Vec<&str> = nodes
            .iter()
            .map(|node| node[key].as_str().unwrap())
            .collect();
        texts.sort_unstable();
        texts.dedup();
        texts.len()
    };
    assert_eq!(texts("node_id"), nodes.len());
    let has = |id: &Value| nodes.iter().any(|node| node["node_id"] == *id);
    assert!(
        links
            .iter()
            .all(|link| has(&link["source"]) && has(&link["target"]))
    );
    assert_eq!(graph["qParams"]["clickedId"], nodes[0]["node_id"]);
    let kinds = [
        "cross layer transcoder",
        "mlp reconstruction error",
        "embedding",
    ];
    for kind in kinds {
        assert!(
            nodes.iter().any(|node| node["feature_type"] == kind),
            "{kind}"
        );
    }
    assert!(
        nodes
            .iter()
            .all(|node| kinds.contains(&node["feature_type"].as_str().unwrap()))
    );
}

#[test]
fn ids_layers_and_numbers_are_the_viewer_s() {
    let (circuit, graph) = graph();
    let nodes = graph["nodes"].as_array().unwrap();
    for (node, shown) in circuit.nodes.iter().zip(nodes) {
        assert_eq!(shown["node_id"], node.id.as_str());
        let (kind, hook) = match node.kind {
            Kind::Feature(i, feature) => (Some(feature), Some(circuit.dictionaries[i].hook)),
            Kind::Error(i) => (None, Some(circuit.dictionaries[i].hook)),
            _ => (None, None),
        };
        let layer = match (node.kind, hook) {
            (_, Some(hook)) => {
                let layer = hook.layer().unwrap().index();
                (2 * layer + usize::from(!hook.is_z())).to_string()
            }
            (Kind::Mlp(layer), _) => (2 * layer.index() + 1).to_string(),
            (Kind::Head(layer, _), _) => (2 * layer.index()).to_string(),
            _ => "E".to_owned(),
        };
        assert_eq!(shown["layer"], layer.as_str(), "{node:?}");
        if let Kind::Embedding(token) = node.kind {
            assert_eq!(node.id, format!("E_{token}_{}", node.at));
        }
        if let (Some(feature), true) = (kind, hook.is_some_and(HookPoint::is_z)) {
            assert_eq!(node.id, format!("{layer}_{feature}_{}", node.at));
            let (x, y) = (layer.parse::<u64>().unwrap(), u64::from(feature.0));
            assert_eq!(shown["feature"], (x + y) * (x + y + 1) / 2 + y);
            assert_eq!(shown["activation"], node.activation.unwrap());
        }
    }
    // Dictionaries of one block and one of the viewer's layers: the second one's numbers go on behind the first one's.
    let second = |node: &&Node| matches!(node.kind, Kind::Feature(3, _));
    for node in circuit.nodes.iter().filter(second) {
        let Kind::Feature(_, feature) = node.kind else {
            continue;
        };
        assert_eq!(node.id, format!("3_{}_{}", 24 + feature.0, node.at));
    }
    let labelled = nodes.iter().filter(|node| {
        let label = node["clerp"].as_str().unwrap();
        label.starts_with("label of")
    });
    assert!(labelled.count() > 0);
}

/// Influence as `compute_node_influence` and `prune_graph` have it: powers of the matrix of sizes, rows divided by their sums, from the target; then the
/// cumulative share in falling order.
#[test]
fn influence_is_the_sum_of_powers_and_cumulates() {
    let model = tiny("llama");
    let saes = dictionaries(&model, &[z(2), z(1), z(0)], 3);
    let circuit = traced(&model, &saes, &tokens(&model, 7), (5, 6), ALL);
    let n = circuit.nodes.len();
    let mut matrix = vec![0.0; n * n];
    for (parent, child) in circuit.links() {
        matrix[parent * n + child.node] = child.contribution.abs();
    }
    for row in matrix.chunks_exact_mut(n) {
        let sum: f64 = row.iter().sum();
        for value in row {
            *value /= sum.max(1e-10);
        }
    }
    let step = |from: &[f64]| -> Vec<f64> {
        let column = |j: usize| (0..n).map(|i| from[i] * matrix[i * n + j]).sum();
        (0..n).map(column).collect()
    };
    let mut now = vec![0.0; n];
    now[0] = 1.0;
    let mut influence = vec![0.0; n];
    while now.iter().any(|value| *value != 0.0) {
        now = step(&now);
        influence
            .iter_mut()
            .zip(&now)
            .for_each(|(sum, value)| *sum += value);
    }
    for (i, node) in circuit.nodes.iter().enumerate().skip(1) {
        assert!(
            (node.influence - influence[i]).abs() < 1e-9,
            "{node:?} {}",
            influence[i]
        );
    }
    let graph = viewer_graph(&circuit, "graph", &|_, _| None);
    let shares: Vec<f64> = (graph["nodes"].as_array().unwrap().iter())
        .map(|node| node["influence"].as_f64().unwrap())
        .collect();
    let total: f64 = influence.iter().sum();
    for i in 1..n {
        let before: f64 = influence
            .iter()
            .filter(|other| **other > influence[i] + 1e-12)
            .sum();
        assert!(shares[i] > before / total && shares[i] <= 1.0 + 1e-9, "{i}");
    }
    assert_eq!(shares[0], 0.0);
}

#[test]
fn a_graph_is_saved_whole_under_its_own_name() {
    let (circuit, _) = graph();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-graph.json");
    circuit.save(&path, &|_, _| None).unwrap();
    let text = std::fs::read(&path).unwrap();
    let graph: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(graph["metadata"]["slug"], "my-graph");
    assert_eq!(
        graph["nodes"].as_array().unwrap().len(),
        circuit.nodes.len()
    );
}

/// The viewer draws 27 layers without an output: a deeper graph gets the likeliest next token as one, without links.
#[test]
fn a_deep_graph_has_an_output_that_nothing_leads_to() {
    let (mut circuit, shallow) = graph();
    let is_output = |node: &&Value| node["feature_type"] == "logit";
    assert_eq!(
        shallow["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(is_output)
            .count(),
        0
    );
    circuit.dictionaries[0].hook = z(14);
    circuit.next = Some(crate::prompt::NextToken {
        id: crate::ids::TokenId(7),
        text: " the".to_owned(),
        probability: 0.25,
    });
    let deep = viewer_graph(&circuit, "graph", &|_, _| None);
    let nodes = deep["nodes"].as_array().unwrap();
    let output = nodes.iter().find(is_output).unwrap();
    is_of(output, NODE);
    assert_eq!(
        (output["layer"].as_str(), output["token_prob"].as_f64()),
        (Some("29"), Some(0.25))
    );
    assert_eq!(output["clerp"], "Output \" the\" (p=0.250)");
}
